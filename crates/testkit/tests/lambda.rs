//! The stand-in for Lambda against a function that is not ours: `function.py` speaks the Runtime API with `urllib`.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use testkit::lambda::{Function, Invocation, Setup};
use testkit::tools;

fn setup() -> Setup {
    let script = tools::workspace_root().join("crates/testkit/tests/function.py");
    Setup::new(tools::python()).arg(script.display().to_string())
}

fn started() -> Function {
    setup().start()
}

#[test]
fn the_event_arrives_as_it_was_sent_and_the_response_comes_back() {
    let function = started();
    // Sent at once: it waits until the function asks.
    let before = Instant::now();
    let twice = r#"{"do": "echo", "key": 1,  "key": 2}"#;
    let answer = function.invoke_with(Invocation::new(twice));
    assert_eq!(answer.result, Ok(json!({"event": twice, "type": "application/json"})));
    assert!(function.started() <= before && before <= answer.arrived && answer.arrived <= Instant::now());
    assert!(function.wait_until_ready() <= answer.arrived);
    assert!(answer.took > Duration::ZERO && answer.took < answer.arrived - function.started());

    let second = function.invoke(&json!({"do": "echo"}));
    assert!(second.result.is_ok() && second.arrived > answer.arrived);
    let lines = function.lines_until(|lines| lines.len() == 3);
    assert_eq!(lines, ["starting", "did echo", "did echo"]);
    assert_eq!((function.stdout().as_str(), function.stderr().as_str()), ("starting\ndid echo\ndid echo\n", ""));
    assert_eq!(function.exit_status(), None);
}

#[test]
fn an_error_is_told_from_a_response() {
    let function = started();
    let answer = function.invoke(&json!({"do": "fail"}));
    assert_eq!(answer.result, Err(json!({"errorType": "Unknown", "errorMessage": r#"{"do":"fail"}"#})));
    let answer = function.invoke_with(Invocation::new("no JSON at all"));
    assert_eq!(answer.result, Err(json!({"errorType": "Unknown", "errorMessage": "no JSON at all"})));
    let refused = json!({"errorType": "InvalidRequestID", "errorMessage": "Invalid request ID"});
    let answer = function.invoke(&json!({"do": "stranger"}));
    assert_eq!(answer.result, Ok(json!({"status": 400, "body": refused})));
}

#[test]
fn the_headers_say_what_lambda_says() {
    let function = started();
    let trace = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1";
    let invocation = Invocation::new(r#"{"do": "headers"}"#).request_id("id-1").trace_id(trace);
    let headers = function.invoke_with(invocation.timeout(Duration::from_secs(7))).result.unwrap();
    assert_eq!(headers["lambda-runtime-aws-request-id"], "id-1");
    assert_eq!(headers["lambda-runtime-trace-id"], trace);
    let arn = headers["lambda-runtime-invoked-function-arn"].as_str().unwrap();
    assert!(arn.starts_with("arn:aws:lambda:us-east-1:123456789012:function:"), "{arn}");
    let deadline = headers["lambda-runtime-deadline-ms"].as_str().unwrap().parse::<f64>().unwrap() / 1000.0;
    let left = deadline - headers["now"].as_f64().unwrap();
    assert!((5.0..=7.0).contains(&left), "{left}");

    let headers = function.invoke(&json!({"do": "headers"})).result.unwrap();
    assert!(headers.get("lambda-runtime-trace-id").is_none());
    let (one, two) = (Invocation::new("1"), Invocation::new("1"));
    assert_ne!(format!("{one:?}"), format!("{two:?}"), "each has an id of its own");
}

#[test]
fn the_environment_is_lambdas_and_the_callers_and_nothing_of_the_machines() {
    let function = setup().env("AWS_REGION", "eu-west-1").env("POLICY", "s3://b/k").start();
    let environment = function.invoke(&json!({"do": "environment"})).result.unwrap();
    let mut names: Vec<&str> = environment.as_object().unwrap().keys().map(String::as_str).collect();
    // The machine may or may not have these; Python sets LC_CTYPE for itself.
    names.retain(|name| !["PATH", "LD_LIBRARY_PATH", "TMPDIR", "LANG", "LC_CTYPE"].contains(name));
    let expected = [
        "AWS_DEFAULT_REGION",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
        "AWS_LAMBDA_FUNCTION_NAME",
        "AWS_LAMBDA_FUNCTION_VERSION",
        "AWS_LAMBDA_INITIALIZATION_TYPE",
        "AWS_LAMBDA_LOG_GROUP_NAME",
        "AWS_LAMBDA_LOG_STREAM_NAME",
        "AWS_LAMBDA_RUNTIME_API",
        "AWS_REGION",
        "LAMBDA_RUNTIME_DIR",
        "LAMBDA_TASK_ROOT",
        "POLICY",
        "TZ",
        "_HANDLER",
    ];
    assert_eq!(names, expected);
    assert_eq!(environment["AWS_REGION"], "eu-west-1");
    assert_eq!(environment["AWS_LAMBDA_FUNCTION_VERSION"], "$LATEST");
}

#[test]
fn a_function_that_cannot_initialize_says_so_and_ends() {
    let function = setup().env("FAIL_INIT", "POLICY is not set").start();
    let report = function.init_error();
    assert_eq!(report, json!({"errorType": "Configuration", "errorMessage": "POLICY is not set"}));
    assert_eq!(function.exit_status().and_then(|status| status.code()), Some(3));
    function.lines_until(|lines| lines == ["starting", "no configuration"]);
}

#[test]
#[should_panic(expected = "should have failed to initialize\nstate: it runs\nstdout:\nstarting\nstderr:\n")]
fn a_function_that_initializes_has_no_init_error() {
    started().init_error();
}

#[test]
#[should_panic(expected = "the function ended before it asked for an event (exit status: 3)\nstate: exit status: 3\n")]
fn a_function_that_cannot_initialize_is_never_ready() {
    setup().env("FAIL_INIT", "1").start().wait_until_ready();
}

#[test]
#[should_panic(expected = "(exit status: 7)\nstate: exit status: 7\nstdout:\nstarting\nstderr:\ngiving up")]
fn a_function_that_dies_of_an_event_fails_the_test_with_its_output() {
    started().invoke(&json!({"do": "exit"}));
}

#[test]
#[should_panic(expected = "the function's answer is not JSON")]
fn an_answer_that_is_no_json_fails_the_test() {
    started().invoke(&json!({"do": "not-json"}));
}

#[test]
fn several_threads_are_served_one_after_the_other() {
    let function = started();
    std::thread::scope(|scope| {
        for number in 0..20 {
            let function = &function;
            scope.spawn(move || {
                let event = json!({"do": "echo", "number": number}).to_string();
                let answer = function.invoke_with(Invocation::new(event.clone())).result.unwrap();
                assert_eq!(answer["event"], Value::String(event));
            });
        }
    });
}

#[test]
fn a_frozen_function_does_nothing_until_it_is_thawed() {
    let function = started();
    function.wait_until_ready();
    function.freeze();
    let used = function.cpu_time();
    std::thread::scope(|scope| {
        let invoked = scope.spawn(|| function.invoke(&json!({"do": "echo"})));
        std::thread::sleep(Duration::from_millis(300));
        assert!(!invoked.is_finished());
        assert_eq!(function.cpu_time(), used);
        let thawed = Instant::now();
        function.thaw();
        let answer = invoked.join().expect("it is answered");
        assert!(answer.arrived > thawed && answer.took > Duration::from_millis(200), "{:?}", answer.took);
    });
    // A function that is frozen when its time has come does not stay.
    function.freeze();
    let pid = function.pid();
    drop(function);
    assert!(!std::fs::exists(format!("/proc/{pid}")).unwrap());
}

#[test]
fn what_the_kernel_counts_can_be_read() {
    let function = started();
    let before = {
        function.wait_until_ready();
        function.cpu_time()
    };
    function.invoke(&json!({"do": "spin", "seconds": 0.2}));
    let used = function.cpu_time().checked_sub(before).unwrap();
    assert!(used >= Duration::from_millis(190) && used < Duration::from_secs(2), "{used:?}");

    let (peak, resident) = (function.peak_memory(), function.resident_memory());
    // An interpreter with urllib: megabytes, and not gigabytes, so that the unit is seen to be right.
    assert!(resident > 4 << 20 && resident < 1 << 30 && peak >= resident, "{resident} {peak}");
    assert!((4..100).contains(&function.open_descriptors()), "{}", function.open_descriptors());
}
