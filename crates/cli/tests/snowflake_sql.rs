//! `countersign snowflake-sql` as a user runs it, and its SQL as a parser of another hand reads it.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::io::Write as _;
use std::process::Stdio;

use serde_json::{Value, json};
use testkit::tools::{isolated, workspace_root};

#[path = "snowflake/parsed.rs"]
mod parsed;

use parsed::{Statement, parsed};

const ISSUER: &str = "https://id.acme.com";

struct Ran {
    code: i32,
    stdout: String,
    stderr: String,
}

fn run(arguments: &[&str], policy: &str) -> Ran {
    let home = tempfile::tempdir().unwrap();
    let mut child = isolated(env!("CARGO_BIN_EXE_countersign"), home.path())
        .arg("snowflake-sql")
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(policy.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Ran { code: output.status.code().unwrap(), stdout: text(output.stdout), stderr: text(output.stderr) }
}

/// The SQL for a policy.
#[track_caller]
fn sql(policy: &Value, further: &[&str]) -> String {
    let ran = run(&[&["--policy", "-", "--issuer-url", ISSUER], further].concat(), &policy.to_string());
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""), "{}", ran.stdout);
    ran.stdout
}

fn policy(rules: &Value) -> Value {
    json!({
        "version": 1,
        "account_sets": { "two": ["444455556666", "777788889999"] },
        "audiences": {
            "snowflake": { "aud": "https://acme-prod.snowflakecomputing.com", "profile": "snowflake" },
            "wif": { "aud": "https://acme-prod.snowflakecomputing.com/wif", "profile": "snowflake-wif" },
            "api": { "aud": "api", "profile": "oauth" },
        },
        "rules": rules,
    })
}

fn rule(when: Value, subject: &str, scopes: &[&str]) -> Value {
    let mut when = when;
    if when["account_set"].is_null() {
        when["account"] = json!(["444455556666"]);
    }
    json!({ "name": "r", "when": when,
            "grant": { "audiences": ["snowflake"], "subject": subject, "scopes": scopes } })
}

/// The statements that create users and roles and grant them, by a policy of these rules.
#[track_caller]
fn users(rules: &Value) -> (Vec<Statement>, String) {
    let text = sql(&policy(rules), &["--users", "--form", "external-oauth"]);
    let mut statements = parsed(&text);
    assert!(matches!(statements.remove(0), Statement::Integration(..)), "{text}");
    (statements, text)
}

fn user(subject: &str, kind: &str, default_role: Option<&str>) -> Statement {
    let mut properties = json!({ "LOGIN_NAME": subject, "TYPE": { "word": kind } });
    if let Some(role) = default_role {
        properties["DEFAULT_ROLE"] = json!({ "word": role });
    }
    Statement::User(subject.to_owned(), properties)
}

fn role(name: &str) -> Statement {
    Statement::Role(name.to_owned())
}

fn grant(role: &str, user: &str) -> Statement {
    Statement::Grant(role.to_owned(), user.to_owned())
}

#[track_caller]
fn is_golden(path: &str, text: &str) {
    let path = workspace_root().join(path);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, text).unwrap();
    }
    assert_eq!(text, std::fs::read_to_string(&path).unwrap(), "{}", path.display());
}

#[test]
fn the_examples_are_as_they_were() {
    for file in ["policy", "organisation"] {
        let policy = workspace_root().join(format!("examples/{file}.yaml"));
        let ran = run(&["--policy", policy.to_str().unwrap(), "--issuer-url", ISSUER, "--users"], "");
        assert_eq!((ran.code, ran.stderr.as_str()), (0, ""));
        is_golden(&format!("crates/cli/tests/golden/snowflake-{file}.sql"), &ran.stdout);
        parsed(&ran.stdout);
    }
}

/// `infrastructure/tests/plan.tftest.hcl` compares the output of the deployment with the same file.
#[test]
fn the_output_of_a_deployment_says_the_same() {
    let policy = workspace_root().join("infrastructure/tests/fixtures/snowflake-policy.yaml");
    let arguments = ["--policy", policy.to_str().unwrap(), "--issuer-url", "https://id.example.com"];
    let ran = run(&[&arguments[..], &["--name", "acme", "--form", "external-oauth"]].concat(), "");
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""));
    is_golden("infrastructure/tests/fixtures/snowflake.sql", &ran.stdout);
    let modes: Vec<_> = parsed(&ran.stdout)
        .into_iter()
        .map(|statement| match statement {
            Statement::Integration(name, parameters) => (
                name,
                parameters["EXTERNAL_OAUTH_AUDIENCE_LIST"][0].as_str().unwrap().to_owned(),
                parameters["EXTERNAL_OAUTH_ANY_ROLE_MODE"].as_str().unwrap().to_owned(),
            ),
            other => panic!("{other:?}"),
        })
        .collect();
    let expected = [
        ("ACME_ANY_ROLE", "https://acme-people.snowflakecomputing.com", "ENABLE"),
        ("ACME_HOSTILE__DROP_USER_JANE", r"x');DROP/**/USER/**/JANE;--\'y", "DISABLE"),
        ("ACME_SNOWFLAKE", "https://acme-prod.snowflakecomputing.com", "DISABLE"),
    ];
    assert_eq!(modes, expected.map(|(name, aud, mode)| (name.to_owned(), aud.to_owned(), mode.to_owned())));
}

#[test]
fn an_integration_has_the_parameters_that_our_tokens_need() {
    let rules = json!([rule(json!({ "kind": "role", "role": ["loader"] }), "svc", &["session:role:LOADER"])]);
    let text = sql(&policy(&rules), &["--jwks-url", "https://keys.acme.com/set.json", "--name", "acme-1"]);
    let [Statement::Integration(name, parameters)] = &parsed(&text)[..] else { panic!("{text}") };
    assert_eq!(name, "ACME_1_SNOWFLAKE");
    assert_eq!(
        *parameters,
        json!({
            "TYPE": { "word": "EXTERNAL_OAUTH" },
            "ENABLED": true,
            "EXTERNAL_OAUTH_TYPE": { "word": "CUSTOM" },
            "EXTERNAL_OAUTH_ISSUER": ISSUER,
            "EXTERNAL_OAUTH_JWS_KEYS_URL": "https://keys.acme.com/set.json",
            "EXTERNAL_OAUTH_AUDIENCE_LIST": ["https://acme-prod.snowflakecomputing.com"],
            "EXTERNAL_OAUTH_TOKEN_USER_MAPPING_CLAIM": "sub",
            "EXTERNAL_OAUTH_SNOWFLAKE_USER_MAPPING_ATTRIBUTE": "login_name",
            "EXTERNAL_OAUTH_SCOPE_MAPPING_ATTRIBUTE": "scp",
            "EXTERNAL_OAUTH_ANY_ROLE_MODE": "DISABLE",
        })
    );
}

/// What any_role_mode looks at: allow rules of this audience.
#[test]
fn any_role_is_enabled_by_a_rule_of_the_audience_alone() {
    let named = rule(json!({ "kind": "role", "role": ["loader"] }), "svc", &["session:role:LOADER"]);
    let mut of_another = rule(json!({ "kind": "role", "role": ["reader"] }), "reader", &["session:role-any"]);
    of_another["name"] = json!("other");
    of_another["grant"]["audiences"] = json!(["api"]);
    let denied = json!({ "name": "no", "effect": "deny", "when": { "role": ["x"] }, "audiences": ["snowflake"] });
    for (scope, audience, mode) in [
        ("session:role-any", "api", "DISABLE"),
        ("session:role-any", "snowflake", "ENABLE"),
        ("SESSION:ROLE-ANY", "snowflake", "ENABLE"),
        ("session:role-anything", "snowflake", "DISABLE"),
    ] {
        of_another["grant"]["audiences"] = json!([audience]);
        of_another["grant"]["scopes"] = json!([scope]);
        let text = sql(&policy(&json!([named, of_another, denied])), &["--audience", "snowflake"]);
        assert!(text.contains(&format!("EXTERNAL_OAUTH_ANY_ROLE_MODE = '{mode}'")), "{scope} {audience}: {text}");
    }
}

#[test]
fn users_and_roles_come_from_the_rules() {
    // One for each account and role; what filters make of them; the first role is the default one.
    let rules = json!([rule(
        json!({ "kind": "role", "account_set": ["two"], "role": ["etl-eu", "loader"] }),
        "svc:{account}:{role}",
        &["session:role:{role|upper|underscore}", "session:role:reader", "session:role:public"]
    )]);
    let (statements, _) = users(&rules);
    let mut expected = vec![role("ETL_EU"), role("READER"), role("LOADER")];
    for account in ["444455556666", "777788889999"] {
        for (name, own) in [("etl-eu", "ETL_EU"), ("loader", "LOADER")] {
            let subject = format!("svc:{account}:{name}");
            expected.push(user(&subject, "SERVICE", Some(own)));
            expected.extend([grant(own, &subject), grant("READER", &subject)]);
        }
    }
    assert_eq!(statements, expected);

    // People are persons; a rule whose subject is one literal needs no list of names.
    let people = json!([rule(
        json!({ "kind": "sso", "permission_set": ["A*"], "user_name": ["Jane@acme.com"] }),
        "{user_name|local_part|upper}",
        &["session:role-any"]
    )]);
    let (statements, text) = users(&people);
    assert_eq!(statements, [user("JANE", "PERSON", None)]);
    assert!(text.contains("-- its tokens say session:role-any: grant the roles"), "{text}");

    let mut fixed = rule(json!({ "kind": "role", "role": ["a-*", "b"] }), "reporting", &["session:role:my-role"]);
    fixed["shared_subject"] = json!(true);
    let (statements, _) = users(&json!([fixed]));
    assert_eq!(
        statements,
        [role("my-role"), user("reporting", "SERVICE", Some("my-role")), grant("my-role", "reporting")]
    );

    // Without --users there are none, and other audiences have none.
    assert_eq!(parsed(&sql(&policy(&json!([fixed])), &[])).len(), 1);
}

#[test]
fn rules_that_share_a_subject_share_the_user() {
    let shared = |name: &str, when: Value, subject: &str, scope: &str| {
        let mut rule = rule(when, subject, &[scope]);
        rule["name"] = json!(name);
        rule["shared_subject"] = json!(true);
        rule
    };
    let rules = json!([
        shared("a", json!({ "kind": "role", "role": ["a"] }), "reporting", "session:role:one"),
        shared("b", json!({ "kind": "sso", "user_name": ["b"] }), "Reporting", "session:role:two"),
    ]);
    let (statements, text) = users(&rules);
    assert_eq!(
        statements,
        [
            role("ONE"),
            role("TWO"),
            user("reporting", "PERSON", Some("ONE")),
            grant("ONE", "reporting"),
            grant("TWO", "reporting")
        ]
    );
    assert!(text.contains("-- snowflake: a, b\n"), "{text}");
}

/// Of a workload identity a grant is all: its tokens carry no scopes that would hold it back.
#[test]
fn nobody_is_granted_what_a_rule_gives_to_others_only() {
    let of = |name: &str, when: Value, subject: &str, scopes: &[&str]| {
        let mut rule = rule(when, subject, scopes);
        rule["name"] = json!(name);
        rule["grant"]["audiences"] = json!(["wif", "snowflake"]);
        rule
    };
    let narrow = || json!({ "kind": "role", "role": ["loader"] });
    let wide = || json!({ "kind": "role", "role": ["loader", "other"] });
    let first = of("first", narrow(), "svc:{role}", &["session:role:read"]);
    let second = of("second", wide(), "svc:{role}", &["session:role:admin"]);
    let grants = |rules: &Value| {
        let both = ["wif", "external-oauth"].map(|form| {
            let grants = parsed(&sql(&policy(rules), &["--users", "--form", form])).into_iter();
            grants.filter(|statement| matches!(statement, Statement::Grant(..))).collect::<Vec<_>>()
        });
        assert_eq!(both[0], both[1]);
        both[0].clone()
    };
    // The first rule that matches decides: the loader never has what the second one gives.
    let (read, admin) = (grant("READ", "svc:loader"), |user| grant("ADMIN", user));
    assert_eq!(grants(&json!([first, second])), [read.clone(), admin("svc:other")]);
    assert_eq!(grants(&json!([second, first])), [admin("svc:loader"), admin("svc:other")]);
    // It decides nothing for whom it means only sometimes, or for another audience.
    for (field, value) in [("role_id", "AROAONE"), ("session_name", "once")] {
        let mut sometimes = first.clone();
        sometimes["when"][field] = json!([value]);
        sometimes["trust_session_name"] = json!(true);
        assert_eq!(grants(&json!([sometimes, second])), [read.clone(), admin("svc:loader"), admin("svc:other")]);
    }
    let mut of_another = first.clone();
    of_another["grant"]["audiences"] = json!(["api"]);
    assert_eq!(grants(&json!([of_another, second])), [admin("svc:loader"), admin("svc:other")]);

    // Nor is there anything for whom a deny rule means, in any case.
    let deny = |when: Value| json!({ "name": "no", "effect": "deny", "when": when });
    for (when, is_denied) in [
        (json!({ "role": ["load*"] }), true),
        (json!({ "account": ["444455556666"], "kind": "role", "role": ["*"] }), true),
        (json!({ "account": ["777788889999"], "role": ["*"] }), false),
        (json!({ "kind": "sso", "permission_set": ["*"] }), false),
        (json!({ "role": ["loader"], "session_name": ["once"] }), false),
        (json!({ "partition": ["aws-cn"], "role": ["loader"] }), false),
    ] {
        let listed = grants(&json!([first, deny(when.clone())])) == [read.clone()];
        assert_eq!(listed, !is_denied, "{when}");
    }
    let mut elsewhere = deny(narrow());
    elsewhere["audiences"] = json!(["api"]);
    assert_eq!(grants(&json!([first, elsewhere])), [read]);

    // A filter makes one user of two roles: neither has what the other one alone is given.
    let scopes = &["session:role:{role}", "session:role:both"];
    let one = of("one", json!({ "kind": "role", "role": ["a-b", "a_b"] }), "svc:{role|underscore}", scopes);
    assert_eq!(grants(&json!([one])), [grant("BOTH", "svc:a_b")]);
    let text = sql(&policy(&json!([one])), &["--form", "wif"]);
    assert!(text.contains("-- session:role:{role}: which role that is, the subject alone does not tell."), "{text}");
    assert!(text.contains("DEFAULT_ROLE = \"BOTH\"") && text.matches("CREATE USER").count() == 1, "{text}");
    // In login names letter case is such a filter.
    let cased = json!([rule(
        json!({ "kind": "role", "role": ["x-A", "x-a"] }),
        "{role}",
        &["session:role:{role}", "session:role:both"]
    )]);
    assert_eq!(users(&cased).0, [role("BOTH"), user("x-A", "SERVICE", Some("BOTH")), grant("BOTH", "x-A")]);
}

#[test]
fn what_the_policy_does_not_list_is_a_comment_with_an_example() {
    let rules = json!([rule(
        json!({ "kind": "role", "account_set": ["two"], "role": ["snowflake-*", "x"] }),
        "svc:{account}:{role}",
        &["session:role:{role|upper|underscore}"]
    )]);
    let (statements, text) = users(&rules);
    assert_eq!(statements, []);
    assert!(
        text.contains("when: kind role; partition aws; account 444455556666, 777788889999; role snowflake-*, x\n"),
        "{text}"
    );
    assert!(text.contains("subject: svc:{account}:{role}; scopes: session:role:{role|upper|underscore}\n"), "{text}");
    // The example is a statement too.
    let example: String =
        text.lines().filter_map(|line| line.strip_prefix("--     ")).flat_map(|l| [l, "\n"]).collect();
    let subject = "svc:444455556666:snowflake-example";
    assert_eq!(
        parsed(&example),
        [
            role("SNOWFLAKE_EXAMPLE"),
            user(subject, "SERVICE", Some("SNOWFLAKE_EXAMPLE")),
            grant("SNOWFLAKE_EXAMPLE", subject)
        ]
    );

    // Each field that a rule may leave open has an example; too many users are as good as endless.
    for (when, subject, example) in [
        (json!({ "kind": "role" }), "{role_id}", "AROAEXAMPLE"),
        (json!({ "kind": "role", "role": ["*"] }), "{role}", "example"),
        (json!({ "kind": "sso" }), "{user_name}", "example@example.com"),
        (json!({ "kind": "user", "path": ["/ci/*"] }), "{path}{user}", "/ci/example/example"),
        (json!({ "kind": "user", "path": ["*/"] }), "{path}{user}", "/example"),
    ] {
        let (statements, text) = users(&json!([rule(when, subject, &["session:role:x"])]));
        assert_eq!(statements, []);
        assert!(text.contains(&format!("--     CREATE USER \"{example}\"\n")), "{subject}: {text}");
    }
    let many: Vec<String> = (0..501).map(|number| format!("role-{number}")).collect();
    let (statements, text) =
        users(&json!([rule(json!({ "kind": "role", "role": many }), "{role}", &["session:role:x"])]));
    assert_eq!(statements, []);
    assert!(text.contains("and 496 more\n"), "{text}");
}

#[test]
fn nobody_is_granted_a_role_that_snowflake_blocks_or_that_the_subject_does_not_tell() {
    let rules = json!([rule(
        json!({ "kind": "sso", "permission_set": ["A", "B"], "user_name": ["jane"] }),
        "{user_name}",
        &[
            "session:role:AccountAdmin",
            "session:role:ORGADMIN",
            "SESSION:ROLE:globalorgadmin",
            "session:role:SECURITYADMIN",
            "session:role:{permission_set}",
            "session:role:",
            "reports:read",
            "session:role:USERADMIN"
        ]
    )]);
    let (statements, text) = users(&rules);
    assert_eq!(statements, [role("USERADMIN"), user("jane", "PERSON", Some("USERADMIN")), grant("USERADMIN", "jane")]);
    for line in [
        "-- not granted, because Snowflake blocks this role for tokens: GRANT ROLE \"ACCOUNTADMIN\" TO USER \"jane\";\n",
        "-- session:role:{permission_set}: which role that is, the subject alone does not tell. Grant it by hand\n",
    ] {
        assert!(text.contains(line), "{text}");
    }
}

#[test]
fn an_entry_that_no_caller_can_have_names_nobody() {
    for when in [json!({ "kind": "role", "role": ["a b"] }), json!({ "kind": "role", "role": ["it's"] })] {
        for subject in ["{role}", "fixed"] {
            let (statements, text) = users(&json!([rule(when.clone(), subject, &["session:role:x"])]));
            assert_eq!((statements.as_slice(), text.contains("example")), (&[][..], false), "{text}");
        }
    }
    // Rendering fails for one of two, who is denied therefore.
    let long = "x".repeat(64);
    let rules = json!([rule(
        json!({ "kind": "role", "role": ["a", long] }),
        &format!("{}{{role}}", "s".repeat(200)),
        &["session:role:x"]
    )]);
    assert_eq!(users(&rules).0.iter().filter(|statement| matches!(statement, Statement::User(..))).count(), 1);
}

#[test]
fn workload_identities_are_services_with_an_audience_of_their_own() {
    let mut workload = rule(json!({ "kind": "role", "role": ["loader"] }), "svc:{role}", &["session:role:LOADER"]);
    workload["grant"]["audiences"] = json!(["wif"]);
    let mut person = rule(json!({ "kind": "sso", "user_name": ["jane"] }), "person:{user_name}", &[]);
    person["name"] = json!("people");
    person["grant"] = json!({ "audiences": ["wif"], "subject": "person:{user_name}" });
    let mut crowd = person.clone();
    crowd["name"] = json!("crowd");
    crowd["when"]["user_name"] = json!(["*"]);
    crowd["grant"]["subject"] = json!("crowd:{user_name}");
    let text = sql(&policy(&json!([workload, person, crowd])), &["--form", "wif"]);
    let identity = json!({
        "TYPE": { "word": "OIDC" },
        "ISSUER": ISSUER,
        "SUBJECT": "svc:loader",
        "OIDC_AUDIENCE_LIST": ["https://acme-prod.snowflakecomputing.com/wif"],
    });
    assert_eq!(
        parsed(&text),
        [
            role("LOADER"),
            Statement::User(
                "svc:loader".to_owned(),
                json!({ "TYPE": { "word": "SERVICE" }, "WORKLOAD_IDENTITY": identity, "DEFAULT_ROLE": { "word": "LOADER" } })
            ),
            grant("LOADER", "svc:loader"),
        ]
    );
    assert!(text.contains("-- person:jane is a person: Workload Identity Federation is for services\n"), "{text}");
    assert!(text.contains("--   They are people: Workload Identity Federation is for services\n"), "{text}");
}

/// Everything that a policy may hold, as it comes back from the parser.
#[test]
fn no_name_ends_a_string_an_identifier_or_a_comment() {
    let hostile = [
        r#"x";DROP/**/USER"JANE"#,
        r"x';DROP/**/USER/**/JANE;--",
        r"x\';DROP/**/USER/**/JANE;--",
        r"\\'",
        r"\",
        "'",
        "\"",
        "''",
        "$$x$$",
        "--x",
        "/*x",
        "//x",
        "&x",
        "<%x%>",
        ";",
    ];
    for name in hostile {
        // Neither quotes nor backslashes are in a scope, by the policy's own rules.
        let scope: String = name.chars().filter(|c| !"\"\\,".contains(*c)).collect();
        let own = format!("r{scope}");
        let mut hostile_policy = policy(&json!([{
            "name": format!("r {name}\u{2028}\u{202e}x"),
            "when": { "kind": "role", "account": ["444455556666"], "role": ["x"] },
            "grant": { "audiences": [name, "wif"], "subject": name, "scopes": [format!("session:role:{own}")] },
        }]));
        hostile_policy["audiences"] = json!({
            name: { "aud": format!("aud:{name}"), "profile": "snowflake" },
            "wif": { "aud": format!("wif:{name}"), "profile": "snowflake-wif" },
        });
        let text = sql(&hostile_policy, &["--users"]);
        assert!(!text.contains(['\u{2028}', '\u{202e}']), "{text}");
        let statements = parsed(&text);
        let [integration, roles @ .., _] = &statements[..] else { panic!("{text}") };
        let Statement::Integration(integration, parameters) = integration else { panic!("{text}") };
        assert!(integration.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_'), "{integration}");
        assert_eq!(parameters["EXTERNAL_OAUTH_AUDIENCE_LIST"], json!([format!("aud:{name}")]));
        let default =
            if own.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'$') { own.to_uppercase() } else { own };
        assert_eq!(
            roles[..3],
            [role(&default), user(name, "SERVICE", Some(&default)), grant(&default, name)],
            "{text}"
        );
        let Statement::User(identified, identity) = &roles[4] else { panic!("{text}") };
        assert_eq!(identified, name);
        assert_eq!(identity["WORKLOAD_IDENTITY"]["SUBJECT"], json!(name));
        assert_eq!(identity["WORKLOAD_IDENTITY"]["OIDC_AUDIENCE_LIST"], json!([format!("wif:{name}")]));
        assert_eq!(statements.len(), 7, "{text}");
    }
    // The one character of a URL that SQL knows.
    let rules = json!([rule(json!({ "kind": "role", "role": ["x"] }), "x", &["session:role:x"])]);
    let ran = run(&["--policy", "-", "--issuer-url", "https://id.acme.com/a'b"], &policy(&rules).to_string());
    let [Statement::Integration(_, parameters)] = &parsed(&ran.stdout)[..] else { panic!("{}", ran.stdout) };
    assert_eq!(parameters["EXTERNAL_OAUTH_ISSUER"], "https://id.acme.com/a'b");
}

#[test]
fn json_holds_the_same_statements() {
    let rules = json!([rule(
        json!({ "kind": "role", "role": ["it"] }),
        "svc:{role}",
        &["session:role:ONE", "session:role:ORGADMIN"]
    )]);
    let text = sql(&policy(&rules), &["--users", "--audience", "snowflake"]);
    let found: Value =
        serde_json::from_str(&sql(&policy(&rules), &["--users", "--audience", "snowflake", "--json"])).unwrap();
    let [audience] = &found["audiences"].as_array().unwrap()[..] else { panic!("{found}") };
    let statements: String =
        audience["statements"].as_array().unwrap().iter().flat_map(|one| [one.as_str().unwrap(), ";\n"]).collect();
    assert_eq!(parsed(&statements), parsed(&text));
    assert_eq!(audience["form"], "external-oauth");
    assert_eq!(audience["integration"], json!({ "name": "COUNTERSIGN_SNOWFLAKE", "any_role_mode": "DISABLE" }));
    assert_eq!(audience["users"][0]["blocked_roles"], json!(["ORGADMIN"]));
    assert_eq!(
        (&found["issuer"], found["jwks_url"].as_str()),
        (&json!(ISSUER), Some("https://id.acme.com/.well-known/jwks.json"))
    );
}

#[test]
fn what_cannot_be_done_has_an_exit_code_and_says_why() {
    let good = policy(&json!([rule(json!({ "kind": "role", "role": ["x"] }), "x", &["session:role:x"])])).to_string();
    let with = |further: &[&str], policy: &str| {
        let ran = run(&[&["--policy", "-"], further].concat(), policy);
        assert_eq!(ran.stdout, "", "{further:?}");
        (ran.code, ran.stderr)
    };
    let issuer = ["--issuer-url", ISSUER];
    for (further, words) in [
        (&["--issuer-url", "https://id.acme.com/"][..], "--issuer-url"),
        (&["--issuer-url", "http://id.acme.com"], "must be https"),
        (&[], "--issuer-url"),
        (&["--issuer-url", ISSUER, "--jwks-url", "ftp://x"], "--jwks-url"),
        (&["--issuer-url", ISSUER, "--name", "1x"], "--name"),
        (&["--issuer-url", ISSUER, "--name", "x;y"], "--name"),
        (&["--issuer-url", ISSUER, "--form", "saml"], "--form"),
        (&["--issuer-url", ISSUER, "--audience", "api"], "no audience `api` of such a profile"),
    ] {
        let (code, stderr) = with(further, &good);
        assert_eq!((code, stderr.contains(words)), (2, true), "{further:?}: {stderr}");
    }
    let (code, stderr) = with(&issuer, "version: 2\nrules: 1\n");
    assert!(code == 1 && stderr.contains("- does not load:\n  line 1: version: version 2 is not known"), "{stderr}");
    assert_eq!(run(&["--policy", "/nowhere.yaml", "--issuer-url", ISSUER], "").code, 2);

    // Nothing to do is no mistake.
    let (code, stderr) = with(&issuer, "version: 1\n");
    assert!(code == 0 && stderr.contains("there is nothing to run"), "{stderr}");
    let local = run(&["--policy", "-", "--issuer-url", "http://127.0.0.1:8787"], &good);
    assert!(
        local.code == 0 && local.stderr.contains("Snowflake cannot fetch anything from http://127.0.0.1"),
        "{}",
        local.stderr
    );
}
