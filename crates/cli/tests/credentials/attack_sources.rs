//! What the stand-in of STS refuses by its own rules, and what a user is told of it: the right place to look, and the right exit
//! code.

use testkit::sts::{Fault, Provider};

use crate::world::{ISSUER, ROLE, World, run};

/// Runs with these arguments, and expects this exit code and words.
#[track_caller]
fn told(world: &World, more: &[&str], code: i32, words: &[&str]) {
    let ran = run(&mut world.credentials(&[&["--no-cache"], more].concat()));
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(code), ""), "{ran:?}");
    for words in words {
        assert!(ran.stderr.contains(words), "{words:?} is not in {}", ran.stderr);
    }
}

#[test]
fn a_refusal_of_sts_leads_to_what_is_wrong() {
    let world = World::new();
    let provider = |client: &str, fetch_from: &str| {
        let (url, client_ids, account) = (ISSUER.to_owned(), vec![client.to_owned()], "444455556666".to_owned());
        world.sts.provider(Provider { url, client_ids, account, fetch_from: fetch_from.to_owned() });
    };
    let good = || provider("sts.amazonaws.com", world.issuer.origin());
    let sub = "a condition on \"id.test:sub\": the token's sub is \"ci:release\"";

    let elsewhere = ROLE.replace("444455556666", "777788889999");
    told(
        &world,
        &["--role-arn", &elsewhere],
        1,
        &["No OpenIDConnect provider found", "777788889999:oidc-provider/id.test\"?"],
    );
    told(&world, &["--role-arn", &ROLE.replace("deploy", "Deploy")], 1, &[sub, "is there a role"]);
    told(&world, &["--duration-seconds", "7200"], 1, &["7200 seconds were asked for", "raise the MaxSessionDuration"]);
    let old = r#"{"Version": "2008-10-17", "Statement": {"Effect": "Deny", "Action": "*", "Resource": "*"}}"#;
    told(&world, &["--policy", old], 1, &["MalformedPolicyDocument", "validate-policy"]);
    world.trust("ci:other");
    told(&world, &[], 1, &["AccessDenied", sub, "trust lint"]);
    world.trust(crate::world::SUBJECT);
    provider("other", world.issuer.origin());
    told(&world, &[], 1, &["Incorrect token audience", "the token's aud is \"sts.amazonaws.com\"", "client ids"]);
    provider("sts.amazonaws.com", "http://127.0.0.1:1");
    told(&world, &[], 1, &["Couldn't retrieve verification key", "id.test/.well-known/openid-configuration", "kid, "]);
    good();
    for (fault, code, words) in [
        (Fault::IdpRejectedClaim, 1, "was it revoked?"),
        (Fault::RegionDisabled, 1, "account settings of IAM"),
        (Fault::Nonsense, 2, "an answer that is not one of STS"),
    ] {
        world.sts.fail(fault);
        told(&world, &[], code, &[words]);
    }
    world.sts.heal();
    let ran = run(&mut world.credentials(&["--no-cache"]));
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""), "{ran:?}");
}
