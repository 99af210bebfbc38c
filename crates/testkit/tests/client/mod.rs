//! botocore in a process of its own (`client.py`), which sends what it is told to.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Stdio};

use serde_json::{Value, json};
use testkit::aws::Moto;
use testkit::tools;

/// A process with the environment that a function gets.
pub(crate) struct Client {
    child: Child,
    requests: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Client {
    pub(crate) fn of(moto: &Moto) -> Self {
        Self::with(moto.environment())
    }

    pub(crate) fn with(environment: Vec<(String, String)>) -> Self {
        let mut python = tools::isolated(tools::python(), &std::env::temp_dir());
        python.arg(tools::workspace_root().join("crates/testkit/tests/client/client.py"));
        let mut child =
            python.envs(environment).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("Python starts");
        let requests = child.stdin.take().expect("it is piped");
        let answers = BufReader::new(child.stdout.take().expect("it is piped"));
        Self { child, requests, answers }
    }

    pub(crate) fn send(&mut self, service: &str, operation: &str, parameters: &Value) {
        writeln!(self.requests, "{}", json!([service, operation, parameters])).expect("it reads");
    }

    /// What became of the request: the answer, or the client's own words for the failure.
    pub(crate) fn receive(&mut self) -> Result<Value, String> {
        let mut line = String::new();
        self.answers.read_line(&mut line).expect("it writes");
        let mut result: Value = serde_json::from_str(&line).expect("it writes JSON");
        match result["error"].as_str() {
            Some(why) => Err(why.to_owned()),
            None => Ok(result["answer"].take()),
        }
    }

    pub(crate) fn call(&mut self, service: &str, operation: &str, parameters: &Value) -> Result<Value, String> {
        self.send(service, operation, parameters);
        self.receive()
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
