//! Project Wycheproof's JWS and JWK cases against the signature half of `countersign verify`.
//!
//! Nothing that they call invalid is accepted. What they call valid is accepted, except what is refused on purpose: the
//! tables say which cases and why, and they are exact, so nothing is skipped silently. The vectors are not part of the
//! project; `VECTORS_DIR` says where they are (see `scripts/test`).

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may stop")]

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::path::PathBuf;

use countersign::verify::{KeySet, verify_signature};
use serde_json::{Value, json};

struct Wanted {
    file: &'static str,
    /// How many valid cases are accepted.
    accepted: usize,
    /// Every valid case that is refused: why, with which code, which.
    refused: &'static [(&'static str, &'static str, &'static [u64])],
    /// How many invalid cases are refused with which code. A file that is refused for one silly reason shows here.
    invalid: &'static [(&'static str, usize)],
}

/// The vectors put their symmetric keys where an issuer's public keys are read from, which is a fault of the set.
const SYMMETRIC: &str = "symmetric algorithm: its key is the secret itself";
const WANTED: [Wanted; 3] = [
    Wanted {
        file: "json_web_crypto_test.json",
        accepted: 2,
        refused: &[("encrypted (JWE), not signed", "malformed", &[50, 67]), (SYMMETRIC, "private_member", &[1, 48])],
        invalid: &[
            ("algorithm", 1),
            ("malformed", 56),
            ("private_member", 8),
            ("signature", 9),
            ("unknown_kid", 2),
            ("unusable_key", 1),
        ],
    },
    Wanted {
        file: "json_web_key_test.json",
        accepted: 1,
        refused: &[(SYMMETRIC, "private_member", &[2, 13, 14, 15])],
        invalid: &[("private_member", 11), ("unusable_key", 10)],
    },
    Wanted {
        file: "json_web_signature_test.json",
        accepted: 32,
        refused: &[
            (SYMMETRIC, "private_member", &[1, 348, 352, 357, 358, 359, 376, 377]),
            ("a stray `?` in header or payload, valid only for readers that skip it", "malformed", &[372, 373]),
            ("ES512, which `jsonwebtoken` does not know", "algorithm", &[347, 351]),
            ("signed with PS384 by a key whose `alg` is PS256", "unusable_key", &[346, 350]),
        ],
        invalid: &[
            ("algorithm", 5),
            ("malformed", 36),
            ("private_member", 8),
            ("signature", 295),
            ("unknown_kid", 2),
            ("unusable_key", 9),
        ],
    },
];

struct Case {
    id: u64,
    comment: String,
    valid: bool,
    token: String,
    keys: KeySet,
}

fn cases(text: &str) -> Vec<Case> {
    let file: Value = serde_json::from_str(text).unwrap();
    let mut cases = Vec::new();
    for group in file["testGroups"].as_array().unwrap() {
        let keys = key_set(group);
        for test in group["tests"].as_array().unwrap() {
            let token = test.get("jws").or(test.get("jwe")).unwrap();
            cases.push(Case {
                id: test["tcId"].as_u64().unwrap(),
                comment: format!("{}: {}", group["comment"], test["comment"]),
                valid: match test["result"].as_str().unwrap() {
                    "valid" => true,
                    "invalid" => false,
                    other => panic!("unknown result {other}"),
                },
                // The JSON serialization stands there as an object, and is tried as its text.
                token: token.as_str().map_or_else(|| token.to_string(), str::to_owned),
                keys: keys.clone(),
            });
        }
    }
    assert_eq!(file["numberOfTests"].as_u64(), Some(cases.len() as u64));
    cases
}

/// The public key or set; where there is none, the public half of the private one, and symmetric keys as they are.
fn key_set(group: &Value) -> KeySet {
    let given = [&group["public"], &group["private"]].into_iter().find(|key| key.is_object()).unwrap();
    let mut keys = given.get("keys").map_or_else(|| vec![given.clone()], |keys| keys.as_array().unwrap().clone());
    for key in &mut keys {
        if key["kty"] != "oct" {
            for member in ["d", "p", "q", "dp", "dq", "qi", "oth"] {
                key.as_object_mut().unwrap().remove(member);
            }
        }
    }
    KeySet::parse(json!({ "keys": keys }).to_string().as_bytes()).unwrap()
}

#[test]
fn every_case_of_wycheproof() {
    let Some(folder) = std::env::var_os("VECTORS_DIR").map(|dir| PathBuf::from(dir).join("wycheproof")) else {
        // Not `eprintln!`: the test harness shows that of failing tests only.
        writeln!(std::io::stderr(), "NOT RUN: VECTORS_DIR is not set, so no case of Wycheproof was tried").unwrap();
        return;
    };
    for wanted in WANTED {
        let file = wanted.file;
        let text = std::fs::read_to_string(folder.join(file)).unwrap();
        let mut accepted = 0;
        let mut refused: BTreeSet<(&str, u64)> = BTreeSet::new();
        let mut invalid: BTreeMap<&str, usize> = BTreeMap::new();
        for case in cases(&text) {
            match (case.valid, verify_signature(&case.token, &case.keys)) {
                (true, Ok(_)) => accepted += 1,
                (true, Err(problem)) => assert!(refused.insert((problem.code(), case.id))),
                (false, Ok(_)) => panic!("{file}: case {} is accepted: {}", case.id, case.comment),
                (false, Err(problem)) => *invalid.entry(problem.code()).or_default() += 1,
            }
        }
        let known = wanted.refused.iter().flat_map(|(_, code, ids)| ids.iter().map(|id| (*code, *id))).collect();
        assert_eq!(refused, known, "{file}: valid cases that are refused");
        assert_eq!(accepted, wanted.accepted, "{file}: valid cases that are accepted");
        assert_eq!(invalid, wanted.invalid.iter().copied().collect(), "{file}: invalid cases by code");
    }
}
