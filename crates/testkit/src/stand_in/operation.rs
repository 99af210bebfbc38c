//! What happens later by itself and by operators: rotations, the hourly check, a revocation.

use serde_json::{Value, json};

use super::checks::Run;
use super::state::State;
use super::{ANNOUNCED, REFRESH, Site};

impl Site<'_> {
    /// The next rotation lets the announced key sign, and what was signed before verifies all the same.
    pub(super) fn rotates(&self, state: &State) -> Run<()> {
        let checks = self.checks;
        self.clock.advance(ANNOUNCED);
        let before = self.token("analyst")?;
        let first = self.verified(&before, state)?;
        let secret = state.output("signing_key_secret_arn")?;
        self.aws(&["secretsmanager", "rotate-secret", "--secret-id", &secret])?;
        let rotation = self.last_rotation(2)?;
        checks.holds(
            "a second rotation needs one attempt",
            rotation.is_done && rotation.failures.is_empty(),
            format!("{rotation:?}"),
        );
        checks.check("a token of before it verifies after it", self.verified(&before, state).map(drop));
        self.clock.advance(REFRESH);
        let second = self.verified(&self.token("analyst")?, state)?;
        checks.holds("another key signs", second.kid != first.kid, &first.kid);
        let status = self.keys(state, &["status"])?;
        checks.equal("the key of before is retired", &state_of(&status, &first.kid), &json!("retired"));
        checks.equal("the other one was announced until then", &state_of(&status, &second.kid), &json!("signing"));
        checks.check("a token of before it still verifies", self.verified(&before, state).map(drop));
        let versions = self.deployed.api("secretsmanager.DescribeSecret", &json!({ "SecretId": secret }))?;
        let pending = versions["VersionIdsToStages"].to_string().contains("AWSPENDING");
        checks.holds("no version of the secret is pending", !pending, &versions["VersionIdsToStages"]);
        Ok(())
    }

    /// What operators and schedules call.
    pub(super) fn is_operated(&self, state: &State) -> Run<()> {
        let checks = self.checks;
        let status = self.keys(state, &["status"])?;
        checks.holds("`keys status`: ring and published set agree", status["agree"] == true, &status);
        let early = self.keys(state, &["rotate"])?;
        let notes = early["notes"].as_array().cloned().unwrap_or_default();
        let told = !notes.is_empty() && notes.iter().all(|note| note["note"] == "early");
        checks.holds("`keys rotate` just after a rotation lets no key sign, and says so", told, &early);

        let schedules = self.deployed.schedules()?;
        checks.equal("there is one schedule", &schedules.len(), &1);
        let rotator = state.output_of("function_names", "key_rotator")?;
        for scheduled in &schedules {
            checks.equal("it comes once an hour", &scheduled.schedule, &"rate(1 hour)".to_owned());
            let called = scheduled.function.ends_with(&format!(":function:{rotator}"));
            checks.holds("it calls the rotator", called, &scheduled.function);
            checks.check("which checks ring and published set", self.deployed.fire(scheduled).map(drop));
        }
        let line = self.metrics(&rotator).into_iter().find(|line| line.get("KeysDisagree").is_some());
        let line = line.unwrap_or_default();
        checks.equal("and writes that they agree", &line["KeysDisagree"], &json!(0));
        checks.equal("and that relying parties can fetch what signs", &line["JwksUnusable"], &json!(0));
        checks.equal("under the name that the alarms have", &line["function"], &json!(rotator));
        self.alarms(state, &line)
    }

    /// Every metric of the project's own that an alarm is on is one that a function writes, under that dimension.
    fn alarms(&self, state: &State, check: &Value) -> Run<()> {
        let mut written: Vec<String> = check.as_object().into_iter().flat_map(|line| line.keys().cloned()).collect();
        for function in ["jwt_issuer", "jwks"] {
            let name = state.output_of("function_names", function)?;
            for line in self.metrics(&name) {
                written.extend(line["_aws"]["CloudWatchMetrics"].as_array().into_iter().flatten().flat_map(|set| {
                    set["Metrics"]
                        .as_array()
                        .into_iter()
                        .flatten()
                        .filter_map(|metric| metric["Name"].as_str().map(str::to_owned))
                }));
            }
        }
        // Those of a failure are written when something fails, which nothing does here.
        written.extend(["Failed", "Unavailable"].map(str::to_owned));
        let names = ["jwt_issuer", "jwks", "key_rotator"].map(|key| state.output_of("function_names", key));
        let mut unknown = Vec::new();
        for alarm in state.of_type("aws_cloudwatch_metric_alarm") {
            if alarm["namespace"] != "Countersign" {
                continue;
            }
            let metric = alarm["metric_name"].as_str().unwrap_or_default();
            let function = alarm["dimensions"]["function"].as_str().unwrap_or_default();
            if !written.iter().any(|name| name == metric) || !names.iter().any(|name| name.as_deref() == Ok(function)) {
                unknown.push(format!("{metric} of {function}"));
            }
        }
        self.checks.holds("every alarm is on a metric that a function writes", unknown.is_empty(), unknown.join(", "));
        Ok(())
    }

    /// The lines of a function that CloudWatch makes metrics of.
    fn metrics(&self, function: &str) -> Vec<Value> {
        let logs = self.deployed.logs().into_iter().filter(|(name, _)| name == function);
        let lines = logs.flat_map(|(_, log)| log.lines().map(str::to_owned).collect::<Vec<_>>());
        lines
            .filter_map(|line| serde_json::from_str(&line).ok())
            .filter(|line: &Value| line["_aws"].is_object())
            .collect()
    }

    /// A key that is revoked is gone from what is published, and what it signed with it.
    pub(super) fn revokes(&self, state: &State) -> Run<()> {
        let checks = self.checks;
        let token = self.token("analyst")?;
        let kid = self.verified(&token, state)?.kid;
        let report = self.keys(state, &["revoke", "--kid", &kid, "--yes"])?;
        let noted = report["notes"].to_string().contains("\"revoked\"");
        checks.holds("`keys revoke` withdraws the key that signs", noted, &report);
        if self.scenario.is_large {
            // Instances of a version that is kept ready are not ended by it: its documents say so.
            self.clock.advance(REFRESH);
        }
        let refused = self.verified(&token, state);
        checks.holds("a token of it verifies no more", refused.is_err(), format!("{refused:?}"));
        let next = self.verified(&self.token("analyst")?, state)?;
        checks.holds("another key signs at once", next.kid != kid, &next.kid);
        let status = self.keys(state, &["status"])?;
        checks.holds("ring and published set agree after it", status["agree"] == true, &status);
        Ok(())
    }
}

/// The state of a key, by its name.
fn state_of(status: &Value, kid: &str) -> Value {
    let mut keys = status["keys"].as_array().into_iter().flatten();
    keys.find(|key| key["kid"] == kid).map_or(Value::Null, |key| key["state"].clone())
}
