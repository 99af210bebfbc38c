//! What the tables say is what the code does, and what `docs/command-line.md` says.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use countersign::commands::manual::table::{FILES, VARIABLES};
use testkit::tools::workspace_root;

/// What the command line is made of that reads variables and files: its own crates, and the packages that look for AWS
/// credentials, files and proxies.
const OURS: [&str; 2] = ["crates/cli/src", "crates/keys/src"];
const THEIRS: [&str; 3] = ["aws-config", "aws-runtime", "hyper-util"];
/// How variables begin that mean something to this program and to no other.
const PREFIXES: [&str; 4] = ["ACTIONS_", "AWS_", "COUNTERSIGN_", "XDG_"];

/// The sources below a folder, without the tables themselves.
fn sources(folder: &Path, found: &mut Vec<String>) {
    for path in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|end| end == "rs") && !path.ends_with("manual/table.rs") {
            found.push(std::fs::read_to_string(path).unwrap());
        }
    }
}

fn ours() -> Vec<String> {
    let mut found = Vec::new();
    for folder in OURS {
        sources(&workspace_root().join(folder), &mut found);
    }
    found
}

/// The sources of packages, as Cargo.lock has them.
fn theirs() -> Vec<String> {
    let metadata = std::process::Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--locked", "--offline"])
        .current_dir(workspace_root())
        .output()
        .unwrap();
    assert!(metadata.status.success(), "cargo metadata: {}", super::text(&metadata.stderr));
    let metadata: serde_json::Value = serde_json::from_slice(&metadata.stdout).unwrap();
    let mut found = Vec::new();
    for name in THEIRS {
        let package = metadata["packages"].as_array().unwrap().iter().find(|package| package["name"] == name).unwrap();
        let manifest = PathBuf::from(package["manifest_path"].as_str().unwrap());
        sources(&manifest.with_file_name("src"), &mut found);
    }
    found
}

#[test]
fn every_variable_and_file_that_is_named_exists_in_code() {
    let code = [ours(), theirs()].concat();
    let has = |literal: &str| code.iter().any(|source| source.contains(&format!("\"{literal}\"")));
    assert!(!has("COUNTERSIGN_UNHEARD_OF") && has("AWS_PROFILE"));
    for name in VARIABLES.iter().flat_map(|row| row.names) {
        assert!(has(name), "{name} is read by nothing");
    }
    for file in FILES.iter().flat_map(|row| row.names) {
        assert!(has(file) || file.rsplit('/').next().is_some_and(has), "{file} is read by nothing");
    }
}

#[test]
fn every_variable_that_our_code_names_is_in_the_manual() {
    let named: BTreeSet<&str> = VARIABLES.iter().flat_map(|row| row.names).copied().collect();
    let code = ours();
    // Tests come last in a file.
    let shipped = code.iter().filter_map(|source| source.split("#[cfg(test)]").next());
    let literals = shipped.flat_map(|source| source.split('"'));
    let is_variable = |text: &str| {
        PREFIXES.iter().any(|prefix| text.starts_with(prefix))
            && text.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_')
    };
    let read: BTreeSet<&str> = literals.filter(|text| is_variable(text)).collect();
    assert!(read.contains("AWS_CA_BUNDLE") && read.contains("XDG_DATA_HOME"), "{read:?}");
    let missing: Vec<_> = read.difference(&named).collect();
    assert!(missing.is_empty(), "crates/cli/src/commands/manual/table.rs has no row for {missing:?}");
}

#[test]
fn a_row_is_on_the_pages_of_its_commands_and_on_those_around_them() {
    let commands: Vec<String> = super::commands().into_iter().map(|(words, _)| words.join(" ")).collect();
    let pages: BTreeMap<String, String> =
        super::made().into_iter().map(|page| (page.name, super::roff::plain(&page.roff))).collect();
    for row in VARIABLES.iter().chain(FILES) {
        let term = format!("\n{}\n{}\n", row.names.join(", "), row.says);
        let on = |path: &str| pages[format!("countersign {path}").trim().replace(' ', "-").as_str()].contains(&term);
        for command in row.commands {
            assert!(commands.iter().any(|known| known == command), "there is no command {command}");
            assert!(on(command) && on(""), "{term}: {command}");
        }
        assert!(!on("policy check") && !on("trust"), "{term}");
        assert_eq!(on("keys revoke"), row.commands.contains(&"keys"), "{term}");
    }
}

#[test]
fn exit_codes_are_as_everywhere_unless_a_command_says_more() {
    let of = |words: &[&str]| super::text(&super::run(&[&["manual"], words].concat(), &[]).stdout);
    assert!(of(&["token"]).contains("\\fB1\\fR\nThe token, policy, caller, key or request is refused or invalid.\n"));
    assert!(of(&["trust", "diff"]).contains("\\fB1\\fR\nSomebody gains access.\n"));
    assert!(of(&["probe"]).contains("\\fB1\\fR\nAt least one probe is not as expected;"));
}

#[test]
fn the_page_of_the_documents_has_every_command_and_variable() {
    let page = std::fs::read_to_string(workspace_root().join("docs/command-line.md")).unwrap();
    let commands = super::commands().into_iter().filter(|(_, command)| !command.has_subcommands());
    // As they stand in the first column of a table.
    let commands = commands.map(|(words, _)| words.join(" "));
    let variables = VARIABLES.iter().flat_map(|row| row.names).map(|name| (*name).to_owned());
    let rows: String = page.lines().filter_map(|line| line.strip_prefix("| ")?.split(" | ").next()).collect();
    for name in commands.chain(variables) {
        assert!(rows.contains(&format!("`{name}`")), "docs/command-line.md has no row for `{name}`");
    }
}
