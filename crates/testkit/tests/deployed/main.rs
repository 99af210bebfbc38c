//! An account in which functions run, seen by botocore and by a function that is not ours (`function.py`).

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

#[allow(dead_code, reason = "other tests use the rest of it")]
#[path = "../client/mod.rs"]
mod client;
mod gateway;
mod rotation;
mod running;

use std::cell::RefCell;
use std::io::Write as _;
use std::process::Stdio;

use client::Client;
use serde_json::{Value, json};
use tempfile::TempDir;
use testkit::deployed::Deployed;
use testkit::tools;

pub(crate) const REGION: &str = "eu-central-1";
pub(crate) const ACCOUNT: &str = "123456789012";

/// An account with a deployer in it.
pub(crate) struct Account {
    pub(crate) deployed: Deployed,
    deployer: RefCell<Client>,
    folder: TempDir,
}

impl Account {
    pub(crate) fn new() -> Self {
        let deployed = Deployed::start(REGION, None);
        let deployer = RefCell::new(Client::with(deployed.environment()));
        Self { deployed, deployer, folder: tempfile::tempdir().unwrap() }
    }

    /// What botocore gets, or its complaint.
    pub(crate) fn try_call(&self, service: &str, operation: &str, input: &Value) -> Result<Value, String> {
        self.deployer.borrow_mut().call(service, operation, input)
    }

    pub(crate) fn call(&self, service: &str, operation: &str, input: &Value) -> Value {
        self.try_call(service, operation, input).unwrap_or_else(|why| panic!("{service} {operation}: {why}"))
    }

    /// The role `f` that Lambda may assume, with these statements beside those for the log, and the log's group.
    pub(crate) fn role(&self, statements: &Value) {
        let trust =
            json!({"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": "lambda.amazonaws.com"}});
        let trust = json!({"Version": "2012-10-17", "Statement": [trust]}).to_string();
        self.call("iam", "create_role", &json!({"RoleName": "f", "AssumeRolePolicyDocument": trust}));
        self.call("logs", "create_log_group", &json!({"logGroupName": "/aws/lambda/f"}));
        self.allow(statements);
    }

    /// Its statements from now on.
    pub(crate) fn allow(&self, statements: &Value) {
        let log = format!("arn:aws:logs:{REGION}:{ACCOUNT}:log-group:/aws/lambda/f:*");
        let mut all =
            vec![json!({"Effect": "Allow", "Action": ["logs:CreateLogStream", "logs:PutLogEvents"], "Resource": log})];
        all.extend(statements.as_array().unwrap().iter().cloned());
        let policy = json!({"Version": "2012-10-17", "Statement": all}).to_string();
        self.call("iam", "put_role_policy", &json!({"RoleName": "f", "PolicyName": "p", "PolicyDocument": policy}));
    }

    /// The function `f` of this version with these variables.
    pub(crate) fn function(&self, version: &str, variables: &Value) {
        let function = json!({
            "FunctionName": "f",
            "Runtime": "provided.al2023",
            "Handler": "bootstrap",
            "Timeout": 20,
            "Role": format!("arn:aws:iam::{ACCOUNT}:role/f"),
            "Environment": { "Variables": variables },
            "LoggingConfig": { "LogFormat": "JSON", "ApplicationLogLevel": "WARN", "LogGroup": "/aws/lambda/f" },
            "Code": { "ZipFile": { "file": self.package(version) } },
        });
        self.call("lambda", "create_function", &function);
    }

    /// Lets a service invoke the function for this source.
    pub(crate) fn permit(&self, id: &str, service: &str, source: &str, account: Option<&str>) {
        let mut permission = json!({
            "FunctionName": "f",
            "StatementId": id,
            "Action": "lambda:InvokeFunction",
            "Principal": service,
            "SourceArn": source,
        });
        if let Some(account) = account {
            permission["SourceAccount"] = json!(account);
        }
        self.call("lambda", "add_permission", &permission);
    }

    /// The path of a package with `function.py` in it.
    pub(crate) fn package(&self, version: &str) -> String {
        let source = tools::workspace_root().join("crates/testkit/tests/deployed/function.py");
        let source = std::fs::read_to_string(source).unwrap();
        let program = format!("#!{}\n{source}", tools::python().display());
        let program = program.replace("VERSION = \"1\"", &format!("VERSION = \"{version}\""));
        let zip = self.folder.path().join(format!("{version}.zip"));
        let mut python = tools::isolated(tools::python(), self.folder.path());
        let write = "
import sys, zipfile
entry = zipfile.ZipInfo('bootstrap')
entry.create_system, entry.external_attr = 3, 0o100755 << 16
with zipfile.ZipFile(sys.argv[1], 'w') as archive:
    archive.writestr(entry, sys.stdin.read())
";
        let mut child = python.args(["-c", write]).arg(&zip).stdin(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(program.as_bytes()).unwrap();
        assert!(child.wait().unwrap().success());
        zip.display().to_string()
    }

    /// What the function makes of an event, or how it fails.
    pub(crate) fn invoke(&self, event: &Value) -> Result<Value, Value> {
        let said = self.call("lambda", "invoke", &json!({ "FunctionName": "f", "Payload": event.to_string() }));
        let answer: Value = serde_json::from_str(said["Payload"].as_str().unwrap()).unwrap();
        if said.get("FunctionError").is_some() { Err(answer) } else { Ok(answer) }
    }

    /// Asks AWS through the function's door: the status and the body.
    pub(crate) fn ask(&self, target: &str, input: &Value) -> (u64, Value) {
        let answer = self.invoke(&json!({ "target": target, "input": input })).unwrap();
        (answer["status"].as_u64().unwrap(), answer["body"].clone())
    }

    /// The violations so far, which have to be of these kinds and no others.
    pub(crate) fn violations(&self, kinds: &[&str]) {
        let found = self.deployed.ledger().violations();
        assert_eq!(found.len(), kinds.len(), "{found:?}");
        for (found, kind) in found.iter().zip(kinds) {
            assert!(found.contains(kind), "{found} is not of the kind {kind}");
        }
    }
}
