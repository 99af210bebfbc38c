//! A disk that does not want to.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::running::{Files, Running, mode, until};

/// With sessions of some seconds.
fn short(tables: &str) -> Files {
    let files = Files::new();
    files.sts.lifetime(Duration::from_secs(20));
    files.tables(tables);
    files
}

/// How large a file may be that the daemon writes from now on.
fn limit(daemon: &Running, bytes: &str) {
    let done = Command::new("prlimit").args(["--pid", &daemon.id().to_string(), &format!("--fsize={bytes}")]).status();
    assert!(done.expect("prlimit is part of util-linux").success());
}

/// Whatever it holds stays whole until its end, and comes back.
fn spoiled(files: &Files, daemon: &Running, why: &str, heal: impl Fn()) {
    let (key, text) = (files.key("env").unwrap(), files.read("env"));
    let said = until("why", || files.failure("env").filter(|said| said.contains(why)));
    daemon.wait_until_said(why);
    let there = files.read("env");
    assert!(there.is_none() || there == text || files.key("env") != Some(key), "{said}");
    assert!(files.names().iter().all(|name| !name.contains("countersign")), "nothing is left beside it: {:?}", files.names());
    heal();
    files.wait_until_good();
    assert_eq!(files.failure("env"), None);
    assert_eq!(mode(&files.at("env")), 0o600);
}

#[test]
fn a_full_disk_leaves_the_old_file_whole_until_its_end() {
    let files = short("[daemon.deploy]\nwrite_env_file = 'RUN/env'\n");
    // Whoever writes too much is told so, as on a full disk, and not ended.
    let daemon = files.begin(&mut files.shell("trap '' XFSZ; exec \"$@\""));
    files.wait_until_good();
    let before = files.read("env");
    limit(&daemon, "64:unlimited");
    daemon.wait_until_said("cannot write");
    let there = files.read("env");
    assert!(there.is_none() || there == before, "{there:?}");
    until("its end", || files.read("env").is_none().then_some(()));
    daemon.wait_until_said("env removed: what stood in it has ended");
    assert!(files.names().is_empty());
    limit(&daemon, "unlimited");
    files.wait_until_good();
    let said = daemon.said();
    assert!(said.contains("cannot write the state, ") && said.contains("File too large"), "{said}");
    assert!(said.contains("; next attempt in "), "{said}");
}

#[test]
fn a_folder_that_is_gone_or_read_only_is_named_and_written_to_when_it_is_back() {
    let files = short("[daemon.deploy]\nwrite_env_file = 'RUN/env'\n");
    // Root may write everywhere, unless it may not.
    let drop_capabilities = "exec setpriv --bounding-set=-all --inh-caps=-all \"$@\"";
    let root = rustix::process::geteuid().is_root();
    let daemon = files.begin(&mut files.shell(if root { drop_capabilities } else { "exec \"$@\"" }));
    files.wait_until_good();
    let folder = files.home().join("run");
    let permit = |mode| fs::set_permissions(&folder, fs::Permissions::from_mode(mode)).unwrap();
    permit(0o500);
    spoiled(&files, &daemon, "cannot write", || permit(0o700));
    assert!(daemon.said().contains("Permission denied"), "{}", daemon.said());
    // The file itself may have any mode: it is replaced.
    fs::set_permissions(files.at("env"), fs::Permissions::from_mode(0o400)).unwrap();
    let key = files.key("env");
    until("a renewal", || (files.key("env") != key && files.key("env").is_some()).then_some(()));
    assert_eq!(mode(&files.at("env")), 0o600);

    fs::rename(&folder, files.home().join("away")).unwrap();
    until("why", || files.failure("env").filter(|why| why.contains("No such file or directory")));
    fs::create_dir(&folder).unwrap();
    files.wait_until_good();
}

#[test]
fn a_file_that_cannot_be_read_is_nobodys_until_it_can() {
    let files = short("[daemon.deploy]\nwrite_env_file = 'RUN/env'\n");
    let daemon = files.start();
    let path = files.at("env");
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    daemon.wait_until_said("it is no file: move it away");
    fs::remove_dir(&path).unwrap();
    files.wait_until_good();
    let fifo = |path: &Path| assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
    fs::remove_file(&path).unwrap();
    fifo(&path);
    until("again", || (daemon.count("it is no file: move it away") > 1).then_some(()));
    fs::remove_file(&path).unwrap();
    files.wait_until_good();
}
