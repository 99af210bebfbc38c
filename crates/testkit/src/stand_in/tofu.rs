//! OpenTofu or Terraform at work on a copy of the infrastructure: nothing is left in the tree.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;

use super::checks::Run;
use crate::tools::bare;

/// How much of a failed command's output is shown, in lines from the first error on, or the last ones.
const SHOWN: usize = 60;

/// A copy with its state, and what the program needs to work on it.
pub(super) struct Tofu {
    program: PathBuf,
    folder: PathBuf,
    environment: Vec<(String, String)>,
}

impl Tofu {
    /// Copies `infrastructure`, without what a run of somebody else left there.
    pub(super) fn copy(
        program: &Path,
        infrastructure: &Path,
        into: &Path,
        environment: Vec<(String, String)>,
    ) -> Run<Self> {
        let folder = into.join("infrastructure");
        copy(infrastructure, &folder)?;
        Ok(Self { program: program.to_owned(), folder, environment })
    }

    /// The variables of all commands from now on.
    pub(super) fn set(&self, variables: &Value) -> Run<()> {
        // It is read by itself, so that no command forgets it.
        write(&self.folder.join("stand-in.auto.tfvars.json"), &variables.to_string())
    }

    pub(super) fn init(&self) -> Run<()> {
        self.run(&["init", "-input=false", "-no-color"]).map(drop)
    }

    /// Plans, and gives the plan as JSON. It is kept for [`Self::apply_plan`].
    pub(super) fn plan(&self) -> Run<Value> {
        self.run(&["plan", "-input=false", "-no-color", "-out=plan"])?;
        self.json(&["show", "-json", "plan"])
    }

    /// Applies the plan that was made last, and gives what it says of it.
    pub(super) fn apply_plan(&self) -> Run<String> {
        self.run(&["apply", "-input=false", "-no-color", "plan"])
    }

    pub(super) fn apply(&self) -> Run<String> {
        self.run(&["apply", "-input=false", "-no-color", "-auto-approve"])
    }

    pub(super) fn destroy(&self) -> Run<String> {
        self.run(&["destroy", "-input=false", "-no-color", "-auto-approve"])
    }

    /// An error if a plan would change anything, with what.
    pub(super) fn nothing_to_do(&self) -> Run<()> {
        let output = self.command(&["plan", "-input=false", "-no-color", "-detailed-exitcode"])?;
        match output.status.code() {
            Some(0) => Ok(()),
            Some(2) => Err(format!("a second plan is not empty:\n{}", tail(&output))),
            _ => Err(format!("plan fails:\n{}", tail(&output))),
        }
    }

    pub(super) fn state(&self) -> Run<Value> {
        self.json(&["show", "-json"])
    }

    pub(super) fn state_list(&self) -> Run<String> {
        self.run(&["state", "list"])
    }

    fn json(&self, arguments: &[&str]) -> Run<Value> {
        let text = self.run(arguments)?;
        serde_json::from_str(&text).map_err(|error| format!("{}: no JSON: {error}", arguments.join(" ")))
    }

    fn run(&self, arguments: &[&str]) -> Run<String> {
        let output = self.command(arguments)?;
        if !output.status.success() {
            return Err(format!("tofu {} ends with {}:\n{}", arguments.join(" "), output.status, tail(&output)));
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    fn command(&self, arguments: &[&str]) -> Run<Output> {
        // Nothing of the machine's AWS settings, and no variable of a deployment that somebody has at hand.
        let mut tofu: Command = bare(&self.program);
        tofu.args(arguments).current_dir(&self.folder).envs(self.environment.clone()).stdin(Stdio::null());
        tofu.env("HOME", &self.folder).env("TF_IN_AUTOMATION", "1").env("CHECKPOINT_DISABLE", "1");
        if let Some(mirror) = std::env::var_os("TOFU_MIRROR") {
            tofu.env("TOFU_MIRROR", mirror);
        }
        tofu.output().map_err(|error| format!("{} does not start: {error}", self.program.display()))
    }
}

fn tail(output: &Output) -> String {
    let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    // What goes as it should is told in hundreds of lines.
    let usual = ["Refreshing state...", ": Still ", ": Creat", ": Modif", ": Destr", ": Read", "Provisioning with"];
    let lines: Vec<&str> = text.lines().filter(|line| !usual.iter().any(|usual| line.contains(usual))).collect();
    let error = lines.iter().position(|line| line.trim_start().starts_with("Error: "));
    let from = error.unwrap_or_else(|| lines.len().saturating_sub(SHOWN));
    let shown: Vec<String> = lines.iter().skip(from).take(SHOWN).map(|line| format!("      {line}")).collect();
    shown.join("\n")
}

fn copy(from: &Path, to: &Path) -> Run<()> {
    let fault = |error: std::io::Error| format!("{}: {error}", from.display());
    std::fs::create_dir_all(to).map_err(fault)?;
    for entry in std::fs::read_dir(from).map_err(fault)? {
        let entry = entry.map_err(fault)?;
        let name = entry.file_name().to_string_lossy().into_owned();
        // Somebody's state, plan or own variables are none of ours; the tests and examples are not deployed.
        let others = [".terraform", "examples", "tests", "images", "state"].contains(&name.as_str())
            || name.contains(".tfstate")
            || name.ends_with(".tfvars")
            || name == ".terraform.lock.hcl";
        if others {
            continue;
        }
        if entry.file_type().map_err(fault)?.is_dir() {
            copy(&entry.path(), &to.join(&name))?;
        } else {
            std::fs::copy(entry.path(), to.join(&name)).map_err(fault)?;
        }
    }
    Ok(())
}

pub(super) fn write(path: &Path, text: &str) -> Run<()> {
    std::fs::write(path, text).map_err(|error| format!("{}: {error}", path.display()))
}
