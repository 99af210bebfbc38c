//! Which session of which role is asked for, checked against the limits of `AssumeRoleWithWebIdentity` before anybody is asked.
//!
//! What has its limit to itself is a type that nothing else can be put into; [`Session::faults`] finds what does not go together.
//!
//! Source: <https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRoleWithWebIdentity.html>.

mod arn;
mod policy;

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::token::WebToken;
use crate::verify::text::quoted;

/// A session of a role. Its JSON goes into the key of the cache.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Session {
    /// The role.
    pub role: RoleArn,
    /// The name of the session; without one, [`Session::name_for`] makes one.
    pub name: Option<SessionName>,
    /// How long; without it, STS gives an hour, or less if the role allows less.
    pub duration: Option<Duration>,
    /// An inline session policy.
    pub policy: Option<SessionPolicy>,
    /// Managed policies, at most [`MOST_POLICIES`].
    pub policy_arns: Vec<PolicyArn>,
    /// Whose STS is asked. Without it: the region of the AWS configuration, else one of the role's partition.
    pub region: Option<String>,
}

/// The most managed policies of one session.
pub const MOST_POLICIES: usize = 10;
/// The lengths of a session's name.
const NAME: std::ops::RangeInclusive<usize> = 2..=64;
/// The lengths of a session, in seconds.
const SECONDS: std::ops::RangeInclusive<i64> = 900..=43_200;

/// What is wrong with a session: the limit, and the value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct SessionFault(String);

/// Types of text that has passed its check: from a flag, an environment variable or a file alike.
macro_rules! checked_text {
    ($($(#[$doc:meta])* $name:ident by $check:path;)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(try_from = "String")]
        pub struct $name(String);

        impl $name {
            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = SessionFault;

            fn from_str(text: &str) -> Result<Self, SessionFault> {
                $check(text).map(Self)
            }
        }

        impl TryFrom<String> for $name {
            type Error = SessionFault;

            fn try_from(text: String) -> Result<Self, SessionFault> {
                text.parse()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    )*};
}

checked_text! {
    /// `arn:PARTITION:iam::ACCOUNT:role/[PATH/]NAME`.
    RoleArn by arn::role;
    /// `arn:PARTITION:iam::ACCOUNT|aws:policy/[PATH/]NAME`.
    PolicyArn by arn::policy;
    /// 2 to 64 of `[A-Za-z0-9_+=,.@-]`.
    SessionName by session_name;
    /// A policy as JSON of at most 2048 characters. White space between its parts is taken out before they are counted: STS
    /// counts what is sent, and this is what is sent.
    SessionPolicy by policy::session_policy;
}

/// 900 to 43200 seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "i64")]
pub struct Duration(u32);

impl Duration {
    /// In seconds.
    pub fn seconds(self) -> u32 {
        self.0
    }
}

impl TryFrom<i64> for Duration {
    type Error = SessionFault;

    fn try_from(seconds: i64) -> Result<Self, SessionFault> {
        let within = u32::try_from(seconds).ok().filter(|_| SECONDS.contains(&seconds));
        within.map(Self).ok_or_else(|| {
            SessionFault(format!(
                "a session lasts {} to {} seconds, and this is {seconds}",
                SECONDS.start(),
                SECONDS.end()
            ))
        })
    }
}

impl FromStr for Duration {
    type Err = SessionFault;

    fn from_str(text: &str) -> Result<Self, SessionFault> {
        let not_whole = |_| {
            let (least, most) = (SECONDS.start(), SECONDS.end());
            SessionFault(format!(
                "a session lasts a whole number of seconds, {least} to {most}, and this is {}",
                quoted(text)
            ))
        };
        Self::try_from(text.parse::<i64>().map_err(not_whole)?)
    }
}

impl fmt::Display for Duration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Session {
    /// How long it lasts at most: an hour, if nothing else is asked for.
    pub fn longest(&self) -> jiff::SignedDuration {
        jiff::SignedDuration::from_secs(self.duration.map_or(3600, Duration::seconds).into())
    }

    /// What does not go together in it: too many policies, or parts of different accounts or partitions.
    pub fn faults(&self) -> Vec<SessionFault> {
        let mut faults = Vec::new();
        let mut fault = |text| faults.push(SessionFault(text));
        if self.policy_arns.len() > MOST_POLICIES {
            fault(format!(
                "a session has at most {MOST_POLICIES} managed policies, and this has {}",
                self.policy_arns.len()
            ));
        }
        let lengths =
            self.policy_arns.iter().map(PolicyArn::as_str).chain(self.policy.iter().map(SessionPolicy::as_str));
        let length: usize = lengths.map(|text| text.chars().count()).sum();
        if length > policy::LONGEST {
            fault(format!(
                "the session policy and the ARNs of the managed policies have at most {} characters together, and these have \
                 {length}",
                policy::LONGEST
            ));
        }
        let (role, partition, account) = (&self.role, self.role.partition(), self.role.account());
        for arn in &self.policy_arns {
            if arn.partition() != partition {
                fault(format!(
                    "the policy {arn} is of the partition {}, and the role {role} of {partition}",
                    arn.partition()
                ));
            } else if arn.account() != "aws" && arn.account() != account {
                fault(format!(
                    "the policy {arn} is of the account {}, and has to be of the role's, {account}",
                    arn.account()
                ));
            }
        }
        faults.extend(self.region.as_deref().and_then(|region| role.fault_of_region(region, "the region")));
        faults
    }

    /// The name of the session that this token gets: the one that is asked for, else the token's subject with one `-` for each
    /// run of what a name cannot have, cut to 64 characters. CloudTrail shows it, so it has to lead back to the subject.
    pub fn name_for(&self, token: &WebToken) -> SessionName {
        self.name.clone().unwrap_or_else(|| {
            let mut name = String::new();
            for c in token.subject().unwrap_or_default().chars() {
                let c = if is_of_name(c) { c } else { '-' };
                if !(c == '-' && name.ends_with('-')) {
                    name.push(c);
                }
            }
            name.truncate(*NAME.end());
            let name = name.trim_matches('-');
            SessionName(if name.len() < *NAME.start() {
                format!("countersign-{name}").trim_end_matches('-').to_owned()
            } else {
                name.to_owned()
            })
        })
    }
}

fn session_name(text: &str) -> Result<String, SessionFault> {
    let length = text.chars().count();
    let why = match text.chars().find(|c| !is_of_name(*c)) {
        Some(c) => format!("and {} has {c:?}", quoted(text)),
        None if !NAME.contains(&length) => format!("and {} has {length}", quoted(text)),
        None => return Ok(text.to_owned()),
    };
    Err(SessionFault(format!("the name of a session has 2 to 64 letters, digits and `_+=,.@-`, {why}")))
}

/// `[\w+=,.@-]`, as STS and IAM have it for names of sessions, roles and policies.
fn is_of_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || "_+=,.@-".contains(c)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, from_value, json};

    use super::super::token::tests::token;
    use super::*;

    fn session() -> Session {
        Session {
            role: "arn:aws:iam::111122223333:role/ci/deploy".parse().unwrap(),
            name: None,
            duration: None,
            policy: None,
            policy_arns: Vec::new(),
            region: None,
        }
    }

    fn faults(session: &Session) -> Vec<String> {
        session.faults().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_duration_says_its_limit_and_the_value() {
        assert_eq!("900".parse::<Duration>().unwrap().seconds(), 900);
        assert_eq!(from_value::<Duration>(json!(43_200)).unwrap().to_string(), "43200");
        for (value, expected) in [
            (json!(60), "900 to 43200 seconds, and this is 60"),
            (json!(43_201), "and this is 43201"),
            (json!(-5_000_000_000_i64), "and this is -5000000000"),
            (json!(3600.5), "invalid type"),
            (json!("3600"), "invalid type"),
        ] {
            assert!(from_value::<Duration>(value).unwrap_err().to_string().contains(expected), "{expected}");
        }
        for (text, expected) in [("1h", "whole number of seconds, 900 to 43200, and this is \"1h\""), ("899", "is 899")]
        {
            assert!(text.parse::<Duration>().unwrap_err().to_string().contains(expected), "{text}");
        }
    }

    #[test]
    fn a_name_says_what_it_cannot_have() {
        for name in ["ab", "a+=,.@-_Z9", &"x".repeat(64)] {
            assert_eq!(name.parse::<SessionName>().unwrap().as_str(), name);
        }
        for (name, expected) in [
            ("a", "2 to 64 letters, digits and `_+=,.@-`, and \"a\" has 1"),
            ("", "has 0"),
            (&*"x".repeat(65), "has 65"),
            ("a b", "has ' '"),
            ("jörg", "has 'ö'"),
            ("a/b", "has '/'"),
            ("a\u{1b}[2J", r"has '\u{1b}'"),
        ] {
            let fault = from_value::<SessionName>(json!(name)).unwrap_err().to_string();
            assert!(fault.contains(expected), "{name}: {fault}");
        }
    }

    #[test]
    fn the_name_comes_from_the_subject() {
        let name = |subject: Value| session().name_for(&token(&json!({ "sub": subject }))).to_string();
        assert_eq!(name(json!("arn-of:111122223333:ci/bob")), "arn-of-111122223333-ci-bob");
        assert_eq!(
            name(json!("repo:acme@12/app@34:environment:production")),
            "repo-acme@12-app@34-environment-production"
        );
        assert_eq!(name(json!(":::a -- ü/b::")), "a-b");
        assert_eq!(name(json!("x".repeat(200))), "x".repeat(64));
        assert_eq!(name(json!("x".repeat(63) + ":y")), "x".repeat(63));
        assert_eq!(name(json!("ü")), "countersign");
        assert_eq!(name(json!("7")), "countersign-7");
        assert_eq!(name(json!(7)), "countersign");
        for subject in ["", "-", "a", "日本", "a:b", "arn-of:111122223333:role/x"] {
            assert_eq!(name(json!(subject)).parse::<SessionName>().unwrap().to_string(), name(json!(subject)));
        }
        let asked = Session { name: Some("mine".parse().unwrap()), ..session() };
        assert_eq!(asked.name_for(&token(&json!({"sub": "x"}))).as_str(), "mine");
    }

    #[test]
    fn what_does_not_go_together_is_all_told() {
        assert!(session().faults().is_empty());
        let policy = |arn: &str| arn.parse::<PolicyArn>().unwrap();
        let good = policy("arn:aws:iam::aws:policy/ReadOnlyAccess");
        let own = policy("arn:aws:iam::111122223333:policy/own");
        let mut asked =
            Session { policy_arns: vec![good.clone(), own], region: Some("eu-central-1".into()), ..session() };
        assert!(asked.faults().is_empty());
        asked.policy_arns = vec![good; 9];
        asked.policy_arns.push(policy("arn:aws-cn:iam::aws:policy/ReadOnlyAccess"));
        asked.policy_arns.push(policy("arn:aws:iam::444455556666:policy/theirs"));
        asked.region = Some("cn-north-1".into());
        let told = faults(&asked);
        assert_eq!(told.len(), 4, "{told:?}");
        for (told, expected) in told.iter().zip([
            "at most 10 managed policies, and this has 11",
            "is of the partition aws-cn, and the role arn:aws:iam::111122223333:role/ci/deploy of aws",
            "is of the account 444455556666, and has to be of the role's, 111122223333",
            "the region cn-north-1 is of the partition aws-cn",
        ]) {
            assert!(told.contains(expected), "{told}");
        }
    }

    #[test]
    fn policies_have_their_limit_together() {
        let arn = |length: usize| format!("arn:aws:iam::aws:policy/{}", "n".repeat(length - 24)).parse().unwrap();
        let inline = |length: usize| {
            let text = r#"{"Version":"2012-10-17","Statement":{"Effect":"Deny","Action":"*","Resource":"*"}}"#;
            let padded = format!(r#""Resource":"{}*""#, "x".repeat(length - text.len()));
            Some(text.replace(r#""Resource":"*""#, &padded).parse().unwrap())
        };
        let asked = Session { policy: inline(1900), policy_arns: vec![arn(48), arn(100)], ..session() };
        assert!(faults(&asked).is_empty());
        let told = faults(&Session { policy: inline(1901), ..asked });
        assert!(
            told.len() == 1 && told[0].ends_with("at most 2048 characters together, and these have 2049"),
            "{told:?}"
        );
    }

    #[test]
    fn its_json_is_plain() {
        let asked =
            Session { duration: Some("900".parse().unwrap()), name: Some("mine".parse().unwrap()), ..session() };
        let role = "arn:aws:iam::111122223333:role/ci/deploy";
        let expected =
            json!({"role": role, "name": "mine", "duration": 900, "policy": null, "policy_arns": [], "region": null});
        assert_eq!(serde_json::to_value(&asked).unwrap(), expected);
    }
}
