//! AWS as far as a test needs it: moto in a process of its own, with a [`Gate`] in front that fails when it is told to.
//!
//! **Owns** the server, its credentials and what is put into it. **Refuses** to be taken for AWS: moto checks no
//! signature, evaluates no policy and throttles nobody. Where it answers otherwise than AWS documents, and it matters to
//! us, `moto/*.py` put it right as it starts. The gate words the failures, and whoever fills the server does it
//! behind the gate, with the AWS command line, so that what a function reads was written by other code.

mod call;
mod fault;
mod gate;
mod hold;
mod server;

use std::path::{Path, PathBuf};
use std::process::Stdio;

use http_body_util::{BodyExt as _, Full};
use hyper::Request;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HOST};
use serde_json::Value;

pub(crate) use self::call::action;
pub(crate) use self::fault::denied;
pub use self::fault::{Fault, Service};
pub use self::gate::Gate;
use self::server::{Certificates, Server};
use crate::clock::Clock;
use crate::loopback::send;
use crate::tools::{self, isolated, write_private};

/// `AWS_ACCESS_KEY_ID` of every client.
pub const ACCESS_KEY_ID: &str = "testingaccesskeyid23";
/// `AWS_SECRET_ACCESS_KEY` of every client: no log may hold it.
pub const SECRET_ACCESS_KEY: &str = "testing-secret-access-key-never-in-a-log";
/// `AWS_SESSION_TOKEN` of every client: no log may hold it.
pub const SESSION_TOKEN: &str = "testing-session-token-never-in-a-log";
/// The region of everything.
pub const REGION: &str = "us-east-1";
/// The account that everything is in.
pub const ACCOUNT: &str = "123456789012";

/// A running server, empty at first. Dropping it kills the process and forgets what was in it.
pub struct Moto {
    server: Server,
    front: Front,
}

/// What a client sees. Nothing can stand in the middle of TLS.
enum Front {
    Gate(Gate),
    Tls { ca_bundle: PathBuf },
}

impl Moto {
    /// Starts it on a free port of the loopback, with a gate on another one, and waits until it answers.
    ///
    /// # Panics
    /// If it does not answer within a minute, with its output.
    pub fn start() -> Self {
        Self::behind_a_gate(None)
    }

    /// The same in the time of `clock`: what it dates, and what it lets end, follows that.
    ///
    /// # Panics
    /// As [`Self::start`].
    pub fn start_with(clock: &Clock) -> Self {
        Self::behind_a_gate(Some(clock))
    }

    fn behind_a_gate(clock: Option<&Clock>) -> Self {
        let server = Server::start(None, clock);
        let front = Front::Gate(Gate::start(server.address()));
        Self { server, front }
    }

    /// The same over TLS, with a certificate that only those trust who are told of [`Self::ca_bundle`], and without a gate.
    ///
    /// # Panics
    /// As [`Self::start`].
    pub fn start_tls() -> Self {
        let certificates = Certificates::make();
        let front = Front::Tls { ca_bundle: certificates.ca_bundle() };
        Self { server: Server::start(Some(certificates), None), front }
    }

    /// Where a client finds it: the gate's origin, or the server's own if it speaks TLS.
    pub fn endpoint(&self) -> String {
        match &self.front {
            Front::Gate(gate) => gate.endpoint(),
            Front::Tls { .. } => self.origin().to_owned(),
        }
    }

    /// Where the server itself is found, behind the gate.
    pub fn origin(&self) -> &str {
        self.server.origin()
    }

    /// The same as an address.
    pub(crate) fn address(&self) -> std::net::SocketAddr {
        self.server.address()
    }

    /// What stands between a client and the server.
    ///
    /// # Panics
    /// If the server speaks TLS.
    pub fn gate(&self) -> &Gate {
        match &self.front {
            Front::Gate(gate) => gate,
            Front::Tls { .. } => panic!("a server that speaks TLS has no gate"),
        }
    }

    /// The certificate of the authority that a client has to trust, a PEM file.
    ///
    /// # Panics
    /// If the server does not speak TLS.
    pub fn ca_bundle(&self) -> &Path {
        match &self.front {
            Front::Gate(_) => panic!("a server without TLS has no certificate"),
            Front::Tls { ca_bundle } => ca_bundle,
        }
    }

    /// What a client has to have in its environment.
    pub fn environment(&self) -> Vec<(String, String)> {
        self.environment_at(&self.endpoint())
    }

    fn environment_at(&self, endpoint: &str) -> Vec<(String, String)> {
        let mut variables = vec![
            ("AWS_ENDPOINT_URL", endpoint.to_owned()),
            ("AWS_ACCESS_KEY_ID", ACCESS_KEY_ID.to_owned()),
            ("AWS_SECRET_ACCESS_KEY", SECRET_ACCESS_KEY.to_owned()),
            ("AWS_SESSION_TOKEN", SESSION_TOKEN.to_owned()),
            ("AWS_REGION", REGION.to_owned()),
            // botocore knows only this one; Lambda sets both.
            ("AWS_DEFAULT_REGION", REGION.to_owned()),
        ];
        if let Front::Tls { ca_bundle } = &self.front {
            variables.push(("AWS_CA_BUNDLE", ca_bundle.display().to_string()));
        }
        variables.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }

    /// Runs the AWS command line behind the gate and gives what it prints, or null if it prints nothing.
    ///
    /// # Panics
    /// If the command fails, with its message.
    pub fn cli(&self, arguments: &[&str]) -> Value {
        self.try_cli(arguments).unwrap_or_else(|why| panic!("aws {}: {why}", arguments.join(" ")))
    }

    /// The same for a command that may fail.
    ///
    /// # Errors
    /// What it wrote to stderr.
    ///
    /// # Panics
    /// If it cannot be run, or prints something else than JSON.
    pub fn try_cli(&self, arguments: &[&str]) -> Result<Value, String> {
        let mut aws = isolated(tools::aws(), self.server.folder());
        aws.envs(self.environment_at(self.origin())).args(arguments).args(["--output", "json"]);
        // A value of several lines comes from a file, and the file is what the test wrote on every machine.
        aws.env("AWS_CLI_FILE_ENCODING", "UTF-8").env("PYTHONUTF8", "1");
        let output = aws.stdin(Stdio::null()).output().unwrap_or_else(|error| panic!("aws does not start: {error}"));
        if !output.status.success() {
            return Err(String::from_utf8_lossy(&output.stderr).trim().to_owned());
        }
        if output.stdout.trim_ascii().is_empty() {
            return Ok(Value::Null);
        }
        Ok(serde_json::from_slice(&output.stdout).unwrap_or_else(|error| {
            panic!("aws {}: no JSON ({error}): {}", arguments.join(" "), String::from_utf8_lossy(&output.stdout))
        }))
    }

    /// Calls an operation that takes AWS JSON 1.1, behind the gate: `secretsmanager.DescribeSecret`, `AmazonSSM.GetParameter`.
    /// It takes milliseconds where the command line takes a second, so it is for looking at much, not for filling the server.
    ///
    /// # Errors
    /// What the server answers instead.
    ///
    /// # Panics
    /// If it does not answer, or not in JSON.
    pub fn api(&self, target: &str, input: &Value) -> Result<Value, Value> {
        let service = if target.starts_with("AmazonSSM") { "ssm" } else { "secretsmanager" };
        let scope = format!("AWS4-HMAC-SHA256 Credential={ACCESS_KEY_ID}/20260101/{REGION}/{service}/aws4_request");
        let request = Request::post("/")
            .header(HOST, self.server.address().to_string())
            .header("x-amz-target", target)
            .header(CONTENT_TYPE, "application/x-amz-json-1.1")
            // moto looks for the service in it, and checks no signature.
            .header(AUTHORIZATION, format!("{scope}, SignedHeaders=host, Signature=0"))
            .body(Full::from(input.to_string()))
            .expect("it is a request");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let answer = runtime.block_on(async {
            let answer = send(self.server.address(), request).await.unwrap_or_else(|_| panic!("{target}: no answer"));
            (answer.status().is_success(), answer.into_body().collect().await.expect("it is whole").to_bytes())
        });
        let value = serde_json::from_slice(&answer.1).unwrap_or_else(|error| panic!("{target}: no JSON: {error}"));
        if answer.0 { Ok(value) } else { Err(value) }
    }

    /// Makes `text` the current version of the secret `name`, and the secret if it is not there. Gives its ARN.
    ///
    /// # Panics
    /// If the server refuses.
    pub fn put_secret(&self, name: &str, text: &str) -> String {
        let file = self.file(text);
        let value = format!("file://{}", file.path().display());
        let made = self.try_cli(&["secretsmanager", "create-secret", "--name", name, "--secret-string", &value]);
        let answer = match made {
            Err(why) if why.contains("ResourceExistsException") => {
                self.cli(&["secretsmanager", "put-secret-value", "--secret-id", name, "--secret-string", &value])
            }
            made => made.unwrap_or_else(|why| panic!("the secret {name} cannot be made: {why}")),
        };
        answer["ARN"].as_str().expect("a secret has an ARN").to_owned()
    }

    /// Removes a secret at once, so that its name is free.
    ///
    /// # Panics
    /// If the server refuses.
    pub fn delete_secret(&self, name: &str) {
        self.cli(&["secretsmanager", "delete-secret", "--secret-id", name, "--force-delete-without-recovery"]);
    }

    /// Makes `text` the value of the parameter `name`, of type `String` and of the tier that its size needs.
    ///
    /// # Panics
    /// If the server refuses.
    pub fn put_parameter(&self, name: &str, text: &str) {
        let file = self.file(text);
        let value = format!("file://{}", file.path().display());
        let put = ["ssm", "put-parameter", "--name", name, "--value", &value, "--type", "String", "--overwrite"];
        self.cli(&[&put[..], &["--tier", "Intelligent-Tiering"]].concat());
    }

    /// Removes a parameter.
    ///
    /// # Panics
    /// If the server refuses.
    pub fn delete_parameter(&self, name: &str) {
        self.cli(&["ssm", "delete-parameter", "--name", name]);
    }

    /// Makes `text` the content of an object, and the bucket if it is not there.
    ///
    /// # Panics
    /// If the server refuses.
    pub fn put_object(&self, bucket: &str, key: &str, text: &str) {
        let file = self.file(text);
        let body = file.path().display().to_string();
        let put = ["s3api", "put-object", "--bucket", bucket, "--key", key, "--body", &body];
        match self.try_cli(&put) {
            Err(why) if why.contains("NoSuchBucket") => {
                self.cli(&["s3api", "create-bucket", "--bucket", bucket]);
                self.cli(&put);
            }
            put => drop(put.unwrap_or_else(|why| panic!("{bucket}/{key} cannot be put: {why}"))),
        }
    }

    /// Removes an object.
    ///
    /// # Panics
    /// If the server refuses.
    pub fn delete_object(&self, bucket: &str, key: &str) {
        self.cli(&["s3api", "delete-object", "--bucket", bucket, "--key", key]);
    }

    /// A file that only we can read, gone when it is dropped: an argument would be seen by the whole machine.
    fn file(&self, text: &str) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new_in(self.server.folder()).expect("a temporary file");
        write_private(file.path(), text);
        file
    }
}
