//! What was looked at and what was seen, for people and for machines.

use std::fmt;

use serde::Serialize;
use serde_json::json;

use crate::answer::cleaned;
use crate::credentials::Failure;

/// What is looked at. The names are for machines too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Check {
    /// Flags, variables and profile make a request.
    Settings,
    /// This machine's clock agrees with the servers'.
    Clock,
    /// What the source of tokens wants to see is there: AWS credentials, a file, the variables of a job, a secret.
    Credentials,
    /// The servers are there, and of the role's partition.
    Endpoint,
    /// Their certificates are trusted.
    Tls,
    /// The discovery document of the token's issuer is its own, and has what AWS wants.
    Discovery,
    /// The key set has what AWS wants, and the key that signed the token.
    Jwks,
    /// The issuer's policy gives a token.
    Policy,
    /// Another source gives a token.
    Token,
    /// The token keeps STS's rules.
    Claims,
    /// STS gives a session of the role.
    Role,
}

/// How it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Well.
    Ok,
    /// Well for now, or perhaps.
    Warning,
    /// Not well.
    Failed,
    /// Not looked at, because something else is not well.
    NotChecked,
}

/// What was seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Where.
    pub check: Check,
    /// How it stands.
    pub status: Status,
    /// In words.
    pub found: String,
    /// What to do about it.
    pub advice: Vec<String>,
    /// Of a failure: nobody said no, it is that nobody could tell.
    #[serde(skip)]
    unclear: bool,
}

/// All findings, in order.
#[derive(Debug)]
pub struct Report(pub Vec<Finding>);

impl fmt::Display for Check {
    /// As in JSON.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{self:?}").to_ascii_lowercase())
    }
}

impl Check {
    pub(super) fn finding(self, status: Status, found: impl Into<String>) -> Finding {
        Finding { check: self, status, found: found.into(), advice: Vec::new(), unclear: false }
    }

    pub(super) fn ok(self, found: impl Into<String>) -> Finding {
        self.finding(Status::Ok, found)
    }

    pub(super) fn warning(self, found: impl Into<String>) -> Finding {
        self.finding(Status::Warning, found)
    }

    /// It is wrong: asked again, it is wrong again.
    pub(super) fn failed(self, found: impl Into<String>) -> Finding {
        self.finding(Status::Failed, found)
    }

    /// Nobody can tell, or nobody is there.
    pub(super) fn unclear(self, found: impl Into<String>) -> Finding {
        Finding { unclear: true, ..self.finding(Status::Failed, found) }
    }

    /// The first line of a failure is what was found, each further one what to do.
    pub(super) fn failure(self, failure: &Failure) -> Finding {
        let text = failure.to_string();
        let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned);
        let found = lines.next().unwrap_or_default();
        match failure {
            Failure::Refused(_) => self.failed(found).advise(lines),
            // Whatever is behind it may come from elsewhere.
            Failure::Unknown(_) => self.unclear(cleaned(&found)).advise(lines.map(|line| cleaned(&line))),
        }
    }

    /// It cannot be looked at while that other thing is as it is.
    pub(super) fn needs(self, other: Self) -> Finding {
        self.finding(Status::NotChecked, format!("not looked at: {other} comes first"))
    }
}

impl Finding {
    pub(super) fn advise(mut self, lines: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.advice.extend(lines.into_iter().map(Into::into));
        self
    }

    /// What nobody could tell may well be.
    pub(super) fn or_perhaps(self) -> Self {
        if self.unclear { Self { status: Status::Warning, ..self } } else { self }
    }

    /// Where nobody said what to do.
    pub(super) fn or_advise(self, line: &str) -> Self {
        if self.advice.is_empty() { self.advise([line]) } else { self }
    }

    pub(super) fn is_good(&self) -> bool {
        matches!(self.status, Status::Ok | Status::Warning)
    }
}

impl Report {
    /// Nothing has failed, and the last of all was looked at.
    pub fn is_good(&self) -> bool {
        let looked = self.0.last().is_some_and(Finding::is_good);
        looked && self.0.iter().all(|finding| finding.status != Status::Failed)
    }

    /// Something is refused or wrong, beside what nobody could tell.
    pub fn is_refused(&self) -> bool {
        self.0.iter().any(|finding| finding.status == Status::Failed && !finding.unclear)
    }

    /// `{"ok","checks":[{"check","status","found","advice"}]}`.
    pub fn json(&self) -> String {
        format!("{:#}", json!({"ok": self.is_good(), "checks": self.0}))
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Finding { check, status, found, .. } in &self.0 {
            let word = match status {
                Status::Ok => "ok",
                Status::Warning => "warning",
                Status::Failed => "FAILED",
                Status::NotChecked => "-",
            };
            writeln!(f, "{word:<8}{check:<12}{found}")?;
        }
        for Finding { check, advice, .. } in self.0.iter().filter(|finding| !finding.advice.is_empty()) {
            writeln!(f, "\n{check}: what to do")?;
            for line in advice {
                writeln!(f, "  {line}")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_looked_at_is_not_good() {
        let good = |last: Finding| Report(vec![Check::Clock.warning("perhaps"), last]).is_good();
        assert!(
            good(Check::Role.ok("there")) && !good(Check::Role.needs(Check::Clock)) && !good(Check::Role.failed("no"))
        );
    }
}
