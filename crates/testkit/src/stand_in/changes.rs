//! What a deployer changes later: the policy, and a package.

use serde_json::json;

use super::checks::Run;
use super::client::{ORGANIZATION, STRANGERS};
use super::state::{State, changes};
use super::{REFRESH, Site};
use crate::deployed::code_sha256;
use crate::tools::{self, isolated};

/// Another zip of the same binary. What is after the archive's end is its comment.
const COMMENT: &str = "
import sys, zipfile
with zipfile.ZipFile(sys.argv[1], 'a') as archive:
    archive.comment = b'another build'
";

impl Site<'_> {
    /// Another policy is in force when the issuer has fetched it, which is after five minutes at most.
    pub(super) fn takes_a_policy(&self, state: &State) -> Run<()> {
        let checks = self.checks;
        self.write_policy("no {user_name}")?;
        let refused = self.tofu.apply();
        let why = refused.as_ref().err().cloned().unwrap_or_else(|| "it was applied".to_owned());
        checks.holds("a policy that does not load is not applied", refused.is_err() && why.contains("policy"), why);
        let before = self.verified(&self.token("analyst")?, state)?.claims["sub"].clone();
        checks.equal("and nothing has changed", &before, &json!("JANE"));

        self.write_policy("{user_name}")?;
        self.tofu.apply()?;
        let instances = self.deployed.instances_started();
        self.clock.advance(REFRESH);
        let after = self.verified(&self.token("analyst")?, state)?.claims["sub"].clone();
        checks.equal("five minutes after an apply the new policy decides", &after, &json!("jane@acme.com"));
        checks.equal("in the instance that was there", &self.deployed.instances_started(), &instances);
        Ok(())
    }

    /// A new package runs as soon as it is applied, and nothing else is changed by that apply: not what the rotator wrote, and
    /// not what a revocation changed.
    pub(super) fn takes_code(&self, state: &State) -> Run<()> {
        let checks = self.checks;
        let zip = self.package("jwks");
        let mut python = isolated(tools::python(), self.folder.path());
        let output = python.args(["-I", "-c", COMMENT]).arg(&zip).output();
        let output = output.map_err(|error| format!("Python does not start: {error}"))?;
        if !output.status.success() {
            return Err(format!("another package cannot be made: {}", String::from_utf8_lossy(&output.stderr)));
        }
        let digest = code_sha256(&std::fs::read(&zip).map_err(|error| format!("{}: {error}", zip.display()))?);
        let plan = self.tofu.plan()?;
        let changed: Vec<String> =
            changes(&plan).into_iter().filter(|change| !self.follows_a_version(change)).collect();
        // The wait for keys is repeated, since the route depends on the package.
        let waits = |change: &String| change.ends_with(" terraform_data.keys_are_served[0]");
        let changed: Vec<String> = changed.into_iter().filter(|change| !waits(change)).collect();
        let expected = vec!["update module.jwks.aws_lambda_function.this".to_owned()];
        let what = "after rotations and a revocation a plan changes the new package's function alone";
        checks.holds(what, changed == expected, format!("{changed:?}"));
        checks.check("no private key is in that plan", self.has_no_private_key(&plan.to_string()));
        // Applied together, to save the time of a second apply: an organisation more, which gateway and issuer have to learn.
        self.set(&json!({ "organization_ids": [ORGANIZATION, STRANGERS] }))?;
        let instances = self.deployed.instances_started();
        self.tofu.apply()?;
        let name = state.output_of("function_names", "jwks")?;
        let found = self.deployed.get("lambda", &format!("/2015-03-31/functions/{name}/configuration"))?;
        checks.equal("the function has the new package", &found["CodeSha256"], &json!(digest));
        checks.equal("it serves", &self.client.get("/.well-known/jwks.json")?.status, &200);
        let is_new = self.deployed.instances_started() > instances;
        checks.holds("by a new instance", is_new, "it is the one that was there");
        checks.check("and the token of the analyst verifies", self.verified(&self.token("analyst")?, state).map(drop));
        let stranger = self.token("stranger").and_then(|token| self.verified(&token, state));
        checks.check("the organisation that was added is let in, by gateway and function", stranger.map(drop));
        checks.check("and a third one is not", self.client.token(Some("loner"), "")?.refuses(403, "access_denied"));
        Ok(())
    }

    /// With instances that are kept ready, a new package is a new version, and the alias follows it.
    fn follows_a_version(&self, change: &str) -> bool {
        self.scenario.is_large && change.starts_with("update module.jwks.aws_lambda_alias.live")
    }
}
