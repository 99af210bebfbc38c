//! The Invoke API, asked by the AWS command line, in front of a function that is not ours either.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use testkit::lambda::{Function, InvokeApi, Setup};
use testkit::tools;

fn function() -> Function {
    let script = tools::workspace_root().join("crates/testkit/tests/function.py");
    Setup::new(tools::python()).arg(script.display().to_string()).start()
}

/// `aws lambda invoke`: what it prints and the payload, or its complaint.
fn invoke(api: &InvokeApi, name: &str, arguments: &[&str]) -> Result<(Value, String), String> {
    let folder = tempfile::tempdir().unwrap();
    let mut aws = tools::isolated(tools::aws(), folder.path());
    aws.envs(api.environment()).env("AWS_ACCESS_KEY_ID", "a").env("AWS_SECRET_ACCESS_KEY", "b");
    aws.env("AWS_DEFAULT_REGION", "us-east-1");
    aws.args(["lambda", "invoke", "--output", "json", "--function-name", name]).args(arguments);
    let output = aws.arg(folder.path().join("payload")).output().expect("aws starts");
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned());
    }
    let payload = std::fs::read_to_string(folder.path().join("payload")).unwrap();
    Ok((serde_json::from_slice(&output.stdout).unwrap(), payload))
}

#[test]
fn an_answer_is_a_payload_and_an_error_is_told_from_it() {
    let (api, function) = (InvokeApi::start(), function());
    api.serve("rotate", &function);
    let event = r#"{"do": "echo",  "a": 1, "a": 2}"#;
    let (said, payload) = invoke(&api, "rotate", &["--payload", event]).unwrap();
    assert_eq!(said, json!({"StatusCode": 200, "ExecutedVersion": "$LATEST"}));
    assert_eq!(serde_json::from_str::<Value>(&payload).unwrap()["event"], event, "an event is passed on as it is");

    let arn = "arn:aws:lambda:us-east-1:123456789012:function:rotate:$LATEST";
    let (said, payload) = invoke(&api, arn, &["--payload", r#"{"do": "fail"}"#]).unwrap();
    assert_eq!((&said["StatusCode"], &said["FunctionError"]), (&json!(200), &json!("Unhandled")));
    assert_eq!(payload, r#"{"errorType": "Unknown", "errorMessage": "{\"do\": \"fail\"}"}"#);

    let why = invoke(&api, "rotat", &[]).unwrap_err();
    assert!(why.contains("(ResourceNotFoundException)") && why.contains("Function not found: rotat"), "{why}");
    let why = invoke(&api, "rotate", &["--payload", "{"]).unwrap_err();
    assert!(why.contains("(InvalidRequestContentException)"), "{why}");
}

#[test]
fn an_event_is_taken_and_done_later() {
    let (api, function) = (InvokeApi::start(), Arc::new(function()));
    api.serve("rotate", &function);
    let event = ["--invocation-type", "Event", "--payload", r#"{"do": "spin", "seconds": 0.3}"#];
    assert_eq!(invoke(&api, "rotate", &event), Ok((json!({"StatusCode": 202}), String::new())));
    function.lines_until(|lines| lines.contains(&"did spin".to_owned()));
}

#[test]
fn a_function_that_ends_is_answered_for() {
    let (api, dying) = (InvokeApi::start(), function());
    api.serve("rotate", &dying);
    let (said, payload) = invoke(&api, "rotate", &["--payload", r#"{"do": "exit"}"#]).unwrap();
    assert_eq!(said["FunctionError"], "Unhandled");
    let payload: Value = serde_json::from_str(&payload).unwrap();
    assert_eq!(payload["errorType"], "Runtime.ExitError");
    assert!(
        payload["errorMessage"].as_str().unwrap().ends_with("Runtime exited with error: exit status: 7"),
        "{payload}"
    );

    // Killed by its owner while it is at work; and another one takes its name.
    let killed = function();
    api.serve("rotate", &killed);
    std::thread::scope(|scope| {
        let invoked = scope.spawn(|| invoke(&api, "rotate", &["--payload", r#"{"do": "spin", "seconds": 600}"#]));
        let began = Instant::now();
        while killed.cpu_time() < Duration::from_secs(1) {
            assert!(began.elapsed() < Duration::from_mins(1), "it does not spin");
            std::thread::sleep(Duration::from_millis(20));
        }
        drop(killed);
        let (_, payload) = invoked.join().unwrap().unwrap();
        assert!(payload.contains("Runtime.ExitError") && payload.contains("signal: 9"), "{payload}");
    });
    let next = function();
    api.serve("rotate", &next);
    assert!(invoke(&api, "rotate", &["--payload", r#"{"do": "echo"}"#]).unwrap().0.get("FunctionError").is_none());
}

#[test]
fn a_function_that_cannot_initialize_is_answered_for_in_its_words() {
    let script = tools::workspace_root().join("crates/testkit/tests/function.py");
    let setup = Setup::new(tools::python()).arg(script.display().to_string()).env("FAIL_INIT", "no name");
    let (api, function) = (InvokeApi::start(), setup.start());
    api.serve("rotate", &function);
    let (said, payload) = invoke(&api, "rotate", &[]).unwrap();
    assert_eq!(said["FunctionError"], "Unhandled");
    assert_eq!(serde_json::from_str::<Value>(&payload).unwrap()["errorMessage"], "no name");
}
