//! RotateSecret, as a deployer and as an operator ask for it.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{ACCOUNT, Account, REGION};

const PATIENCE: Duration = Duration::from_mins(2);

/// A secret without a value, the function that may rotate it, and Secrets Manager that may call the function.
fn account(variables: &Value, is_permitted: bool) -> (Account, String) {
    let account = Account::new();
    let made = account.call("secretsmanager", "create_secret", &json!({"Name": "s"}));
    let secret = made["ARN"].as_str().unwrap().to_owned();
    account.role(&json!([{ "Effect": "Allow", "Action": "secretsmanager:*", "Resource": secret }]));
    account.function("1", variables);
    if is_permitted {
        permit(&account, &secret);
    }
    (account, secret)
}

fn permit(account: &Account, secret: &str) {
    account.permit("s", "secretsmanager.amazonaws.com", secret, Some(ACCOUNT));
}

fn rotate(account: &Account, immediately: bool) -> Result<Value, String> {
    let input = json!({
        "SecretId": "s",
        "RotationLambdaARN": format!("arn:aws:lambda:{REGION}:{ACCOUNT}:function:f"),
        "RotationRules": { "AutomaticallyAfterDays": 30 },
        "RotateImmediately": immediately,
    });
    account.try_call("secretsmanager", "rotate_secret", &input)
}

fn described(account: &Account) -> Value {
    account.call("secretsmanager", "describe_secret", &json!({"SecretId": "s"}))
}

fn stages(account: &Account) -> Value {
    described(account)["VersionIdsToStages"].clone()
}

#[test]
fn a_rotation_takes_four_steps_after_it_was_answered() {
    let (account, secret) = account(&json!({}), true);
    let asked = rotate(&account, true).unwrap();
    let version = asked["VersionId"].as_str().unwrap().to_owned();
    let rotations = account.deployed.rotations(PATIENCE);
    let [rotation] = &rotations[..] else { panic!("{rotations:?}") };
    assert!(rotation.is_done && !rotation.is_trial && rotation.failures.is_empty() && rotation.attempts == 1);
    assert_eq!((&rotation.secret, &rotation.version), (&secret, &version));
    assert_eq!(stages(&account), json!({ version.clone(): ["AWSCURRENT"] }));

    // The next one needs no function's name, and the one before is kept.
    let next = account.call("secretsmanager", "rotate_secret", &json!({"SecretId": "s"}));
    let next = next["VersionId"].as_str().unwrap().to_owned();
    assert!(account.deployed.rotations(PATIENCE).iter().all(|rotation| rotation.is_done));
    assert_eq!(stages(&account), json!({ version: ["AWSPREVIOUS"], next: ["AWSCURRENT"] }));
    let described = described(&account);
    assert_eq!(
        (&described["RotationEnabled"], &described["RotationRules"]["AutomaticallyAfterDays"]),
        (&json!(true), &json!(30))
    );
    account.violations(&[]);
    let (_, log) = account.deployed.logs().pop().unwrap();
    let steps: Vec<&str> = ["createSecret", "setSecret", "testSecret", "finishSecret"]
        .into_iter()
        .filter(|step| log.contains(step))
        .collect();
    assert_eq!(steps.len(), 4, "{log}");
}

#[test]
fn what_fails_is_begun_again_with_the_same_version() {
    let (account, _) = account(&json!({"FAILURES": "1"}), true);
    rotate(&account, true).unwrap();
    // Meanwhile there is no other one.
    let again = rotate(&account, true);
    let rotations = account.deployed.rotations(PATIENCE);
    let [rotation] = &rotations[..] else { panic!("{rotations:?}") };
    assert!(rotation.is_done && rotation.attempts == 2, "{rotation:?}");
    assert!(rotation.failures[0].contains("createSecret") && rotation.failures[0].contains("not yet"), "{rotation:?}");
    assert!(again.unwrap_err().contains("A previous rotation isn't complete"));
}

#[test]
fn a_trial_is_testsecret_alone_and_leaves_no_version() {
    let (account, _) = account(&json!({}), true);
    rotate(&account, false).unwrap();
    let rotations = account.deployed.rotations(PATIENCE);
    assert!(rotations.len() == 1 && rotations[0].is_trial && rotations[0].is_done, "{rotations:?}");
    assert_eq!(stages(&account), json!({}));
    // What the function wrote may still be on its way.
    let log = || account.deployed.logs().pop().unwrap().1;
    let began = Instant::now();
    while !log().contains("testSecret") && began.elapsed() < PATIENCE {
        std::thread::sleep(Duration::from_millis(20));
    }
    let log = log();
    assert!(log.contains("testSecret") && !log.contains("createSecret"), "{log}");
}

#[test]
fn secrets_manager_may_call_only_whom_it_is_permitted_to() {
    let (account, secret) = account(&json!({}), false);
    assert!(
        rotate(&account, true).unwrap_err().contains("Secrets Manager cannot invoke the specified Lambda function")
    );
    account.violations(&["secretsmanager.amazonaws.com may not invoke f"]);
    assert_eq!(account.deployed.rotations(PATIENCE), []);
    permit(&account, &format!("{secret}x"));
    let may = |service: &str, source: &str| account.deployed.may_invoke(service, source, "f").unwrap().is_allowed();
    assert!(
        may("secretsmanager.amazonaws.com", &format!("{secret}x")) && !may("secretsmanager.amazonaws.com", &secret)
    );
    assert!(!may("events.amazonaws.com", &format!("{secret}x")));
}
