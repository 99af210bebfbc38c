//! The Go example, where there is a Go.

use testkit::tools;

use crate::programs::assert_client;
use crate::world::{as_profile, example, run, text};

/// `cargo test --package countersign --test examples -- --ignored` on a machine with Go and its module proxy.
#[test]
#[ignore = "needs Go, and modules from its proxy"]
fn go() {
    let folder = tempfile::Builder::new().prefix("countersign-examples-").tempdir().expect("a temporary folder");
    for name in ["main.go", "go.mod"] {
        std::fs::copy(example("go").join(name), folder.path().join(name)).expect("space on the disk");
    }
    let go = |arguments: &[&str]| {
        let mut command = tools::isolated("go", folder.path());
        let output = run(command.args(arguments).current_dir(folder.path()));
        assert!(output.status.success(), "go {arguments:?}: {}", text(&output.stderr));
    };
    go(&["mod", "tidy"]);
    go(&["vet", "."]);
    go(&["build", "-o", "whoami", "."]);
    // Modules are read-only, and the temporary folder is to go.
    go(&["clean", "-modcache"]);
    assert_client(|serve, profile| as_profile(folder.path().join("whoami"), serve, profile));
}
