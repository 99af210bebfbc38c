//! The gate that stops after a call, and what it writes down, seen by botocore.

mod client;

use std::time::{Duration, Instant};

use client::Client;
use serde_json::{Value, json};
use testkit::aws::{Fault, Moto, Service};

const PATIENCE: Duration = Duration::from_secs(30);
const MOMENT: Duration = Duration::from_millis(300);

fn put(client: &mut Client, name: &str) {
    let parameter = json!({"Name": name, "Value": "v", "Type": "String"});
    client.send("ssm", "put_parameter", &parameter);
}

fn is_there(moto: &Moto, name: &str) -> bool {
    match moto.try_cli(&["ssm", "get-parameter", "--name", name]) {
        Ok(_) => true,
        Err(why) if why.contains("(ParameterNotFound)") => false,
        Err(why) => unreachable!("{why}"),
    }
}

#[test]
fn the_last_call_is_done_and_not_answered_and_those_after_it_are_neither() {
    let moto = Moto::start();
    let gate = moto.gate();
    let (mut client, mut other) = (Client::of(&moto), Client::of(&moto));
    put(&mut client, "/zero");
    client.receive().unwrap();
    // What came before does not count.
    gate.hold_after(2);
    put(&mut client, "/one");
    client.receive().unwrap();
    assert!(!gate.held(MOMENT));
    put(&mut client, "/two");
    assert!(gate.held(PATIENCE));
    assert!(is_there(&moto, "/two"), "what is held is done");

    put(&mut other, "/three");
    let began = Instant::now();
    while gate.calls().len() < 4 {
        assert!(began.elapsed() < PATIENCE, "{:?}", gate.calls());
        std::thread::sleep(Duration::from_millis(10));
    }
    std::thread::sleep(MOMENT);
    assert!(!is_there(&moto, "/three"), "what comes later is not passed on");
    assert_eq!(gate.calls(), ["AmazonSSM.PutParameter"; 4]);
    assert_eq!(gate.requests(Service::Ssm), 4);
    assert!(gate.held(Duration::ZERO), "it stays so");

    // Who is killed here was killed just after the second call.
    drop((client, other));
    gate.release();
    assert_eq!(gate.calls(), [""; 0]);
    let mut third = Client::of(&moto);
    put(&mut third, "/four");
    third.receive().unwrap();
    assert!(is_there(&moto, "/four") && !is_there(&moto, "/three"));
    assert_eq!(gate.calls(), ["AmazonSSM.PutParameter"]);
}

#[test]
fn calls_that_wait_are_not_answered_after_a_release_either() {
    let moto = Moto::start();
    let gate = moto.gate();
    gate.hold_after(1);
    let mut client = Client::of(&moto);
    put(&mut client, "/one");
    assert!(gate.held(PATIENCE));
    gate.release();
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| client.receive());
        std::thread::sleep(MOMENT);
        assert!(!waiting.is_finished());
        // Only this ends its wait.
        gate.close();
        assert!(waiting.join().unwrap().unwrap_err().contains("Connection was closed"));
    });
}

#[test]
fn a_call_that_does_not_get_through_is_not_done() {
    let moto = Moto::start();
    let gate = moto.gate();
    gate.fail(Service::Ssm, Fault::Cut);
    gate.hold_after(1);
    let mut client = Client::of(&moto);
    put(&mut client, "/one");
    client.receive().unwrap_err();
    assert!(!gate.held(MOMENT));
}

#[test]
#[should_panic(expected = "Gate::hold_after comes before Gate::held")]
fn nobody_waits_for_what_nobody_asked_for() {
    Moto::start().gate().held(PATIENCE);
}

#[test]
fn calls_of_all_services_are_written_down_in_order() {
    let moto = Moto::start();
    let mut client = Client::of(&moto);
    let mut call =
        |service: &str, operation: &str, parameters: &Value| drop(client.call(service, operation, parameters));
    call("kms", "create_key", &json!({}));
    call("secretsmanager", "create_secret", &json!({"Name": "s", "SecretString": "v"}));
    call("secretsmanager", "put_secret_value", &json!({"SecretId": "s", "SecretString": "w"}));
    call("lambda", "update_function_configuration", &json!({"FunctionName": "x", "Timeout": 9}));
    call("s3", "get_object", &json!({"Bucket": "b", "Key": "k"}));
    call("sts", "get_caller_identity", &json!({}));
    let expected = [
        "TrentService.CreateKey",
        "secretsmanager.CreateSecret",
        "secretsmanager.PutSecretValue",
        "lambda PUT /2015-03-31/functions/x/configuration",
        "s3 GET /b/k",
        "sts POST /",
    ];
    assert_eq!(moto.gate().calls(), expected);
    let counts = [Service::Kms, Service::Lambda, Service::SecretsManager].map(|service| moto.gate().requests(service));
    assert_eq!(counts, [1, 1, 2]);
}

#[test]
fn a_refusal_names_what_was_asked_for_in_the_words_of_each_service() {
    let moto = Moto::start();
    let gate = moto.gate();
    let mut client = Client::of(&moto);
    let sign = json!({"KeyId": "k", "Message": "m", "SigningAlgorithm": "ECDSA_SHA_256"});
    let configure = json!({"FunctionName": "x", "Timeout": 9});
    for (service, (name, operation, parameters), words) in [
        (
            Service::Kms,
            ("kms", "sign", &sign),
            [
                "(ThrottlingException) * You have exceeded the rate",
                "(KMSInternalException) *",
                "(AccessDeniedException) * is not authorized to perform: kms:Sign ",
            ],
        ),
        (
            Service::Lambda,
            ("lambda", "update_function_configuration", &configure),
            [
                "(TooManyRequestsException) * Rate Exceeded.",
                "(ServiceException) *",
                "(AccessDeniedException) * is not authorized to perform: lambda:UpdateFunctionConfiguration ",
            ],
        ),
    ] {
        let faults = [Fault::Throttled, Fault::ServerError, Fault::AccessDenied];
        for (fault, words) in faults.into_iter().zip(words) {
            gate.fail(service, fault);
            let why = client.call(name, operation, parameters).unwrap_err();
            assert!(words.split('*').all(|part| why.contains(part)), "{service:?} {fault:?}: {why}");
        }
    }
    gate.fail(Service::SecretsManager, Fault::AccessDenied);
    let why = client.call("secretsmanager", "list_secret_version_ids", &json!({"SecretId": "s"})).unwrap_err();
    assert!(why.contains("perform: secretsmanager:ListSecretVersionIds "), "{why}");
}
