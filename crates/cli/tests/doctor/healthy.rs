//! Set-ups in which nothing is wrong.

use crate::chain::{Chain, STS};
use crate::world::{ISSUER, ROLE, run};

#[test]
fn a_good_chain_is_good_whatever_the_source() {
    let chain = Chain::new();
    let role = |name: &str| format!("arn:aws:iam::444455556666:role/{name}");
    let (github, idp) = (role("github"), role("idp"));
    let token = crate::broken::signed(&serde_json::json!({"sub": testkit::github::SUBJECT}));
    let file = chain.file("token", &token);
    let client = ["--oauth-client-id", chain.idp.client_id(), "--audience", "sts.amazonaws.com", "--role-arn", &idp];
    let of = |giving: &'static str| {
        let names =
            ["settings", "clock", "credentials", "endpoint", "tls", "discovery", "jwks", giving, "claims", "role"];
        names.into_iter().filter(|name| !name.is_empty()).collect::<Vec<_>>()
    };
    for (arguments, names) in [
        (&["--url", ISSUER, "--role-arn", ROLE][..], of("policy")),
        (&["--profile", "deploy"], of("policy")),
        (&["--web-identity-token-file", &file, "--role-arn", &github], of("")),
        (&["--github", "--role-arn", &github], of("token")),
        (&[&["--oauth-issuer", "https://idp.test"], &client[..]].concat(), of("token")),
        (&[&["--oauth-token-url", "https://idp.test/token"], &client[..]].concat(), of("token")),
    ] {
        let told = chain.told(&mut chain.doctor(arguments));
        assert_eq!((told.code, told.json["ok"].as_bool()), (Some(0), Some(true)), "{arguments:?} {told:#?}");
        assert!(told.checks().iter().all(|[_, status, _]| *status == "ok"), "{arguments:?} {told:#?}");
        assert_eq!(told.checks().iter().map(|[name, ..]| *name).collect::<Vec<_>>(), names, "{arguments:?}");
        assert!(told.stderr.lines().all(|line| line.starts_with("still ")), "{told:#?}");
    }
    println!("{}", run(&mut chain.doctor(&["--profile", "deploy"])).stderr);
    let _ = STS;
}
