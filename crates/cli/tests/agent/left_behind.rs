//! What lies on a disk: one token, whole, for one user, and no credentials; however the agent ends, and whatever is in its way.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use crate::running::{Agent, until};
use crate::world::{World, ran, run, write};

/// Every file below a folder, with what is in it.
fn files(folder: &Path) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for path in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        if path.is_dir() {
            found.extend(files(&path));
        } else if let Ok(content) = fs::read(&path) {
            found.push((path.display().to_string(), String::from_utf8_lossy(&content).into_owned()));
        }
    }
    found
}

#[test]
fn no_credentials_are_written_anywhere_and_the_token_is_for_one_user() {
    let world = World::new();
    let agent = Agent::start(world.agent(&["--profile", "deploy"]));
    let got = agent.get("/deploy");
    let secrets = ["AccessKeyId", "SecretAccessKey", "Token"].map(|name| got.body[name].as_str().unwrap().to_owned());
    let name = format!("agent-{}.token", agent.address.port());
    assert_eq!(agent.token_file(), world.home().join("run/countersign").join(&name));
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let folder = agent.token_file().parent().unwrap().to_path_buf();
    assert_eq!((mode(&agent.token_file()), mode(&folder)), (0o600, 0o700));
    assert!(!agent.token().contains('\n'), "it goes into a header as it is");
    let limits = fs::read_to_string(format!("/proc/{}/limits", agent.child.id())).unwrap();
    let cores = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap();
    assert_eq!(cores.split_whitespace().rev().nth(1), Some("0"), "{cores}");

    let all = files(world.home());
    assert!(all.iter().any(|(_, content)| *content == agent.token()), "it looks where files are");
    assert!(!all.iter().any(|(_, content)| secrets.iter().any(|secret| content.contains(secret))), "{all:?}");
    let (_, stdout, stderr) = agent.stop();
    assert!(!secrets.iter().any(|secret| stdout.contains(secret) || stderr.contains(secret)));
    assert!(!world.cache().exists() && fs::read_dir(folder).unwrap().count() == 0);
}

#[test]
fn the_token_lies_in_memory_if_there_is_a_place_and_it_is_said_if_there_is_none() {
    let world = World::new();
    let of_service = world.home().join("run/service");
    fs::create_dir_all(&of_service).unwrap();
    fs::set_permissions(&of_service, Permissions::from_mode(0o700)).unwrap();
    let mut command = world.agent(&["--profile", "deploy"]);
    command.env_remove("XDG_RUNTIME_DIR").env("RUNTIME_DIRECTORY", format!("{}:/nowhere", of_service.display()));
    let agent = Agent::start(command);
    assert_eq!(agent.token_file().parent(), Some(&*of_service));
    assert!(!agent.stderr().contains("names a folder in memory"));

    let mut command = world.agent(&["--profile", "deploy"]);
    let agent = Agent::start({
        command.env_remove("XDG_RUNTIME_DIR");
        command
    });
    assert_eq!(agent.token_file().parent(), Some(&*world.cache()));
    let said = format!("names a folder in memory: the authorization token lies in {}", agent.token_file().display());
    assert!(agent.stderr().contains(&said), "{}", agent.stderr());
}

#[test]
fn what_is_in_the_way_is_said_and_stays() {
    let world = World::new();
    let file = world.home().join("token");
    let at_file = || run(&mut world.agent(&["--profile", "deploy", "--token-file", file.to_str().unwrap()]));
    write(&file, "precious");
    let ran = at_file();
    assert!(ran.code == Some(2) && ran.stderr.contains("`countersign agent` did not write it"), "{ran:?}");
    assert_eq!(fs::read_to_string(&file).unwrap(), "precious");
    fs::remove_file(&file).unwrap();
    symlink("elsewhere", &file).unwrap();
    let ran = at_file();
    assert!(ran.code == Some(2) && ran.stderr.contains("move it away, or name another file"), "{ran:?}");
    assert!(!world.home().join("elsewhere").exists() && file.is_symlink());

    let folder = world.home().join("run/countersign");
    fs::create_dir_all(&folder).unwrap();
    fs::set_permissions(&folder, Permissions::from_mode(0o755)).unwrap();
    let ran = run(&mut world.agent(&["--profile", "deploy"]));
    assert!(ran.code == Some(2) && ran.stderr.contains("others may read it (mode 755): chmod 700"), "{ran:?}");

    let other = Agent::start(world.agent(&[
        "--profile",
        "deploy",
        "--token-file",
        world.home().join("other").to_str().unwrap(),
    ]));
    let address = other.address.to_string();
    let ran = run(&mut world.countersign(&["agent", "--profile", "deploy", "--listen", &address]));
    assert!(ran.code == Some(2) && ran.stderr.contains(&format!("cannot listen on {address}: ")), "{ran:?}");
}

#[test]
fn a_full_disk_is_said_and_nothing_half_is_left() {
    let world = World::new();
    let run_dir = world.home().join("run");
    // Whoever writes a byte to a file is told that there is no more room, as a full disk does.
    let agent = world.agent(&["--profile", "deploy"]);
    let mut shell = world.program("bash");
    shell
        .args(["-c", "trap '' XFSZ; ulimit -f 0; exec \"$@\"", "bash"])
        .arg(agent.get_program())
        .args(agent.get_args())
        .env("XDG_RUNTIME_DIR", &run_dir);
    let ended = ran(shell.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap().wait_with_output().unwrap());
    assert!(ended.code == Some(2) && ended.stdout.is_empty(), "{ended:?}");
    assert!(
        ended.stderr.contains("cannot write the authorization token to ") && ended.stderr.contains("File too large"),
        "{ended:?}"
    );
    assert!(files(&run_dir).is_empty());

    let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let child = world.agent(&["--profile", "deploy"]).stdout(full).stderr(Stdio::piped()).spawn().unwrap();
    let ended = ran(child.wait_with_output().unwrap());
    assert!(
        ended.code == Some(2) && ended.stderr.contains("cannot write to standard output: No space left"),
        "{ended:?}"
    );
    assert!(files(&run_dir).is_empty());
}

#[test]
fn a_kill_at_any_moment_leaves_a_whole_token_or_none_and_the_next_agent_takes_its_place() {
    let world = World::new();
    let first = Agent::start(world.agent(&["--profile", "deploy"]));
    let (address, file) = (first.address.to_string(), first.token_file());
    let whole = first.token().len();
    drop(first);
    let again = || {
        let mut command = world.countersign(&["agent", "--profile", "deploy", "--listen", &address]);
        command.env("XDG_RUNTIME_DIR", world.home().join("run"));
        command
    };
    let mut there = 0;
    for turn in 0..40 {
        if turn % 4 == 0 {
            fs::remove_file(&file).unwrap_or_default();
        }
        let mut child = again().stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(4 * turn));
        child.kill().unwrap();
        child.wait().unwrap();
        if let Ok(token) = fs::read_to_string(&file) {
            there += 1;
            assert!(token.len() == whole && token.starts_with("countersign-agent-"), "{token:?}");
            assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        }
    }
    println!("{there} of 40 had written their token");
    let agent = Agent::start(again());
    until("it has credentials", || agent.get("/deploy").key().map(drop));
    assert_eq!(agent.stop().0, Some(0));
    assert!(!file.exists());
}
