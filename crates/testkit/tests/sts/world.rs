//! STS with an account, its provider and its roles; a token for them; and a client that sends what it is told to.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use testkit::sts::{Outcome, Provider, Role, Sts};

use crate::issuer::Issuer;

pub(crate) const ACCOUNT: &str = "444455556666";
pub(crate) const AUDIENCE: &str = "sts.amazonaws.com";
/// Lets everything in that a token may bring.
pub(crate) const DEPLOY: &str = "arn:aws:iam::444455556666:role/team/deploy";
/// Lets tokens in that bring nothing.
pub(crate) const PLAIN: &str = "arn:aws:iam::444455556666:role/plain";

pub(crate) struct World {
    pub(crate) sts: Sts,
    pub(crate) issuer: Issuer,
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl World {
    pub(crate) fn start() -> Self {
        Self::of("https://id.test", "aws")
    }

    pub(crate) fn of(issuer: &str, partition: &str) -> Self {
        let world = Self { sts: Sts::start_in(partition), issuer: Issuer::start(issuer) };
        world.provider(&[AUDIENCE]);
        let all = ["sts:AssumeRoleWithWebIdentity", "sts:TagSession", "sts:SetSourceIdentity"];
        let aud = json!({"StringEquals": {(world.key("aud")): AUDIENCE}});
        world.role(&DEPLOY.replace("arn:aws:", &format!("arn:{partition}:")), &json!(all), &aud);
        world.role(&PLAIN.replace("arn:aws:", &format!("arn:{partition}:")), &json!(all[0]), &aud);
        world
    }

    /// The account's provider, with these audiences.
    pub(crate) fn provider(&self, client_ids: &[&str]) {
        self.sts.provider(Provider {
            url: self.issuer.url.clone(),
            client_ids: client_ids.iter().map(|id| (*id).to_owned()).collect(),
            account: ACCOUNT.to_owned(),
            fetch_from: self.issuer.front.origin(),
        });
    }

    /// A role that lets the provider's tokens do this, under this condition.
    pub(crate) fn role(&self, arn: &str, actions: &Value, condition: &Value) {
        let partition = arn.split(':').nth(1).unwrap();
        let name = self.issuer.url.trim_start_matches("https://");
        let provider = format!("arn:{partition}:iam::{ACCOUNT}:oidc-provider/{name}");
        let trust = json!({
            "Version": "2012-10-17",
            "Statement": {
                "Effect": "Allow", "Principal": {"Federated": provider}, "Action": actions, "Condition": condition
            }
        });
        self.sts.role(Role { arn: arn.to_owned(), trust, max_session: 7200 });
    }

    /// A condition key of the provider.
    pub(crate) fn key(&self, claim: &str) -> String {
        format!("{}:{claim}", self.issuer.url.trim_start_matches("https://"))
    }

    /// The claims of a token that gets in, with these in place of its own; null takes one away.
    pub(crate) fn claims(&self, others: &Value) -> Value {
        let mut claims =
            json!({"iss": self.issuer.url, "aud": AUDIENCE, "sub": "svc:app", "iat": now(), "exp": now() + 600});
        for (name, value) in others.as_object().unwrap() {
            claims[name] = value.clone();
        }
        claims.as_object_mut().unwrap().retain(|_, value| !value.is_null());
        claims
    }

    pub(crate) fn token(&self, others: &Value) -> String {
        self.issuer.sign(&self.claims(others))
    }

    /// A call for a session of [`DEPLOY`] by a token with these claims.
    pub(crate) fn assume(&self, claims: &Value) -> Reply {
        self.call(&[("WebIdentityToken", &self.token(claims))])
    }

    /// A call for a session of [`DEPLOY`], with these parameters in place of its own.
    pub(crate) fn call(&self, others: &[(&str, &str)]) -> Reply {
        let token = self.token(&json!({}));
        let mut parameters = vec![
            ("Action", "AssumeRoleWithWebIdentity"),
            ("Version", "2011-06-15"),
            ("RoleArn", DEPLOY),
            ("RoleSessionName", "app"),
            ("WebIdentityToken", &token),
        ];
        parameters.retain(|(name, _)| others.iter().all(|(other, _)| other != name));
        parameters.extend(others);
        post(&self.sts, &parameters)
    }

    /// The code and the reason of the last refusal.
    pub(crate) fn refusal(&self) -> (String, String) {
        match self.sts.calls().last().unwrap().outcome.clone() {
            Outcome::Refused { code, why } => (code, why),
            outcome => unreachable!("{outcome:?}"),
        }
    }
}

impl Reply {
    /// What stands between an element's tags.
    pub(crate) fn element(&self, name: &str) -> Option<&str> {
        let (_, rest) = self.body.split_once(&format!("<{name}>"))?;
        Some(rest.split_once(&format!("</{name}>"))?.0)
    }

    /// `STATUS CODE: MESSAGE`, or `200`.
    pub(crate) fn told(&self) -> String {
        match (self.element("Code"), self.element("Message")) {
            (Some(code), Some(message)) => format!("{} {code}: {message}", self.status),
            _ => self.status.to_string(),
        }
    }
}

pub(crate) fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs().try_into().unwrap()
}

/// An unsigned request of the query protocol.
pub(crate) fn post(sts: &Sts, parameters: &[(&str, &str)]) -> Reply {
    try_post(sts, parameters).unwrap()
}

pub(crate) fn try_post(sts: &Sts, parameters: &[(&str, &str)]) -> std::io::Result<Reply> {
    let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(parameters).finish();
    let mut stream = TcpStream::connect(sts.endpoint().trim_start_matches("http://"))?;
    write!(
        stream,
        "POST / HTTP/1.1\r\nhost: sts\r\nconnection: close\r\ncontent-type: application/x-www-form-urlencoded\r\n\
         content-length: {}\r\n\r\n{body}",
        body.len()
    )?;
    let mut reply = String::new();
    stream.read_to_string(&mut reply)?;
    let (head, body) = reply.split_once("\r\n\r\n").ok_or(std::io::ErrorKind::UnexpectedEof)?;
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Ok(Reply { status, head: head.to_owned(), body: body.to_owned() })
}
