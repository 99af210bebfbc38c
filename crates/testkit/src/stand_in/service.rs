//! What the deployment is for: documents that everybody may read, and tokens that verify with them.

use hyper::Method;
use serde_json::{Value, json};

use super::checks::Run;
use super::client::guests;
use super::state::State;
use super::{NAME, Site};
use crate::deployed::code_sha256;
use crate::iam::Document;

impl Site<'_> {
    /// The state says the same as AWS does, and neither holds what it should not.
    pub(super) fn is_as_stated(&self, state: &State) -> Run<()> {
        let checks = self.checks;
        let keys = self.private_keys()?;
        let expected = usize::from(!self.scenario.has_kms);
        checks.holds(
            "the ring is where it should be",
            keys.len() >= 2 * expected && (expected == 1 || keys.is_empty()),
            format!("{} private keys are in the secret", keys.len()),
        );
        checks.check("no private key is in the state", self.has_no_private_key(&state.text()));

        let functions = state.of_type("aws_lambda_function");
        checks.equal("there are three functions", &functions.len(), &3);
        for stated in functions {
            let name = stated["function_name"].as_str().unwrap_or_default();
            let check = |what: &str| format!("{name}: {what}");
            let found = self.deployed.get("lambda", &format!("/2015-03-31/functions/{name}/configuration"))?;
            checks.equal(
                &check("its environment"),
                &found["Environment"]["Variables"],
                &stated["environment"][0]["variables"],
            );
            checks.equal(&check("its role"), &found["Role"], &stated["role"]);
            checks.equal(&check("its package"), &found["CodeSha256"], &stated["code_sha256"]);
            let file = stated["filename"].as_str().unwrap_or_default();
            let zip = std::fs::read(file).map_err(|error| format!("{file}: {error}"))?;
            checks.equal(
                &check("its package is the one that was built"),
                &json!(code_sha256(&zip)),
                &found["CodeSha256"],
            );
        }
        for stated in state.of_type("aws_iam_role_policy") {
            let (role, policy) =
                (stated["role"].as_str().unwrap_or_default(), stated["name"].as_str().unwrap_or_default());
            let found = self.deployed.iam("GetRolePolicy", &[("RoleName", role), ("PolicyName", policy)])?;
            let found = crate::deployed::unescape(found["PolicyDocument"].as_str().unwrap_or_default());
            let same = parsed(&found) == parsed(stated["policy"].as_str().unwrap_or_default());
            checks.holds(&format!("{role}: its policy {policy}"), same, &found);
        }

        let first = self.last_rotation(1)?;
        checks.holds(
            "the first rotation was asked for, and needed one attempt",
            first.is_done && first.failures.is_empty(),
            format!("{first:?}"),
        );
        checks.equal("it was that of the ring", &first.secret, &state.output("signing_key_secret_arn")?);
        let status = self.keys(state, &["status"])?;
        checks.holds("ring and key set agree", status["agree"] == true, &status);
        Ok(())
    }

    /// Documents for everybody, tokens for those who may.
    pub(super) fn serves(&self, state: &State) -> Run<()> {
        let invoke = Document::parse(&state.output("invoke_policy")?).map_err(|error| error.to_string())?;
        for (name, guest) in guests(&invoke) {
            self.deployed.admit(name, guest);
        }
        self.documents(state)?;
        self.tokens(state)?;
        self.refusals()
    }

    fn documents(&self, state: &State) -> Run<()> {
        let checks = self.checks;
        let (issuer, jwks_url) = (state.output("issuer_url")?, state.output("jwks_url")?);
        let discovery = self.client.get("/.well-known/openid-configuration")?.json()?;
        checks.equal("discovery: issuer is the output", &discovery["issuer"], &json!(issuer));
        checks.equal("discovery: jwks_uri is the output", &discovery["jwks_uri"], &json!(jwks_url));
        checks.equal(
            "discovery: token_endpoint is the output",
            &discovery["token_endpoint"],
            &json!(state.output("token_url")?),
        );
        checks.equal("the JWKS URL is below the issuer", &jwks_url, &format!("{issuer}/.well-known/jwks.json"));
        if let Some(domain) = self.scenario.domain {
            checks.equal("the issuer is the domain", &issuer, &format!("https://{domain}"));
        }

        let set = self.client.get("/.well-known/jwks.json")?;
        let alias = self.client.get("/.well-known/jwks")?;
        checks.equal("the alias serves the same keys", &alias.body, &set.body);
        let head = self.client.ask(&Method::HEAD, "/.well-known/jwks.json", &[], "")?;
        checks.holds("HEAD is answered", head.status == 200 && head.body.is_empty(), format!("{head:?}"));
        let tag = set.etag().unwrap_or_default();
        let again = self.client.ask(&Method::GET, "/.well-known/jwks.json", &[("if-none-match", tag)], "")?;
        checks.equal("who has the keys already is told so", &again.status, &304);
        let expected = if self.scenario.domain.is_some() { 200 } else { 404 };
        let other = self.client.get("/.well-known/oauth-authorization-server")?;
        checks.equal("RFC 8414's document is there with a domain alone", &other.status, &expected);
        checks.check("an unknown path", self.client.get("/.well-known/keys")?.refuses(403, "access_denied"));
        checks.check(
            "another method",
            self.client.ask(&Method::PUT, "/.well-known/jwks", &[], "")?.refuses(403, "access_denied"),
        );
        Ok(())
    }

    fn tokens(&self, state: &State) -> Run<()> {
        let checks = self.checks;
        for (caller, subject) in [
            ("analyst", "JANE"),
            ("workload", "svc:444455556666:snowflake-transform"),
            ("neighbour", "svc:123456789012:snowflake-transform"),
        ] {
            let verified = self.verified(&self.token(caller)?, state);
            let found = verified.map(|verified| (verified.alg, verified.claims["sub"].clone()));
            let right = found == Ok(("RS256".to_owned(), json!(subject)));
            checks.holds(
                &format!("the token of the {caller} verifies with what is published"),
                right,
                format!("{found:?}"),
            );
        }
        let asked = self.client.token(Some("workload"), r#"{"audience":"snowflake","expires_in":60}"#)?.json()?;
        checks.equal("a body reaches the function", &asked["expires_in"], &json!(60));
        Ok(())
    }

    fn refusals(&self) -> Run<()> {
        let ask = |caller: Option<&str>| self.client.token(caller, "");
        for (caller, why) in [
            (None, "nobody"),
            (Some("stranger"), "another organisation"),
            (Some("loner"), "no organisation, in the deployment's own account"),
            (Some("forger"), "a role with a name of Identity Center's, beside its path"),
            (Some("unpermitted"), "a caller of another account without the statement of the output invoke_policy"),
        ] {
            let said = ask(caller)?;
            let outcome = said.refuses(403, "access_denied").and_then(|()| {
                // The gateway's own words: the function was not asked.
                let by_gateway = ["Missing Authentication Token", "not authorized to perform: execute-api:Invoke"];
                let told = by_gateway.iter().any(|words| said.body.contains(words));
                if told { Ok(()) } else { Err(format!("it was not the gateway that refused: {}", said.body)) }
            });
            self.checks.check(&format!("the gateway refuses {why}"), outcome);
        }
        let said = ask(Some("unknown"))?;
        let by_function = said.refuses(403, "access_denied").and_then(|()| {
            if said.body.contains("execute-api") { Err(format!("it was the gateway: {}", said.body)) } else { Ok(()) }
        });
        self.checks.check(&format!("the function refuses whom the policy of {NAME} does not name"), by_function);
        Ok(())
    }
}

fn parsed(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_default()
}
