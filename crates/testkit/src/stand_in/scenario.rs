//! What is deployed: a scenario is a set of variables, and the packages that they mean.

use serde_json::{Value, json};

use super::client::ORGANIZATION;

/// The name of each deployment, and where it is.
pub(super) const NAME: &str = "acme-tokens";
pub(super) const REGION: &str = "eu-central-1";

/// Who deploys and who operates.
pub(super) const DEPLOYER: &str = "arn:aws:iam::123456789012:role/deployers/tofu";
pub(super) const OPERATOR: &str = "arn:aws:iam::123456789012:role/operators/keys";

/// A set of variables with a name.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scenario {
    pub(super) name: &'static str,
    /// In place of the API's own URL.
    pub(super) domain: Option<&'static str>,
    /// With the builds for keys in KMS, a lane more and a key of the deployment's own for the secret.
    pub(super) has_kms: bool,
    /// Instances that are kept ready, so that versions and an alias are in use, and a policy too large for a parameter.
    pub(super) is_large: bool,
}

const SCENARIOS: [Scenario; 3] = [
    Scenario { name: "default", domain: None, has_kms: false, is_large: false },
    Scenario { name: "domain-and-kms", domain: Some("id.acme.com"), has_kms: true, is_large: false },
    Scenario { name: "kept-ready", domain: None, has_kms: false, is_large: true },
];

impl Scenario {
    pub(super) fn named(name: &str) -> Result<Self, String> {
        SCENARIOS.into_iter().find(|scenario| scenario.name == name).ok_or_else(|| {
            let names: Vec<&str> = SCENARIOS.iter().map(|scenario| scenario.name).collect();
            format!("there is no scenario {name}; there are: {}", names.join(", "))
        })
    }

    /// The builds that it deploys.
    pub(super) fn packages(&self) -> [&'static str; 3] {
        if self.has_kms { ["jwks", "jwt-issuer-kms", "key-rotator-kms"] } else { ["jwks", "jwt-issuer", "key-rotator"] }
    }

    /// Its variables, beside those that say where things are.
    pub(super) fn variables(&self, zone_id: Option<&str>) -> Value {
        let mut variables = json!({
            "name": NAME,
            "region": REGION,
            "organization_ids": [ORGANIZATION],
            "architecture": "x86_64",
            "deployer_role_arns": [DEPLOYER],
            "operator_role_arns": [OPERATOR],
            "alarm_emails": ["oncall@acme.com"],
        });
        if let Some(domain) = self.domain {
            variables["domain_name"] = json!(domain);
            variables["zone_id"] = json!(zone_id);
        }
        if self.has_kms {
            variables["key_store"] = json!("kms");
            variables["key_lanes"] = json!(["RS256", "ES256"]);
            variables["customer_managed_key"] = json!(true);
        }
        if self.is_large {
            variables["provisioned_concurrency"] = json!({ "jwt_issuer": 1, "jwks": 1 });
        }
        variables
    }

    /// Its policy, in YAML. `subject` is that of people.
    pub(super) fn policy(&self, subject: &str) -> String {
        // Comments are not kept in JSON: what makes it large is a set of accounts.
        let accounts: Vec<String> =
            (0..800).map(|number| format!("\"{:012}\"", 200_000_000_000_u64 + number)).collect();
        let large =
            if self.is_large { format!("account_sets:\n  others: [{}]\n", accounts.join(", ")) } else { String::new() };
        let others = if self.is_large {
            "  - name: others\n    when: { kind: role, account_set: [others], role: [\"loader\"] }\n    grant: { audiences: [snowflake], \
             subject: \"loader:{account}:{role}\", scopes: [\"session:role:loader\"] }\n"
        } else {
            ""
        };
        format!(
            r#"version: 1
default_audience: snowflake
{large}audiences:
  snowflake: {{ aud: "https://acme-prod.snowflakecomputing.com", profile: snowflake, max_lifetime: 15m }}
rules:
  - name: analysts
    when: {{ kind: sso, account: ["111122223333"], permission_set: [DataAnalyst], user_name: ["*@acme.com"] }}
    grant: {{ audiences: [snowflake], subject: "{subject}", scopes: ["session:role-any"], lifetime: 15m }}
  - name: workloads
    when: {{ kind: role, account: ["444455556666", "123456789012"], role: ["snowflake-*"] }}
    grant: {{ audiences: [snowflake], subject: "svc:{{account}}:{{role}}", scopes: ["session:role:{{role|upper|underscore}}"] }}
{others}"#
        )
    }
}

/// The audience of the policy.
pub(super) const AUDIENCE: &str = "https://acme-prod.snowflakecomputing.com";
