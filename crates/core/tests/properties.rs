//! Claims of the kind "for all": nothing that a stranger writes makes the core panic, no rendered text holds what its
//! place does not allow, and no policy that loads lets one caller pass for another.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::cell::Cell;
use std::collections::BTreeMap;

use countersign_core::caller::{Caller, Field, Identity, Kind};
use countersign_core::grant::Standing;
use countersign_core::issue::{Ask, Issuer};
use countersign_core::jwk::{Jwk, Jwks};
use countersign_core::policy::Policy;
use countersign_core::request::TokenRequest;
use countersign_core::ring::{Ring, RingKey, State};
use countersign_core::url::IssuerUrl;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Value, json};

fn words() -> impl Strategy<Value = String> {
    select(vec![
        "arn",
        "aws",
        "aws-cn",
        "sts",
        "iam",
        "assumed-role",
        "user",
        "root",
        "111122223333",
        "AWSReservedSSO_",
        "AWSReservedSSO_A_0123456789abcdef",
        "role",
        "ab",
        "*",
        "{",
        "}",
        "{role}",
        "{user_name|local_part}",
        "|",
        ":",
        "/",
        "@",
        " ",
        "\n",
        "\u{e9}",
        "\u{1f600}",
        "",
        "null",
        "\"",
        "[",
        "]",
        ",",
        "&",
        "=",
        "%",
        "%00",
        "+",
        "0",
        "-1",
        "1e999",
    ])
    .prop_map(str::to_owned)
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof![prop::collection::vec(words(), 0..12).prop_map(|words| words.concat()), any::<String>()]
}

fn json_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        text().prop_map(Value::from)
    ];
    leaf.prop_recursive(4, 40, 5, |inner| {
        let key = prop_oneof![
            select(vec![
                "version",
                "rules",
                "audiences",
                "account_sets",
                "when",
                "grant",
                "name",
                "kind",
                "subject",
                "claims",
                "scopes",
                "account",
                "role",
                "user_name",
                "aud",
                "profile",
                "effect",
                "session_tags",
                "roles",
                "lifetime",
            ])
            .prop_map(str::to_owned),
            text()
        ];
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::btree_map(key, inner, 0..6).prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

fn ring() -> Ring {
    let state = State::Signing { announced_at: 0, signing_since: 0 };
    Ring::new(vec![RingKey { public: Jwk::rsa(&[0xff; 256], &[1, 0, 1], None).unwrap(), state }], vec![]).unwrap()
}

/// The sound shape, with one place replaced by anything.
fn nearly_a_policy(place: usize, anything: Value) -> Value {
    let mut policy = json!({
        "version": 1,
        "account_sets": { "a": ["111122223333"] },
        "audiences": { "x": { "aud": "x", "profile": "generic" } },
        "rules": [{
            "name": "r",
            "when": { "kind": "role", "account_set": ["a"], "role": ["*"] },
            "grant": { "audiences": ["x"], "subject": "{role}", "scopes": ["s"], "claims": { "c": "{role}" } }
        }]
    });
    let places = [
        "/version",
        "/account_sets",
        "/account_sets/a",
        "/audiences",
        "/audiences/x",
        "/audiences/x/aud",
        "/rules",
        "/rules/0",
        "/rules/0/when",
        "/rules/0/when/role",
        "/rules/0/when/account_set",
        "/rules/0/grant",
        "/rules/0/grant/subject",
        "/rules/0/grant/scopes",
        "/rules/0/grant/claims",
        "/rules/0/grant/claims/c",
    ];
    *policy.pointer_mut(places[place % places.len()]).unwrap() = anything;
    policy
}

proptest! {
    #![proptest_config(Config { cases: 512, failure_persistence: None, ..Config::default() })]

    #[test]
    fn no_arn_panics_and_what_is_taken_is_clean(arn in text(), id in proptest::option::of(text()), org in proptest::option::of(text())) {
        let identity = Identity::supposed(&arn, id.as_deref(), org.as_deref());
        if let Ok(caller) = Caller::new(&identity) {
            for field in Field::ALL {
                let value = caller.field(field).unwrap_or("aws");
                prop_assert!(!value.is_empty() && value.bytes().all(|b| b.is_ascii_graphic() && b != b':'), "{field}={value}");
            }
        }
    }

    #[test]
    fn no_policy_text_panics(bytes in prop::collection::vec(any::<u8>(), 0..200), value in json_value()) {
        let _ = Policy::from_json(&bytes);
        let _ = Policy::from_json(value.to_string().as_bytes());
    }

    #[test]
    fn no_policy_that_is_nearly_one_panics(place in 0usize..16, value in json_value()) {
        match Policy::from_json(nearly_a_policy(place, value).to_string().as_bytes()) {
            Ok(policy) => drop(policy.warnings()),
            Err(problems) => prop_assert!(!problems.is_empty()),
        }
    }

    #[test]
    fn no_template_panics_and_no_subject_holds_what_is_not_allowed(template in text(), role in "[A-Za-z0-9_+=,.@-]{1,64}") {
        let policy = nearly_a_policy(12, json!(template));
        if let Ok(policy) = Policy::from_json(policy.to_string().as_bytes()) {
            let arn = format!("arn:aws:sts::111122223333:assumed-role/{role}/session");
            if let Ok(caller) = Caller::new(&Identity::supposed(&arn, None, None))
                && let Ok(grant) = Standing::new(&policy, &caller).grant(0) {
                    let subject = grant.subject();
                    prop_assert!((1..=255).contains(&subject.len()) && subject.bytes().all(|b| b.is_ascii_graphic()), "{subject:?}");
                }
        }
    }

    #[test]
    fn no_request_panics(content_type in proptest::option::of(text()), body in prop::collection::vec(any::<u8>(), 0..300), written in text()) {
        let _ = TokenRequest::parse(content_type.as_deref(), &body);
        for content_type in ["application/json", "application/x-www-form-urlencoded"] {
            let _ = TokenRequest::parse(Some(content_type), &body);
            let _ = TokenRequest::parse(Some(content_type), written.as_bytes());
        }
        let policy = Policy::from_json(nearly_a_policy(0, json!(1)).to_string().as_bytes()).unwrap();
        let identity = Identity::supposed("arn:aws:sts::111122223333:assumed-role/ab/session", None, None);
        let ask = Ask { request_id: &written, identity: &identity, trace_id: Some(&written), source_ip: Some(&written), has_query: false, content_type: Some("application/json"), body: &body };
        let issuer = Issuer::new(IssuerUrl::new("https://id.acme.com").unwrap(), None);
        if let Err(refusal) = issuer.prepare(&ask, Some(&policy), Some(&ring()), 0, "id") {
            prop_assert!(!refusal.audit.to_line().contains('\n'));
        }
    }

    #[test]
    fn no_jwks_and_no_issuer_url_panics(bytes in prop::collection::vec(any::<u8>(), 0..200), value in json_value(), url in text()) {
        let _ = serde_json::from_slice::<Jwks>(&bytes);
        let _ = serde_json::from_value::<Jwks>(value);
        if let Ok(url) = IssuerUrl::local(&url) {
            prop_assert!(url.path().is_empty() || url.path().starts_with('/'));
        }
    }
}

const ACCOUNTS: [&str; 2] = ["111111111111", "222222222222"];
const PARTITIONS: [&str; 2] = ["aws", "aws-cn"];
/// Short names, so that they collide as soon as anything lets them.
const NAMES: [&str; 12] = ["a", "b", "A", "ab", "aab", "a-b", "a_b", "A_B", "b-a", "a@d", "a@e", "b@d"];

fn entries() -> impl Strategy<Value = Value> {
    let patterns = select(vec![
        "*", "a", "b", "ab", "a*", "*b", "*a*", "a-b", "A*", "*@d", "a@d", "*@e", "*@d", "*@e", "a@*", "*-*",
    ]);
    prop::collection::vec(patterns, 1..3).prop_map(|entries| json!(entries))
}

/// Pieces of a subject for a kind: its fields, filtered or not, and literals of the letters that names are made of.
fn subject(kind: Kind) -> impl Strategy<Value = String> {
    let mut pieces =
        vec!["a", "b", "-", ":", "/", "a:", "svc:", "@d", "111111111111", "{account}", "{account}:", "{partition}:"];
    pieces.extend(match kind {
        Kind::Role => {
            ["{role}", "{role|upper}", "{role|underscore}", "{role}", "{role_id}", "{role}{session_name}", "{role}:"]
        }
        Kind::Sso => [
            "{user_name}",
            "{user_name|lower}",
            "{user_name|local_part}",
            "{user_name|local_part|upper}",
            "{permission_set}",
            "{user_name}",
            "{user_name}:",
        ],
        Kind::User => ["{user}", "{user|lower}", "{path}{user}", "{path}", "{user}:{path}", "{user_id}", "{user}"],
    });
    prop::collection::vec(select(pieces), 1..4).prop_map(|pieces| pieces.concat())
}

fn rule() -> impl Strategy<Value = Value> {
    let kind = select(vec![Kind::Role, Kind::Sso, Kind::User]);
    kind.prop_flat_map(|kind| {
        let accounts = select(vec![json!([ACCOUNTS[0]]), json!([ACCOUNTS[1]]), json!(ACCOUNTS)]);
        let partitions = proptest::option::weighted(0.2, select(vec![json!(["aws-cn"]), json!(PARTITIONS)]));
        let path = proptest::option::of(select(vec![json!(["/"]), json!(["/a/"]), json!(["/*"])]));
        // Half of the people come with one domain, so that `local_part` is allowed often enough to be tried.
        let one_domain = select(vec![json!(["*@d"]), json!(["*@e"]), json!(["a@d", "b@d"])]);
        let entries = if kind == Kind::Sso { prop_oneof![entries(), one_domain].boxed() } else { entries().boxed() };
        let names = proptest::option::weighted(0.8, entries);
        (Just(kind), accounts, partitions, names, path, subject(kind), any::<[bool; 3]>())
    })
    .prop_map(|(kind, accounts, partitions, names, path, subject, [rare, rarer, trust])| {
        let mut when = json!({ "kind": kind, "account": accounts });
        let name = match kind {
            Kind::Role => "role",
            Kind::Sso => "user_name",
            Kind::User => "user",
        };
        for (key, value) in [("partition", partitions), (name, names), ("path", path.filter(|_| kind == Kind::User))] {
            if let Some(value) = value {
                when[key] = value;
            }
        }
        let grant = json!({ "audiences": ["x"], "subject": subject });
        json!({ "when": when, "grant": grant, "shared_subject": rare && rarer, "trust_session_name": trust })
    })
}

/// A principal of section "who is who": partition, account, kind and name.
type Principal = (String, String, Kind, String);

fn universe() -> Vec<(Principal, Caller)> {
    let mut all = Vec::new();
    for partition in PARTITIONS {
        for account in ACCOUNTS {
            for (index, name) in NAMES.iter().enumerate() {
                let mut add = |kind, name: String, arn: String, id: String| {
                    let caller = Caller::new(&Identity::supposed(&arn, Some(&id), None)).unwrap();
                    all.push(((partition.to_owned(), account.to_owned(), kind, name), caller));
                };
                for session in ["ab", "bab"] {
                    let arn = format!("arn:{partition}:sts::{account}:assumed-role/{name}/{session}");
                    let id = format!("AROA{}{index}:{session}", if partition == "aws" { account } else { "9" });
                    add(Kind::Role, (*name).to_owned(), arn, id);
                }
                for path in ["/", "/a/", "/b/"] {
                    let arn = format!("arn:{partition}:iam::{account}:user{path}{name}");
                    add(Kind::User, format!("{path}{name}"), arn, format!("AIDA{index}"));
                }
                if name.len() > 1 {
                    let arn =
                        format!("arn:{partition}:sts::{account}:assumed-role/AWSReservedSSO_a_0123456789abcdef/{name}");
                    add(Kind::Sso, (*name).to_owned(), arn, format!("AROAX:{name}"));
                }
            }
        }
    }
    all
}

/// What is left of a principal where a filter folds letter case, and `-` and `_`.
fn folded(principal: &Principal) -> Principal {
    let (partition, account, kind, name) = principal;
    (partition.clone(), account.clone(), *kind, name.to_ascii_lowercase().replace('-', "_"))
}

#[test]
fn a_policy_that_loads_never_gives_two_principals_one_subject() {
    let universe = universe();
    let (loaded, issued, pairs_met) = (Cell::new(0), Cell::new(0), Cell::new(0));
    let mut runner = TestRunner::new(Config { cases: 6000, failure_persistence: None, ..Config::default() });
    let policies = (prop::collection::vec(rule(), 1..4), any::<[bool; 4]>()).prop_map(|(mut rules, like_the_first)| {
        // Rules that say the same of other accounts and names are where one caller comes to pass for another.
        for index in (1..rules.len()).filter(|index| like_the_first[*index]) {
            let mut like = rules[0].clone();
            for key in ["account", "role", "user_name", "user", "path"] {
                let (own, same) = (&rules[index]["when"], rules[0]["when"]["kind"] == rules[index]["when"]["kind"]);
                if let Some(value) = own.get(key).filter(|_| same || key == "account") {
                    like["when"][key] = value.clone();
                }
            }
            rules[index] = like;
        }
        for (index, rule) in rules.iter_mut().enumerate() {
            rule["name"] = json!(format!("r{index}"));
        }
        json!({ "version": 1, "audiences": { "x": { "aud": "x", "profile": "generic" } }, "rules": rules })
    });
    let outcome = runner.run(&policies, |document| {
        let Ok(policy) = Policy::from_json(document.to_string().as_bytes()) else { return Ok(()) };
        loaded.set(loaded.get() + 1);
        let mut seen: BTreeMap<String, Vec<(&Principal, Value)>> = BTreeMap::new();
        for (principal, caller) in &universe {
            let Ok(grant) = Standing::new(&policy, caller).grant(0) else { continue };
            issued.set(issued.get() + 1);
            let index: usize = grant.rule().trim_start_matches('r').parse().unwrap();
            let rule = document["rules"][index].clone();
            let others = seen.entry(grant.subject().to_owned()).or_default();
            for (other, theirs) in others.iter() {
                let shared = rule["shared_subject"] == true && theirs["shared_subject"] == true;
                let folds = [&rule, theirs].iter().any(|rule| {
                    let subject = rule["grant"]["subject"].as_str().unwrap();
                    ["|upper", "|lower", "|underscore"].iter().any(|filter| subject.contains(filter))
                });
                let same = *other == principal || (folds && folded(other) == folded(principal));
                pairs_met.set(pairs_met.get() + 1);
                prop_assert!(shared || same, "{} is {:?} and {:?}", grant.subject(), other, principal);
            }
            others.push((principal, rule));
        }
        Ok(())
    });
    if let Err(failure) = outcome {
        panic!("{failure}");
    }
    // It would prove nothing if hardly anything loaded.
    println!("{} policies loaded, {} subjects, {} equal pairs", loaded.get(), issued.get(), pairs_met.get());
    assert!(loaded.get() > 500 && issued.get() > 5000, "{} loaded, {} issued", loaded.get(), issued.get());
}
