//! The manual pages and completions: that they are there for every command and flag, that `man` and shells can read them, and
//! that what the tables beside the commands say of variables and files is what the code does.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "manual/completed.rs"]
mod completed;
#[path = "manual/files.rs"]
mod files;
#[path = "manual/roff.rs"]
mod roff;
#[path = "manual/tables.rs"]
mod tables;

use std::process::Output;

use clap::{Command, CommandFactory as _};
use countersign::commands::Cli;
use countersign::commands::manual::{Page, pages};
use testkit::tools::isolated;

const COUNTERSIGN: &str = env!("CARGO_BIN_EXE_countersign");

fn run(arguments: &[&str], environment: &[(&str, &str)]) -> Output {
    let home = tempfile::tempdir().unwrap();
    isolated(COUNTERSIGN, home.path()).args(arguments).envs(environment.iter().copied()).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// The pages, without the program around them.
fn made() -> Vec<Page> {
    pages(Cli::command()).unwrap()
}

/// Every command but `help`, with its words: none for `countersign` itself.
fn commands() -> Vec<(Vec<String>, Command)> {
    let mut cli = Cli::command();
    cli.build();
    let (mut all, mut open) = (Vec::new(), vec![(Vec::new(), cli)]);
    while let Some((words, command)) = open.pop() {
        for below in command.get_subcommands().filter(|below| below.get_name() != "help") {
            open.push(([&words[..], &[below.get_name().to_owned()]].concat(), below.clone()));
        }
        all.push((words, command));
    }
    all
}

#[test]
fn every_command_has_a_page_and_every_flag_stands_in_it() {
    let (commands, mut flags) = (commands(), 0);
    assert!(commands.len() > 25, "only {} commands were found", commands.len());
    for (words, command) in &commands {
        let asked: Vec<&str> = ["manual"].into_iter().chain(words.iter().map(String::as_str)).collect();
        let printed = run(&asked, &[]);
        assert!(printed.status.success() && printed.stderr.is_empty(), "{asked:?}");
        let page = text(&printed.stdout);
        let plain = roff::plain(&page);
        for argument in command.get_arguments() {
            flags += 1;
            let name = match (argument.get_short(), argument.get_long()) {
                (Some(short), Some(long)) => format!("\n-{short}, --{long}"),
                (_, Some(long)) => format!("\n--{long}"),
                _ => argument.get_value_names().unwrap()[0].to_string(),
            };
            let help = argument.get_long_help().or(argument.get_help()).unwrap().to_string().replace('`', "");
            assert!(plain.contains(&name), "{words:?}: {name} is not in\n{plain}");
            assert!(help.lines().all(|line| plain.contains(line)), "{words:?}: {name}: {help}\n{plain}");
        }
    }
    assert!(flags > 100, "only {flags} flags were found");
    assert_eq!(made().len(), commands.len(), "a page of no command");
}

#[test]
fn a_command_that_is_not_there_has_no_page() {
    for (arguments, said) in [
        (&["manual", "tokn"][..], "there is no command \"tokn\": `countersign --help` lists them"),
        (&["manual", "trust", "generate", "help"], "there is no command \"trust generate help\""),
        (&["manual", "token", "--directory", "x"], "cannot be used with"),
    ] {
        let refused = run(arguments, &[]);
        assert_eq!((refused.status.code(), refused.stdout.len()), (Some(2), 0));
        assert!(text(&refused.stderr).contains(said), "{arguments:?}: {}", text(&refused.stderr));
    }
}

#[test]
fn man_can_read_every_page() {
    for Page { name, roff } in made() {
        let faults = roff::faults(&roff);
        assert!(faults.is_empty(), "{name}: {faults:#?}\n{roff}");
    }
}

#[test]
fn a_page_is_the_same_wherever_and_whenever_it_is_made() {
    let elsewhere =
        [("TZ", "Pacific/Kiritimati"), ("SOURCE_DATE_EPOCH", "1"), ("LANG", "de_DE.UTF-8"), ("COLUMNS", "40")];
    for command in ["serve", "token", "keys"] {
        assert_eq!(run(&["manual", command], &[]).stdout, run(&["manual", command], &elsewhere).stdout);
    }
    // The third of .TH is the date.
    let title = concat!("\n.TH COUNTERSIGN-TOKEN 1 \"\" \"Countersign ", env!("CARGO_PKG_VERSION"), "\" \"\"\n");
    assert!(text(&run(&["manual", "token"], &[]).stdout).contains(title));
}
