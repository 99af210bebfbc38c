//! Functions as their configuration says, and what they may do.

use serde_json::{Value, json};

use super::{ACCOUNT, Account, REGION};

fn may(action: &str, resource: &str) -> Value {
    json!([{ "Effect": "Allow", "Action": action, "Resource": resource }])
}

fn parameter(name: &str) -> String {
    format!("arn:aws:ssm:{REGION}:{ACCOUNT}:parameter/{name}")
}

#[test]
fn what_runs_is_what_was_uploaded_with_the_environment_that_was_deployed() {
    let account = Account::new();
    account.role(&json!([]));
    account.function("1", &json!({"A": "b"}));
    let first = account.invoke(&json!({})).unwrap();
    assert_eq!((&first["version"], &first["environment"]["A"]), (&json!("1"), &json!("b")));
    assert_eq!(first["environment"]["AWS_LAMBDA_FUNCTION_NAME"], "f");
    assert_eq!(first["environment"]["AWS_REGION"], REGION);
    assert_eq!(first["environment"]["AWS_LAMBDA_LOG_FORMAT"], "JSON");
    assert_eq!(first["environment"]["AWS_LAMBDA_LOG_LEVEL"], "WARN");
    assert_eq!(account.invoke(&json!({"do": "fail"})).unwrap_err()["errorType"], "Failure");
    assert_eq!(account.deployed.instances_started(), 1);

    let configure = json!({"FunctionName": "f", "Environment": {"Variables": {"A": "c"}}});
    account.call("lambda", "update_function_configuration", &configure);
    assert_eq!(account.invoke(&json!({})).unwrap()["environment"]["A"], "c");
    let code = json!({"FunctionName": "f", "ZipFile": {"file": account.package("2")}});
    account.call("lambda", "update_function_code", &code);
    assert_eq!(account.invoke(&json!({})).unwrap()["version"], "2");
    assert_eq!(account.deployed.instances_started(), 3);
    account.deployed.end_instances("f");
    assert_eq!(account.invoke(&json!({})).unwrap()["version"], "2");
    assert_eq!(account.deployed.instances_started(), 4);
    let other = account.try_call("lambda", "invoke", &json!({"FunctionName": "g"}));
    assert!(other.unwrap_err().contains("ResourceNotFound"));
    account.violations(&[]);
    assert!(account.deployed.logs().iter().any(|(name, log)| name == "f" && log.contains("{\"do\": \"fail\"}")));
}

#[test]
fn a_call_needs_the_roles_permission_and_is_written_down() {
    let account = Account::new();
    for name in ["/a", "/b"] {
        account.call("ssm", "put_parameter", &json!({"Name": name, "Value": "v", "Type": "String"}));
    }
    account.role(&may("ssm:GetParameter*", &parameter("a")));
    account.function("1", &json!({}));
    let get = |name: &str| account.ask("AmazonSSM.GetParameter", &json!({ "Name": name }));
    assert_eq!(get("/a").1["Parameter"]["Value"], "v");
    assert_eq!(get(&parameter("a")).0, 200);
    account.violations(&[]);
    assert_eq!(account.deployed.ledger().unused(), [""; 0]);

    let (status, body) = get("/b");
    assert_eq!((status, &body["__type"]), (400, &json!("AccessDeniedException")));
    let words = "assumed-role/f/f is not authorized to perform: ssm:GetParameter on resource: arn:aws:ssm:";
    assert!(body["Message"].as_str().unwrap().contains(words), "{body}");
    account.violations(&["f may not ssm:GetParameter on arn:aws:ssm:eu-central-1:123456789012:parameter/b: no policy"]);

    // A denial goes before it, and holds from the next call on.
    let deny = json!({"Sid": "Never", "Effect": "Deny", "NotAction": "ssm:PutParameter", "Resource": "*"});
    let allow = may("ssm:GetParameter*", "*")[0].clone();
    account.allow(&json!([allow, deny]));
    assert!(get("/a").1["Message"].as_str().unwrap().contains("the caller's policy denies it: Never"));
    // What is not known is refused too.
    let (status, _) = account.ask("AmazonSSM.GetParametersByPath", &json!({ "Path": "/" }));
    assert_eq!(status, 400);
    let told = account.deployed.ledger().violations();
    assert!(told.last().unwrap().contains("GetParametersByPath names no parameter"), "{told:?}");
}

#[test]
fn a_secrets_own_policy_and_key_are_asked_too() {
    let account = Account::new();
    let key_policy = |principal: &str, actions: &Value| {
        let statement = json!({"Effect": "Allow", "Principal": {"AWS": principal}, "Action": actions, "Resource": "*"});
        json!({"Version": "2012-10-17", "Statement": [statement]}).to_string()
    };
    let role = format!("arn:aws:iam::{ACCOUNT}:role/f");
    let closed = key_policy(ACCOUNT, &json!("kms:DescribeKey"));
    let key = account.call("kms", "create_key", &json!({ "Policy": closed }));
    let key = key["KeyMetadata"]["Arn"].as_str().unwrap().to_owned();
    let secret = json!({"Name": "s", "SecretString": "v", "KmsKeyId": key});
    let secret = account.call("secretsmanager", "create_secret", &secret)["ARN"].as_str().unwrap().to_owned();
    let mut statements = may("secretsmanager:GetSecretValue", &secret);
    account.role(&statements);
    account.function("1", &json!({}));
    let get = || account.ask("secretsmanager.GetSecretValue", &json!({ "SecretId": "s" }));

    // Neither the role nor the key lets it be decrypted.
    assert!(get().1["Message"].as_str().unwrap().contains("kms:Decrypt"));
    statements.as_array_mut().unwrap().push(json!({"Effect": "Allow", "Action": "kms:Decrypt", "Resource": key}));
    account.allow(&statements);
    // The key's policy has to leave it to the account.
    assert!(get().1["Message"].as_str().unwrap().contains("kms:Decrypt"));
    let open = json!({"Version": "2012-10-17", "Statement": [{
        "Effect": "Allow", "Principal": {"AWS": format!("arn:aws:iam::{ACCOUNT}:root")}, "Action": "kms:Decrypt", "Resource": "*",
        "Condition": {
            "StringEquals": {"kms:ViaService": format!("secretsmanager.{REGION}.amazonaws.com")},
            "StringLike": {"kms:EncryptionContext:SecretARN": format!("{secret}*")}
        }
    }]});
    let open = json!({"KeyId": key, "PolicyName": "default", "Policy": open.to_string()});
    account.call("kms", "put_key_policy", &open);
    assert_eq!(get(), (200, get().1));

    let closed_to = |role: &str| {
        let condition = json!({"ArnNotEquals": {"aws:PrincipalArn": role}});
        let statement = json!({"Sid": "Closed", "Effect": "Deny", "Principal": "*", "Action": "*", "Resource": "*", "Condition": condition});
        json!({"Version": "2012-10-17", "Statement": [statement]}).to_string()
    };
    let put = |role: &str| {
        let policy = json!({"SecretId": "s", "ResourcePolicy": closed_to(role)});
        account.call("secretsmanager", "put_resource_policy", &policy);
    };
    put("arn:aws:iam::123456789012:role/g");
    assert!(get().1["Message"].as_str().unwrap().contains("the resource's policy denies it: Closed"));
    put(&role);
    assert_eq!(get().0, 200);
    let may_others = account.deployed.may_with_secret(&format!("{role}2"), "secretsmanager:GetSecretValue", &secret);
    assert!(!may_others.unwrap().is_allowed());
}

#[test]
fn keys_are_made_and_used_with_the_tag_that_a_role_is_bound_to() {
    let account = Account::new();
    account.role(&json!([
        {"Effect": "Allow", "Action": ["kms:CreateKey", "kms:TagResource"], "Resource": "*",
         "Condition": {"StringEquals": {"aws:RequestTag/ring": "r"}}},
        {"Effect": "Allow", "Action": "kms:GetPublicKey", "Resource": format!("arn:aws:kms:{REGION}:{ACCOUNT}:key/*"),
         "Condition": {"StringEquals": {"aws:ResourceTag/ring": "r"}}}
    ]));
    account.function("1", &json!({}));
    let make = |ring: &str| {
        let tags = json!([{"TagKey": "ring", "TagValue": ring}]);
        account.ask(
            "TrentService.CreateKey",
            &json!({"KeySpec": "ECC_NIST_P256", "KeyUsage": "SIGN_VERIFY", "Tags": tags}),
        )
    };
    let (status, made) = make("r");
    assert_eq!(status, 200, "{made}");
    let get = |id: &Value| account.ask("TrentService.GetPublicKey", &json!({ "KeyId": id })).0;
    assert_eq!(get(&made["KeyMetadata"]["KeyId"]), 200);
    account.violations(&[]);
    assert_eq!(make("other").0, 400);
    let other = account.call("kms", "create_key", &json!({"KeySpec": "ECC_NIST_P256", "KeyUsage": "SIGN_VERIFY"}));
    assert_eq!(get(&other["KeyMetadata"]["Arn"]), 400);
    account.violations(&[
        "f may not kms:CreateKey on *",
        "f may not kms:TagResource on *",
        "f may not kms:GetPublicKey on",
    ]);
}

#[test]
fn a_function_does_not_start_without_what_lambda_needs() {
    let account = Account::new();
    account.role(&json!([]));
    account.function("1", &json!({"AWS_REGION": "elsewhere"}));
    let invoke = || account.try_call("lambda", "invoke", &json!({"FunctionName": "f"})).unwrap_err();
    assert!(invoke().contains("the variable AWS_REGION is Lambda's"), "{}", invoke());
    let configure = json!({"FunctionName": "f", "Environment": {"Variables": {}}});
    account.call("lambda", "update_function_configuration", &configure);
    let group = json!({"logGroupName": "/aws/lambda/f"});
    account.call("logs", "delete_log_group", &group);
    assert!(invoke().contains("there is no log group /aws/lambda/f"));
    account.call("logs", "create_log_group", &group);
    account.call("iam", "delete_role_policy", &json!({"RoleName": "f", "PolicyName": "p"}));
    account.deployed.end_instances("f");
    account.invoke(&json!({})).unwrap();
    let told = account.deployed.ledger().violations();
    assert!(told.iter().any(|one| one.contains("f may not logs:PutLogEvents")), "{told:?}");
}
