//! The stand-in for AWS, seen by clients that are not ours: botocore (`client.py`) and `curl`.

mod client;

use std::io::ErrorKind;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use client::Client;
use serde_json::{Value, json};
use testkit::aws::{ACCOUNT, Fault, Moto, SESSION_TOKEN, Service};
use testkit::tools;

const TEXT: &str = "two lines,\nthe second with \"quotes\" and \u{fc}\n";

/// A client that asks for what the tests put.
trait Reader {
    /// What the service holds of the text that the tests put.
    fn text(&mut self, service: Service) -> Result<String, String>;

    fn complaint(&mut self, service: Service) -> String {
        self.text(service).expect_err("this request fails")
    }
}

impl Reader for Client {
    fn text(&mut self, service: Service) -> Result<String, String> {
        let (answer, field) = match service {
            Service::SecretsManager => {
                (self.call("secretsmanager", "get_secret_value", &json!({"SecretId": "ring"}))?, "/SecretString")
            }
            Service::Ssm => (self.call("ssm", "get_parameter", &json!({"Name": "/policy"}))?, "/Parameter/Value"),
            Service::S3 => {
                (self.call("s3", "get_object", &json!({"Bucket": "policies", "Key": "policy.yaml"}))?, "/Body")
            }
            Service::Kms | Service::Lambda => unreachable!("{service:?} holds no text"),
        };
        let text = answer.pointer(field).and_then(Value::as_str);
        Ok(text.expect("a service answers with what was put").to_owned())
    }
}

#[test]
fn what_is_put_is_what_a_client_gets_until_it_is_deleted() {
    let moto = Moto::start();
    let gate = moto.gate();
    let arn = moto.put_secret("ring", "first");
    assert!(arn.starts_with(&format!("arn:aws:secretsmanager:us-east-1:{ACCOUNT}:secret:ring-")), "{arn}");
    assert_eq!(moto.put_secret("ring", TEXT), arn);
    // Beyond 4 KB, so that the tier matters.
    let long = TEXT.repeat(120);
    moto.put_parameter("/policy", "first");
    moto.put_parameter("/policy", &long);
    moto.put_object("policies", "policy.yaml", "first");
    moto.put_object("policies", "policy.yaml", TEXT);
    let counts = || [Service::SecretsManager, Service::Ssm, Service::S3].map(|service| gate.requests(service));
    assert_eq!(counts(), [0, 0, 0], "what a test puts does not go through the gate");

    let mut client = Client::of(&moto);
    assert_eq!(client.text(Service::SecretsManager).as_deref(), Ok(TEXT));
    assert_eq!(client.text(Service::Ssm), Ok(long));
    assert_eq!(client.text(Service::S3).as_deref(), Ok(TEXT));
    assert_eq!(counts(), [1, 1, 1]);
    client.send("secretsmanager", "get_secret_value", &json!({"SecretId": arn, "VersionStage": "AWSPREVIOUS"}));
    assert_eq!(client.receive().unwrap()["SecretString"], "first");
    // What the gate does not tell apart passes, and is not counted.
    client.send("sts", "get_caller_identity", &json!({}));
    assert_eq!(client.receive().unwrap()["Account"], ACCOUNT);
    assert_eq!(counts(), [2, 1, 1]);

    moto.delete_secret("ring");
    moto.delete_parameter("/policy");
    moto.delete_object("policies", "policy.yaml");
    assert!(client.complaint(Service::SecretsManager).contains("(ResourceNotFoundException)"));
    assert!(client.complaint(Service::Ssm).contains("(ParameterNotFound)"));
    assert!(client.complaint(Service::S3).contains("(NoSuchKey)"));
    assert_ne!(moto.put_secret("ring", "again"), arn, "a name is free at once, and the new secret is another one");
    let why = moto.try_cli(&["ssm", "get-parameter", "--name", "/policy"]).unwrap_err();
    assert!(why.contains("(ParameterNotFound)"), "{why}");
}

#[test]
fn each_fault_is_seen_by_a_client_and_heals() {
    let moto = Moto::start();
    let gate = moto.gate();
    moto.put_secret("ring", TEXT);
    moto.put_parameter("/policy", TEXT);
    moto.put_object("policies", "policy.yaml", TEXT);
    let mut client = Client::of(&moto);

    for (service, words) in [
        (
            Service::SecretsManager,
            [
                "(ThrottlingException) * Rate exceeded",
                "(InternalServiceError) *",
                "(AccessDeniedException) * User: arn:",
            ],
        ),
        (
            Service::Ssm,
            [
                "(ThrottlingException) * Rate exceeded",
                "(InternalServerError) *",
                "(AccessDeniedException) * User: arn:",
            ],
        ),
        (
            Service::S3,
            ["(SlowDown) * Please reduce your request rate.", "(InternalError) *", "(AccessDenied) * User: arn:"],
        ),
    ] {
        for (fault, words) in [Fault::Throttled, Fault::ServerError, Fault::AccessDenied].into_iter().zip(words) {
            gate.fail(service, fault);
            let complaint = client.complaint(service);
            assert!(words.split('*').all(|part| complaint.contains(part)), "{service:?} {fault:?}: {complaint}");
        }
        // The rest is below the words of a protocol.
        gate.fail(service, Fault::Cut);
        let cut = client.complaint(service);
        assert!(cut.contains("Connection was closed before we received a valid response"), "{service:?}: {cut}");
        gate.fail(service, Fault::Slow(Duration::from_millis(500)));
        let before = Instant::now();
        assert_eq!(client.text(service).as_deref(), Ok(TEXT));
        assert!(before.elapsed() > Duration::from_millis(500));
        assert_eq!(gate.requests(service), 5);
    }
    gate.fail(Service::Ssm, Fault::Silent);
    let impatient = moto.environment().into_iter().chain([("READ_TIMEOUT".to_owned(), "1".to_owned())]);
    let silent = Client::with(impatient.collect()).complaint(Service::Ssm);
    assert!(silent.contains("Read timeout on endpoint URL"), "{silent}");
    // One service's fault is not another's.
    gate.heal(Service::SecretsManager);
    assert_eq!(client.text(Service::SecretsManager).as_deref(), Ok(TEXT));
    gate.heal(Service::Ssm);
    assert_eq!(client.text(Service::Ssm).as_deref(), Ok(TEXT));
}

#[test]
fn a_closed_gate_is_out_of_reach_and_comes_back_on_the_same_port() {
    let moto = Moto::start();
    let gate = moto.gate();
    moto.put_parameter("/policy", TEXT);
    let address = gate.endpoint().trim_start_matches("http://").to_owned();

    // A client that waits for an answer when the gate is closed is cut off.
    gate.fail(Service::Ssm, Fault::Silent);
    let mut client = Client::of(&moto);
    client.send("ssm", "get_parameter", &json!({"Name": "/policy"}));
    let began = Instant::now();
    while gate.requests(Service::Ssm) == 0 {
        assert!(began.elapsed() < Duration::from_secs(30), "the request does not arrive");
        std::thread::sleep(Duration::from_millis(10));
    }
    gate.close();
    gate.close();
    let cut = client.receive().unwrap_err();
    assert!(cut.contains("Connection was closed before we received a valid response"), "{cut}");

    let refused = TcpStream::connect(&address).expect_err("the port is closed");
    assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
    let unreachable = client.complaint(Service::Ssm);
    assert!(unreachable.contains("Could not connect to the endpoint URL"), "{unreachable}");
    gate.heal(Service::Ssm);
    gate.open();
    gate.open();
    assert_eq!(gate.endpoint(), format!("http://{address}"));
    assert_eq!(client.text(Service::Ssm).as_deref(), Ok(TEXT));
    assert_eq!(gate.requests(Service::Ssm), 2, "who was refused has not arrived");
}

#[test]
fn a_hundred_clients_at_once_are_answered() {
    let moto = Moto::start();
    moto.put_object("policies", "policy.yaml", TEXT);
    let url = format!("{}/policies/policy.yaml", moto.endpoint());
    // One process with a hundred connections.
    let mut curl = tools::isolated("curl", &std::env::temp_dir());
    // Nobody checks the signature, but there has to be one.
    let signed = "Authorization: AWS4-HMAC-SHA256 Credential=a/20260101/us-east-1/s3/aws4_request, Signature=0";
    curl.args(["--header", signed]);
    curl.args(["--silent", "--fail", "--parallel", "--parallel-immediate", "--parallel-max", "100"]);
    for _ in 0..100 {
        curl.args([&url, "--output", "/dev/null", "--write-out", "%{http_code} %{size_download}\n"]);
    }
    let output = curl.output().expect("curl runs");
    let answers = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{answers}");
    let expected = format!("200 {}", TEXT.len());
    assert_eq!(answers.lines().filter(|line| *line == expected).count(), 100, "{answers}");
    assert_eq!(moto.gate().requests(Service::S3), 100);
}

#[test]
fn tls_is_trusted_by_those_who_are_told_and_by_nobody_else() {
    let moto = Moto::start_tls();
    assert!(moto.endpoint().starts_with("https://127.0.0.1:"), "{}", moto.endpoint());
    let environment = moto.environment();
    let value = |name: &str| environment.iter().find(|(at, _)| at == name).map(|(_, value)| value.as_str());
    assert_eq!(value("AWS_CA_BUNDLE"), moto.ca_bundle().to_str());
    assert_eq!(value("AWS_SESSION_TOKEN"), Some(SESSION_TOKEN));
    // That is the AWS command line, which honours the bundle too.
    moto.put_secret("ring", TEXT);
    assert_eq!(Client::of(&moto).text(Service::SecretsManager).as_deref(), Ok(TEXT));

    let untold = environment.into_iter().filter(|(name, _)| name != "AWS_CA_BUNDLE").collect();
    let why = Client::with(untold).complaint(Service::SecretsManager);
    assert!(why.contains("SSL validation failed"), "{why}");
}
