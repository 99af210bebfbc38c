//! The programs that are not ours: where `scripts/tools` put them, and how a test starts them.
//!
//! They are looked for in `COUNTERSIGN_TOOLS`, else in `.tools` at the root of the workspace, and never on `PATH`: a
//! test must not mean something else on a machine that happens to have another awscurl. Only `curl` is the machine's own.

use std::fs::{OpenOptions, Permissions};
use std::io::Write as _;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The root of the workspace.
pub fn workspace_root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).expect("this crate lies two folders below the root").to_path_buf()
}

/// Python with the pinned packages: botocore, `PyJWT`, ...
pub fn python() -> PathBuf {
    installed("venv/bin/python")
}

/// Node.js, version 20 or newer.
pub fn node() -> PathBuf {
    installed("node/bin/node")
}

/// The folder of npm packages, with `jose` in it. Scripts import from here by path, because Node.js looks for packages
/// beside the script and the script lies in the source tree.
pub fn node_modules() -> PathBuf {
    installed("node/node_modules/jose").parent().expect("it has a parent").to_path_buf()
}

/// The npm packages of `examples/typescript`, with the TypeScript compiler.
pub fn typescript_modules() -> PathBuf {
    installed("typescript/node_modules")
}

/// The npm packages of `crates/testkit/js`: AWS's SDK for JavaScript.
pub fn js_modules() -> PathBuf {
    installed("js/node_modules")
}

/// The npm packages of `crates/testkit/idp`.
pub(crate) fn idp_modules() -> PathBuf {
    installed("idp/node_modules")
}

/// awscurl, the client that users of API Gateway know.
pub fn awscurl() -> PathBuf {
    installed("venv/bin/awscurl")
}

/// The AWS command line.
pub fn aws() -> PathBuf {
    installed("venv/bin/aws")
}

/// libfaketime, which a process preloads. The folder that it is in has the name of Python's version.
///
/// # Panics
/// If it is not there, with the command that installs it.
pub(crate) fn faketime() -> PathBuf {
    let lib = installed("venv/lib");
    let versions = std::fs::read_dir(&lib).unwrap_or_else(|error| panic!("{} cannot be read: {error}", lib.display()));
    let inside = "site-packages/libfaketime/vendor/libfaketime/src/libfaketime.so.1";
    let found = versions.filter_map(|version| Some(version.ok()?.path().join(inside))).find(|path| path.exists());
    found.unwrap_or_else(|| panic!("{}/*/{inside} is not there: run scripts/tools", lib.display()))
}

/// A command that sees nothing of the machine's AWS settings, proxies or home directory, and no key of the person who
/// runs the tests. `home` is the folder that it takes for its home.
pub fn isolated(program: impl AsRef<Path>, home: &Path) -> Command {
    let mut command = bare(program);
    command.env("HOME", home).env("NO_PROXY", "*").env("PYTHONDONTWRITEBYTECODE", "1");
    // Without these two an SDK asks the metadata service of a virtual machine, and waits for it.
    command.env("AWS_EC2_METADATA_DISABLED", "true").env("AWS_REGION", "eu-central-1");
    command
}

/// A command that knows where to find libraries and interpreters, and nothing that says who someone is or where to ask.
pub(crate) fn bare(program: impl AsRef<Path>) -> Command {
    let mut command = Command::new(program.as_ref());
    command.env_clear();
    for name in ["PATH", "LD_LIBRARY_PATH", "TMPDIR", "LANG"] {
        if let Some(value) = std::env::var_os(name) {
            command.env(name, value);
        }
    }
    command
}

/// Writes a file that nobody else can read, from its first moment on.
pub(crate) fn write_private(path: &Path, content: &str) {
    let mut file =
        OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path).expect("a file to write");
    file.set_permissions(Permissions::from_mode(0o600)).expect("its owner may set its mode");
    file.write_all(content.as_bytes()).expect("space on the disk");
}

/// `path` in the tools folder.
///
/// # Panics
/// If it is not there, with the command that installs it.
fn installed(path: &str) -> PathBuf {
    let folder = std::env::var_os("COUNTERSIGN_TOOLS").map_or_else(|| workspace_root().join(".tools"), PathBuf::from);
    let found = folder.join(path);
    assert!(found.exists(), "{} is not there: run scripts/tools", found.display());
    found
}
