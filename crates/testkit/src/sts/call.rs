//! What is asked for: the parameters of the query protocol, and the limits that STS holds them to before anything else.

use serde_json::{Map, Value};

use super::answer::Refusal;
use super::token::Claims;

/// A call for credentials. Calls of `GetCallerIdentity` are [`Use`](super::Use)s.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// `AssumeRoleWithWebIdentity`, or whatever was asked for.
    pub action: String,
    /// The role.
    pub role: String,
    /// The name of the session.
    pub session_name: String,
    /// `DurationSeconds`.
    pub duration: Option<String>,
    /// The inline session policy.
    pub policy: Option<String>,
    /// The managed session policies.
    pub policy_arns: Vec<String>,
    /// What became of it.
    pub outcome: Outcome,
}

/// What became of a [`Call`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// No answer of STS: not yet, or by a [`Fault`](super::Fault).
    Unanswered,
    /// Credentials: the access key id.
    Given(String),
    /// A no.
    Refused {
        /// The code.
        code: String,
        /// The reason, which STS does not always tell.
        why: String,
    },
}

/// The parameters of a request.
pub(super) struct Form(Vec<(String, String)>);

/// A call within all limits.
pub(super) struct Ask<'a> {
    pub(super) role: &'a str,
    pub(super) account: &'a str,
    pub(super) role_name: &'a str,
    pub(super) session_name: &'a str,
    pub(super) token: &'a str,
    pub(super) duration: Option<u32>,
    pub(super) policy: Option<&'a str>,
    pub(super) policy_arns: Vec<&'a str>,
}

impl Form {
    pub(super) fn read(text: &[u8]) -> Self {
        Self(form_urlencoded::parse(text).into_owned().collect())
    }

    pub(super) fn is_for(&self, action: &str) -> bool {
        self.get("Action") == Some(action) && self.get("Version") == Some("2011-06-15")
    }

    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find_map(|(known, value)| (known == name).then_some(value.as_str()))
    }

    fn policy_arns(&self) -> Vec<&str> {
        (1..).map_while(|place| self.get(&format!("PolicyArns.member.{place}.arn"))).collect()
    }

    /// What there is to write down.
    pub(super) fn call(&self) -> Call {
        let text = |name| self.get(name).unwrap_or_default().to_owned();
        Call {
            action: text("Action"),
            role: text("RoleArn"),
            session_name: text("RoleSessionName"),
            duration: self.get("DurationSeconds").map(str::to_owned),
            policy: self.get("Policy").map(str::to_owned),
            policy_arns: self.policy_arns().into_iter().map(str::to_owned).collect(),
            outcome: Outcome::Unanswered,
        }
    }
}

impl<'a> Ask<'a> {
    pub(super) fn read(form: &'a Form, partition: &str) -> Result<Self, Refusal> {
        if !form.is_for("AssumeRoleWithWebIdentity") {
            return Err(Refusal::no_operation(form));
        }
        let parameter = |name| form.get(name);
        let (role, session_name) = (parameter("RoleArn"), parameter("RoleSessionName"));
        let (token, policy, seconds) =
            (parameter("WebIdentityToken"), parameter("Policy"), parameter("DurationSeconds"));
        let is_number = |text: &&str| text.bytes().all(|byte| byte.is_ascii_digit());
        let duration =
            seconds.map(|text| Some(text).filter(is_number).and_then(|text| text.parse().ok()).unwrap_or_default());

        let mut faults = Vec::new();
        let mut hold = |fault: Option<String>, at: &str, value: &str| {
            faults.extend(
                fault.map(|fault| format!("{value} at '{at}' failed to satisfy constraint: Member must {fault}")),
            );
        };
        let lengths = [
            ("roleArn", role, 20, 2048),
            ("roleSessionName", session_name, 2, 64),
            ("webIdentityToken", token, 4, 20_000),
        ];
        for (at, value, least, most) in lengths.into_iter().chain(policy.map(|_| ("policy", policy, 1, 2048))) {
            let told = match value {
                None => "Value null".to_owned(),
                // A token is not repeated, as it is a secret.
                Some(_) if at == "webIdentityToken" => "Value".to_owned(),
                Some(value) => format!("Value '{value}'"),
            };
            hold(value.map_or(Some("not be null".to_owned()), |value| length(value, least, most)), at, &told);
        }
        let strange = session_name.filter(|name| !name.chars().all(is_name)).unwrap_or_default();
        let pattern = |strange: &str, pattern: &str| {
            (!strange.is_empty()).then(|| format!("satisfy regular expression pattern: {pattern}"))
        };
        hold(pattern(strange, r"[\w+=,.@-]*"), "roleSessionName", &format!("Value '{strange}'"));
        let is_policy = |letter: char| matches!(letter, '\t' | '\n' | '\r' | ' '..='\u{ff}');
        let strange = policy.filter(|policy| !policy.chars().all(is_policy)).unwrap_or_default();
        let of_policy = r"[\u0009\u000A\u000D\u0020-\u00FF]+";
        hold(pattern(strange, of_policy), "policy", &format!("Value '{strange}'"));
        let range = match duration {
            Some(..900) => Some("have value greater than or equal to 900".to_owned()),
            Some(43201..) => Some("have value less than or equal to 43200".to_owned()),
            _ => None,
        };
        hold(range, "durationSeconds", &format!("Value '{}'", seconds.unwrap_or_default()));
        let policy_arns = form.policy_arns();
        let many = (policy_arns.len() > 10).then(|| "have length less than or equal to 10".to_owned());
        hold(many, "policyArns", &format!("Value '[{}]'", policy_arns.join(", ")));

        let (Some(role), Some(session_name), Some(token), []) = (role, session_name, token, &faults[..]) else {
            let plural = if faults.len() == 1 { "" } else { "s" };
            let told = format!("{} validation error{plural} detected: {}", faults.len(), faults.join("; "));
            return Err(Refusal::validation(told));
        };
        // That the wrong partition is told in these words is likely and not known.
        let parts: Vec<&str> = role.splitn(6, ':').collect();
        let ["arn", of, "iam", "", account, resource] = parts[..] else { return Err(no_arn()) };
        let name =
            resource.strip_prefix("role/").and_then(|path| path.rsplit('/').next()).filter(|name| !name.is_empty());
        let (true, true, Some(role_name)) = (of == partition, is_account(account), name) else { return Err(no_arn()) };
        let own = |arn: &&&str| {
            ["aws", account].iter().any(|of| arn.starts_with(&format!("arn:{partition}:iam::{of}:policy/")))
        };
        if let Some(foreign) = policy_arns.iter().find(|arn| !own(arn)) {
            return Err(Refusal::validation(format!("{foreign} is invalid")));
        }
        if policy.is_some_and(|policy| !is_session_policy(policy)) {
            return Err(Refusal::malformed_policy());
        }
        Ok(Self { role, account, role_name, session_name, token, duration, policy, policy_arns })
    }

    /// What policies and tags take of the space that there is for them, in percent.
    ///
    /// How AWS packs is not known. Here it is the length of the policies, which may have 2048 characters together, and five
    /// times that of the tags: the six of EKS Pod Identity, some 285 characters, were seen to take 74 percent.
    pub(super) fn packed(&self, claims: &Claims) -> Result<usize, Refusal> {
        let policies = self.policy.iter().chain(&self.policy_arns).map(|text| text.chars().count()).sum::<usize>();
        let tags = claims.tags.iter().map(|(key, value)| key.chars().count() + value.chars().count()).sum::<usize>();
        let percent = ((policies + 5 * tags) * 100).div_ceil(2048);
        if percent <= 100 {
            return Ok(percent);
        }
        Err(Refusal::too_large(if policies == 0 {
            format!("Packed size of session tags consumes {percent}% of allotted space.")
        } else {
            format!("Packed policy consumes {percent}% of allotted space, please use smaller policy.")
        }))
    }
}

/// `[\w+=,.@-]`.
pub(super) fn is_name(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || "_+=,.@-".contains(letter)
}

/// What a text of the wrong length must be.
pub(super) fn length(text: &str, least: usize, most: usize) -> Option<String> {
    match text.chars().count() {
        count if count < least => Some(format!("have length greater than or equal to {least}")),
        count if count > most => Some(format!("have length less than or equal to {most}")),
        _ => None,
    }
}

fn no_arn() -> Refusal {
    Refusal::validation("Request ARN is invalid")
}

fn is_account(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Whether it has the elements of an identity's policy. What they mean is not looked at: nothing here is decided by it.
fn is_session_policy(text: &str) -> bool {
    let Ok(Value::Object(document)) = serde_json::from_str(text) else { return false };
    let one_of = |statement: &Map<String, Value>, name: &str| {
        statement.contains_key(name) != statement.contains_key(&format!("Not{name}"))
    };
    let is_statement = |statement: &Value| {
        statement.as_object().is_some_and(|statement| {
            matches!(statement.get("Effect").and_then(Value::as_str), Some("Allow" | "Deny"))
                && one_of(statement, "Action")
                && one_of(statement, "Resource")
                && !statement.keys().any(|name| name.ends_with("Principal"))
        })
    };
    document.get("Version") == Some(&Value::from("2012-10-17"))
        && match document.get("Statement") {
            Some(Value::Array(statements)) => !statements.is_empty() && statements.iter().all(is_statement),
            Some(statement) => is_statement(statement),
            None => false,
        }
}
