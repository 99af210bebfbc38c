//! The documents keep their word: every command in them is run, or says what runs it or what it needs; and every
//! `countersign` in them is one that the command line takes, also where it needs AWS.
//!
//! A block is marked by what stands behind its language:
//!
//! | block | what becomes of it |
//! |---|---|
//! | `sh` | is run, by `bash -euo pipefail` in a copy of the project, after the blocks above it |
//! | `sh exit=1` | is run, and has to end with that code |
//! | `sh background` | is started, and runs until the document ends; the `export` lines that it prints are taken over |
//! | `sh needs=aws` | is not run: it needs that |
//! | `sh run-by=.ci/run` | is run there: a file of the project |
//! | `yaml file=policy.yaml` | is written into that file |
//! | `text output` | has to be what the block above it printed; `...` stands for anything, times and key ids for any |
//!
//! A mark that is none of these, or on another kind of block, is an error.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "documents/command_line.rs"]
mod command_line;
#[path = "documents/output.rs"]
mod output;
#[path = "documents/page.rs"]
mod page;
#[path = "documents/session.rs"]
mod session;

use std::collections::BTreeMap;

use page::Page;
use testkit::tools::{isolated, workspace_root};

/// The pages of the project.
fn pages() -> Vec<Page> {
    let (pages, faults) = page::all(&workspace_root());
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    pages
}

/// A page with this text, for tests of the test.
fn written(text: &str) -> Result<Page, Vec<String>> {
    Page::read("page.md", text, &workspace_root())
}

#[test]
fn every_command_of_a_document_is_run_or_says_why_not() {
    let pages = pages();
    let mut counts = BTreeMap::<String, usize>::new();
    for block in pages.iter().flat_map(|page| &page.blocks) {
        *counts.entry(block.kind.to_string()).or_default() += 1;
    }
    println!("{counts:#?}");

    // As many side by side as there are cores; each has a server and a folder of its own.
    let queue = std::sync::Mutex::new(pages.iter().filter(|page| page.runs()));
    let faults = std::sync::Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(2, Into::into) {
            scope.spawn(|| {
                while let Some(page) = { queue.lock().unwrap().next() } {
                    faults.lock().unwrap().extend(session::run(page));
                }
            });
        }
    });
    let faults = faults.into_inner().unwrap();
    assert!(faults.is_empty(), "{}", faults.join("\n\n"));
    assert!(counts.get("sh").is_some_and(|run| *run >= 5), "next to nothing was run: {counts:?}");
}

#[test]
fn every_countersign_in_a_document_is_one_that_it_takes() {
    let (mut taken, mut faults) = (0, Vec::new());
    for page in pages() {
        taken += command_line::of_blocks(&page, &mut faults) + command_line::of_prose(&page, &mut faults);
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    println!("{taken} command lines");
    assert!(taken > 20, "only {taken} command lines were found");
}

#[test]
fn every_policy_in_a_document_loads() {
    let pages = pages();
    let blocks = pages.iter().flat_map(|page| page.blocks.iter().map(move |block| (page, block)));
    let mut policies = 0;
    // An excerpt shows rules without `rules:`.
    for (page, block) in blocks.filter(|(_, block)| block.language == "yaml" && block.text.contains("\nrules:")) {
        policies += 1;
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("policy.yaml");
        std::fs::write(&file, &block.text).unwrap();
        let mut command = isolated(env!("CARGO_BIN_EXE_countersign"), folder.path());
        let checked = command.args(["policy", "check"]).arg(&file).output().unwrap();
        let said = String::from_utf8_lossy(&checked.stderr).into_owned();
        assert!(checked.status.success(), "{}:{}: {said}", page.name, block.line);
    }
    assert!(policies > 5, "only {policies} policies were found");
}

#[test]
fn the_readme_has_every_command() {
    let readme = pages().into_iter().find(|page| page.name == "README.md").unwrap();
    let missing = command_line::not_named_in(&readme);
    assert!(missing.is_empty(), "README.md, The commands: {missing:?} are not there");
}

#[test]
fn a_mark_that_is_not_understood_is_an_error() {
    for (fence, said) in [
        ("sh needs=luck", "needs=luck"),
        ("sh run-by=nobody/run", "there is no nobody/run"),
        ("sh quietly", "quietly"),
        ("sh exit=0 exit=1", "one mark"),
        ("sh exit=one", "exit=one"),
        ("bash", "say `sh`"),
        ("console", "say `sh`"),
        ("yaml needs=aws", "needs=aws"),
        ("yaml file=../a", "file=../a"),
        ("text output", "no block that is run"),
    ] {
        let faults = written(&format!("# A\n\n```{fence}\ntrue\n```\n")).err().unwrap_or_default().join("\n");
        assert!(faults.contains(said) && faults.starts_with("page.md:3: "), "{fence}: {faults:?}");
    }
    assert!(written("```sh\ntrue\n").err().unwrap_or_default().join("").contains("has no end"));
}

#[test]
fn a_block_that_fails_is_found_and_what_it_left_is_there_for_the_next() {
    let run = |text: &str| session::run(&written(text).unwrap());
    let good = "```yaml file=a/b.yaml\n- one\n```\n\n```sh\nmade=here\ncat a/b.yaml\n```\n\n```text output\n- one\n```\n\n\
                - in a list\n\n  ```sh exit=3\n  test $made = here && exit 3\n  ```\n";
    assert_eq!(run(good), Vec::<String>::new());

    for (text, said) in [
        ("```sh\ntrue\n```\n\n```sh\necho seen; false; echo not\n```\n", "page.md:5: ended with 1"),
        ("```sh exit=1\ntrue\n```\n", "ended with 0, not 1"),
        ("```sh\necho $unset\n```\n", "page.md:1: ended with 1"),
        ("```sh\nfalse | true\n```\n", "page.md:1: ended with 1"),
        ("```sh\necho one\n```\n```text output\ntwo\n```\n", "page.md:4: "),
        ("```sh background\nfalse\n```\n", "page.md:1: ended with"),
        ("```sh\nif true\n```\n", "page.md:1: "),
    ] {
        let faults = run(text).join("\n");
        assert!(faults.contains(said) && !faults.contains("not\n"), "{text}: {faults:?}");
    }
}

#[test]
fn what_a_background_block_started_ends_with_the_document() {
    let page = written(
        "```sh background\ncountersign serve --data-dir /tmp/issuer\n```\n\n```sh\n\
         echo \"$AWS_PROFILE\"; curl --silent --fail http://127.0.0.1:8787/.well-known/jwks.json --output /dev/null\n\
         echo 127.0.0.1:8787\n```\n\n\
         ```text output\njane@acme.com\n127.0.0.1:8787\n```\n",
    )
    .unwrap();
    let session = session::Session::start(&page);
    let port = session.port;
    assert_eq!(session.faults(), Vec::<String>::new());
    assert!(std::net::TcpStream::connect(("127.0.0.1", port)).is_err(), "it still listens");
}

#[test]
fn a_wrong_flag_is_found_wherever_it_stands() {
    for text in [
        "```sh needs=aws\naws x | \\\n    countersign verify - --issuer https://a.example --audiance b\n```\n",
        "```sh needs=aws\nkid=\"$(aws x)\"\nfor a in 1 2; do countersign keys revoke --kid \"$kid\"; done\n```\n",
        "```sh\n(cd nowhere && countersign sevre)\n```\n",
        "Say `countersign keys status [--region R]\n[--functoin NAME]`.\n",
        "Say `countersign sevre`.\n",
    ] {
        let page = written(text).unwrap();
        let mut faults = Vec::new();
        command_line::of_blocks(&page, &mut faults);
        command_line::of_prose(&page, &mut faults);
        assert!(!faults.is_empty() && faults[0].starts_with("page.md:"), "{text}: {faults:?}");
    }
}
