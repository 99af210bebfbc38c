//! What is written down, and what never is.

use serde_json::{Value, json};
use testkit::aws::{Fault, SECRET_ACCESS_KEY, SESSION_TOKEN, Service};
use testkit::lambda::Invocation;

use crate::world::{World, answered, ask, body, event, records_until, says};

const TOKEN: &str = "rest/default-url.token.json";
const TRACE: &str = "Root=1-67891233-abcdef012345678912345678;Parent=53995c3f42cd8ad8;Sampled=1";

#[test]
fn a_line_is_audit_record_and_metrics_in_one() {
    let world = World::new();
    let function = world.issuer("rest").start();
    answered(function.invoke_with(Invocation::new(event(TOKEN)).trace_id(TRACE)));
    answered(function.invoke_with(Invocation::new(event("forged/rest/cognito.json"))));
    let records = records_until(&function, 2);
    let issued = &records[0];
    assert_eq!(issued["outcome"], "issued");
    assert_eq!(issued["trace_id"], TRACE);
    assert_eq!(issued["function"], "countersign-jwt-issuer");
    assert_eq!(issued["Issued"], 1);
    for metric in ["SigningTime", "RingAge", "PolicyAge"] {
        assert!(issued[metric].is_u64(), "{metric}: {issued}");
    }
    assert!(issued["SigningTime"].as_u64() > Some(50), "an RSA signature takes longer: {issued}");
    assert_eq!(records[1]["Refused"], 1);
    assert_eq!(records[1]["reason_code"], "caller");
    for record in &records {
        embedded_metric_format(record);
    }
}

/// What the specification of the format asks for: each metric and each dimension is a member of the line.
fn embedded_metric_format(line: &Value) {
    assert!(line["_aws"]["Timestamp"].as_u64() > Some(1_700_000_000_000), "milliseconds: {line}");
    let directives = line["_aws"]["CloudWatchMetrics"].as_array().unwrap();
    assert!(!directives.is_empty());
    for directive in directives {
        assert_eq!(directive["Namespace"], "Countersign");
        for metric in directive["Metrics"].as_array().unwrap() {
            let name = metric["Name"].as_str().unwrap();
            assert!(line[name].is_number(), "{name}: {line}");
            assert!(["Count", "Seconds", "Microseconds"].contains(&metric["Unit"].as_str().unwrap()), "{metric}");
        }
        for set in directive["Dimensions"].as_array().unwrap() {
            let set = set.as_array().unwrap();
            assert!(set.len() <= 30 && set.contains(&json!("function")), "{directive}");
            assert!(set.iter().all(|name| line[name.as_str().unwrap()].is_string()), "{set:?}: {line}");
        }
    }
}

#[test]
fn the_log_is_json_where_lambda_asks_for_it() {
    let world = World::new();
    for (format, level, warns) in [("JSON", "INFO", true), ("JSON", "ERROR", false), ("Text", "INFO", true)] {
        let setup = world.issuer("rest").env("AWS_LAMBDA_LOG_FORMAT", format).env("AWS_LAMBDA_LOG_LEVEL", level);
        world.moto.gate().fail(Service::SecretsManager, Fault::AccessDenied);
        let function = setup.start();
        answered(function.invoke_with(Invocation::new(event(TOKEN)).trace_id(TRACE)));
        world.moto.gate().heal(Service::SecretsManager);
        records_until(&function, 1);
        let stdout = function.stdout();
        let log: Vec<&str> = stdout.lines().filter(|line| !line.contains("\"_aws\"")).collect();
        assert_eq!(!log.is_empty(), warns, "{stdout}");
        for line in log {
            let parsed = serde_json::from_str::<Value>(line);
            if format == "JSON" {
                let line = parsed.unwrap_or_else(|error| panic!("{error}: {line}"));
                assert!(
                    line["timestamp"].is_string() && line["level"] == "WARN" && line["message"].is_string(),
                    "{line}"
                );
            } else {
                assert!(parsed.is_err() && line.contains("WARN"), "{line}");
            }
        }
    }
}

#[test]
fn a_log_line_of_a_request_names_the_request_and_its_trace() {
    let world = World::new();
    let setup = world.issuer("rest").env("AWS_LAMBDA_LOG_FORMAT", "JSON").env("DANGEROUS_BOUNDS", r#"{"refresh":0}"#);
    let function = setup.start();
    function.wait_until_ready();
    world.moto.gate().fail(Service::SecretsManager, Fault::AccessDenied);
    std::thread::sleep(std::time::Duration::from_millis(20));
    let answer = answered(function.invoke_with(Invocation::new(event(TOKEN)).trace_id(TRACE)));
    assert_eq!(answer["statusCode"], 200, "{answer}");
    says(&function, "cannot be fetched");
    let stdout = function.stdout();
    let line = stdout.lines().find(|line| line.contains("cannot be fetched")).unwrap_or_else(|| panic!("{stdout}"));
    let line: Value = serde_json::from_str(line).unwrap();
    assert_eq!(line["span"]["request_id"], answer["headers"]["x-request-id"], "{line}");
    assert_eq!(line["span"]["trace_id"], TRACE, "{line}");
}

/// At every level that can be asked for, with everything happening that can go wrong.
#[test]
fn no_log_holds_a_secret() {
    let world = World::new();
    for format in ["JSON", "Text"] {
        for gateway in ["rest", "http"] {
            let mut everything = String::new();
            let mut secret: Vec<String> = world.private.clone();
            secret.extend([SESSION_TOKEN.to_owned(), SECRET_ACCESS_KEY.to_owned()]);
            for setup in [world.issuer(gateway), world.publisher(gateway)] {
                let function = setup
                    .env("AWS_LAMBDA_LOG_FORMAT", format)
                    .env("AWS_LAMBDA_LOG_LEVEL", "TRACE")
                    .env("RUST_LOG", "trace")
                    .env("RUST_BACKTRACE", "full")
                    .env("DANGEROUS_BOUNDS", r#"{"refresh":0}"#)
                    .start();
                for name in
                    crate::world::events(gateway).iter().chain(&crate::world::events(&format!("forged/{gateway}")))
                {
                    let text = event(name);
                    let answer = ask(&function, name);
                    if answer["statusCode"] == 200 && answer["body"].as_str().unwrap().contains("access_token") {
                        secret.push(body(&answer)["token"].as_str().unwrap().to_owned());
                    }
                    secret.extend(credentials_in(&text));
                }
                for fault in [Fault::Throttled, Fault::ServerError, Fault::Cut, Fault::AccessDenied] {
                    for service in [Service::SecretsManager, Service::Ssm] {
                        world.moto.gate().fail(service, fault);
                    }
                    std::thread::sleep(std::time::Duration::from_millis(10));
                    ask(&function, &format!("{gateway}/default-url.token.json"));
                }
                for service in [Service::SecretsManager, Service::Ssm] {
                    world.moto.gate().heal(service);
                }
                everything += &function.stdout();
                everything += &function.stderr();
            }
            // Private keys where something else should be: a ring that does not parse, a key set, a policy.
            let key = &world.private[0];
            let broken =
                world.moto.put_secret("broken", &format!("{{\"version\":1,\"keys\":[{{\"private_key\":\"{key}\""));
            let misplaced = world.moto.put_secret("misplaced", &format!("{{\"version\":\"{key}\",\"{key}\":1}}"));
            world.moto.put_parameter("/misplaced", &format!("{{\"keys\":[\"{key}\"]}}"));
            for setup in [
                world.issuer(gateway).env("SIGNING_KEY_SECRET_ARN", &broken),
                world.issuer(gateway).env("POLICY_SOURCE", format!("secret:{misplaced}")),
                world.publisher(gateway).env("JWKS_SSM_PARAM", "/misplaced"),
            ] {
                let function = setup.env("RUST_LOG", "trace").start();
                assert!(ask(&function, &format!("{gateway}/default-url.token.json"))["statusCode"].is_u64());
                ask(&function, &format!("{gateway}/default-url.jwks.json"));
                says(&function, "cannot be fetched");
                everything += &function.stdout();
                everything += &function.stderr();
            }
            assert!(secret.len() > 20, "there has to be something to look for");
            for text in &secret {
                // Not only as a whole: a part of a token or key says enough.
                let part: String = text.chars().take(40).collect();
                assert!(!everything.contains(&part), "{format} {gateway}: {part} is in the log");
                let end: String = text.chars().rev().take(30).collect::<Vec<_>>().into_iter().rev().collect();
                assert!(!everything.contains(&end), "{format} {gateway}: ...{end} is in the log");
            }
            for level in ["TRACE", "DEBUG"] {
                assert!(!everything.contains(level), "a release build has no level {level}");
            }
        }
    }
}

/// The values of an event's headers `authorization` and `x-amz-security-token`, in whatever letter case.
fn credentials_in(event: &str) -> Vec<String> {
    let Ok(event) = serde_json::from_str::<Value>(event) else { return Vec::new() };
    let Some(headers) = event["headers"].as_object() else { return Vec::new() };
    let named = headers.iter().filter(|(name, _)| {
        ["authorization", "x-amz-security-token"].iter().any(|secret| name.eq_ignore_ascii_case(secret))
    });
    named.filter_map(|(_, value)| value.as_str().map(str::to_owned)).collect()
}
