//! Decisions are a table in git: who gets what, for a whole cast of callers. A change of policy or of the code that
//! decides is a reviewable change of the table. Rewrite it with `UPDATE_GOLDEN=1`.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::fmt::Write as _;
use std::path::Path;

use countersign::yaml;
use countersign_core::caller::Caller;
use countersign_core::issue::{Ask, Issuer, Reason};
use countersign_core::jwk::{Algorithm, Jwk};
use countersign_core::policy::{Policy, Verdict};
use countersign_core::ring::{Ring, RingKey, State};
use countersign_core::url::IssuerUrl;
use testkit::cast::CAST;

fn load(file: &str) -> Policy {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples").join(file);
    let yaml = yaml::parse(&std::fs::read_to_string(path).unwrap()).unwrap();
    Policy::from_json(yaml.value.to_string().as_bytes()).unwrap_or_else(|problems| panic!("{problems:#?}"))
}

fn ring() -> Ring {
    let state = State::Signing { announced_at: 0, signing_since: 0 };
    let keys = [
        Jwk::rsa(&[0xff; 256], &[1, 0, 1], None),
        Jwk::ec(Algorithm::ES256, &[4; 65], None),
        Jwk::ec(Algorithm::ES384, &[4; 97], None),
    ];
    Ring::new(keys.into_iter().map(|key| RingKey { public: key.unwrap(), state }).collect(), vec![]).unwrap()
}

fn table(policy: &Policy) -> String {
    let issuer = Issuer::new(IssuerUrl::new("https://id.acme.com").unwrap(), Some(vec!["o-a1b2c3d4e5".to_owned()]));
    let ring = ring();
    let mut text = String::from("# Rewritten by `UPDATE_GOLDEN=1 cargo test -p countersign --test decisions`.\n");
    for character in CAST {
        let identity = character.identity();
        writeln!(text, "\n{}\n  {}", character.who, if character.arn.is_empty() { "(no ARN)" } else { character.arn })
            .unwrap();
        if let Ok(caller) = Caller::new(&identity) {
            let explained = policy.explain(&caller, None);
            let matching = explained.rules.iter().filter(|rule| !matches!(rule.verdict, Verdict::DoesNotMatch { .. }));
            let names: Vec<&str> = matching.map(|rule| rule.rule.as_str()).collect();
            writeln!(
                text,
                "  rules that mean the caller: {}",
                if names.is_empty() { "none".into() } else { names.join(", ") }
            )
            .unwrap();
        }
        for audience in policy.audience_names() {
            let body = serde_json::json!({ "audience": audience }).to_string();
            let ask = Ask {
                request_id: "golden",
                identity: &identity,
                trace_id: None,
                source_ip: None,
                has_query: false,
                content_type: Some("application/json"),
                body: body.as_bytes(),
            };
            match issuer.prepare(&ask, Some(policy), Some(&ring), 1_700_000_000, "id") {
                Ok(prepared) => {
                    let audit = prepared.audit();
                    writeln!(
                        text,
                        "  {audience}: {} {} by {}, scopes [{}], {} s",
                        prepared.alg(),
                        audit.subject.as_deref().unwrap(),
                        audit.rule.as_deref().unwrap(),
                        audit.scopes.as_deref().unwrap().join(" "),
                        audit.lifetime.unwrap()
                    )
                    .unwrap();
                }
                Err(refusal) => {
                    let reason = &refusal.reason;
                    if matches!(reason, Reason::Caller(_) | Reason::Organisation(_) | Reason::NoAudience(_)) {
                        writeln!(text, "  refused: {reason}").unwrap();
                        break;
                    }
                    writeln!(text, "  {audience}: refused: {reason}").unwrap();
                }
            }
        }
    }
    text
}

#[test]
fn the_table_of_decisions() {
    let policy = load("organisation.yaml");
    assert!(CAST.len() >= 25);
    let table = table(&policy);
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/decisions.txt");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, &table).unwrap();
    }
    let golden = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        golden == table,
        "the table of decisions has changed; see the difference with UPDATE_GOLDEN=1 and git diff"
    );
}

#[test]
fn the_examples_load() {
    for file in ["policy.yaml", "organisation.yaml"] {
        load(file);
    }
}

/// Go service, hole 3: an IAM user or root got an empty `sub` and a signed token. Here no decision is without subject.
#[test]
fn go_service_hole_3_nobody_gets_an_empty_subject() {
    let golden = table(&load("organisation.yaml"));
    assert!(golden.contains(
        "root (Go service, hole 3)\n  arn:aws:iam::111122223333:root\n  refused: the root user is never accepted\n"
    ));
    let bob = golden.split("\n\n").find(|block| block.starts_with("IAM user elsewhere")).unwrap();
    assert!(bob.ends_with("\n  refused: no audience for this caller: no rule allows it"), "{bob}");
}
