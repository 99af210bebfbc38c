//! Every `countersign` that a document writes, against the parser of the command line.

use std::fmt::Write as _;
use std::process::Stdio;

use clap::{Command, CommandFactory as _, Parser as _};
use countersign::commands::Cli;
use testkit::tools::isolated;

use crate::page::Page;

/// In this shell, in an empty folder, there is no program at all: nothing is done but what the shell does itself. What is
/// not found prints a URL, which any argument may be, and `countersign` writes down what it was called with.
const NOTHING_RUNS: &str = r#"
PATH=/nonexistent
cd() { :; }
command_not_found_handle() { printf https://example.com; }
countersign() { printf '%s\0' "$#" "$line" "$@" >>"$TAKEN"; }
"#;

/// Parses what the blocks would call `countersign` with, and says how many calls that were.
pub(crate) fn of_blocks(page: &Page, faults: &mut Vec<String>) -> usize {
    let mut script = NOTHING_RUNS.to_owned();
    for block in page.blocks.iter().filter(|block| block.kind.is_shell()) {
        let text = block.text.replace("./target/release/countersign", "countersign");
        let _ = write!(script, "line={}\n{text}\n", block.line);
    }
    let empty = tempfile::tempdir().unwrap();
    let taken = empty.path().join("taken");
    std::fs::write(&taken, "").unwrap();
    let status = isolated("bash", empty.path())
        .args(["-c", &(script + "\nexit 0")])
        .current_dir(empty.path())
        .env("TAKEN", &taken)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .unwrap();
    if !status.success() {
        faults.push(format!("{}: bash cannot read its commands", page.name));
    }

    let taken = std::fs::read_to_string(taken).unwrap();
    let mut words = taken.split_terminator('\0');
    let mut calls = 0;
    while let Some(count) = words.next() {
        let line = words.next().unwrap_or_default();
        let arguments: Vec<&str> = words.by_ref().take(count.parse().unwrap()).collect();
        calls += 1;
        let call = std::iter::once("countersign").chain(arguments.iter().copied());
        // Help and version are errors to the parser, and to nobody else.
        if let Some(error) = Cli::try_parse_from(call).err().filter(clap::Error::use_stderr) {
            faults.push(format!("{}:{line}: countersign {}: {error}", page.name, arguments.join(" ")));
        }
    }
    calls
}

/// Looks at what the text between backticks says of `countersign`: its commands and flags have to be there. Usage is
/// written in there too (`[--json]`, `FILE|-`), so that is all that can be said.
pub(crate) fn of_prose(page: &Page, faults: &mut Vec<String>) -> usize {
    let mut calls = 0;
    for (line, span) in spans(page) {
        let Some(rest) = span.strip_prefix("countersign ") else { continue };
        calls += 1;
        let mut cli = Cli::command();
        cli.build();
        let (command, rest) = find(&cli, rest);
        let flags =
            rest.iter().filter_map(|word| word.strip_prefix("--")).map(|flag| flag.split('=').next().unwrap_or(flag));
        for flag in flags.filter(|flag| !flag.is_empty()) {
            if !has_flag(command, flag) {
                faults.push(format!("{}:{line}: `{span}`: {} has no --{flag}", page.name, command.get_name()));
            }
        }
        if command.has_subcommands() && rest.first().is_some_and(|word| word.chars().all(|c| c.is_ascii_lowercase())) {
            faults.push(format!("{}:{line}: `{span}`: there is no such command", page.name));
        }
    }
    calls
}

/// The commands that a page does not name between backticks.
pub(crate) fn not_named_in(page: &Page) -> Vec<String> {
    let mut cli = Cli::command();
    cli.build();
    let spans: Vec<String> = spans(page).into_iter().map(|(_, span)| span).collect();
    let mut missing = Vec::new();
    let mut open = vec![(cli.get_name().to_owned(), &cli)];
    while let Some((name, command)) = open.pop() {
        let below = command.get_subcommands().filter(|command| !command.is_hide_set() && command.get_name() != "help");
        open.extend(below.map(|command| (format!("{name} {}", command.get_name()), command)));
        let named = |span: &String| *span == name || span.starts_with(&format!("{name} "));
        if !spans.iter().any(named) {
            missing.push(name);
        }
    }
    missing
}

/// The command that the words begin with, and the other words without the signs of usage.
fn find<'a, 'b>(cli: &'a Command, words: &'b str) -> (&'a Command, Vec<&'b str>) {
    let mut command = cli;
    let mut words = words.split([' ', '[', ']', '|', '\\']).filter(|word| !word.is_empty()).peekable();
    while let Some(below) = words.peek().and_then(|word| command.find_subcommand(word)) {
        command = below;
        words.next();
    }
    (command, words.collect())
}

/// Whether the command takes the flag, or a command of its takes it: `countersign keys --function NAME` means all of `keys`.
fn has_flag(command: &Command, flag: &str) -> bool {
    command.get_arguments().any(|argument| argument.get_long() == Some(flag))
        || command.get_subcommands().any(|below| has_flag(below, flag))
}

/// What stands between backticks outside of blocks, on one line, with the line that its paragraph begins on.
fn spans(page: &Page) -> Vec<(usize, String)> {
    let (mut spans, mut paragraph, mut began, mut fenced) = (Vec::new(), String::new(), 1, false);
    for (index, line) in page.text.lines().chain([""]).enumerate() {
        let fence = line.trim_start().starts_with("```");
        fenced ^= fence;
        if fence || fenced || line.trim().is_empty() {
            // What is at an odd place stands between two backticks.
            let inside = paragraph.split('`').skip(1).step_by(2);
            spans.extend(inside.map(|span| (began, span.split_whitespace().collect::<Vec<_>>().join(" "))));
            paragraph.clear();
            began = index + 2;
        } else {
            paragraph.push_str(line);
            paragraph.push('\n');
        }
    }
    spans
}
