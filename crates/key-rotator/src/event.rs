//! What the function is asked for: a step of Secrets Manager's, or an action: of an operator's, or of a clock's.

use countersign_core::jwk::KeyId;
use serde::Deserialize;
use zeroize::Zeroizing;

/// A step of a rotation (Secrets Manager User Guide, "Lambda rotation functions").
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub enum Step {
    /// Make the next ring.
    #[serde(rename = "createSecret")]
    Create,
    /// Publish it.
    #[serde(rename = "setSecret")]
    Set,
    /// Try it.
    #[serde(rename = "testSecret")]
    Test,
    /// Let it be the current one.
    #[serde(rename = "finishSecret")]
    Finish,
}

/// What Secrets Manager sends. There may be a `RotationToken` in it, which nobody may see; it is not read.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct RotationStep {
    /// The step.
    pub step: Step,
    /// The secret's ARN.
    pub secret_id: String,
    /// The id of the version that is to be made.
    pub client_request_token: String,
}

/// What an operator asks for, and every hour a clock.
#[derive(Deserialize)]
#[serde(tag = "action", rename_all = "lowercase", deny_unknown_fields)]
pub enum Action {
    /// How ring and key set stand.
    Status {},
    /// The same, with what relying parties see, as metrics too.
    Check {},
    /// Rotate now.
    Rotate {},
    /// Withdraw a key.
    Revoke {
        /// Its name.
        kid: KeyId,
    },
    /// Take in a key.
    Import {
        /// The private key.
        pem: Zeroizing<String>,
        /// The name that it is already published under.
        #[serde(default)]
        kid: Option<KeyId>,
    },
}

/// One or the other.
pub enum Event {
    /// Secrets Manager's.
    Step(RotationStep),
    /// An operator's, or the clock's.
    Action(Action),
}

impl Event {
    /// Read it. What is wrong is told without what it holds: that may be a key or a token.
    pub fn read(text: &str) -> Result<Self, &'static str> {
        if let Ok(step) = serde_json::from_str(text) {
            return Ok(Self::Step(step));
        }
        match serde_json::from_str(text) {
            Ok(action) => Ok(Self::Action(action)),
            Err(_) => Err(
                "neither a rotation step of Secrets Manager (Step, SecretId, ClientRequestToken) nor an action: {\"action\": \"status\"}, {\"action\": \"check\"}, {\"action\": \"rotate\"}, {\"action\": \"revoke\", \"kid\": KID} or {\"action\": \"import\", \"pem\": PEM, \"kid\": KID}",
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_steps_and_actions_and_nothing_else() {
        let step = r#"{"Step":"setSecret","SecretId":"arn","ClientRequestToken":"t","RotationToken":"r"}"#;
        assert!(matches!(Event::read(step), Ok(Event::Step(RotationStep { step: Step::Set, .. }))));
        assert!(matches!(Event::read(r#"{"action":"status"}"#), Ok(Event::Action(Action::Status {}))));
        assert!(matches!(Event::read(r#"{"action":"check"}"#), Ok(Event::Action(Action::Check {}))));
        assert!(matches!(Event::read(r#"{"action":"revoke","kid":"k"}"#), Ok(Event::Action(Action::Revoke { .. }))));
        for bad in [
            "",
            "[]",
            r#"{"action":"sign"}"#,
            r#"{"action":"status","kid":"k"}"#,
            r#"{"action":"check","kid":"k"}"#,
            r#"{"action":"Check"}"#,
            r#"{"version":"0","source":"aws.events","detail-type":"Scheduled Event","detail":{}}"#,
            r#"{"action":"revoke"}"#,
            r#"{"action":"revoke","kid":""}"#,
            r#"{"action":"import"}"#,
            r#"{"Step":"stealSecret","SecretId":"arn","ClientRequestToken":"t"}"#,
            r#"{"Step":"setSecret","SecretId":"arn"}"#,
            r#"{"action":"import","pem":"-----BEGIN PRIVATE KEY-----","password":"x"}"#,
        ] {
            assert!(Event::read(bad).is_err_and(|why| !why.contains("BEGIN")), "{bad}");
        }
    }
}
