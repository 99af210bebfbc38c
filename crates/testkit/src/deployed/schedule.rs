//! EventBridge's schedules: who is called by which, and with what. The clock does not call them: a test does.

use std::sync::Arc;

use serde_json::{Value, json};

use super::Deployed;
use super::holdings::Target;
use super::instances::Invoked;
use super::judge::Invoker;
use crate::aws::ACCOUNT;

/// A target of a rule with a schedule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scheduled {
    /// `rate(1 hour)`.
    pub schedule: String,
    /// The ARN of the function.
    pub function: String,
    /// The event that it gets.
    pub event: String,
    rule_arn: String,
}

impl Deployed {
    /// All targets of the rules with a schedule that are switched on.
    ///
    /// # Errors
    /// What cannot be read, or is not known here.
    pub fn schedules(&self) -> Result<Vec<Scheduled>, String> {
        let mut found = Vec::new();
        let rules = self.api("AWSEvents.ListRules", &json!({}))?;
        for rule in rules["Rules"].as_array().into_iter().flatten() {
            let (Some(schedule), Some("ENABLED")) = (rule["ScheduleExpression"].as_str(), rule["State"].as_str())
            else {
                continue;
            };
            let targets = self.api("AWSEvents.ListTargetsByRule", &json!({ "Rule": rule["Name"] }))?;
            for target in targets["Targets"].as_array().into_iter().flatten() {
                let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
                let event = target["Input"]
                    .as_str()
                    .ok_or_else(|| format!("a target without a constant input is not known: {target}"))?;
                found.push(Scheduled {
                    schedule: schedule.to_owned(),
                    function: text(&target["Arn"]),
                    event: event.to_owned(),
                    rule_arn: text(&rule["Arn"]),
                });
            }
        }
        Ok(found)
    }

    /// Does what EventBridge does when the time has come, and gives what the function answers. It says rule and account
    /// (EventBridge User Guide, "Cross-service confused deputy prevention").
    ///
    /// # Errors
    /// If EventBridge may not invoke it, or it fails.
    pub fn fire(&self, scheduled: &Scheduled) -> Result<Value, String> {
        let invoker = Invoker {
            service: "events.amazonaws.com".to_owned(),
            source_arn: scheduled.rule_arn.clone(),
            source_account: Some(ACCOUNT),
        };
        let target = Target::parse(&scheduled.function);
        match Arc::clone(&self.shared).invoke_for(&invoker, &target, &scheduled.event)? {
            Invoked::Answered { payload, failed: false, .. } => {
                serde_json::from_slice(&payload).map_err(|error| format!("the answer is no JSON: {error}"))
            }
            Invoked::Answered { payload, .. } => Err(String::from_utf8_lossy(&payload).into_owned()),
            Invoked::Absent => Err(format!("there is no function {target}")),
            Invoked::Throttled => Err(format!("{target} is at work")),
        }
    }
}
