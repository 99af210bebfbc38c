//! A disk that does not want to.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::running::{Files, Running, mode, side_by_side, until};

/// With sessions of some seconds.
fn short(tables: &str) -> Files {
    let files = Files::new();
    files.sts.lifetime(Duration::from_secs(8));
    files.tables(tables);
    files
}

/// How large a file may be that the daemon writes from now on.
fn limit(daemon: &Running, bytes: &str) {
    let done = Command::new("prlimit").args(["--pid", &daemon.id().to_string(), &format!("--fsize={bytes}")]).status();
    assert!(done.expect("prlimit is part of util-linux").success());
}

#[test]
fn a_disk_that_does_not_want_to_is_named_and_costs_nothing_that_is_good() {
    side_by_side(&[
        ("a_full_disk_leaves_the_old_file_whole_until_its_end", a_full_disk_leaves_the_old_file_whole_until_its_end),
        (
            "a_folder_that_is_gone_or_read_only_is_named_and_written_to_when_it_is_back",
            a_folder_that_is_gone_or_read_only_is_named_and_written_to_when_it_is_back,
        ),
        ("what_is_no_file_is_neither_replaced_nor_waited_for", what_is_no_file_is_neither_replaced_nor_waited_for),
    ]);
}

fn a_full_disk_leaves_the_old_file_whole_until_its_end() {
    let files = short("[daemon.deploy]\nwrite_env_file = 'RUN/env'\n");
    // Whoever writes too much is told so, as on a full disk, and not ended.
    let daemon = Running::begin(&mut files.shell("trap '' XFSZ; exec \"$@\""));
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
    until("recovery", || files.key("env"));
    let said = daemon.said();
    assert!(said.contains("cannot write the state, ") && said.contains("File too large"), "{said}");
    assert!(said.contains("; next attempt in "), "{said}");
}

fn a_folder_that_is_gone_or_read_only_is_named_and_written_to_when_it_is_back() {
    let files = short("[daemon.deploy]\nwrite_env_file = 'RUN/env'\n");
    // Root may write everywhere, unless it may not.
    let drop_capabilities = "exec setpriv --bounding-set=-all --inh-caps=-all \"$@\"";
    let root = rustix::process::geteuid().is_root();
    let daemon = Running::begin(&mut files.shell(if root { drop_capabilities } else { "exec \"$@\"" }));
    files.wait_until_good();
    let folder = files.home().join("run");
    let permit = |mode| fs::set_permissions(&folder, fs::Permissions::from_mode(mode)).unwrap();
    permit(0o500);
    let before = files.read("env");
    let why = until("why", || files.failure("env"));
    assert!(why.contains("cannot write ") && why.contains("Permission denied"), "{why}");
    assert_eq!((files.read("env"), files.names().len()), (before, 1));
    // It can be taken away no more than it can be replaced.
    daemon.wait_until_said("cannot remove ");
    permit(0o700);
    until("recovery", || (files.read("env").is_some() && files.failure("env").is_none()).then_some(()));
    // The file itself may have any mode: it is replaced.
    fs::set_permissions(files.at("env"), fs::Permissions::from_mode(0o400)).unwrap();
    let key = files.key("env");
    until("a renewal", || (files.key("env") != key && files.key("env").is_some()).then_some(()));
    assert_eq!(mode(&files.at("env")), 0o600);

    // Unless nobody can tell whose it is.
    fs::set_permissions(files.at("env"), fs::Permissions::from_mode(0o000)).unwrap();
    daemon.wait_until_said("env: it cannot be read, so nobody knows whose it is: Permission denied");
    fs::set_permissions(files.at("env"), fs::Permissions::from_mode(0o600)).unwrap();
    until("recovery", || files.failure("env").is_none().then_some(()));

    fs::rename(&folder, files.home().join("away")).unwrap();
    until("why", || files.failure("env").filter(|why| why.contains("No such file or directory")));
    fs::create_dir(&folder).unwrap();
    until("recovery", || files.key("env"));
}

fn what_is_no_file_is_neither_replaced_nor_waited_for() {
    let files = short("[daemon.deploy]\nwrite_env_file = 'RUN/env'\n");
    let daemon = files.start();
    let path = files.at("env");
    for make in [(|path| fs::create_dir(path).unwrap()) as fn(&Path), |path| {
        assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
    }] {
        let before = daemon.count("it is no file: move it away");
        fs::remove_file(&path).unwrap();
        make(&path);
        until("why", || (daemon.count("it is no file: move it away") > before).then_some(()));
        fs::rename(&path, files.home().join("away")).unwrap();
        let _ = fs::remove_dir(files.home().join("away"));
        until("recovery", || files.key("env"));
    }
}
