//! What is said of each policy of the table is a file in git: a change of what the code finds is a reviewable change of it.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;

use countersign::trust::{Code, Severity};

use crate::{cases, report};

fn table() -> String {
    let mut text = String::from("# Rewritten by `UPDATE_GOLDEN=1 cargo test -p countersign --test trust`.\n");
    for (why, policy) in cases::all() {
        let report = report(&policy);
        let verdict = match report.findings.iter().map(|finding| finding.severity).min() {
            Some(Severity::Error) => "error",
            Some(Severity::Warning) => "warning",
            Some(Severity::Note) | None => "good",
        };
        writeln!(text, "\n== {why}: {verdict} ==\n{policy}\n{}", report.to_string().trim_end()).unwrap();
    }
    text
}

#[test]
fn the_table_of_trust_policies() {
    let table = table();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/trust.txt");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, &table).unwrap();
    }
    let golden = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        golden == table,
        "what is said of trust policies has changed; see the difference with UPDATE_GOLDEN=1 and git diff"
    );
}

/// What must never slip through whatever else changes: whether there is an error at all.
#[test]
fn good_policies_have_no_warning_and_each_name_is_there_once() {
    let cases = cases::all();
    assert!(cases.len() >= 40);
    let names: BTreeSet<&str> = cases.iter().map(|(why, _)| *why).collect();
    assert_eq!(names.len(), cases.len());
    for (why, policy) in cases.iter().take(16) {
        let findings = report(policy).findings;
        assert!(findings.iter().all(|finding| finding.severity == Severity::Note), "{why}: {findings:#?}");
    }
}

/// A finding that no policy reaches is one that nobody knows to work, and one that is not described is of no use.
#[test]
fn every_finding_is_reached_and_described() {
    let found: BTreeSet<Code> =
        cases::all().iter().flat_map(|(_, policy)| report(policy).findings).map(|finding| finding.code).collect();
    let docs = std::fs::read_to_string(testkit::tools::workspace_root().join("docs/trust-policies.md")).unwrap();
    for code in Code::ALL {
        assert!(found.contains(code), "no policy of the table has {}", code.as_str());
        assert!(docs.contains(&format!("| `{}` |", code.as_str())), "docs/trust-policies.md lacks {}", code.as_str());
    }
}
