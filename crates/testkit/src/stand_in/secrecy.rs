//! What may be nowhere: private keys in plan and state, and secrets in logs.

use serde_json::{Value, json};

use super::Site;
use super::checks::Run;
use super::state::private_parts;
use crate::aws::{SECRET_ACCESS_KEY, SESSION_TOKEN};
use crate::deployed::ROTATION_TOKEN;

impl Site<'_> {
    /// An error with what of a private key is in a text: of any key that the ring ever had when this was asked, or of others.
    pub(super) fn has_no_private_key(&self, text: &str) -> Run<()> {
        let known: Vec<String> = {
            let now = self.private_keys()?;
            let mut keys = self.seen_keys.borrow_mut();
            keys.extend(now);
            keys.iter().cloned().collect()
        };
        let found = private_parts(text, &known);
        if found.is_empty() { Ok(()) } else { Err(found.join(", ")) }
    }

    /// All private keys that any version of the ring holds now.
    pub(super) fn private_keys(&self) -> Run<Vec<String>> {
        let mut keys = Vec::new();
        let secrets = self.deployed.api("secretsmanager.ListSecrets", &json!({}))?;
        for secret in secrets["SecretList"].as_array().into_iter().flatten() {
            let versions = json!({ "SecretId": secret["ARN"], "IncludeDeprecated": true });
            let versions = self.deployed.api("secretsmanager.ListSecretVersionIds", &versions)?;
            for version in versions["Versions"].as_array().into_iter().flatten() {
                let input = json!({ "SecretId": secret["ARN"], "VersionId": version["VersionId"] });
                let Ok(value) = self.deployed.api("secretsmanager.GetSecretValue", &input) else { continue };
                let ring: Value =
                    value["SecretString"].as_str().and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
                let found = ring["keys"].as_array().into_iter().flatten();
                keys.extend(found.filter_map(|key| key["private_key"].as_str().map(str::to_owned)));
            }
        }
        Ok(keys)
    }

    /// An error with what a log holds that none may hold.
    pub(super) fn has_no_secret(&self, logs: &[(String, String)]) -> Run<()> {
        let words = [
            ROTATION_TOKEN,
            SECRET_ACCESS_KEY,
            SESSION_TOKEN,
            // The header of a token of ours, in Base64: `{"alg":`.
            "eyJhbGciOi",
        ];
        if logs.iter().all(|(_, log)| log.trim().is_empty()) {
            return Err("no function wrote anything: this check would see nothing".to_owned());
        }
        for (function, log) in logs {
            if let Some(word) = words.iter().find(|word| log.contains(**word)) {
                return Err(format!("{function} wrote {word}"));
            }
            self.has_no_private_key(log).map_err(|why| format!("{function} wrote {why}"))?;
        }
        Ok(())
    }
}
