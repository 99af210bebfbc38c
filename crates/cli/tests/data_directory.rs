//! `serve` and its data directory: made once, kept, watched, and whole after a crash at any moment. And the process
//! itself: it finishes what is running when it is told to stop, and a crash in one request does not end it.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use aws_credential_types::Credentials as AwsCredentials;
use countersign::client::{self, Ask, fetch};
use countersign::out::Lines;
use countersign::serve::Server;
use countersign::serve::credentials::Credentials;
use countersign::serve::data::Data;
use countersign::serve::rotation::Rotation;
use countersign::signing::Signing;
use countersign_core::url::IssuerUrl;
use futures_util::FutureExt as _;
use serde_json::Value;
use testkit::serve::{Serve, Setup};
use testkit::tools::isolated;
use tokio::net::TcpListener;

const COUNTERSIGN: &str = env!("CARGO_BIN_EXE_countersign");
const FILES: [&str; 4] = ["keyring.json", "policy.yaml", "credentials.yaml", "aws-credentials"];

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

fn contents(directory: &Path) -> Vec<Vec<u8>> {
    FILES.iter().map(|file| fs::read(directory.join(file)).unwrap()).collect()
}

/// An answer's body for the first credential of the directory.
async fn ask(origin: &str, directory: &Path) -> (u16, Value) {
    let text = fs::read_to_string(directory.join("credentials.yaml")).unwrap();
    let credentials = Credentials::parse(&text).unwrap();
    let first = &credentials.list()[0];
    let aws = AwsCredentials::new(&first.access_key_id, first.secret_access_key.as_str(), None, None, "test");
    let signing = Signing { credentials: aws, region: "eu-central-1".to_owned() };
    let answer = client::ask(&format!("{origin}/token"), &Ask::default(), Some(&signing)).await.unwrap();
    (answer.status, serde_json::from_slice(&answer.body).unwrap())
}

async fn kids(origin: &str) -> Vec<String> {
    let jwks: Value =
        serde_json::from_slice(&fetch(&format!("{origin}/.well-known/jwks.json")).await.unwrap()).unwrap();
    jwks["keys"].as_array().unwrap().iter().map(|key| key["kid"].as_str().unwrap().to_owned()).collect()
}

/// Wait for it; what a changed file brings is there within a second, and a machine under load gets a few.
async fn soon(what: &str, condition: impl AsyncFn() -> bool) {
    let began = Instant::now();
    while !condition().await {
        assert!(began.elapsed() < Duration::from_secs(20), "{what} did not come");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn the_first_start_makes_everything_and_the_second_keeps_it() {
    let base = tempfile::tempdir().unwrap();
    let directory = base.path().join("a/b");
    let start = || {
        let child = isolated(COUNTERSIGN, base.path())
            .args(["serve", "--listen", "127.0.0.1:0", "--data-dir"])
            .arg(&directory)
            .stderr(Stdio::piped())
            .stdout(Stdio::null())
            .spawn();
        let mut child = child.unwrap();
        let mut told = String::new();
        let mut stderr = child.stderr.take().unwrap();
        let mut byte = [0];
        while !told.contains("listening on http://") || !told.ends_with('\n') {
            assert_eq!(stderr.read(&mut byte).unwrap(), 1, "{told}");
            told.push(char::from(byte[0]));
        }
        (child, told)
    };
    let (mut first, told) = start();
    assert_eq!(mode(&directory), 0o700);
    for file in FILES {
        assert_eq!(mode(&directory.join(file)), 0o600, "{file}");
        assert!(told.contains(file), "{file}: {told}");
    }
    assert!(
        told.contains("export AWS_SHARED_CREDENTIALS_FILE=") && told.contains("export AWS_PROFILE=jane@acme.com"),
        "{told}"
    );
    let credentials = Credentials::parse(&fs::read_to_string(directory.join("credentials.yaml")).unwrap()).unwrap();
    assert_eq!(credentials.list().len(), 2);
    for credential in credentials.list() {
        assert!(!told.contains(credential.secret_access_key.as_str()), "a secret is printed");
    }
    let made = contents(&directory);
    first.kill().unwrap();
    first.wait().unwrap();

    let (mut second, told) = start();
    assert_eq!(contents(&directory), made);
    assert!(!told.contains("made "), "{told}");
    second.kill().unwrap();
    second.wait().unwrap();
}

#[test]
fn the_default_directory_is_in_xdg_data_home() {
    let home = tempfile::tempdir().unwrap();
    let mut child = isolated(COUNTERSIGN, home.path())
        .args(["serve", "--listen", "127.0.0.1:0"])
        .env("XDG_DATA_HOME", home.path().join("data"))
        .stderr(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let expected = home.path().join("data/countersign/keyring.json");
    let began = Instant::now();
    while !expected.exists() {
        assert!(began.elapsed() < Duration::from_secs(30));
        std::thread::sleep(Duration::from_millis(20));
    }
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn secrets_that_others_may_read_are_refused_and_a_policy_may_have_any_mode() {
    for file in ["keyring.json", "credentials.yaml"] {
        let setup = Setup::new(COUNTERSIGN);
        let (content, path) = match file {
            "keyring.json" => (r#"{"version":1,"keys":[]}"#, setup.data_dir().join(file)),
            _ => ("[]", setup.data_dir().join(file)),
        };
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        let Err(refused) = setup.try_start() else { panic!("{file} was taken") };
        assert!(
            refused.contains("exit status: 2") && refused.contains("readable by others") && refused.contains(file),
            "{refused}"
        );
    }
    let setup = Setup::new(COUNTERSIGN).file("policy.yaml", "{ version: 1, audiences: {}, rules: [] }");
    fs::set_permissions(setup.data_dir().join("policy.yaml"), fs::Permissions::from_mode(0o644)).unwrap();
    setup.start();
}

#[test]
fn a_bad_start_says_why_and_leaves_no_ring() {
    for (file, content, words) in [
        ("policy.yaml", "version: 2\nrules: []\n", "line 1: version: version 2 is not known"),
        ("credentials.yaml", "- arn: x\n", "missing field `access_key_id`"),
        ("keyring.json", "{", "the text ends early"),
    ] {
        let Err(refused) = Setup::new(COUNTERSIGN).file(file, content).try_start() else { panic!("{file} was taken") };
        assert!(refused.contains("exit status: 2") && refused.contains(words), "{refused}");
    }
    for (flags, words) in [
        (vec!["--issuer-url", "http://id.acme.com"], "must be https"),
        (vec!["--issuer-url", "https://id.acme.com/"], "does not end in a slash"),
        (vec!["--issuer-url", "https://id.acme.com/token"], "the token endpoint itself"),
        (vec!["--listen", "0.0.0.0:0"], "--dangerous-listen-anywhere"),
        (vec!["--policy", "/nowhere/policy.yaml"], "cannot read /nowhere/policy.yaml"),
    ] {
        let directory = tempfile::tempdir().unwrap();
        let mut command = isolated(COUNTERSIGN, directory.path());
        command.arg("serve").arg("--data-dir").arg(directory.path().join("data"));
        if !flags.contains(&"--listen") {
            command.args(["--listen", "127.0.0.1:0"]);
        }
        let output = command.args(&flags).output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.code() == Some(2) && stderr.contains(words), "{flags:?}: {stderr}");
        assert!(!directory.path().join("data/keyring.json").exists(), "{flags:?}");
    }
}

#[tokio::test]
async fn a_change_is_seen_and_a_bad_one_is_logged_and_left_out() {
    let serve = Setup::new(COUNTERSIGN).start();
    let (origin, directory) = (serve.origin().to_owned(), serve.data_dir().to_owned());
    assert_eq!(ask(&origin, &directory).await.0, 200);
    let good = fs::read_to_string(directory.join("policy.yaml")).unwrap();

    serve.replace_file("policy.yaml", "version: 1\naudiences: {}\nrules: []\n");
    soon("the empty policy", async || ask(&origin, &directory).await.0 == 403).await;
    serve.replace_file("policy.yaml", &good);
    soon("the good policy", async || ask(&origin, &directory).await.0 == 200).await;
    serve.replace_file("policy.yaml", "version: 1\nrules: nonsense\n");
    soon("the line in the log", async || serve.stderr().contains("the last good copy stays in use")).await;
    assert!(serve.stderr().contains("rules: invalid type"), "{}", serve.stderr());
    assert_eq!(ask(&origin, &directory).await.0, 200);

    let keyring = fs::read_to_string(directory.join("keyring.json")).unwrap();
    serve.replace_file("keyring.json", "garbage");
    soon("the second line in the log", async || serve.stderr().contains("not a key ring")).await;
    assert_eq!(ask(&origin, &directory).await.0, 200, "the last good ring signs");
    serve.replace_file("keyring.json", &keyring);

    let lanes = kids(&origin).await.len();
    serve.replace_file("policy.yaml", &good.replace("alg: ES256", "alg: ES384"));
    soon("a lane for the new policy", async || kids(&origin).await.len() == lanes + 2).await;

    let known = ask(&origin, &directory).await.0;
    let credentials = fs::read_to_string(directory.join("credentials.yaml")).unwrap();
    serve.replace_file("credentials.yaml", &credentials.replace("111122223333", "999999999999"));
    soon("the other caller", async || ask(&origin, &directory).await.0 == 403).await;
    assert_eq!(known, 200);
}

#[tokio::test]
async fn a_ring_that_is_taken_away_is_not_replaced_and_what_is_tried_again_is_taken() {
    let serve = Setup::new(COUNTERSIGN).start();
    let (origin, directory) = (serve.origin().to_owned(), serve.data_dir().to_owned());
    let before = kids(&origin).await;
    let (ring, aside) = (directory.join("keyring.json"), directory.join("aside"));
    fs::rename(&ring, &aside).unwrap();
    soon("the line in the log", async || serve.stderr().contains("keyring.json: No such file")).await;
    assert_eq!((kids(&origin).await, ring.exists()), (before.clone(), false));
    fs::rename(&aside, &ring).unwrap();

    // Somebody holds the lock that a new lane needs: a narrower policy counts all the same, and the lane comes later.
    let policy = fs::read_to_string(directory.join("policy.yaml")).unwrap();
    let lock = fs::File::options().write(true).open(directory.join(".lock")).unwrap();
    lock.lock().unwrap();
    serve.replace_file(
        "policy.yaml",
        &policy.replace("alg: ES256", "alg: ES384").replace("111122223333", "999999999999"),
    );
    soon("the narrower policy", async || ask(&origin, &directory).await.0 == 403).await;
    assert_eq!(kids(&origin).await, before);
    drop(lock);
    soon("the lane", async || kids(&origin).await.len() == before.len() + 2).await;
}

/// Nobody reads what the server says, or there is no place for it.
#[tokio::test(flavor = "multi_thread")]
async fn no_token_without_its_audit_line_and_no_standstill() {
    let directory = tempfile::tempdir().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap());
    let data = Data::open(directory.path(), None, IssuerUrl::local(&origin).unwrap(), Rotation::default()).unwrap();
    let audit = Arc::new(|_| std::future::ready(Err(std::io::ErrorKind::StorageFull.into())).boxed());
    let server = Server::new(listener, data, audit, Lines::to(std::io::sink()).unwrap()).unwrap();
    let running = tokio::spawn(server.run(std::future::pending()));
    let (status, body) = ask(&origin, directory.path()).await;
    assert_eq!((status, body["error"].as_str()), (503, Some("temporarily_unavailable")));
    running.abort();
}

#[test]
fn output_that_nobody_reads_stops_no_request_and_no_signal() {
    let directory = tempfile::tempdir().unwrap();
    for (stdout, stderr) in [("/dev/full", "/dev/full"), ("/dev/null", "/dev/full")] {
        let open = |path| fs::File::options().write(true).open(path).unwrap();
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut child = isolated(COUNTERSIGN, directory.path())
            .args(["serve", "--listen", &format!("127.0.0.1:{port}"), "--data-dir"])
            .arg(directory.path().join("data"))
            .stdout(open(stdout))
            .stderr(open(stderr))
            .spawn()
            .unwrap();
        let began = Instant::now();
        let mut connection = loop {
            match TcpStream::connect(("127.0.0.1", port)) {
                Ok(connection) => break connection,
                Err(_) => assert!(began.elapsed() < Duration::from_secs(30) && child.try_wait().unwrap().is_none()),
            }
            std::thread::sleep(Duration::from_millis(50));
        };
        connection
            .write_all(b"POST /token HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: 0\r\n\r\n")
            .unwrap();
        let mut answer = String::new();
        connection.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 403 ") && answer.contains("Missing Authentication Token"), "{answer}");
        assert!(Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap().success());
        assert_eq!(child.wait().unwrap().code(), Some(0));
    }
}

/// Killed at 40 moments of its first start and of the making of a new lane; the next start finds everything whole.
#[tokio::test]
async fn key_files_survive_kill_9_at_any_moment() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    let mut signing: Option<String> = None;
    // Each lasts a little longer than the one before: as many as a slow machine needs to make a ring.
    for round in 0..400u64 {
        if round >= 40 && signing.is_some() {
            break;
        }
        let mut child = isolated(COUNTERSIGN, directory.path())
            .args(["serve", "--listen", "127.0.0.1:0", "--data-dir"])
            .arg(&data)
            .stderr(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(Duration::from_millis(5 + round * 11));
        child.kill().unwrap();
        child.wait().unwrap();
        // Every file is whole or not there; what was there once stays.
        let ring = fs::read(data.join("keyring.json")).ok().map(|text| serde_json::from_slice::<Value>(&text).unwrap());
        if let Some(ring) = ring {
            let kid = ring["keys"][0]["kid"].as_str().unwrap().to_owned();
            assert_eq!(*signing.get_or_insert(kid.clone()), kid, "the ring was made anew");
            assert_eq!(mode(&data.join("keyring.json")), 0o600);
            // Every third time a lane is taken away, so that the next start writes the ring again.
            if round % 3 == 0 {
                let keys = ring["keys"].as_array().unwrap();
                let rsa: Vec<&Value> = keys.iter().filter(|key| key["alg"] == "RS256").collect();
                let less = serde_json::json!({ "version": 1, "keys": rsa }).to_string();
                countersign_keys::file::write_private(&data.join("keyring.json"), less.as_bytes()).unwrap();
            }
        }
        for file in ["policy.yaml", "credentials.yaml"] {
            if let Ok(text) = fs::read_to_string(data.join(file)) {
                assert!(!text.is_empty() && countersign::yaml::parse(&text).is_ok(), "{file}: {text}");
            }
        }
    }
    assert!(signing.is_some(), "no round lasted long enough to make a ring");
    let files: Vec<String> =
        fs::read_dir(&data).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    assert!(files.len() <= 9, "what killed processes left piles up: {files:?}");
}

#[test]
fn sigint_and_sigterm_finish_what_is_running() {
    for signal in ["-TERM", "-INT"] {
        let directory = tempfile::tempdir().unwrap();
        let mut child = isolated(COUNTERSIGN, directory.path())
            .args(["serve", "--listen", "127.0.0.1:0", "--data-dir"])
            .arg(directory.path().join("data"))
            .stderr(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let mut stderr = child.stderr.take().unwrap();
        let mut told = Vec::new();
        let mut byte = [0];
        let address = loop {
            assert_eq!(stderr.read(&mut byte).unwrap(), 1);
            told.push(byte[0]);
            let text = String::from_utf8_lossy(&told);
            if let Some((_, rest)) = text.split_once("listening on http://").filter(|_| text.ends_with('\n')) {
                break rest.trim().to_owned();
            }
        };
        let mut connection = TcpStream::connect(&address).unwrap();
        connection
            .write_all(b"POST /token HTTP/1.1\r\nhost: x\r\nauthorization: x\r\ncontent-length: 4\r\n\r\nab")
            .unwrap();
        std::thread::sleep(Duration::from_millis(200));
        assert!(Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap().success());
        std::thread::sleep(Duration::from_millis(300));
        assert!(TcpStream::connect(&address).is_err(), "no new connection is taken");
        assert_eq!(child.try_wait().unwrap(), None, "the request is still running");
        connection.write_all(b"cd").unwrap();
        let mut answer = String::new();
        connection.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 403 ") && answer.contains("Authorization header requires"), "{answer}");
        assert_eq!(child.wait().unwrap().code(), Some(0), "{signal}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_in_one_request_is_500_and_does_not_end_the_process() {
    let directory = tempfile::tempdir().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap());
    let data = Data::open(directory.path(), None, IssuerUrl::local(&origin).unwrap(), Rotation::default()).unwrap();
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&calls);
    let audit = Arc::new(move |_| {
        assert_ne!(counted.fetch_add(1, Ordering::SeqCst), 0, "the first request crashes, on purpose");
        std::future::ready(Ok(())).boxed()
    });
    let server = Server::new(listener, data, audit, Lines::to(std::io::sink()).unwrap()).unwrap();
    let running = tokio::spawn(server.run(std::future::pending()));
    let (status, body) = ask(&origin, directory.path()).await;
    assert_eq!((status, body["error"].as_str()), (500, Some("server_error")));
    assert_eq!(body["error_description"], "an internal error", "nothing about the cause");
    assert_eq!(ask(&origin, directory.path()).await.0, 200);
    assert_eq!(calls.load(Ordering::SeqCst), 2);
    running.abort();
}

/// Threads that serve requests, by their names' number: one for each core.
#[test]
fn it_uses_all_cores() {
    let serve: Serve = Setup::new(COUNTERSIGN).start();
    let cores = std::thread::available_parallelism().unwrap().get();
    let mut workers = 0;
    for process in fs::read_dir("/proc").unwrap().flatten() {
        let arguments = fs::read(process.path().join("cmdline")).unwrap_or_default();
        if !String::from_utf8_lossy(&arguments).contains(&*serve.data_dir().to_string_lossy()) {
            continue;
        }
        for thread in fs::read_dir(process.path().join("task")).unwrap().flatten() {
            let name = fs::read_to_string(thread.path().join("comm")).unwrap_or_default();
            workers += usize::from(name.starts_with("tokio-rt-worker") || name.starts_with("tokio-runtime"));
        }
    }
    assert!(workers >= cores, "{workers} workers on {cores} cores");
}
