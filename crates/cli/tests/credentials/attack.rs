//! What somebody tried who wanted it to hang, to hand out the wrong credentials, or none.

use std::ffi::OsStr;
use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _, symlink};
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use testkit::clock::Clock;
use testkit::page::{Canned, Front};
use testkit::sts::Fault;

use crate::kept::age;
use crate::world::{ROLE, Ran, SUBJECT, World, key_of, key_of_warned, ran, run};

/// The same command, killed with all that it started when it takes longer than anybody waits.
fn in_time(command: &Command) -> Ran {
    let mut timed = Command::new("timeout");
    timed.args(["--signal=KILL", "40"]).arg(command.get_program()).args(command.get_args()).env_clear();
    timed.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?)))).stdin(Stdio::null());
    let ran = run(&mut timed);
    assert!(ran.code.is_some_and(|code| code < 128), "{ran:?}");
    ran
}

fn fifo(path: &Path) {
    let _ = fs::remove_file(path);
    assert!(Command::new("mkfifo").args(["-m", "600"]).arg(path).status().expect("mkfifo").success());
}

/// A token of the caller's, in a file of the home.
fn token_file(world: &World, name: &OsStr) -> PathBuf {
    let path = world.home().join(name);
    let ran = run(&mut world.countersign(&["token", "--url", world.issuer.origin()]));
    assert_eq!(ran.code, Some(0), "{ran:?}");
    fs::write(&path, ran.stdout).unwrap();
    path
}

fn with_token(world: &World, file: &Path, more: &[&str]) -> Command {
    let mut command = world.countersign(&["credentials", "--role-arn", ROLE, "--web-identity-token-file"]);
    command.arg(file).args(more);
    command
}

#[test]
fn a_path_that_is_no_text_is_not_every_such_path() {
    let world = World::new();
    let file = token_file(&world, OsStr::from_bytes(b"token\xff"));
    let first = key_of(&run(&mut with_token(&world, &file, &["--role-session-name", "one"])));
    let second = key_of(&run(&mut with_token(&world, &file, &["--role-session-name", "two"])));
    assert!(world.sts.session(&second).unwrap().arn.ends_with("/two"));
    assert_ne!(first, second);
    assert_eq!(key_of(&run(&mut with_token(&world, &file, &["--role-session-name", "one"]))), first);
    assert_eq!(world.asked(), 2);
}

#[test]
fn whoever_signs_may_be_another_one_where_only_a_place_is_named() {
    let world = World::new();
    let in_home = || {
        let mut command = world.credentials(&[]);
        command
            .env("AWS_CONFIG_FILE", "~/aws.ini")
            .env("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", world.home().join("pod"));
        command
    };
    for (n, (name, text)) in
        [("aws.ini", "[default]\n"), ("aws.ini", "[default]\nregion = eu-west-1\n"), ("pod", "one"), ("pod", "two")]
            .into_iter()
            .enumerate()
    {
        fs::write(world.home().join(name), text).unwrap();
        key_of(&run(&mut in_home()));
        assert_eq!(world.asked(), n + 1, "{name}: {text}");
    }
    // Whoever has logged in there.
    let (other, asked) = (tempfile::tempdir().unwrap(), world.asked());
    let shared = |home: &Path| {
        let mut command = world.credentials(&[]);
        let (cache, config) = (world.home().join("cache"), world.home().join(".config"));
        command.env("HOME", home).env("XDG_CACHE_HOME", cache).env("XDG_CONFIG_HOME", config);
        key_of(&run(&mut command))
    };
    assert_ne!(shared(world.home()), shared(other.path()));
    assert_eq!(world.asked(), asked + 2);
}

#[test]
fn a_failure_that_was_noted_by_a_clock_that_was_ahead_is_over() {
    let world = World::new();
    world.sts.fail(Fault::RegionDisabled);
    assert_eq!(run(&mut world.credentials(&[])).code, Some(1));
    world.sts.heal();
    let [lock] = &world.cached("lock")[..] else { panic!("one lock") };
    let mut note: Value = serde_json::from_str(&fs::read_to_string(lock).unwrap()).unwrap();
    note["failure"]["at"] = Value::from((Timestamp::now() + SignedDuration::from_hours(1000)).to_string());
    fs::write(lock, note.to_string()).unwrap();
    key_of(&run(&mut world.credentials(&[])));
}

#[test]
fn what_is_no_file_is_waited_for_by_nobody() {
    let world = World::new();
    let first = key_of(&run(&mut world.credentials(&[])));
    let [entry] = &world.cached("json")[..] else { panic!("one entry") };
    fifo(entry);
    assert_ne!(key_of(&in_time(&world.credentials(&[]))), first);
    // As large as it likes.
    fs::remove_file(entry).unwrap();
    let huge = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(entry).unwrap();
    huge.set_len(1 << 32).unwrap();
    key_of(&in_time(&world.credentials(&[])));
    let lock = entry.with_extension("lock");
    fifo(&lock);
    let ran = in_time(&world.credentials(&["--renew"]));
    key_of_warned(&ran);
    assert!(ran.stderr.contains("not kept"), "{ran:?}");
    // A link leads to what is another one's.
    let (other, saved) = (world.home().join("other"), world.home().join("saved"));
    fs::remove_file(&lock).unwrap();
    fs::rename(entry, &other).unwrap();
    symlink(&other, entry).unwrap();
    let old = fs::read_to_string(&other).unwrap();
    assert!(!old.contains(&key_of(&in_time(&world.credentials(&[])))));
    fs::write(&saved, "mine").unwrap();
    fs::remove_file(&lock).unwrap();
    symlink(&saved, &lock).unwrap();
    key_of_warned(&in_time(&world.credentials(&["--renew"])));
    assert_eq!((fs::read_to_string(&saved).unwrap(), fs::read_to_string(&other).unwrap()), ("mine".to_owned(), old));
    for path in [&lock, entry] {
        fs::remove_file(path).unwrap();
        fs::create_dir(path).unwrap();
        key_of_warned(&in_time(&world.credentials(&[])));
    }
}

#[test]
fn nobody_waits_for_ever_for_a_pipe_and_one_that_is_written_is_read() {
    let world = World::new();
    let pipe = world.home().join("pipe");
    fifo(&pipe);
    let path = pipe.to_str().unwrap();
    let client =
        ["--oauth-token-url", "https://127.0.0.1:1", "--oauth-client-id", "c", "--oauth-client-secret-file", path];
    let client = [&["credentials", "--role-arn", ROLE][..], &client].concat();
    std::thread::scope(|scope| {
        for command in [with_token(&world, &pipe, &[]), world.countersign(&client)] {
            scope.spawn(move || {
                let ran = in_time(&command);
                assert_eq!((ran.code, ran.stdout.as_str()), (Some(2), ""), "{ran:?}");
                assert!(ran.stderr.contains(path), "{ran:?}");
            });
        }
    });
    key_of(&in_time(world.credentials(&[]).env("AWS_CONFIG_FILE", world.home())));
    fs::remove_file(world.config()).unwrap();
    fifo(&world.config());
    let ran = in_time(&world.credentials(&[]));
    assert!(ran.code == Some(2) && ran.stderr.contains("config.toml"), "{ran:?}");

    // What comes out of one says nothing of what comes out of the next of the same name.
    let piped = |key: &str| {
        let ours = env!("CARGO_BIN_EXE_countersign");
        let token = format!("sleep 0.3; AWS_ACCESS_KEY_ID={key} {ours} token --url {}", world.issuer.origin());
        let script = format!("{ours} credentials --role-arn {ROLE} --web-identity-token-file <({token})");
        in_time(world.program("bash").args(["-c", &script]))
    };
    let release = key_of(&piped("AKIARELEASE"));
    assert_eq!(world.sts.session(&release).unwrap().subject, SUBJECT);
    world.trust("ci:nightly");
    assert_eq!(world.sts.session(&key_of(&piped("AKIANIGHTLY"))).unwrap().subject, "ci:nightly");
}

#[test]
fn a_chain_that_leads_to_itself_ends_without_a_cache_too() {
    let world = World::new();
    let count = world.home().join("count");
    fs::create_dir(world.home().join(".aws")).unwrap();
    let process = world.home().join("process");
    let mut script = fs::File::create(&process).unwrap();
    let ours = env!("CARGO_BIN_EXE_countersign");
    writeln!(script, "#!/bin/sh\necho >> {}\nexec {ours} credentials --profile deploy --no-cache", count.display())
        .unwrap();
    script.set_permissions(fs::Permissions::from_mode(0o700)).unwrap();
    drop(script);
    let config = format!("[profile deploy]\ncredential_process = {}\n", process.display());
    fs::write(world.home().join(".aws/config"), config).unwrap();
    let mut command = world.credentials(&["--no-cache"]);
    command.env_remove("AWS_ACCESS_KEY_ID").env_remove("AWS_SECRET_ACCESS_KEY").env("AWS_PROFILE", "deploy");
    let ran = in_time(&command);
    assert!(ran.code == Some(2) && ran.stderr.contains("--aws-profile"), "{ran:?}");
    let times = fs::read_to_string(count).unwrap().lines().count();
    assert!(times < 10, "{times}");
}

#[test]
fn a_variable_that_is_no_text_is_not_overlooked() {
    let world = World::new();
    for (name, mut command) in [
        ("COUNTERSIGN_ROLE_SESSION_NAME", world.credentials(&[])),
        ("COUNTERSIGN_PROFILE", world.countersign(&["credentials"])),
    ] {
        let ran = run(command.env(name, OsStr::from_bytes(b"a\xff")));
        assert!(ran.code == Some(2) && ran.stderr.contains(name), "{name}: {ran:?}");
    }
    assert_eq!(world.asked(), 0);
}

#[test]
fn a_cache_that_cannot_be_written_is_still_good_for_what_lies_there() {
    let world = World::new();
    let first = key_of(&run(&mut world.credentials(&[])));
    age(&world, SignedDuration::from_mins(57));
    world.sts.fail(Fault::RegionDisabled);
    let limited =
        format!("ulimit -f 0; trap '' XFSZ; exec {} credentials --profile deploy", env!("CARGO_BIN_EXE_countersign"));
    let ran = run(world.program("bash").args(["-c", &limited]));
    assert_eq!(key_of_warned(&ran), first);
    assert!(ran.stderr.contains("not renewed, and good until"), "{ran:?}");
}

#[test]
fn credentials_in_their_last_seconds_are_waited_with_not_handed_out() {
    let world = World::new();
    let first = key_of(&run(&mut world.credentials(&[])));
    age(&world, SignedDuration::from_secs(3600 - 12));
    world.sts.fail(Fault::Slow(Duration::from_secs(3)));
    let holder = world.credentials(&[]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let began = Instant::now();
    while world.asked() < 2 && began.elapsed() < Duration::from_secs(30) {
        std::thread::sleep(Duration::from_millis(10));
    }
    assert_ne!(key_of_warned(&run(&mut world.credentials(&[]))), first);
    key_of_warned(&ran(holder.wait_with_output().unwrap()));
    assert_eq!(world.asked(), 2);
}

#[test]
fn nobody_waits_long_for_new_ones_who_has_good_ones() {
    let world = World::new();
    let first = key_of(&run(&mut world.credentials(&[])));
    age(&world, SignedDuration::from_mins(57));
    world.sts.fail(Fault::Silent);
    let began = Instant::now();
    let ran = run(&mut world.credentials(&[]));
    assert_eq!(key_of_warned(&ran), first, "{ran:?}");
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
    assert!(ran.stderr.contains("not renewed, and good until"), "{ran:?}");
}

#[test]
fn a_process_of_another_container_is_not_taken_for_an_ancestor() {
    let world = World::new();
    key_of(&run(&mut world.credentials(&[])));
    let [lock] = &world.cached("lock")[..] else { panic!("one lock") };
    let mut file = fs::File::options().read(true).write(true).open(lock).unwrap();
    file.lock().unwrap();
    // This process's number, which there is the number of another one.
    file.set_len(0).unwrap();
    let note = format!(r#"{{"process":{},"namespace":"pid:[1]","failure":null}}"#, std::process::id());
    file.write_all(note.as_bytes()).unwrap();
    let mut waiting = world.credentials(&["--renew"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut said = String::new();
    BufReader::new(waiting.stderr.take().unwrap()).read_line(&mut said).unwrap();
    assert_eq!(said, "still waiting for another process, which asks for the same credentials ...\n");
    drop(file);
    key_of_warned(&ran(waiting.wait_with_output().unwrap()));
}

#[test]
fn a_command_gets_no_secret_under_another_name_no_other_account_and_no_open_file() {
    let world = World::new();
    let provider = Front::start();
    let token = run(&mut world.countersign(&["token", "--url", world.issuer.origin()])).stdout;
    let body = serde_json::json!({"access_token": token.trim_end()}).to_string();
    provider.answer("POST /token", Canned { status: 200, body, ..Canned::default() });
    let url = format!("{}/token", provider.origin());
    let show = "env | grep -E '^(OUR_SECRET|AWS_ACCOUNT_ID)='; ls /proc/self/fd";
    let plain = run(world.program("sh").args(["-c", show])).stdout;
    let client = ["--oauth-token-url", &url, "--oauth-client-id", "c", "--oauth-client-secret-env", "OUR_SECRET"];
    let mut command = world.countersign(&["exec", "--role-arn", ROLE]);
    command.args(client).args(["--", "sh", "-c", show]);
    let ran = run(command.env("AWS_ACCOUNT_ID", "999988887777").env("OUR_SECRET", "x"));
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(0), plain.as_str()), "{ran:?}");
}

#[test]
fn whoever_reads_nothing_is_told() {
    let world = World::new();
    key_of(&run(&mut world.credentials(&[])));
    let full = fs::File::options().write(true).open("/dev/full").unwrap();
    let ran =
        ran(world.credentials(&[]).stdout(full).stderr(Stdio::piped()).spawn().unwrap().wait_with_output().unwrap());
    assert!(ran.code == Some(2) && ran.stderr.contains("standard output"), "{ran:?}");
}

#[test]
fn a_line_is_written_at_once_so_that_others_come_before_or_after_it() {
    let world = World::new();
    let first = |command: &mut Command| {
        // What is written at once arrives at once, and apart from the rest.
        let (ours, theirs) = UnixDatagram::pair().unwrap();
        let theirs = OwnedFd::from(theirs);
        command.stdout(theirs.try_clone().unwrap()).stderr(theirs).status().unwrap();
        let mut buffer = [0; 4096];
        let length = ours.recv(&mut buffer).unwrap();
        String::from_utf8_lossy(&buffer[..length]).into_owned()
    };
    let printed = first(&mut world.credentials(&[]));
    assert!(printed.starts_with('{') && printed.ends_with("}\n"), "{printed:?}");
    let said = first(&mut world.countersign(&["credentials", "--profile", "nobody"]));
    assert!(
        said.starts_with("countersign: there is no profile nobody") && said.ends_with("it has deploy\n"),
        "{said:?}"
    );
}

#[test]
fn a_clock_that_is_moved_costs_no_good_credentials_and_hands_out_no_others() {
    let world = World::new();
    let first = key_of(&run(&mut world.credentials(&[])));
    let clock = Clock::start();
    clock.advance(Duration::from_hours(2));
    let ran = run(world.credentials(&[]).envs(clock.environment()));
    assert_eq!(
        (ran.code, ran.stdout.as_str()),
        (Some(1), ""),
        "they have ended, and the issuer knows the time: {ran:?}"
    );
    assert_eq!(key_of(&run(&mut world.credentials(&[]))), first);
    // What failed then does not matter now.
    age(&world, SignedDuration::from_mins(57));
    let second = key_of(&run(&mut world.credentials(&[])));
    assert_ne!(second, first);
    // It went back.
    age(&world, SignedDuration::from_hours(-1));
    assert_ne!(key_of(&run(&mut world.credentials(&[]))), second);
    assert_eq!(world.asked(), 3);
}
