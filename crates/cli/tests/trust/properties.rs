//! For all: inclusion of patterns against trying every text, no document panics, and nobody gets in who is not named.

use std::sync::LazyLock;

use countersign::trust::{Compare, Pattern, Within, lint, read, within};
use proptest::prelude::*;
use serde_json::{Value, json};
use testkit::iam::{Caller, Context, Document, Request, Verdict};

use crate::cases::{self, GITHUB};
use crate::report;

fn pattern() -> impl Strategy<Value = String> {
    prop::collection::vec(proptest::sample::select(vec!["a", "b", "*", "?", "ab"]), 0..5)
        .prop_map(|pieces| pieces.concat())
}

/// Another way to tell: by recursion over the pattern.
fn fits(pattern: &[u8], text: &[u8]) -> bool {
    match (pattern, text) {
        ([], []) => true,
        ([b'*', rest @ ..], _) => fits(rest, text) || (!text.is_empty() && fits(pattern, &text[1..])),
        ([b'?', rest @ ..], [_, more @ ..]) => fits(rest, more),
        ([one, rest @ ..], [other, more @ ..]) => one == other && fits(rest, more),
        _ => false,
    }
}

/// Every text of at most five letters, one of which no pattern names.
static TEXTS: LazyLock<Vec<String>> = LazyLock::new(|| {
    let mut all = vec![String::new()];
    let mut last = all.clone();
    for _ in 0..5 {
        last = last.iter().flat_map(|text| ["a", "b", "c"].map(|letter| format!("{text}{letter}"))).collect();
        all.extend(last.iter().cloned());
    }
    all
});

/// JSON as a stranger writes it, with the words of policies in it.
fn document() -> impl Strategy<Value = Value> {
    let words = vec![
        "Version",
        "2012-10-17",
        "Statement",
        "Effect",
        "Allow",
        "Deny",
        "Principal",
        "NotPrincipal",
        "AWS",
        "Federated",
        "Service",
        "Action",
        "NotAction",
        "sts:*",
        "sts:AssumeRoleWithWebIdentity",
        "Condition",
        "StringLike",
        "StringEquals",
        "ForAllValues:StringLikeIfExists",
        "StringNotEquals",
        "Null",
        GITHUB,
        "*",
        "repo:a@*/b*:ref:*",
        "token.actions.githubusercontent.com:sub",
        "token.actions.githubusercontent.com:aud",
        "project_path:é/*:",
        "system:serviceaccount:*",
        "cognito-identity.amazonaws.com",
        "cognito-identity.amazonaws.com:amr",
        "${a}",
        "Role",
        "Roles",
        "AssumeRolePolicyDocument",
        "%7B%22",
        "arn:aws:iam::1:saml-provider/x",
        "organization:*",
        "",
    ];
    let leaf = prop_oneof![
        4 => proptest::sample::select(words.clone()).prop_map(Value::from),
        1 => any::<String>().prop_map(Value::from),
        1 => any::<bool>().prop_map(Value::from),
        1 => any::<i32>().prop_map(Value::from),
        1 => Just(Value::Null),
    ];
    leaf.prop_recursive(5, 40, 4, move |inner| {
        let names = proptest::sample::select(words.clone()).prop_map(str::to_owned);
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(names, inner, 0..5).prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn inclusion_is_what_trying_every_text_says(
        all in prop::collection::vec(pattern(), 1..3),
        any in prop::collection::vec(pattern(), 0..4),
    ) {
        let like = |texts: &[String]| texts.iter().map(|text| Pattern::new(text, Compare::Like, true)).collect::<Vec<_>>();
        let (left, right) = (like(&all), like(&any));
        let answer = within(&left.iter().collect::<Vec<_>>(), &right.iter().collect::<Vec<_>>());
        let shows = |text: &str| {
            let fits = |pattern: &String| fits(pattern.as_bytes(), text.as_bytes());
            all.iter().all(fits) && !any.iter().any(fits)
        };
        match answer {
            Within::Yes => prop_assert!(!TEXTS.iter().any(|text| shows(text)), "{all:?} {any:?}"),
            Within::No(text) => prop_assert!(shows(&text), "{all:?} {any:?} {text:?}"),
            Within::Unknown => prop_assert!(false, "{all:?} {any:?}"),
        }
        for text in TEXTS.iter().take(20) {
            prop_assert_eq!(left[0].matches(text), fits(all[0].as_bytes(), text.as_bytes()));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_document_panics_or_is_called_good_without_being_read(inside in document(), whole in document(), text in any::<String>()) {
        let _ = read(text.as_bytes());
        let documents = [
            json!({ "Version": "2012-10-17", "Statement": inside }),
            json!({ "Version": "2012-10-17", "Statement": { "Effect": "Allow", "Principal": { "Federated": GITHUB }, "Action": "sts:AssumeRoleWithWebIdentity", "Condition": inside } }),
            json!({ "Version": "2012-10-17", "Statement": { "Effect": "Allow", "Principal": inside, "Action": whole } }),
            whole,
        ];
        for document in documents {
            for input in read(document.to_string().as_bytes()).unwrap_or_default() {
                let report = lint(&input);
                prop_assert!(!report.to_string().is_empty() && serde_json::to_string(&report).is_ok());
                // Whatever was left out is at least a warning.
                if report.admitted.iter().any(|admission| !admission.understood) {
                    prop_assert!(report.findings.iter().any(|finding| finding.severity < countersign::trust::Severity::Note));
                }
                let _ = countersign::trust::diff::diff(std::slice::from_ref(&input), std::slice::from_ref(&input)).map(|found| {
                    assert!(found.gains.is_empty() && found.losses.is_empty(), "{document}: {found:?}");
                });
            }
        }
    }
}

/// The evaluator of the testkit, which shares no code with the linter: whom it lets in, the linter names.
#[test]
fn nobody_gets_in_who_is_not_named() {
    let subjects = [
        "repo:acme@1/app@2:ref:refs/heads/main",
        "repo:acme/app:pull_request",
        "repo:acme-evil/app:ref:refs/heads/main",
        "repo:octo-org/octo-repo:ref:refs/heads/octo-branch",
        "repo:octo-org@123456/octo-repo@456789:ref:refs/heads/main",
        "repo:evil/x:pull_request",
        "project_path:mygroup/app:ref_type:branch:ref:main",
        "system:serviceaccount:prod:app",
        "organization:acme:project:infra:workspace:prod:run_phase:apply",
        "svc:444455556666:loader",
        "x",
    ];
    let providers = [
        GITHUB,
        "arn:aws:iam::111122223333:oidc-provider/gitlab.com",
        "arn:aws:iam::111122223333:oidc-provider/oidc.eks.eu-central-1.amazonaws.com/id/EXAMPLE",
        "arn:aws:iam::111122223333:oidc-provider/app.terraform.io",
        "arn:aws:iam::111122223333:oidc-provider/id.acme.com/tokens",
    ];
    let (mut judged, mut let_in) = (0, 0);
    for (why, policy) in cases::all() {
        let Ok(document) = Document::parse(&policy) else { continue };
        let report = report(&policy);
        for provider in providers {
            let host = provider.split_once("oidc-provider/").unwrap().1;
            for subject in subjects {
                for audience in ["sts.amazonaws.com", "https://gitlab.com", "aws.workload.identity", "other"] {
                    let context = Context::default()
                        .with(&format!("{host}:aud"), audience)
                        .with(&format!("{host}:sub"), subject)
                        .with(
                            &format!("{host}:job_workflow_ref"),
                            "acme/ci/.github/workflows/deploy.yml@refs/heads/main",
                        )
                        .with(&format!("{host}:ref"), "refs/heads/main")
                        .without(&[
                            "https://token.actions.githubusercontent.com:sub",
                            "sts:ExternalId",
                            "aws:PrincipalOrgID",
                        ]);
                    let request = Request {
                        caller: Caller::Federated(provider.to_owned()),
                        action: "sts:AssumeRoleWithWebIdentity".to_owned(),
                        resource: None,
                        context,
                    };
                    let Ok(verdict) = document.of_resource(&request) else { continue };
                    judged += 1;
                    if matches!(verdict, Verdict::Allowed(_)) {
                        let_in += 1;
                        let named =
                            report.admitted.iter().any(|admission| admission.admits(provider, audience, subject));
                        assert!(named, "{why}: {subject} for {audience} gets in and is not named\n{report}");
                    }
                }
            }
        }
    }
    assert!(judged > 15_000 && let_in > 150, "too little was judged: {judged}, {let_in}");
}
