//! `countersign manual`: the manual pages, from the definitions that the flags come from.
//!
//! What those do not know (exit codes, variables, files) stands in `table`. A page is the same bytes wherever and whenever it
//! is made: it bears the version, and no date.

pub mod table;

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use clap_mangen::Man;
use clap_mangen::roff::{Inline, Roff, bold, italic, roman};

use super::Ending;
use crate::out;

/// How a page begins that this command made, and may replace.
const MADE_HERE: &str = ".\\\" Made by countersign manual.\n";

/// Which pages, and where to.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The command, as `trust generate github` [default: countersign itself]
    #[arg(value_name = "COMMAND", conflicts_with = "directory")]
    command: Vec<String>,
    /// Write the pages of all commands into this directory, which is made if missing
    #[arg(long, value_name = "DIR")]
    directory: Option<PathBuf>,
}

/// A manual page of section 1.
#[derive(Debug)]
pub struct Page {
    /// `countersign-trust-lint`.
    pub name: String,
    /// In the language of `man`.
    pub roff: String,
}

/// Print one page, or write all of them.
pub fn run(args: &Args, cli: clap::Command) -> anyhow::Result<Ending> {
    let pages = pages(cli)?;
    if let Some(directory) = &args.directory {
        write(directory, &pages)?;
        return Ok(Ending::Done);
    }
    let name = page_name(&args.command.join(" "));
    let Some(page) = pages.iter().find(|page| page.name == name) else {
        bail!("there is no command {:?}: `countersign --help` lists them", args.command.join(" "));
    };
    out::print(page.roff.trim_end())?;
    Ok(Ending::Done)
}

/// The page of every command, `countersign` itself first.
pub fn pages(cli: clap::Command) -> anyhow::Result<Vec<Page>> {
    // `help` is a flag of each command too, and has no page of its own.
    let mut cli = cli.disable_help_subcommand(true);
    cli.build();
    let mut pages = Vec::new();
    add(&mut pages, "", &cli, &[])?;
    Ok(pages)
}

/// The page of the command, and those of the commands below it. `beside` are the commands of its group.
fn add(pages: &mut Vec<Page>, path: &str, command: &clap::Command, beside: &[String]) -> anyhow::Result<()> {
    pages.push(Page { name: page_name(path), roff: page(path, command, beside)? });
    let below = command.get_subcommands().filter(|command| !command.is_hide_set());
    let below: Vec<_> =
        below.map(|command| (format!("{path} {}", command.get_name()).trim().to_owned(), command)).collect();
    // The page of `countersign` lists its commands; `token` does not name all of them again.
    let group = if path.is_empty() { Vec::new() } else { below.iter().map(|(path, _)| path.clone()).collect() };
    below.iter().try_for_each(|(path, command)| add(pages, path, command, &group))
}

fn page_name(path: &str) -> String {
    format!("countersign {path}").trim_end().replace(' ', "-")
}

fn page(path: &str, command: &clap::Command, beside: &[String]) -> anyhow::Result<String> {
    // The usage of `--help`, which shows what a flag takes; the one that clap_mangen makes up does not.
    let usage = command.clone().render_usage().to_string();
    let man = Man::new(command.clone().override_usage(usage.trim_start_matches("Usage:").trim_start().to_owned()));

    let mut head = Roff::new();
    // Two quotes stand for the date. clap_mangen's own line leaves out what is empty, and the version is taken for a date.
    let source = concat!("Countersign ", env!("CARGO_PKG_VERSION"));
    head.control("TH", [page_name(path).to_uppercase().as_str(), "1", "\"\"", source, "\"\""]);
    // No word is hyphenated: it may be a path or a flag that somebody copies.
    head.control("nh", []).control("ad", ["l"]);
    let mut sections = head.render().into_bytes();
    man.render_name_section(&mut sections)?;
    man.render_synopsis_section(&mut sections)?;
    man.render_description_section(&mut sections)?;
    man.render_options_section(&mut sections)?;
    if command.has_subcommands() {
        man.render_subcommands_section(&mut sections)?;
    }
    sections.extend(surroundings(path, beside).render().into_bytes());

    // Each section brings the same first lines, of which one copy is enough.
    let preamble = Roff::new().render();
    let text = String::from_utf8(sections)?.replace(&preamble, "");
    Ok(format!("{MADE_HERE}{preamble}{}", typeset(&text)))
}

/// What stands between backticks is bold. Tilde and caret would be printed as accents, which no shell takes; and an empty line
/// is a break between paragraphs, of which clap_mangen makes three before a list.
fn typeset(text: &str) -> String {
    let mut typeset = String::new();
    for (index, piece) in text.split('`').enumerate() {
        let (begin, end) = if index % 2 == 1 { ("\\fB", "\\fR") } else { ("", "") };
        typeset.extend([begin, piece, end]);
    }
    let plain = [("~", "\\(ti"), ("^", "\\(ha"), ("\n.br\n\n.br\n", "\n\n"), ("\n\n", "\n.sp\n")];
    plain.iter().fold(typeset, |text, (from, to)| text.replace(from, to))
}

/// Exit status, environment, files, and where to read on.
fn surroundings(path: &str, beside: &[String]) -> Roff {
    let mut roff = Roff::new();
    let mut section = |title, rows: Vec<(Inline, &str)>| {
        if !rows.is_empty() {
            roff.control("SH", [title]);
        }
        for (term, says) in rows {
            roff.control("TP", []).text([term]).text([roman(says)]);
        }
    };
    section("EXIT STATUS", table::exit_codes(path).map(|(code, says)| (bold(code), says)).collect());
    let of_this = |commands: &[&str]| commands.iter().any(|command| concerns(command, path));
    let variables = table::VARIABLES.iter().filter(|row| of_this(row.commands));
    section("ENVIRONMENT", variables.map(|row| (bold(row.names.join(", ")), row.says)).collect());
    let files = table::FILES.iter().filter(|row| of_this(row.commands));
    section("FILES", files.map(|row| (italic(row.names.join(", ")), row.says)).collect());

    let above = path.match_indices(' ').map(|(end, _)| path.get(..end).unwrap_or_default());
    let others = beside.iter().map(String::as_str).filter(|other| *other != path);
    let root = (!path.is_empty()).then_some("");
    let pages = root.into_iter().chain(above).chain(others);
    let mut inlines: Vec<_> = pages.flat_map(|other| [bold(page_name(other)), roman("(1), ")]).collect();
    inlines.push(roman(concat!("the documents at ", env!("CARGO_PKG_REPOSITORY"))));
    roff.control("SH", ["SEE ALSO"]).text(inlines);
    roff
}

/// Whether what is said of `command` belongs on the page of `path`: of this command, of one above it or of one below it.
fn concerns(command: &str, path: &str) -> bool {
    let begins = |long: &str, short: &str| short.is_empty() || format!("{long} ").starts_with(&format!("{short} "));
    begins(path, command) || begins(command, path)
}

fn write(directory: &Path, pages: &[Page]) -> anyhow::Result<()> {
    fs::create_dir_all(directory).with_context(|| format!("cannot make {}", directory.display()))?;
    let file = |page: &Page| directory.join(format!("{}.1", page.name));
    for file in pages.iter().map(file) {
        let what = || format!("cannot replace {}", file.display());
        match fs::symlink_metadata(&file) {
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(error).with_context(what),
            Ok(kind) if kind.is_file() && fs::read(&file).with_context(what)?.starts_with(MADE_HERE.as_bytes()) => {}
            Ok(_) => bail!(
                "{}: `countersign manual` did not make it: move it away, or name another directory",
                file.display()
            ),
        }
    }
    for page in pages {
        out::replace(&file(page), page.roff.as_bytes())?;
    }
    Ok(())
}
