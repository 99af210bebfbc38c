//! A Markdown file, taken apart into its fenced blocks.

use std::fmt;
use std::path::Path;

/// What is not a document of the project, by its name in any folder.
const NOT_OURS: [&str; 7] = [".git", ".terraform", ".tools", ".venv", "__pycache__", "node_modules", "target"];

/// What a block may need that a test has not.
const NEEDS: [&str; 5] = ["aws", "docker", "github", "network", "snowflake"];

/// A document.
pub(crate) struct Page {
    /// Its name, from the root of the project.
    pub(crate) name: String,
    pub(crate) text: String,
    pub(crate) blocks: Vec<Block>,
}

/// What stands between two fences.
pub(crate) struct Block {
    /// The line of the opening fence.
    pub(crate) line: usize,
    pub(crate) language: String,
    pub(crate) kind: Kind,
    /// Without the indentation of the fence.
    pub(crate) text: String,
}

/// What becomes of a block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Is run, and ends with this code.
    Run(i32),
    /// Is started.
    Background,
    /// Needs what is not here.
    Needs(String),
    /// Is run by this file.
    RunBy(String),
    /// Is written into this file.
    File(String),
    /// Is what the block before it printed.
    Output,
    /// Is there to be read.
    Shown,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Run(0) => write!(f, "sh"),
            Self::Run(code) => write!(f, "sh exit={code}"),
            Self::Background => write!(f, "sh background"),
            Self::Needs(what) => write!(f, "sh needs={what}"),
            Self::RunBy(file) => write!(f, "sh run-by={file}"),
            Self::File(_) => write!(f, "file"),
            Self::Output => write!(f, "output"),
            Self::Shown => write!(f, "shown"),
        }
    }
}

impl Kind {
    /// Whether it holds commands.
    pub(crate) fn is_shell(&self) -> bool {
        matches!(self, Self::Run(_) | Self::Background | Self::Needs(_) | Self::RunBy(_))
    }

    /// Whether a session starts it.
    pub(crate) fn is_started(&self) -> bool {
        matches!(self, Self::Run(_) | Self::Background)
    }

    /// What the words behind three backticks say, in the project at `root`.
    fn read(fence: &str, root: &Path) -> Result<Self, String> {
        let mut words = fence.split_whitespace();
        let language = words.next().unwrap_or_default();
        if matches!(language, "bash" | "shell" | "console" | "zsh") {
            return Err(format!("say `sh` instead of `{language}`"));
        }
        let Some(mark) = words.next() else {
            return Ok(if language == "sh" { Self::Run(0) } else { Self::Shown });
        };
        if words.next().is_some() {
            return Err("a block has one mark at most".to_owned());
        }
        let unknown =
            || format!("`{mark}` says nothing of a block of `{language}`: crates/cli/tests/documents.rs has the marks");
        match (language, mark.split_once('=').unwrap_or((mark, ""))) {
            ("sh", ("background", "")) => Ok(Self::Background),
            ("sh", ("exit", code)) => code.parse().map(Self::Run).map_err(|_| unknown()),
            ("sh", ("needs", what)) if NEEDS.contains(&what) => Ok(Self::Needs(what.to_owned())),
            ("sh", ("run-by", file)) if root.join(file).is_file() => Ok(Self::RunBy(file.to_owned())),
            ("sh", ("run-by", file)) => Err(format!("there is no {file} that could run it")),
            ("yaml" | "json", ("file", file)) if !file.is_empty() && !file.starts_with('/') && !file.contains("..") => {
                Ok(Self::File(file.to_owned()))
            }
            ("text" | "json", ("output", "")) => Ok(Self::Output),
            _ => Err(unknown()),
        }
    }
}

impl Page {
    /// The blocks of `text`, or what is wrong with its fences, each with its line.
    pub(crate) fn read(name: &str, text: &str, root: &Path) -> Result<Self, Vec<String>> {
        let (mut blocks, mut faults) = (Vec::<Block>::new(), Vec::new());
        let mut lines = text.lines().enumerate().map(|(index, line)| (index + 1, line));
        while let Some((line, opening)) = lines.next() {
            let Some(fence) = opening.trim_start().strip_prefix("```") else { continue };
            let indentation = opening.len() - opening.trim_start().len();
            let mut content = String::new();
            let ended = lines.by_ref().any(|(_, inside)| {
                if inside.trim() == "```" {
                    return true;
                }
                content.push_str(inside.get(indentation..).unwrap_or_else(|| inside.trim_start()));
                content.push('\n');
                false
            });
            let follows_one = blocks.iter().rev().find(|block| block.kind != Kind::Output);
            match Kind::read(fence, root) {
                _ if !ended => faults.push(format!("{name}:{line}: the block has no end")),
                Ok(Kind::Output) if !follows_one.is_some_and(|block| block.kind.is_started()) => {
                    faults.push(format!("{name}:{line}: there is no block that is run directly before it"));
                }
                Ok(kind) => {
                    let language = fence.split_whitespace().next().unwrap_or_default().to_owned();
                    blocks.push(Block { line, language, kind, text: content });
                }
                Err(fault) => faults.push(format!("{name}:{line}: {fault}")),
            }
        }
        if faults.is_empty() { Ok(Self { name: name.to_owned(), text: text.to_owned(), blocks }) } else { Err(faults) }
    }

    /// Whether anything of it is run.
    pub(crate) fn runs(&self) -> bool {
        self.blocks.iter().any(|block| block.kind.is_started())
    }
}

/// Every Markdown file of the project, and what is wrong with their fences.
pub(crate) fn all(root: &Path) -> (Vec<Page>, Vec<String>) {
    let (mut pages, mut faults) = (Vec::new(), Vec::new());
    for name in files(root, "") {
        let text = std::fs::read_to_string(root.join(&name)).unwrap();
        match Page::read(&name, &text, root) {
            Ok(page) => pages.push(page),
            Err(mut found) => faults.append(&mut found),
        }
    }
    (pages, faults)
}

/// The names of the Markdown files below `folder`, in order.
fn files(root: &Path, folder: &str) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(root.join(folder)).unwrap().map(Result::unwrap) {
        let name = entry.file_name().into_string().unwrap();
        let path = if folder.is_empty() { name.clone() } else { format!("{folder}/{name}") };
        if entry.file_type().unwrap().is_dir() && !is_not_ours(&name) {
            found.append(&mut files(root, &path));
        } else if Path::new(&name).extension().is_some_and(|end| end == "md") {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// Whether a folder of this name holds what was built or fetched.
pub(crate) fn is_not_ours(name: &str) -> bool {
    NOT_OURS.contains(&name)
}
