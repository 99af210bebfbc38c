//! The deployed API, asked by curl.

use serde_json::{Value, json};
use testkit::deployed::{CALLER, Guest};
use testkit::iam::Document;
use testkit::tools;

use super::{ACCOUNT, Account, REGION};

const ORGANIZATION: &str = "o-a1b2c3d4e5";

struct Api {
    account: Account,
    id: String,
}

impl Api {
    /// `POST /token` for who signs, `GET /keys` for everybody, both the function `f`, and not deployed yet.
    fn new() -> Self {
        let account = Account::new();
        account.role(&json!([]));
        account.function("1", &json!({}));
        let call = |operation: &str, input: &Value| account.call("apigateway", operation, input);
        let id = call("create_rest_api", &json!({"name": "x"}))["id"].clone();
        let root = call("get_resources", &json!({ "restApiId": id }))["items"][0]["id"].clone();
        let arn = format!("arn:aws:lambda:{REGION}:{ACCOUNT}:function:f");
        let uri = format!("arn:aws:apigateway:{REGION}:lambda:path/2015-03-31/functions/{arn}/invocations");
        for (path, method, authorization) in [("token", "POST", "AWS_IAM"), ("keys", "GET", "NONE")] {
            let made = call("create_resource", &json!({"restApiId": id, "parentId": root, "pathPart": path}));
            let put = |operation: &str, more: &Value| {
                let mut input = json!({"restApiId": id, "resourceId": made["id"], "httpMethod": method});
                input.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
                call(operation, &input);
            };
            put("put_method", &json!({ "authorizationType": authorization }));
            put("put_integration", &json!({"type": "AWS_PROXY", "integrationHttpMethod": "POST", "uri": uri}));
        }
        let id = id.as_str().unwrap().to_owned();
        Self { account, id }
    }

    fn permit(&self, route: &str) {
        let source = format!("arn:aws:execute-api:{REGION}:{ACCOUNT}:{}/v1/{route}", self.id);
        let id = route.replace('/', "-").replace('*', "any");
        self.account.permit(&id, "apigateway.amazonaws.com", &source, None);
    }

    fn policy(&self, statements: &Value) {
        let policy = json!({"Version": "2012-10-17", "Statement": statements}).to_string();
        let patch = json!([{"op": "replace", "path": "/policy", "value": policy}]);
        self.call("update_rest_api", &json!({ "patchOperations": patch }));
    }

    fn deploy(&self) {
        self.call("create_deployment", &json!({ "stageName": "v1" }));
    }

    fn call(&self, operation: &str, input: &Value) {
        let mut input = input.clone();
        input["restApiId"] = json!(self.id);
        self.account.call("apigateway", operation, &input);
    }

    /// The status and the body.
    fn curl(&self, path: &str, arguments: &[&str]) -> (u16, Value) {
        let folder = tempfile::tempdir().unwrap();
        let mut curl = tools::isolated("curl", folder.path());
        curl.args(["--silent", "--max-time", "60", "--write-out", "\n%{http_code}"]).args(arguments);
        let output = curl.arg(format!("{}{path}", self.account.deployed.gateway())).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let (body, status) = text.rsplit_once('\n').unwrap();
        (status.parse().unwrap(), serde_json::from_str(body).unwrap_or_else(|_| json!(body)))
    }

    fn token(&self, caller: &str) -> (u16, Value) {
        self.curl("/token?a=b%20c", &["--header", &format!("{CALLER}: {caller}"), "--data", "{}", "--user", "x:y"])
    }

    fn admit(&self, name: &str, account: &str, organization: Option<&str>, may: bool) {
        let invoke = json!({"Effect": "Allow", "Action": "execute-api:Invoke", "Resource": "*"});
        let invoke = Document::of(&json!({"Version": "2012-10-17", "Statement": invoke})).unwrap();
        self.account.deployed.admit(
            name,
            Guest {
                arn: format!("arn:aws:sts::{account}:assumed-role/r/session"),
                role: Some(format!("arn:aws:iam::{account}:role/p/r")),
                principal_id: "AROAEXAMPLE:session".to_owned(),
                organization: organization.map(str::to_owned),
                policies: if may { vec![invoke] } else { Vec::new() },
            },
        );
    }
}

fn allow(resource: &str, condition: &Value) -> Value {
    let resource = format!("arn:aws:execute-api:{REGION}:{ACCOUNT}:*/{resource}");
    json!({"Effect": "Allow", "Principal": "*", "Action": "execute-api:Invoke", "Resource": resource, "Condition": condition})
}

#[test]
fn a_request_is_an_event_of_a_route_that_may_be_called() {
    let api = Api::new();
    api.permit("POST/token");
    api.permit("GET/keys");
    api.deploy();
    let (status, said) = api.curl("/keys", &["--header", "authorization: secret", "--header", "x-a: 1"]);
    assert_eq!(status, 200);
    let expected = json!({"userArn": null, "principalOrgId": null, "accountId": null});
    assert_eq!((&said["caller"], &said["resource"], &said["path"]), (&expected, &json!("/keys"), &json!("/v1/keys")));
    let headers = said["headers"].as_array().unwrap();
    assert!(headers.contains(&json!("x-a")) && headers.contains(&json!("X-Amzn-Trace-Id")), "{headers:?}");
    assert!(!headers.contains(&json!("authorization")) && said["api"] == api.id.as_str());

    api.admit("ann", ACCOUNT, Some(ORGANIZATION), true);
    let (status, said) = api.token("ann");
    assert_eq!((status, &said["query"], &said["body"]), (200, &json!({"a": "b c"}), &json!("{}")));
    let arn = format!("arn:aws:sts::{ACCOUNT}:assumed-role/r/session");
    assert_eq!(said["caller"], json!({"userArn": arn, "principalOrgId": ORGANIZATION, "accountId": ACCOUNT}));

    for (path, arguments) in
        [("/", &[][..]), ("/keys/more", &[]), ("/keys", &["--data", "x"]), ("/token", &["--data", "x"])]
    {
        let missing = (403, json!({"message": "Missing Authentication Token"}));
        assert_eq!(api.curl(path, arguments), missing, "{path} {arguments:?}");
    }
    api.account.violations(&[]);
}

#[test]
fn callers_are_told_by_both_policies() {
    let api = Api::new();
    api.permit("*");
    let ours = json!({"StringEquals": {"aws:PrincipalOrgID": ORGANIZATION}});
    let mut deny = allow("v1/POST/token", &json!({"StringNotEquals": {"aws:PrincipalOrgID": ORGANIZATION}}));
    deny["Effect"] = json!("Deny");
    api.policy(&json!([allow("v1/GET/keys", &json!({})), allow("v1/POST/token", &ours), deny]));
    api.deploy();
    api.admit("ours", "444455556666", Some(ORGANIZATION), true);
    api.admit("ours-without", "444455556666", Some(ORGANIZATION), false);
    api.admit("here", ACCOUNT, Some(ORGANIZATION), false);
    api.admit("theirs", "444455556666", Some("o-zzzzzzzzzz"), true);
    api.admit("nobodys", ACCOUNT, None, true);
    for (caller, expected) in [("ours", 200), ("ours-without", 403), ("here", 200), ("theirs", 403), ("nobodys", 403)] {
        assert_eq!(api.token(caller).0, expected, "{caller}");
    }
    assert_eq!(api.curl("/keys", &[]).0, 200);
    let why = api.token("theirs").1;
    assert!(
        why["message"].as_str().unwrap().contains("is not authorized to perform: execute-api:Invoke on resource: arn:")
    );

    // A change is no change until it is deployed.
    api.policy(&json!([allow("v1/POST/token", &ours)]));
    assert_eq!(api.curl("/keys", &[]).0, 200);
    api.deploy();
    assert_eq!(api.curl("/keys", &[]).0, 403);
    api.account.violations(&[]);
}

#[test]
fn the_gateway_speaks_in_the_form_that_was_deployed() {
    let api = Api::new();
    api.permit("GET/keys");
    let templates = json!({"application/json": r#"{"error":"no","why":$context.error.messageString}"#});
    let parameters = json!({"gatewayresponse.header.x-id": "context.requestId"});
    api.call(
        "put_gateway_response",
        &json!({"responseType": "DEFAULT_4XX", "responseTemplates": templates, "responseParameters": parameters}),
    );
    api.call(
        "put_gateway_response",
        &json!({"responseType": "ACCESS_DENIED", "statusCode": "404", "responseTemplates": templates}),
    );
    api.policy(&json!([allow("v1/POST/token", &json!({}))]));
    api.deploy();
    let said = api.curl("/unknown", &["--include"]).1;
    let said = said.as_str().unwrap();
    assert!(
        said.contains("x-id: 0a1b2c3d-") && said.ends_with(r#"{"error":"no","why":"Missing Authentication Token"}"#),
        "{said}"
    );
    let (status, said) = api.curl("/keys", &[]);
    assert_eq!((status, &said["error"]), (404, &json!("no")));
    api.account.violations(&[]);
}

#[test]
fn a_route_that_the_function_does_not_permit_is_a_violation() {
    let api = Api::new();
    api.permit("POST/token");
    api.deploy();
    assert_eq!(api.curl("/keys", &[]).0, 501);
    let told = api.account.deployed.ledger().violations();
    assert!(
        told[0].contains("apigateway.amazonaws.com may not invoke f") && told[0].contains("/v1/GET/keys"),
        "{told:?}"
    );
    assert_eq!(api.token("a-stranger").0, 501);
}
