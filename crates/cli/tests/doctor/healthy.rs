//! Set-ups in which nothing is wrong, and what docs/doctor.md shows.

use serde_json::json;
use testkit::tools::workspace_root;

use crate::chain::Chain;
use crate::output::difference;
use crate::world::{ISSUER, ROLE, run};

#[test]
fn a_good_chain_is_good_whatever_the_source() {
    let chain = Chain::new();
    let role = |name: &str| format!("arn:aws:iam::444455556666:role/{name}");
    let (github, idp) = (role("github"), role("idp"));
    let file = chain.file("token", &crate::broken::signed(&json!({})));
    let client = ["--oauth-client-id", chain.idp.client_id(), "--audience", "sts.amazonaws.com", "--role-arn", &idp];
    for (arguments, giving) in [
        (&["--url", ISSUER, "--role-arn", ROLE][..], Some("policy")),
        (&["--url", chain.world.issuer.origin(), "--role-arn", ROLE], Some("policy")),
        (&["--url", "https://id.test/token", "--role-arn", ROLE], Some("policy")),
        (&["--web-identity-token-file", &file, "--role-arn", &github], None),
        (&["--github", "--role-arn", &github], Some("token")),
        (&[&["--oauth-issuer", "https://idp.test"], &client[..]].concat(), Some("token")),
        (&[&["--oauth-token-url", "https://idp.test/token"], &client[..]].concat(), Some("token")),
    ] {
        let told = chain.told(&mut chain.doctor(arguments));
        assert_eq!((told.code, told.json["ok"].as_bool()), (Some(0), Some(true)), "{arguments:?} {told:#?}");
        let before = ["settings", "clock", "credentials", "endpoint", "tls", "discovery", "jwks"];
        let names: Vec<&str> = before.into_iter().chain(giving).chain(["claims", "role"]).collect();
        let expected: Vec<[&str; 2]> = names.into_iter().map(|name| [name, "ok"]).collect();
        let found: Vec<[&str; 2]> = told.checks().iter().map(|[name, status, _]| [*name, *status]).collect();
        assert_eq!(found, expected, "{arguments:?} {told:#?}");
        assert!(told.stderr.lines().all(|line| line.starts_with("still ")), "{told:#?}");
        for check in told.json["checks"].as_array().unwrap() {
            let members: Vec<&str> = check.as_object().unwrap().keys().map(String::as_str).collect();
            assert_eq!(members, ["advice", "check", "found", "status"]);
        }
    }
}

#[test]
fn the_page_shows_what_is_printed() {
    let chain = Chain::new();
    let page = std::fs::read_to_string(workspace_root().join("docs/doctor.md")).unwrap();
    let mut shown = page.split("\n```text\n").skip(1).map(|rest| rest.split("```").next().unwrap());
    for (more, code) in [(&[][..], 0), (&["--audience", "snowflake"], 1)] {
        let ran = run(&mut chain.doctor(&[&["--profile", "deploy"], more].concat()));
        assert_eq!((ran.code, ran.stdout.as_str()), (Some(code), ""), "{ran:?}");
        let lines = ran.stderr.lines().filter(|line| !line.starts_with("still "));
        let printed = lines.collect::<Vec<_>>().join("\n").replace("id.test", "id.acme.com");
        assert_eq!(difference(shown.next().unwrap(), &printed), None, "{printed}");
    }
    assert_eq!(shown.next(), None);
}
