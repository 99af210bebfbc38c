//! The Snowflake example with Snowflake's own connector, against a stand-in that decides by the documented rules of External
//! OAuth. It shows that our example does what the connector wants and that the token passes those rules; what Snowflake's
//! server does is not shown.

use serde_json::{Value, json};
use testkit::serve::Serve;
use testkit::tools;

use crate::world::{Background, PERSON, WORKLOAD, as_profile, example, run, serve, text};

const SERVER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/clients/snowflake_server.py");

/// The account, with the users and the integration that the example's policy is written for.
fn account(serve: &Serve) -> Background {
    let mut command = tools::isolated(tools::python(), serve.data_dir());
    command.arg(SERVER);
    let work = json!({
        "integration": {
            "EXTERNAL_OAUTH_ISSUER": serve.origin(),
            "EXTERNAL_OAUTH_JWS_KEYS_URL": serve.url("/.well-known/jwks.json"),
            "EXTERNAL_OAUTH_TOKEN_USER_MAPPING_CLAIM": "sub",
            "EXTERNAL_OAUTH_ANY_ROLE_MODE": "ENABLE",
        },
        "account_url": "https://acme-prod.snowflakecomputing.com",
        "users": {
            "JANE": {"roles": ["ANALYST"], "default_role": "ANALYST"},
            "SVC:444455556666:SNOWFLAKE-LOADER": {"roles": ["SNOWFLAKE_LOADER"], "default_role": "SNOWFLAKE_LOADER"},
        },
    });
    Background::start(command, &work.to_string())
}

/// A command in Python that finds the connection `acme`, with this role.
fn python(serve: &Serve, account: &Background, profile: &str, role: &str) -> std::process::Command {
    let home = serve.data_dir();
    let port = account.origin().rsplit(':').next().expect("a port");
    let connections = format!(
        "[acme]\naccount = \"acme-prod\"\nrole = \"{role}\"\nprotocol = \"http\"\nhost = \"127.0.0.1\"\nport = {port}\n"
    );
    serve.replace_file("connections.toml", &connections);
    let mut command = as_profile(tools::python(), serve, profile);
    let folders = [example("python"), example("snowflake")];
    command.env("PYTHONPATH", std::env::join_paths(folders).expect("no colon in their names"));
    command.env("SNOWFLAKE_HOME", home);
    command
}

fn logins(account: &Background) -> Vec<Value> {
    account.wrote("stdout").lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

#[test]
fn the_connector_logs_in_as_whom_the_token_names() {
    let serve = serve();
    let account = account(&serve);
    let ask = |profile: &str, audience: &str, role: &str| {
        let mut command = python(&serve, &account, profile, role);
        let output = run(command.arg(example("snowflake/query.py")).args([serve.origin(), audience, "acme"]));
        let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
        assert!(!stdout.contains("eyJ") && !stderr.contains("eyJ"), "a token is shown:\n{stdout}\n{stderr}");
        (output.status.code(), stdout, stderr)
    };
    let (code, stdout, stderr) = ask(PERSON, "snowflake", "ANALYST");
    assert_eq!((code, stdout.as_str()), (Some(0), "JANE ANALYST\n"), "{stderr}");
    let (code, stdout, stderr) = ask(WORKLOAD, "snowflake", "SNOWFLAKE_LOADER");
    let expected = "SVC:444455556666:SNOWFLAKE-LOADER SNOWFLAKE_LOADER\n";
    assert_eq!((code, stdout.as_str()), (Some(0), expected), "{stderr}");

    // A role that the user has not got; a token for another relying party; a caller without a token.
    for (profile, audience, role, says) in [
        (PERSON, "snowflake", "ACCOUNTADMIN", "Role ACCOUNTADMIN is not listed"),
        (PERSON, "warehouse-api", "ANALYST", "Invalid OAuth access token"),
        (WORKLOAD, "warehouse-api", "ANALYST", "refused with HTTP status 400: invalid_target"),
    ] {
        let (code, stdout, stderr) = ask(profile, audience, role);
        assert_eq!((code, stdout.as_str()), (Some(1), ""), "{stderr}");
        assert!(stderr.contains(says), "{stderr}");
    }
    assert_eq!(logins(&account).len(), 4);
}

/// Two connections with one token while it is good, and a third with the next one.
#[test]
fn a_later_connection_gets_a_later_token() {
    let serve = serve();
    let account = account(&serve);
    let program = r#"
import sys, time
import query
from countersign_token import TokenSource

ahead = 0
source = TokenSource(sys.argv[1], "snowflake", clock=lambda: time.time() + ahead)
for ahead in (0, 60, 3600):
    print(*query.whoami(source, "acme"))
"#;
    let output = run(python(&serve, &account, PERSON, "ANALYST").args(["-c", program, serve.origin()]));
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert_eq!(text(&output.stdout), "JANE ANALYST\n".repeat(3));
    let logins = logins(&account);
    let [first, second, third] = &logins[..] else { unreachable!("{logins:?}") };
    assert!(first["jti"] == second["jti"] && second["jti"] != third["jti"], "{logins:?}");
}
