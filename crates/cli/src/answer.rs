//! What comes back from `POST /token`, read as what a stranger wrote.
//!
//! The next may rely on: nothing but a JWS in compact form passes for a token; what is repeated of an answer is short, commands
//! no terminal, and holds neither a token nor a signature, even if the answer does.

use std::fmt;

use countersign_core::response::NO_TOKEN_HERE;
use serde_json::Value;

use crate::client::Answer;

/// The longest that an answer is repeated, in characters.
const LONGEST: usize = 500;
/// So much of an answer is searched for secrets, in characters; the rest is not repeated. A token is shorter.
const LOOKED_AT: usize = 32 * 1024;
/// A token or a session token has no break for longer than this. Names, addresses and ARNs do.
const LONGEST_WORD: usize = 80;
/// A signature has as many hexadecimal digits.
const SIGNATURE: usize = 64;
/// As much of a secret in one piece tells something of it. Shorter ones are in other words, too.
const SECRET_PIECE: usize = 6;

/// The error of an answer, in its own words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    /// `error`, as RFC 6749 has it.
    pub error: Option<String>,
    /// `error_description`, or the `message` of a gateway.
    pub text: Option<String>,
}

/// Who said 401 or 403, and why, as far as the words tell. A deployed gateway says it as JSON of our form, `serve` in its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Denial {
    /// The issuer: the signature is good, and the policy gives this caller nothing.
    Issuer,
    /// The gateway: no signature, or a path that it does not have.
    NoSignature,
    /// The gateway: credentials that AWS does not know, or that have expired.
    Credentials,
    /// The gateway: another secret key, or a request that was changed on its way.
    Signature,
    /// The gateway: the signer's clock is off.
    Clock,
    /// The gateway: signed for another region or service.
    Region,
    /// The API's resource policy.
    ResourcePolicy,
    /// The gateway: nobody allows this caller to call.
    NotAllowed,
    /// A web application firewall; or a gateway that says no more.
    Forbidden,
    /// Somebody else, or in other words.
    Unknown,
}

impl Answer {
    /// The request's id, for whoever looks into a log.
    pub fn request_id(&self) -> Option<String> {
        let id = self.headers.get("x-request-id").or_else(|| self.headers.get("x-amzn-requestid"))?;
        id.to_str().ok().map(cleaned)
    }

    /// The same in a message, `none` without one.
    pub fn id(&self) -> String {
        self.request_id().unwrap_or_else(|| "none".to_owned())
    }

    /// The body, if it is JSON.
    pub fn json(&self) -> Option<Value> {
        serde_json::from_slice(&self.body).ok()
    }

    /// The token of a 200.
    pub fn token(&self) -> Option<String> {
        let token = self.json()?.get("token")?.as_str()?.to_owned();
        (self.status == 200 && is_compact_jws(&token)).then_some(token)
    }

    /// Does it say something about the caller? Other errors are about the server, or the way to it.
    pub fn is_refused(&self) -> bool {
        matches!(self.status, 400 | 401 | 403)
    }

    /// Why an issuer gave no token, for people: its words first, then a line each for what to do and the request's id.
    pub fn refusal(&self) -> String {
        let said = self.said();
        let advice = advice(self.status, &said).map(|advice| format!("\n  {advice}")).unwrap_or_default();
        format!("refused with HTTP status {}: {said}{advice}\n  request id {}", self.status, self.id())
    }

    /// The error.
    pub fn said(&self) -> Said {
        self.said_without(&[])
    }

    /// The error, in which none of these is repeated, the longest first: a gateway quotes headers that it does not know.
    pub fn said_without(&self, secrets: &[&str]) -> Said {
        let body = self.json();
        let member = |name: &str| Some(cleaned(&hidden(body.as_ref()?.get(name)?.as_str()?, secrets)));
        let text = member("error_description").or_else(|| member("message")).or_else(|| member("Message"));
        Said { error: member("error"), text }
    }
}

impl fmt::Display for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.error, &self.text) {
            (Some(error), text) => write!(f, "{error}: {}", text.as_deref().unwrap_or("no description")),
            (None, Some(text)) => f.write_str(text),
            (None, None) => f.write_str("no explanation"),
        }
    }
}

impl Denial {
    /// By the words.
    pub fn of(said: &Said) -> Self {
        let text = said.text.as_deref().unwrap_or_default();
        let has = |words: &str| text.contains(words);
        match said.error.as_deref() {
            Some("access_denied") if text == NO_TOKEN_HERE => Self::Issuer,
            _ if has("Missing Authentication Token") => Self::NoSignature,
            _ if has("security token included in the request is") => Self::Credentials,
            _ if has("signature we calculated does not match") => Self::Signature,
            _ if has("Signature expired") || has("Signature not yet current") => Self::Clock,
            _ if has("Credential should be scoped") => Self::Region,
            // "You are not authorized" is somebody else's.
            _ if has("is not authorized to") && has("explicit deny") => Self::ResourcePolicy,
            _ if has("is not authorized to") => Self::NotAllowed,
            _ if text == "Forbidden" => Self::Forbidden,
            _ => Self::Unknown,
        }
    }

    /// What to do about it: the gateway's own messages say what, not why.
    pub fn advice(self) -> Option<&'static str> {
        Some(match self {
            Self::Issuer => {
                "the signature is good; the issuer's policy gives this caller nothing. See who you are with `aws sts get-caller-identity`, and ask the issuer's owner for `countersign policy explain --arn ...`"
            }
            Self::NoSignature => {
                "API Gateway says this of a path that it does not have: is --url the issuer URL, with its stage or base path?"
            }
            Self::Credentials => {
                "AWS does not know these credentials, or they have expired: renew them (`aws sso login`), or look which profile is in use"
            }
            Self::Signature => {
                "wrong secret key, a wrong --region, or something between here and there changes the request"
            }
            Self::Clock => "this machine's clock is off by more than 5 minutes",
            Self::Region => "sign for the API's region: --region",
            Self::ResourcePolicy => "the API's resource policy denies this caller: another organisation?",
            Self::NotAllowed => {
                "the caller needs `execute-api:Invoke` on POST /token of this API, in its own policy too if it is in another account"
            }
            Self::Forbidden => "a web application firewall in front of the issuer refused the request",
            Self::Unknown => return None,
        })
    }
}

/// What to do about an issuer's answer.
fn advice(status: u16, said: &Said) -> Option<&'static str> {
    match (status, said.error.as_deref()) {
        (400, Some("invalid_target")) => Some(
            "see the policy's audiences for the names that this caller may ask for, or leave --audience out for the default",
        ),
        (400, Some("invalid_scope")) => Some("leave --scope out to get every scope that is granted"),
        (503, _) => Some("the issuer cannot reach its keys or policy at the moment: try again in a few seconds"),
        (403, _) => Denial::of(said).advice(),
        _ => None,
    }
}

/// Three parts of base64url (RFC 7515 section 3.1): nothing else is taken for a token, whatever a server says.
fn is_compact_jws(text: &str) -> bool {
    let part = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b));
    text.split('.').count() == 3 && text.split('.').all(part)
}

/// The text with none of these secrets in it, nor a longer piece of one: what is quoted may be wrapped, cut or escaped.
pub fn hidden(text: &str, secrets: &[&str]) -> String {
    let begin: String = text.chars().take(LOOKED_AT).collect();
    let whole = secrets.iter().fold(begin, |text, secret| text.replace(secret, "(...)"));
    // In capitals or not: `%2F` is `%2f` to others.
    let holds = |secret: &str, word: &str| {
        secret.as_bytes().windows(word.len()).any(|piece| piece.eq_ignore_ascii_case(word.as_bytes()))
    };
    let is_piece = |word: &str| word.len() >= SECRET_PIECE && secrets.iter().any(|secret| holds(secret, word));
    let words = whole.split_inclusive(|c: char| !c.is_ascii_alphanumeric());
    words.fold(String::new(), |text, piece| {
        let word = piece.trim_end_matches(|c: char| !c.is_ascii_alphanumeric());
        if is_piece(word) { text + "(...)" + piece.get(word.len()..).unwrap_or_default() } else { text + piece }
    })
}

/// No control characters, nothing long, and no word that may be a secret: the gateway repeats signed headers, the session
/// token among them, in what it says of a signature.
pub fn cleaned(text: &str) -> String {
    let of_word = |c: char| c.is_ascii_alphanumeric() || "+/=_-.%".contains(c);
    let mut clean = String::new();
    for piece in text.split_inclusive(|c| !of_word(c)) {
        let word = piece.trim_end_matches(|c| !of_word(c));
        let signed = word.split(|c: char| !c.is_ascii_hexdigit()).any(|digits| digits.len() >= SIGNATURE);
        let (head, tail) =
            if word.len() > LONGEST_WORD || signed { ("(...)", piece.get(word.len()..)) } else { ("", Some(piece)) };
        clean.push_str(head);
        clean.extend(
            tail.unwrap_or_default().chars().map(|c| if c.is_ascii_graphic() || c.is_alphanumeric() { c } else { ' ' }),
        );
    }
    clean.chars().take(LONGEST).collect()
}

#[cfg(test)]
mod tests {
    use reqwest::header::HeaderMap;

    use super::*;

    fn answer(status: u16, body: &str) -> Answer {
        Answer { status, headers: HeaderMap::new(), body: body.into() }
    }

    #[test]
    fn a_refusal_of_the_gateway_is_not_taken_for_one_of_the_issuer() {
        let denied = |text: &str| Denial::of(&Said { error: Some("access_denied".into()), text: Some(text.into()) });
        assert_eq!(denied(NO_TOKEN_HERE), Denial::Issuer);
        assert!(Denial::Issuer.advice().is_some_and(|advice| advice.contains("policy explain")));
        for (said, expected) in [
            ("Missing Authentication Token", "with its stage or base path"),
            ("The security token included in the request is invalid.", "renew them"),
            ("The request signature we calculated does not match the signature you provided.", "wrong secret key"),
            ("Signature expired: 20260101T000000Z is now earlier than", "clock"),
            ("Credential should be scoped to a valid region.", "--region"),
            ("User: arn is not authorized to perform: execute-api:Invoke with an explicit deny", "resource policy"),
            ("User: arn is not authorized to perform: execute-api:Invoke on resource", "needs `execute-api:Invoke`"),
            ("Forbidden", "firewall"),
        ] {
            for denial in [denied(said), Denial::of(&Said { error: None, text: Some(said.into()) })] {
                assert!(denial.advice().is_some_and(|advice| advice.contains(expected)), "{said}: {denial:?}");
            }
        }
        for somebody_else in ["no", "You are not authorized to visit this site", "blocked by an explicit deny"] {
            assert_eq!(denied(somebody_else), Denial::Unknown);
        }
        assert_eq!(Denial::of(&Said { error: None, text: Some(NO_TOKEN_HERE.into()) }), Denial::Unknown);
    }

    #[test]
    fn nothing_but_a_jws_of_a_200_is_a_token() {
        assert_eq!(answer(200, r#"{"token":"aa.bb.c-_"}"#).token().as_deref(), Some("aa.bb.c-_"));
        for (status, body) in [
            (403, r#"{"token":"aa.bb.cc"}"#),
            (200, r#"{"token":"aa.bb"}"#),
            (200, r#"{"token":"aa..cc"}"#),
            (200, r#"{"token":"a a.bb.cc"}"#),
            (200, r#"{"access_token":"aa.bb.cc"}"#),
            (200, "aa.bb.cc"),
        ] {
            assert_eq!(answer(status, body).token(), None, "{body}");
        }
    }

    #[test]
    fn what_is_repeated_holds_no_secret_and_steers_no_terminal() {
        let token = format!("{}.{}.{}", "a".repeat(30), "b".repeat(300), "c".repeat(340));
        let said = answer(
            403,
            &serde_json::json!({"message": format!("x-amz-security-token:{token}\n\u{1b}[2J end")}).to_string(),
        );
        let text = said.said().to_string();
        assert_eq!(text, "x-amz-security-token:(...)  [2J end");
        assert_eq!(cleaned(&token), "(...)");
        let signature = "0123456789abcdef".repeat(4);
        assert_eq!(cleaned(&format!("Credential=AKIAX/s3, Signature={signature}'")), "Credential=AKIAX/s3, (...)'");
        assert_eq!(cleaned(&"wörd ".repeat(1000)).chars().count(), LONGEST);
        let arn = "arn:aws:execute-api:eu-central-1:********3333:a1b2c3d4e5/v1/POST/token";
        assert_eq!(cleaned(arn), arn);
        assert_eq!(answer(502, "<html>").said().to_string(), "no explanation");
    }
}
