//! `infrastructure/` applied and run on this machine: see `infrastructure/tests/stand-in.sh`, which starts this.

use std::path::PathBuf;
use std::process::ExitCode;

use testkit::stand_in::{Options, built, run};
use testkit::tools::workspace_root;

fn main() -> ExitCode {
    let path = |name: &str| std::env::var_os(name).map(PathBuf::from);
    let options = Options {
        scenario: std::env::args().nth(1).unwrap_or_else(|| "default".to_owned()),
        infrastructure: path("INFRASTRUCTURE").unwrap_or_else(|| workspace_root().join("infrastructure")),
        tofu: path("TOFU").unwrap_or_else(|| workspace_root().join("scripts/infrastructure-tofu")),
        countersign: path("COUNTERSIGN").unwrap_or_else(|| built("countersign")),
        packages: path("PACKAGES").unwrap_or_else(|| workspace_root().join("target/lambda")),
    };
    if run(&options) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
