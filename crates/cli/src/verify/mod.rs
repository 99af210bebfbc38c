//! The checking half of `countersign verify`: a token, an issuer's key set and its discovery document go in, everything
//! that is right and wrong with the token comes out.
//!
//! Owns: strict reading of JWS compact form, JWK, claims and discovery document, and the words for what is wrong.
//! The cryptography is `jsonwebtoken`'s; nothing here shares code with the signing path, so it can disagree with it.
//!
//! Refuses: to fetch anything or to ask for the time (both are given); symmetric algorithms and `none`; a key that the
//! token brings itself (`jwk`, `jku`, `x5u`, `x5c` are never looked at); every token of a key set that publishes a private
//! key or the same `kid` twice.
//!
//! The next may rely on: no panic on any input; [`Report::claims`] is empty unless the signature verified; a
//! [`VerifiedJws`] is made by nothing but [`verify_signature`]; text of the token in messages and in the human-readable
//! form is escaped, so it cannot steer a terminal.
//!
//! Imports point one way: `text -> problem -> json -> roca -> jwk -> jws -> claims -> here`.

mod claims;
mod discovery;
pub(crate) mod json;
mod jwk;
mod jws;
mod problem;
mod roca;
pub(crate) mod text;

#[cfg(test)]
mod fixture;

use std::fmt;

use serde::{Serialize, Serializer};
use serde_json::Value;

pub use claims::Expected;
pub use discovery::{Discovery, DiscoveryError};
pub(crate) use discovery::{discovery_url, location};
pub use jwk::{KeySet, KeySetError};
pub use jws::{VerifiedJws, verify_signature};
pub use problem::{Check, Problem};

/// Everything that was found, good and bad. `Display` is the form for people; `Serialize` the form for `--json`:
/// `{"valid","signature_verified","header","claims"|"unverified_claims","passed","skipped","problems"}`, where `passed` and
/// `skipped` hold `{"code","message"}` and `problems` the same with each problem's own fields.
#[derive(Debug, Clone)]
pub struct Report {
    /// The header, if the token has the compact form at all.
    pub header: Option<Value>,
    /// What was checked and found good. A claim is in here only if the signature verified: unsigned, it proves nothing.
    pub passed: Vec<Check>,
    /// What was not checked because nobody said what to expect.
    pub skipped: Vec<Check>,
    /// What is wrong: token and key set first, then claims.
    pub problems: Vec<Problem>,
    payload: Option<Value>,
    signature_verified: bool,
}

impl Report {
    /// Nothing is wrong with this token.
    pub fn is_valid(&self) -> bool {
        self.signature_verified && self.problems.is_empty()
    }

    /// The signature verified under a key of a sound set. The claims can be wrong all the same.
    pub fn signature_verified(&self) -> bool {
        self.signature_verified
    }

    /// The claims, if the signature verified.
    pub fn claims(&self) -> Option<&Value> {
        self.payload.as_ref().filter(|_| self.signature_verified)
    }

    /// The claims of a token whose signature did not verify: anybody may have written them.
    pub fn unverified_claims(&self) -> Option<&Value> {
        self.payload.as_ref().filter(|_| !self.signature_verified)
    }
}

/// Checks one token and reports all problems at once.
///
/// The claims are checked even if the signature does not verify, so that one run names everything there is to mend.
pub fn check(token: &str, jwks: &KeySet, expected: &Expected<'_>) -> Report {
    let mut report = Report {
        header: None,
        passed: Vec::new(),
        skipped: Vec::new(),
        problems: jwks.faults().to_vec(),
        payload: None,
        signature_verified: false,
    };
    let compact = match jws::Compact::parse(token) {
        Ok(compact) => compact,
        Err(problem) => {
            report.problems.insert(0, problem);
            return report;
        }
    };
    report.header = Some(Value::Object(compact.header.clone()));
    match compact.verify(jwks) {
        Ok(verified) if report.problems.is_empty() => {
            report.signature_verified = true;
            report.passed.push(verified.as_check());
        }
        // A signature by a key of an unsound set proves nothing; the set's faults, already in the list, say why.
        Ok(_) => {}
        Err(problem) if report.problems.contains(&problem) => {}
        Err(problem) => report.problems.insert(0, problem),
    }
    match json::object(&compact.payload) {
        Err(reason) => {
            let reason = format!("the payload is not a set of claims: {reason}");
            report.problems.push(Problem::Malformed { reason });
        }
        Ok(members) => {
            let found = claims::check(&members, expected);
            report.problems.extend(found.problems);
            report.skipped.extend(found.skipped);
            if report.signature_verified {
                report.passed.extend(found.passed);
            }
            report.payload = Some(Value::Object(members));
        }
    }
    report
}

impl Serialize for Report {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Wire<'a> {
            valid: bool,
            signature_verified: bool,
            #[serde(skip_serializing_if = "Option::is_none")]
            header: Option<&'a Value>,
            #[serde(skip_serializing_if = "Option::is_none")]
            claims: Option<&'a Value>,
            #[serde(skip_serializing_if = "Option::is_none")]
            unverified_claims: Option<&'a Value>,
            passed: &'a [Check],
            skipped: &'a [Check],
            problems: Vec<Told<'a>>,
        }
        #[derive(Serialize)]
        struct Told<'a> {
            #[serde(flatten)]
            problem: &'a Problem,
            message: String,
        }
        Wire {
            valid: self.is_valid(),
            signature_verified: self.signature_verified,
            header: self.header.as_ref(),
            claims: self.claims(),
            unverified_claims: self.unverified_claims(),
            passed: &self.passed,
            skipped: &self.skipped,
            problems: self.problems.iter().map(|problem| Told { problem, message: problem.to_string() }).collect(),
        }
        .serialize(serializer)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.signature_verified {
            writeln!(f, "the signature is NOT verified: whatever the token says, anybody may have written it")?;
        }
        writeln!(f, "the token is {}", if self.is_valid() { "valid" } else { "not valid" })?;
        for problem in &self.problems {
            writeln!(f, "  problem  {}: {problem}", problem.code())?;
        }
        for (word, checks) in [("ok     ", &self.passed), ("skipped", &self.skipped)] {
            for check in checks {
                writeln!(f, "  {word}  {}: {}", check.code, check.message)?;
            }
        }
        let parts = [
            ("header", self.header.as_ref()),
            ("claims", self.claims()),
            ("claims, NOT verified", self.unverified_claims()),
        ];
        for (title, value) in parts {
            if let Some(value) = value {
                writeln!(f, "{title}: {}", text::printable(&format!("{value:#}")))?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
