//! Where the files are, and what a full or read-only disk leaves.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt as _, symlink};

use crate::world::{run, write};
use crate::{ROLE, User, text};

const FLAGS: [&str; 7] = ["configure", "--profile", "deploy", "--github", "--role-arn", ROLE, "--yes"];

#[test]
fn the_files_are_where_the_environment_says_and_links_stay_links() {
    let user = User::new();
    for folder in ["dotfiles", ".aws"] {
        fs::create_dir(user.at(folder)).unwrap();
    }
    write(&user.at("dotfiles/aws"), "[default]\nregion = eu-west-1\n");
    fs::set_permissions(user.at("dotfiles/aws"), Permissions::from_mode(0o644)).unwrap();
    symlink("../dotfiles/aws", user.aws()).unwrap();
    assert_eq!(run(user.program(env!("CARGO_BIN_EXE_countersign")).args(FLAGS)).code, Some(0));
    assert!(user.aws().is_symlink());
    assert!(text(&user.at("dotfiles/aws")).starts_with("[default]\nregion = eu-west-1\n\n[profile deploy]\n"));
    assert_eq!(user.at("dotfiles/aws").metadata().unwrap().permissions().mode() & 0o777, 0o644);
    assert_eq!(user.own().metadata().unwrap().permissions().mode() & 0o777, 0o600);

    let mut configure = user.program(env!("CARGO_BIN_EXE_countersign"));
    configure.args(FLAGS).env("XDG_CONFIG_HOME", user.at("xdg")).env("AWS_CONFIG_FILE", "~/elsewhere/config");
    // Whoever says so has no keys in a file.
    assert_eq!(run(configure.env("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")).code, Some(0));
    assert_eq!(text(&user.at("elsewhere/config")), format!("[profile deploy]\n{}", user.process()));
    assert!(user.at("xdg/countersign/config.toml").exists());
}

#[test]
fn a_disk_that_is_full_loses_nothing() {
    let user = User::new();
    let before = "[default]\nregion = eu-west-1\n".to_owned() + &"# a comment\n".repeat(200);
    write(&user.aws(), &before);
    // One block of 512 bytes: ours goes into it, the other file does not.
    let script = "trap '' XFSZ; ulimit -f 1; exec \"$0\" \"$@\"";
    let mut bash = user.program("/bin/bash");
    let ran = run(bash.args(["-c", script, env!("CARGO_BIN_EXE_countersign")]).args(FLAGS));
    let said = format!("cannot write {}, and nothing was changed: File too large", user.aws().display());
    assert!(ran.code == Some(2) && ran.stderr.contains(&said), "{ran:?}");
    assert!(!user.own().exists() && text(&user.aws()) == before);
    let names = |folder: &str| fs::read_dir(user.at(folder)).unwrap().count();
    assert_eq!((names(".aws"), names(".config/countersign")), (1, 0));
}

#[test]
fn a_folder_that_cannot_be_written_is_told() {
    let user = User::new();
    // Nobody can make files there, root neither.
    let mut configure = user.program(env!("CARGO_BIN_EXE_countersign"));
    let ran = run(configure.args(FLAGS).env("AWS_CONFIG_FILE", "/proc/config"));
    assert!(
        ran.code == Some(2) && ran.stderr.contains("cannot write /proc/config, and nothing was changed: "),
        "{ran:?}"
    );
    assert!(!user.own().exists());
}
