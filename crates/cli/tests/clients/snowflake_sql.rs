//! The SQL of `countersign snowflake-sql`, parsed, is what the stand-in for Snowflake goes by: so what it says fits the tokens.

use std::collections::BTreeMap;
use std::process::Stdio;

use serde_json::{Value, json};
use testkit::serve::Serve;
use testkit::{tools, verifier};

use crate::parsed::{Statement, parsed};
use crate::world::{ANALYST, COUNTERSIGN, Caller, WORKLOAD, ask_one, by_with_json, jwks, python, run, setup};

/// Users that are listed, a rule for any role beside one without, and an audience of each form.
const POLICY: &str = r#"
version: 1
default_audience: snowflake
audiences:
  snowflake: { aud: "https://acme-prod.snowflakecomputing.com", profile: snowflake }
  people: { aud: "https://acme-people.snowflakecomputing.com", profile: snowflake }
  wif: { aud: "https://acme-prod.snowflakecomputing.com/wif", profile: snowflake-wif, alg: ES256 }
rules:
  - name: analysts
    when: { kind: sso, account: ["111122223333"], permission_set: [DataAnalyst], user_name: [jane.doe@acme.com] }
    grant: { audiences: [people], subject: "it's:{user_name|local_part}", scopes: ["session:role-any"] }
  - name: workloads
    when: { kind: role, account: ["444455556666"], role: [snowflake-loader] }
    grant:
      audiences: [snowflake, wif]
      subject: "svc:{role}"
      scopes: ["session:role:{role|underscore}", "session:role:accountadmin"]
"#;

fn statements(serve: &Serve, audience: &str) -> Vec<Statement> {
    let policy = serve.data_dir().join("policy.yaml");
    let output = tools::isolated(COUNTERSIGN, serve.data_dir())
        .args(["snowflake-sql", "--users", "--audience", audience, "--issuer-url", serve.origin(), "--policy"])
        .arg(policy)
        .stderr(Stdio::null())
        .output()
        .expect("it runs");
    assert!(output.status.success(), "{output:?}");
    parsed(&String::from_utf8(output.stdout).expect("text"))
}

fn token(serve: &Serve, caller: &Caller, audience: &str) -> String {
    ask_one(serve, by_with_json(caller, &json!({ "audience": audience }))).token()
}

/// An account in which the statements were run, asked for these logins.
fn log_in(serve: &Serve, statements: &[Statement], account_url: &str, logins: &[Value]) -> Vec<Value> {
    let mut integration = json!({});
    let mut users: BTreeMap<String, Value> = BTreeMap::new();
    for statement in statements {
        match statement {
            Statement::Integration(_, parameters) => integration = parameters.clone(),
            Statement::User(name, properties) => {
                assert_eq!(properties["LOGIN_NAME"], json!(name));
                let role = properties["DEFAULT_ROLE"]["word"].as_str().unwrap_or("PUBLIC");
                users.insert(name.clone(), json!({ "roles": [], "default_role": role }));
            }
            Statement::Grant(role, user) => {
                let roles = users.get_mut(user).and_then(|user| user["roles"].as_array_mut());
                roles.expect("the user is created before").push(json!(role));
            }
            Statement::Role(_) => {}
        }
    }
    let work = json!({ "integration": integration, "account_url": account_url, "users": users, "logins": logins });
    run(python(serve, "snowflake.py"), &work).as_array().expect("a list").clone()
}

#[test]
fn the_sql_lets_in_whom_the_policy_means() {
    let serve = setup().file("policy.yaml", POLICY).start();
    // The account URL is another one, so that the audience list has to have it.
    let account = "https://xy12345.eu-central-1.snowflakecomputing.com";

    let workload = token(&serve, &WORKLOAD, "snowflake");
    let person = token(&serve, &ANALYST, "people");
    let sql = statements(&serve, "snowflake");
    let answers = log_in(
        &serve,
        &sql,
        account,
        &[
            json!({ "token": workload }),
            json!({ "token": workload, "role": "SNOWFLAKE_LOADER" }),
            json!({ "token": workload, "role": "ACCOUNTADMIN" }),
            json!({ "token": person }),
        ],
    );
    assert_eq!(answers[0], json!({ "user": "svc:snowflake-loader", "role": "SNOWFLAKE_LOADER" }));
    assert_eq!(answers[1], answers[0]);
    // In the token, and neither granted nor allowed.
    assert_eq!(answers[2]["code"], 390_186, "{answers:?}");
    // A token for another account.
    assert_eq!(answers[3]["code"], 390_303, "{answers:?}");

    let answers = log_in(&serve, &statements(&serve, "people"), account, &[json!({ "token": person })]);
    assert_eq!(answers[0], json!({ "user": "it's:jane.doe", "role": "PUBLIC" }));
}

/// Snowflake's rules for a workload identity: issuer, subject and an audience of the list, exactly.
#[test]
fn a_workload_identity_is_that_of_the_token() {
    let serve = setup().file("policy.yaml", POLICY).start();
    let token = token(&serve, &WORKLOAD, "wif");
    let sql = statements(&serve, "wif");
    let identity = sql.iter().find_map(|statement| match statement {
        Statement::User(name, properties) if name == "svc:snowflake-loader" => Some(&properties["WORKLOAD_IDENTITY"]),
        _ => None,
    });
    let identity = identity.expect("there is such a user");
    assert_eq!(identity["TYPE"], json!({ "word": "OIDC" }));
    let (issuer, audience) = (identity["ISSUER"].as_str().expect("text"), identity["OIDC_AUDIENCE_LIST"][0].as_str());
    let seen = verifier::verify(&token, &jwks(&serve), issuer, audience.expect("text")).expect("it verifies");
    assert_eq!(seen.claims["sub"], identity["SUBJECT"]);
}
