//! The trust policy: whom it names, its condition keys, and what a token may bring with it.

use std::panic::{AssertUnwindSafe, catch_unwind};

use serde_json::{Value, json};
use testkit::sts::{Role, Sts};

use crate::world::{AUDIENCE, PLAIN, World};

const ROLE: &str = "arn:aws:iam::444455556666:role/conditional";
const ASSUME: &str = "sts:AssumeRoleWithWebIdentity";

/// What a token with these claims is told by a role with this condition.
fn told(world: &World, condition: &Value, claims: &Value) -> String {
    world.role(ROLE, &json!([ASSUME, "sts:TagSession", "sts:SetSourceIdentity"]), condition);
    world.call(&[("RoleArn", ROLE), ("WebIdentityToken", &world.token(claims))]).told()
}

/// Fails unless it lets in, or does not, as `expected` says.
fn decides(world: &World, rows: &[(Value, Value, bool)]) {
    for (condition, claims, expected) in rows {
        let told = told(world, condition, claims);
        let wanted = if *expected { "200" } else { "403 AccessDenied: Not authorized to perform sts:Assume" };
        assert!(told.starts_with(wanted), "{condition} {claims}: {told}");
    }
}

#[test]
fn claims_of_any_provider_are_aud_sub_and_amr() {
    let world = World::start();
    let key = |claim: &str| world.key(claim);
    let equal = |claim: &str, value: &str| json!({"StringEquals": {(key(claim)): value}});
    let amr = json!({"ForAnyValue:StringEquals": {(key("amr")): "mfa"}});
    decides(
        &world,
        &[
            (equal("aud", AUDIENCE), json!({}), true),
            (equal("aud", AUDIENCE), json!({"aud": "other", "azp": AUDIENCE}), true),
            (equal("aud", "other"), json!({"aud": "other", "azp": AUDIENCE}), false),
            (equal("sub", "svc:app"), json!({}), true),
            (equal("sub", "svc:app"), json!({"sub": "svc:other"}), false),
            (json!({"StringLike": {(key("sub")): "svc:*"}}), json!({"sub": "svc:x"}), true),
            (amr.clone(), json!({"amr": ["pwd", "mfa"]}), true),
            (amr.clone(), json!({"amr": ["pwd"]}), false),
            (amr, json!({}), false),
            // Whatever the token says: nothing else of it is a key.
            (equal("repository_id", "5678"), json!({"repository_id": "5678"}), false),
            (json!({"Null": {(key("email")): "true"}}), json!({"email": "a@b"}), true),
        ],
    );
}

#[test]
fn github_has_more_keys_than_others() {
    let world = World::of("https://token.actions.githubusercontent.com", "aws");
    let equal = |claim: &str| json!({"StringEquals": {(world.key(claim)): "x"}});
    for claim in [
        "actor",
        "actor_id",
        "enterprise_id",
        "environment",
        "job_workflow_ref",
        "ref",
        "repository",
        "repository_id",
        "repository_owner_id",
        "workflow",
    ] {
        decides(&world, &[(equal(claim), json!({ claim: "x" }), true), (equal(claim), json!({}), false)]);
    }
    decides(&world, &[(equal("run_id"), json!({"run_id": "x"}), false)]);
}

#[test]
fn keys_of_the_request() {
    let world = World::start();
    let tagged = json!({"https://aws.amazon.com/tags": {
        "principal_tags": {"team": ["data"], "stage": ["prod"]}, "transitive_tag_keys": ["team"]
    }});
    let sourced = json!({"https://aws.amazon.com/source_identity": "ada"});
    let equal = |key: &str, value: &str| json!({"StringEquals": {(key): value}});
    let all = |key: &str, values: &[&str]| json!({"ForAllValues:StringEquals": {(key): values}});
    let bool = |value: &str| json!({"Bool": {"sts:RoleAuthorizedByIdp": value}});
    decides(
        &world,
        &[
            (equal("sts:RoleSessionName", "app"), json!({}), true),
            (equal("sts:RoleSessionName", "other"), json!({}), false),
            (equal("aws:RequestTag/team", "data"), tagged.clone(), true),
            (equal("aws:RequestTag/team", "ops"), tagged.clone(), false),
            (equal("aws:RequestTag/team", "data"), json!({}), false),
            (all("aws:TagKeys", &["team", "stage"]), tagged.clone(), true),
            (all("aws:TagKeys", &["team"]), tagged.clone(), false),
            (all("sts:TransitiveTagKeys", &["team"]), tagged, true),
            (equal("sts:SourceIdentity", "ada"), sourced.clone(), true),
            (equal("sts:SourceIdentity", "ada"), json!({}), false),
            (equal("aws:SourceIdentity", "ada"), sourced, false),
            (equal("aws:FederatedProvider", "arn:aws:iam::444455556666:oidc-provider/id.test"), json!({}), true),
            (bool("true"), json!({"https://aws.amazon.com/roles": ROLE}), true),
            (bool("true"), json!({}), false),
        ],
    );
    let unknown = told(&world, &equal("aws:SourceIp", "127.0.0.1"), &json!({}));
    assert!(unknown.starts_with("500 InternalFailure:") && unknown.contains("aws:sourceip"), "{unknown}");
}

#[test]
fn what_a_token_brings_has_to_be_allowed() {
    let world = World::start();
    let told = |claims: &Value| {
        let token = world.token(claims);
        world.call(&[("RoleArn", PLAIN), ("WebIdentityToken", &token)]).told()
    };
    let denied = "403 AccessDenied: Not authorized to perform";
    assert_eq!(told(&json!({})), "200");
    assert_eq!(told(&json!({"https://aws.amazon.com/tags": {"principal_tags": {}}})), "200", "no tags");
    let tags = json!({"https://aws.amazon.com/tags": {"principal_tags": {"team": ["data"]}}});
    assert_eq!(told(&tags), format!("{denied} sts:TagSession"));
    let source = json!({"https://aws.amazon.com/source_identity": "ada"});
    assert_eq!(told(&source), format!("{denied} sts:SetSourceIdentity"));
    assert_eq!(world.assume(&tags).told(), "200");
    assert_eq!(world.assume(&source).told(), "200");
}

#[test]
fn only_the_provider_of_the_account_is_meant() {
    let world = World::start();
    for (effect, principal, expected) in [
        ("Allow", json!({"Federated": "arn:aws:iam::444455556666:oidc-provider/id.test"}), true),
        ("Allow", json!({"Federated": "arn:aws:iam::777788889999:oidc-provider/id.test"}), false),
        ("Allow", json!({"Federated": "arn:aws:iam::444455556666:oidc-provider/id.test/tenant"}), false),
        ("Allow", json!({"Federated": "id.test"}), false),
        ("Allow", json!({"AWS": "444455556666"}), false),
        ("Deny", json!("*"), false),
    ] {
        let trust = json!({
            "Version": "2012-10-17",
            "Statement": {"Effect": effect, "Principal": principal, "Action": ASSUME}
        });
        world.sts.role(Role { arn: ROLE.to_owned(), trust, max_session: 3600 });
        let told = world.call(&[("RoleArn", ROLE)]).told();
        assert_eq!(told == "200", expected, "{effect} {principal}: {told}");
    }
}

#[test]
fn a_role_that_cannot_be_is_a_mistake_of_the_test() {
    let sts = Sts::start();
    let takes = |arn: &str, version: &str, max_session: u32| {
        let trust = json!({"Version": version, "Statement": []});
        let role = Role { arn: arn.to_owned(), trust, max_session };
        catch_unwind(AssertUnwindSafe(|| sts.role(role))).is_ok()
    };
    assert!(takes(ROLE, "2012-10-17", 3600) && takes(ROLE, "2012-10-17", 43200));
    assert!(!takes(ROLE, "2012-10-17", 3599) && !takes(ROLE, "2012-10-17", 43201));
    assert!(!takes(ROLE, "2008-10-17", 3600) && !takes("arn:aws:iam::444455556666:user/ada", "2012-10-17", 3600));
}
