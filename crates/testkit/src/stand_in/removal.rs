//! The end of a deployment: all that it made is gone.

use serde_json::{Value, json};

use super::checks::Run;
use super::state::State;
use super::{NAME, Site};

impl Site<'_> {
    /// Destroyed as the documents say: waive the recovery of the keys, and then destroy.
    pub(super) fn is_removed(&self, state: &State) -> Run<()> {
        let checks = self.checks;
        self.set(&json!({ "dangerous_waive_key_recovery": true }))?;
        self.tofu.apply()?;
        let last = State::new(self.tofu.state()?);
        checks.check("no private key is in the last state", self.has_no_private_key(&last.text()));
        let said = self.tofu.destroy()?;
        let removed = said.lines().find(|line| line.starts_with("Destroy complete!")).unwrap_or_default().to_owned();
        let expected = format!("Destroy complete! Resources: {} destroyed.", last.len());
        checks.equal("everything that the state held is destroyed", &removed, &expected);
        checks.equal("the state is empty", &self.tofu.state_list()?, &String::new());
        let left = self.left()?;
        checks.holds("nothing of it is left", left.is_empty(), left.join(", "));
        println!("   {} resources applied, {} destroyed", state.len(), last.len());
        Ok(())
    }

    /// What is still there under the deployment's name.
    fn left(&self) -> Run<Vec<String>> {
        let mut left = Vec::new();
        let ask = |target: &str| self.deployed.api(target, &json!({}));
        for (list, found) in [
            ("Functions", self.deployed.get("lambda", "/2015-03-31/functions/")?),
            ("item", self.deployed.get("apigateway", "/restapis")?),
            ("item", self.deployed.get("apigateway", "/domainnames")?),
            ("SecretList", ask("secretsmanager.ListSecrets")?),
            ("Parameters", ask("AmazonSSM.DescribeParameters")?),
            ("Rules", ask("AWSEvents.ListRules")?),
            ("logGroups", ask("Logs_20140328.DescribeLogGroups")?),
            ("Aliases", ask("TrentService.ListAliases")?),
            ("Roles", self.deployed.iam("ListRoles", &[])?),
        ] {
            let entries = found[list].as_array().into_iter().flatten();
            let ours = entries.filter(|entry| entry.to_string().contains(NAME) && !is_going(entry));
            left.extend(ours.map(|entry| format!("{list}: {}", name_of(entry))));
        }
        Ok(left)
    }
}

/// A secret that waits for its end.
fn is_going(entry: &Value) -> bool {
    entry["DeletedDate"].is_number()
}

fn name_of(entry: &Value) -> String {
    let names = ["FunctionName", "Name", "RoleName", "logGroupName", "AliasName", "name", "domainName"];
    let name = names.iter().find_map(|name| entry[*name].as_str());
    name.map_or_else(|| entry.to_string(), str::to_owned)
}
