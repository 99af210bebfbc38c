//! `countersign completions`: what a shell completes.

use std::path::Path;

use clap_complete::Shell;

use super::Ending;
use crate::out;

/// For which shell.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The shell [default: the one that SHELL names]
    shell: Option<Shell>,
}

/// Print the script that the shell loads, for this command line.
pub fn run(args: &Args, mut command: clap::Command) -> anyhow::Result<Ending> {
    let Some(shell) = args.shell.or_else(|| Shell::from_shell_path(Path::new(&std::env::var_os("SHELL")?))) else {
        anyhow::bail!(
            "SHELL names no shell for which there are completions: say bash, elvish, fish, powershell or zsh"
        );
    };
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut command, "countersign", &mut script);
    out::print(String::from_utf8(script)?.trim_end())?;
    Ok(Ending::Done)
}
