//! One policy, its callers, and how a test asks: everything that the other files have in common.

use std::io::Write as _;
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use testkit::serve::{Serve, Setup};
use testkit::tools;

/// The built command line.
pub(crate) const COUNTERSIGN: &str = env!("CARGO_BIN_EXE_countersign");

/// Where the helper scripts lie.
const CLIENTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/clients");

/// The audience of the Snowflake account.
pub(crate) const SNOWFLAKE: &str = "https://acme-prod.snowflakecomputing.com";
/// An audience of the profile `oauth`, whose tokens say `at+jwt`.
pub(crate) const WAREHOUSE: &str = "https://warehouse.acme.example";
/// An audience of the profile `generic` on the ES256 lane, with the caller in its tokens.
pub(crate) const TOOLS: &str = "https://tools.acme.example";
/// An audience of the profile `oauth` that the rule for workloads does not name.
pub(crate) const ROBOTS: &str = "https://robots.acme.example";

/// The policy of every test that does not bring its own.
pub(crate) const POLICY: &str = r#"
version: 1
default_audience: snowflake
audiences:
  snowflake: { aud: "https://acme-prod.snowflakecomputing.com", profile: snowflake, max_lifetime: 15m }
  warehouse: { aud: "https://warehouse.acme.example", profile: oauth }
  tools: { aud: "https://tools.acme.example", profile: generic, alg: ES256, include_caller: true }
  robots: { aud: "https://robots.acme.example", profile: oauth }
rules:
  - name: analysts
    when: { kind: sso, account: ["111122223333"], permission_set: [DataAnalyst], user_name: ["*@acme.com"] }
    grant:
      audiences: [snowflake]
      subject: "{user_name|local_part|upper}"
      scopes: ["session:role-any"]
      lifetime: 15m
      claims: { department: analytics }
  - name: workloads
    when: { kind: role, account: ["444455556666"], role: ["snowflake-*"] }
    grant:
      audiences: [snowflake, warehouse, tools]
      subject: "svc:{role}"
      scopes: ["session:role:{role|upper|underscore}", "session:role:REPORTER"]
  - name: robots
    when: { kind: user, account: ["111122223333"], path: ["/robots/"], user: ["ci-*"] }
    grant: { audiences: [robots], subject: "robot:{user}" }
  - name: never-these
    effect: deny
    when: { kind: role, role: ["*-breakglass"] }
"#;

/// An entry of `credentials.yaml`: who a signature with this key stands for.
pub(crate) struct Caller {
    pub(crate) key: &'static str,
    pub(crate) secret: &'static str,
    pub(crate) session_token: Option<&'static str>,
    pub(crate) arn: &'static str,
    pub(crate) principal_id: Option<&'static str>,
}

/// A role that the rule `workloads` admits.
pub(crate) const WORKLOAD: Caller = Caller {
    key: "AKIAEXAMPLEWORKLOAD1",
    secret: "secret/of+the/workload/aaaaaaaaaaaaaaaaa",
    session_token: None,
    arn: "arn:aws:sts::444455556666:assumed-role/snowflake-loader/i-0123456789abcdef0",
    principal_id: Some("AROAEXAMPLELOADER0001:i-0123456789abcdef0"),
};

/// A person of Identity Center, with temporary credentials, whom the rule `analysts` admits.
pub(crate) const ANALYST: Caller = Caller {
    key: "ASIAEXAMPLEANALYST01",
    secret: "secret/of+the/analyst/bbbbbbbbbbbbbbbbbb",
    session_token: Some("session+token/of-the-analyst/cccccccccccccccc=="),
    arn: "arn:aws:sts::111122223333:assumed-role/AWSReservedSSO_DataAnalyst_0123456789abcdef/jane.doe@acme.com",
    principal_id: Some("AROAEXAMPLEANALYST001:jane.doe@acme.com"),
};

/// An IAM user that the rule `robots` admits, and whom the default audience is not for.
pub(crate) const ROBOT: Caller = Caller {
    key: "AKIAEXAMPLEROBOT0001",
    secret: "secret/of+the/robot/dddddddddddddddddddd",
    session_token: None,
    arn: "arn:aws:iam::111122223333:user/robots/ci-deploy",
    principal_id: Some("AIDAEXAMPLEROBOT00001"),
};

/// A secret that is nobody's.
pub(crate) const WRONG_SECRET: &str = "secret/of+nobody/eeeeeeeeeeeeeeeeeeeeeee";

/// Everyone who may not have a token, each for another reason, which only the audit record may tell.
pub(crate) const REFUSED: &[(&str, Caller)] = &[
    ("no rule", refused("AKIAEXAMPLEREFUSED01", "arn:aws:sts::444455556666:assumed-role/build-runner/job-1", None)),
    (
        "the right role of another account",
        refused("AKIAEXAMPLEREFUSED02", "arn:aws:sts::999900001111:assumed-role/snowflake-loader/job-1", None),
    ),
    (
        "a deny rule, although an allow rule matches",
        refused("AKIAEXAMPLEREFUSED03", "arn:aws:sts::444455556666:assumed-role/snowflake-breakglass/job-1", None),
    ),
    (
        "a session name that looks like a person's role",
        refused(
            "AKIAEXAMPLEREFUSED04",
            "arn:aws:sts::444455556666:assumed-role/build-runner/ACCOUNTADMIN@AWSReservedSSO_",
            None,
        ),
    ),
    (
        "a role name that is nearly of Identity Center",
        refused(
            "AKIAEXAMPLEREFUSED05",
            "arn:aws:sts::111122223333:assumed-role/AWSReservedSSO_DataAnalyst_0123456789ABCDEF/jane.doe@acme.com",
            None,
        ),
    ),
    (
        "a person of another domain",
        refused(
            "AKIAEXAMPLEREFUSED06",
            "arn:aws:sts::111122223333:assumed-role/AWSReservedSSO_DataAnalyst_0123456789abcdef/jane.doe@other.com",
            None,
        ),
    ),
    ("root", refused("AKIAEXAMPLEREFUSED07", "arn:aws:iam::444455556666:root", None)),
    ("a federated user", refused("AKIAEXAMPLEREFUSED08", "arn:aws:sts::444455556666:federated-user/bob", None)),
    ("assumed root", refused("AKIAEXAMPLEREFUSED09", "arn:aws:sts::444455556666:assumed-root", None)),
    (
        "an extra segment",
        refused("AKIAEXAMPLEREFUSED10", "arn:aws:sts::444455556666:assumed-role/path/snowflake-loader/job-1", None),
    ),
    ("no ARN at all", refused("AKIAEXAMPLEREFUSED11", "snowflake-loader", None)),
    (
        "a principal id of another session",
        refused(
            "AKIAEXAMPLEREFUSED12",
            "arn:aws:sts::444455556666:assumed-role/snowflake-loader/job-1",
            Some("AROAEXAMPLELOADER0001:job-2"),
        ),
    ),
    (
        "the principal id of a user with the ARN of a role",
        refused(
            "AKIAEXAMPLEREFUSED13",
            "arn:aws:sts::444455556666:assumed-role/snowflake-loader/job-1",
            Some("AIDAEXAMPLEROBOT00001"),
        ),
    ),
    (
        "a user on another path",
        refused("AKIAEXAMPLEREFUSED14", "arn:aws:iam::111122223333:user/people/ci-deploy", None),
    ),
];

const fn refused(key: &'static str, arn: &'static str, principal_id: Option<&'static str>) -> Caller {
    Caller { key, secret: "secret/of+the/refused/ffffffffffffffffff", session_token: None, arn, principal_id }
}

/// `credentials.yaml` with everybody in it.
pub(crate) fn credentials() -> String {
    let everybody = [&WORKLOAD, &ANALYST, &ROBOT].into_iter().chain(REFUSED.iter().map(|(_, caller)| caller));
    let entries: Vec<Value> = everybody
        .map(|caller| {
            let mut entry = json!({
                "access_key_id": caller.key,
                "secret_access_key": caller.secret,
                "arn": caller.arn,
                "org_id": "o-exampleorg1",
            });
            if let Some(token) = caller.session_token {
                entry["session_token"] = json!(token);
            }
            if let Some(id) = caller.principal_id {
                entry["principal_id"] = json!(id);
            }
            entry
        })
        .collect();
    json!(entries).to_string()
}

/// A server with everybody and [`POLICY`], not started yet.
pub(crate) fn setup() -> Setup {
    Setup::new(COUNTERSIGN).file("credentials.yaml", &credentials()).file("policy.yaml", POLICY)
}

/// A running server with everybody and [`POLICY`].
pub(crate) fn serve() -> Serve {
    setup().start()
}

/// What came back, as it was on the wire.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u64,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
    /// The signature of the request.
    pub(crate) signature: Option<String>,
}

impl Answer {
    /// The only header of that name.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut values = self.headers.iter().filter(|(at, _)| at == name).map(|(_, value)| value.as_str());
        let first = values.next();
        assert_eq!(values.next(), None, "{name} is there twice: {self:?}");
        first
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| unreachable!("not JSON ({error}): {self:?}"))
    }

    /// The token of a 200.
    pub(crate) fn token(&self) -> String {
        assert_eq!(self.status, 200, "{self:?}");
        self.json()["token"].as_str().expect("a token is a string").to_owned()
    }

    /// The parts that may not differ between two refusals: all but the date and the request's id.
    pub(crate) fn without_date_and_id(&self) -> (u64, Vec<(String, String)>, &str) {
        let headers =
            self.headers.iter().filter(|(name, _)| name != "date" && name != "x-request-id").cloned().collect();
        (self.status, headers, &self.body)
    }
}

/// An ASK of `ask.py` signed by `caller`, with further fields.
pub(crate) fn by(caller: &Caller, fields: Value) -> Value {
    let mut ask = json!({"access_key": caller.key, "secret_key": caller.secret, "session_token": caller.session_token});
    let (Value::Object(ask), Value::Object(fields)) = (&mut ask, fields) else { unreachable!("both are objects") };
    ask.extend(fields);
    Value::Object(std::mem::take(ask))
}

/// The same with a JSON body.
pub(crate) fn by_with_json(caller: &Caller, body: &Value) -> Value {
    by(caller, json!({"content_type": "application/json", "body": body.to_string()}))
}

/// The same with a form.
pub(crate) fn by_with_form(caller: &Caller, body: &str) -> Value {
    by(caller, json!({"content_type": "application/x-www-form-urlencoded", "body": body}))
}

/// Sends all of them, one after the other, signed by botocore.
pub(crate) fn ask(serve: &Serve, asks: &[Value]) -> Vec<Answer> {
    let answers = run(python(serve, "ask.py"), &json!({"origin": serve.origin(), "asks": asks}));
    let answers: Vec<Answer> = answers
        .as_array()
        .expect("a list")
        .iter()
        .map(|answer| Answer {
            status: answer["status"].as_u64().expect("a status"),
            headers: serde_json::from_value(answer["headers"].clone()).expect("pairs"),
            body: answer["body"].as_str().expect("a text").to_owned(),
            signature: answer["signature"].as_str().map(str::to_owned),
        })
        .collect();
    assert_eq!(answers.len(), asks.len());
    answers
}

/// Sends one.
pub(crate) fn ask_one(serve: &Serve, request: Value) -> Answer {
    ask(serve, &[request]).pop().expect("one answer")
}

/// The JWKS as served.
pub(crate) fn jwks(serve: &Serve) -> Value {
    let answer = ask_one(serve, json!({"method": "GET", "target": "/.well-known/jwks.json"}));
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()
}

/// A helper script in Python.
pub(crate) fn python(serve: &Serve, script: &str) -> Command {
    let mut command = tools::isolated(tools::python(), serve.data_dir());
    command.arg(format!("{CLIENTS}/{script}"));
    command
}

/// A helper script in JavaScript.
pub(crate) fn node(serve: &Serve, script: &str) -> Command {
    let mut command = tools::isolated(tools::node(), serve.data_dir());
    command.arg(format!("{CLIENTS}/{script}")).env("NODE_MODULES", tools::node_modules());
    command
}

/// Runs a helper script: JSON in, JSON out.
pub(crate) fn run(mut command: Command, input: &Value) -> Value {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| unreachable!("{command:?} does not start: {error}"));
    child.stdin.take().expect("it is piped").write_all(input.to_string().as_bytes()).expect("it reads its input");
    let output = child.wait_with_output().expect("it ends");
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{command:?}: {}\n{stdout}\n{stderr}", output.status);
    serde_json::from_str(&stdout).unwrap_or_else(|error| unreachable!("{command:?} wrote no JSON ({error}): {stdout}"))
}
