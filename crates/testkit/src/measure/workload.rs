//! Who asks for what, and what decides: the caller, the requests and the policies of every benchmark.

use serde_json::Value;

/// The issuer's organisation.
pub const ORGANISATION: &str = "o-a1b2c3d4e5";
/// The account of a workload, which the seventeenth rule of [`POLICY`] is the first to mean.
pub const ACCOUNT: &str = "777788889999";
/// That workload.
pub const ARN: &str = "arn:aws:sts::777788889999:assumed-role/snowflake-loader-eu/i-0123456789abcdef0";
/// Its unique id.
pub const PRINCIPAL_ID: &str = "AROAEXAMPLE1234567890:i-0123456789abcdef0";
/// How a request's body is written.
pub const CONTENT_TYPE: &str = "application/json";

/// A policy of 20 rules in the manner of one in use: accounts by set, patterns, templates, deny rules at the end.
pub const POLICY: &str = r#"{
"version": 1, "default_audience": "snowflake",
"account_sets": { "data": ["444455556666", "777788889999"], "build": ["222233334444"], "all": ["111122223333", "222233334444", "444455556666", "777788889999"] },
"audiences": {
  "snowflake": { "aud": "https://acme-prod.snowflakecomputing.com", "profile": "snowflake", "max_lifetime": "15m" },
  "orders": { "aud": "https://orders.acme.com", "profile": "oauth", "alg": "ES256" },
  "ledger": { "aud": "https://ledger.acme.com", "profile": "oauth", "alg": "ES384" },
  "deploy": { "aud": "sts.amazonaws.com", "profile": "aws" }
},
"rules": [
  { "name": "analysts", "when": { "kind": "sso", "account": ["111122223333"], "permission_set": ["DataAnalyst"], "user_name": ["*@acme.com"] }, "grant": { "audiences": ["snowflake"], "subject": "{user_name|local_part|upper}", "scopes": ["session:role-any"], "lifetime": "15m" } },
  { "name": "engineers", "when": { "kind": "sso", "account": ["111122223333"], "permission_set": ["DataEngineer*"], "user_name": ["*@acme.com"] }, "grant": { "audiences": ["orders", "ledger"], "subject": "eng:{user_name}", "scopes": ["read", "write"] } },
  { "name": "auditors", "when": { "kind": "sso", "account": ["111122223333"], "permission_set": ["Auditor"], "user_name": ["*@acme.com"] }, "grant": { "audiences": ["ledger"], "subject": "audit:{user_name}", "scopes": ["read"] } },
  { "name": "deployers", "when": { "kind": "user", "account": ["222233334444"], "path": ["/ci/"] }, "grant": { "audiences": ["deploy"], "subject": "ci:{user}", "session_tags": { "team": "platform" }, "source_identity": "{user}" } },
  { "name": "pipelines", "when": { "kind": "role", "account_set": ["build"], "role": ["pipeline-*"] }, "grant": { "audiences": ["deploy"], "subject": "pipeline:{account}:{role}" } },
  { "name": "dbt", "when": { "kind": "role", "account_set": ["data"], "role": ["dbt-*-runner"] }, "grant": { "audiences": ["snowflake"], "subject": "dbt:{account}:{role}", "scopes": ["session:role:TRANSFORMER"] } },
  { "name": "airflow", "when": { "kind": "role", "account_set": ["data"], "role": ["airflow-worker", "airflow-scheduler"] }, "grant": { "audiences": ["snowflake"], "subject": "airflow:{account}:{role}", "scopes": ["session:role:ORCHESTRATOR"] } },
  { "name": "ingest", "when": { "kind": "role", "account_set": ["data"], "role": ["ingest-*", "*-ingest"] }, "grant": { "audiences": ["snowflake", "orders"], "subject": "ingest:{account}:{role}", "scopes": ["session:role:INGEST"] } },
  { "name": "reports", "when": { "kind": "role", "account_set": ["data"], "role": ["report-*"] }, "grant": { "audiences": ["snowflake"], "subject": "report:{account}:{role}", "scopes": ["session:role:REPORTER"] } },
  { "name": "ml-training", "when": { "kind": "role", "account_set": ["data"], "role": ["ml-train-*"] }, "grant": { "audiences": ["snowflake"], "subject": "ml:train:{account}:{role}", "scopes": ["session:role:ML"] } },
  { "name": "ml-serving", "when": { "kind": "role", "account_set": ["data"], "role": ["ml-serve-*"] }, "grant": { "audiences": ["snowflake", "ledger"], "subject": "ml:serve:{account}:{role}", "scopes": ["session:role:ML_READ"] } },
  { "name": "orders-service", "when": { "kind": "role", "account": ["444455556666"], "role": ["orders-service"] }, "grant": { "audiences": ["ledger"], "subject": "orders-service", "scopes": ["post"] } },
  { "name": "ledger-service", "when": { "kind": "role", "account": ["444455556666"], "role": ["ledger-service"] }, "grant": { "audiences": ["orders"], "subject": "ledger-service", "scopes": ["read"] } },
  { "name": "exports", "when": { "kind": "role", "account_set": ["data"], "role": ["export-*-nightly"] }, "grant": { "audiences": ["snowflake"], "subject": "export:{account}:{role}", "scopes": ["session:role:EXPORTER"] } },
  { "name": "quality", "when": { "kind": "role", "account_set": ["data"], "role": ["dq-*"] }, "grant": { "audiences": ["snowflake"], "subject": "dq:{account}:{role}", "scopes": ["session:role:QUALITY"] } },
  { "name": "notebooks", "when": { "kind": "role", "account_set": ["all"], "role": ["notebook-*"] }, "grant": { "audiences": ["snowflake"], "subject": "notebook:{account}:{role}", "scopes": ["session:role:SANDBOX"] } },
  { "name": "workloads", "when": { "kind": "role", "account_set": ["data"], "role": ["snowflake-*"] }, "grant": { "audiences": ["snowflake", "orders", "ledger"], "subject": "svc:{account}:{role}", "scopes": ["session:role:{role|upper|underscore}"], "claims": { "team": "data", "workload": "{role}" } } },
  { "name": "never-these", "effect": "deny", "when": { "role": ["*-breakglass", "OrganizationAccountAccessRole"] } },
  { "name": "nobody-by-breakglass", "effect": "deny", "when": { "permission_set": ["*BreakGlass*"] } },
  { "name": "no-deploys-from-data", "effect": "deny", "audiences": ["deploy"], "when": { "account_set": ["data"] } }
] }"#;

/// The body of a request for a token, for an audience of [`POLICY`] or of a [`Shape`].
pub fn body(audience: &str) -> String {
    if audience == Shape::AUDIENCE {
        return format!(r#"{{"audience":"{audience}","expires_in":600}}"#);
    }
    format!(r#"{{"audience":"{audience}","scope":"session:role:SNOWFLAKE_LOADER_EU","expires_in":600}}"#)
}

/// The same as a REST API's event: one of `events/`, with this caller of [`ACCOUNT`] and this body in it.
pub fn event(arn: &str, audience: &str) -> String {
    const FILE: &str = include_str!("../../../../events/rest/domain-root.token.json");
    let mut event: Value = serde_json::from_str(FILE).expect("the file is JSON");
    event["body"] = body(audience).into();
    let identity = &mut event["requestContext"]["identity"];
    identity["userArn"] = arn.into();
    identity["accountId"] = ACCOUNT.into();
    for name in ["caller", "user"] {
        identity[name] = PRINCIPAL_ID.into();
    }
    event.to_string()
}

/// How the rules of a policy look: short ones, so that 500 of them fit into its 64 KiB.
#[derive(Debug, Clone, Copy)]
pub enum Shape {
    /// Each rule means one role by its name, in one account.
    Literal,
    /// Each rule means roles by a pattern, in one account.
    Globs,
    /// The same in 50 accounts.
    Accounts,
    /// Patterns, and in each rule a subject that no other has: pairs of rules have to be looked at in earnest.
    OwnSubjects,
}

impl Shape {
    /// Whom the last rule of each of these policies means.
    pub const CALLER: &str = "arn:aws:sts::777788889999:assumed-role/aa-loader/i-0123456789abcdef0";
    /// The one audience of each of them.
    pub const AUDIENCE: &str = "w";

    /// For a table.
    pub fn name(self) -> &'static str {
        match self {
            Self::Literal => "one role a rule, one account",
            Self::Globs => "a pattern a rule, one account",
            Self::Accounts => "a pattern a rule, 50 accounts",
            Self::OwnSubjects => "a pattern and another subject template a rule, one account",
        }
    }

    /// A policy of so many rules, at most 676, of which the last is the caller's.
    pub fn policy(self, rules: u32) -> String {
        let accounts: Vec<String> = match self {
            Self::Accounts => {
                (0..49).map(|index| format!("\"{}\"", 100_000_000_007_u64 + 1_777_777_777 * index)).collect()
            }
            _ => Vec::new(),
        };
        let accounts = accounts.into_iter().chain(["\"777788889999\"".to_owned()]).collect::<Vec<_>>().join(",");
        let rule = |number: u32| {
            // Counts down: the caller is the last rule's, whatever the size.
            let tag = letters(rules - 1 - number);
            let role = match self {
                Self::Literal => format!("{tag}-loader"),
                _ => format!("{tag}*"),
            };
            let subject = match self {
                Self::Literal | Self::Globs => "s:{role}".to_owned(),
                Self::Accounts => "{account}:{role}".to_owned(),
                Self::OwnSubjects => format!("s:{{role}}:{tag}"),
            };
            format!(
                r#"{{"name":"{tag}","when":{{"kind":"role","account_set":["a"],"role":["{role}"]}},"grant":{{"audiences":["w"],"subject":"{subject}"}}}}"#
            )
        };
        let rules = (0..rules).map(rule).collect::<Vec<_>>().join(",");
        format!(
            r#"{{"version":1,"account_sets":{{"a":[{accounts}]}},"audiences":{{"w":{{"aud":"https://api.acme.com","profile":"generic"}}}},"rules":[{rules}]}}"#
        )
    }
}

/// Two of them, another pair for each number below 676.
fn letters(number: u32) -> String {
    let letter = |number: u32| char::from_digit(10 + number % 26, 36).unwrap_or('?');
    [letter(number / 26), letter(number)].iter().collect()
}
