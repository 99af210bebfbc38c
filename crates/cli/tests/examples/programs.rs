//! Each client gets a token and calls the API with it; says what the issuer says when there is no token, and what the API
//! says when the token is not for it; and shows the token to nobody.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::path::Path;
use std::process::Command;

use serde_json::Value;
use testkit::serve::Serve;
use testkit::tools;

use crate::world::{PERSON, WAREHOUSE, WORKLOAD, api, as_profile, credential, example, run, serve, text};

/// Runs a client three times. `client` is its command for a profile, without its arguments.
pub(crate) fn assert_client(client: impl Fn(&Serve, &str) -> Command) {
    let serve = serve();
    let api = api(&serve, WAREHOUSE, &[]);
    let ask = |profile: &str, audience: &str| {
        let output = run(client(&serve, profile).args([serve.origin(), audience, api.origin()]));
        let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
        for secret in ["eyJ", &credential(&serve, profile, "aws_secret_access_key")] {
            assert!(!stdout.contains(secret) && !stderr.contains(secret), "{secret} is shown:\n{stdout}\n{stderr}");
        }
        (output.status.code(), stdout, stderr)
    };

    let (code, stdout, stderr) = ask(PERSON, "warehouse-api");
    assert_eq!(code, Some(0), "{stderr}");
    let answer: Value = serde_json::from_str(&stdout).unwrap_or_else(|error| unreachable!("{error}: {stdout}"));
    assert_eq!(answer["subject"], "JANE");
    assert_eq!(answer["scope"], "session:role-any");
    assert!(answer["expires_at"].is_u64(), "{answer}");

    // The policy gives this caller no token for the API.
    let (code, stdout, stderr) = ask(WORKLOAD, "warehouse-api");
    assert_eq!((code, stdout.as_str()), (Some(1), ""), "{stderr}");
    assert!(stderr.contains("400") || stderr.contains("invalid_target"), "{stderr}");
    assert!(stderr.contains("the audience is not one that this caller may ask for"), "{stderr}");

    // A token, and a good one, but for Snowflake.
    let (code, stdout, stderr) = ask(PERSON, "snowflake");
    assert_eq!((code, stdout.as_str()), (Some(1), ""), "{stderr}");
    assert!(stderr.contains("401") && stderr.contains("InvalidAudienceError"), "{stderr}");

    // Nobody answers.
    let output = run(client(&serve, PERSON).args(["http://127.0.0.1:9", "warehouse-api", api.origin()]));
    assert_eq!((output.status.code(), text(&output.stdout).as_str()), (Some(1), ""), "{}", text(&output.stderr));
    assert!(!output.stderr.is_empty());

    // Somebody answers who is no issuer.
    let output = run(client(&serve, PERSON).args([&no_issuer(), "warehouse-api", api.origin()]));
    let stderr = text(&output.stderr);
    assert_eq!((output.status.code(), text(&output.stdout).as_str()), (Some(1), ""), "{stderr}");
    assert!(stderr.contains("is it the issuer's URL?"), "{stderr}");

    let log = api.wrote("stderr");
    assert!(log.contains("GET /whoami") && !log.contains("eyJ"), "{log}");
}

/// Where one request is answered with 200 and no token.
fn no_issuer() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let origin = format!("http://{}", listener.local_addr().expect("it is bound"));
    std::thread::spawn(move || -> std::io::Result<()> {
        let mut request = BufReader::new(listener.accept()?.0);
        let (mut line, mut length) = (String::new(), 0);
        while request.read_line(&mut line)? > 2 {
            if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().unwrap_or(0);
            }
            line.clear();
        }
        request.read_exact(&mut vec![0; length])?;
        request.get_mut().write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}")
    });
    origin
}

/// The curl script takes credentials from variables, as curl has no idea of profiles.
#[test]
fn curl() {
    assert_client(|serve, profile| {
        let mut command = tools::isolated(example("curl/whoami.sh"), serve.data_dir());
        for name in ["aws_access_key_id", "aws_secret_access_key"] {
            command.env(name.to_uppercase(), credential(serve, profile, name));
        }
        command
    });
}

#[test]
fn awscurl() {
    assert_client(|serve, profile| {
        let mut command = as_profile(example("awscurl/whoami.sh"), serve, profile);
        let ours = tools::awscurl();
        let folder = ours.parent().expect("it lies in a folder");
        let path = std::env::var_os("PATH").unwrap_or_default();
        let folders = std::iter::once(folder.to_owned()).chain(std::env::split_paths(&path));
        command.env("PATH", std::env::join_paths(folders).expect("no colon in the folder's name"));
        command
    });
}

#[test]
fn python() {
    assert_client(|serve, profile| {
        let mut command = as_profile(tools::python(), serve, profile);
        command.arg(example("python/whoami.py"));
        command
    });
}

/// What the module keeps, renews, waits for and gives up: its own tests, against this issuer.
#[test]
fn python_tests_of_the_token_source() {
    let serve = serve();
    let mut command = as_profile(tools::python(), &serve, PERSON);
    command.args(["-m", "unittest", "discover", "-s"]).arg(example("python")).env("ISSUER_URL", serve.origin());
    let output = run(&mut command);
    let stderr = text(&output.stderr);
    assert!(output.status.success(), "{stderr}");
    assert!(!stderr.contains("Ran 0 tests") && !stderr.contains("skipped"), "{stderr}");
}

/// Run as a program, the module prints a token and nothing else.
#[test]
fn python_prints_a_token() {
    let serve = serve();
    let ask = |arguments: &[&str]| {
        let mut command = as_profile(tools::python(), &serve, PERSON);
        run(command.arg(example("python/countersign_token.py")).args(arguments))
    };
    let output = ask(&[serve.origin()]);
    let token = text(&output.stdout);
    assert!(output.status.success() && token.starts_with("eyJ"), "{}", text(&output.stderr));
    assert!(!token.contains(char::is_whitespace), "{token:?} is not a token alone");

    let refused = ask(&[serve.origin(), "deploy"]);
    assert_eq!((refused.status.code(), refused.stdout.len()), (Some(1), 0), "{refused:?}");
    assert!(text(&refused.stderr).contains("refused with HTTP status 400: invalid_target"), "{refused:?}");
    assert_eq!(ask(&[]).status.code(), Some(2));
}

/// Type-checked and compiled by the pinned compiler; and run as it is, where this Node.js can do that.
#[test]
fn typescript() {
    let folder = tempfile::Builder::new().prefix("countersign-examples-").tempdir().expect("a temporary folder");
    // Node.js and the compiler look for packages beside the file.
    for name in ["whoami.ts", "package.json", "tsconfig.json"] {
        std::fs::copy(example("typescript").join(name), folder.path().join(name)).expect("space on the disk");
    }
    let modules = tools::typescript_modules();
    std::os::unix::fs::symlink(&modules, folder.path().join("node_modules")).expect("a link");
    let node = |home: &Path| tools::isolated(tools::node(), home);
    let compiled = run(node(folder.path()).arg(modules.join("typescript/bin/tsc")).current_dir(folder.path()));
    assert!(compiled.status.success(), "{}", text(&compiled.stdout));
    assert_client(|serve, profile| {
        let mut command = as_profile(tools::node(), serve, profile);
        command.arg(folder.path().join("build/whoami.js"));
        command
    });
    let strips = "process.stdout.write(String(Boolean(process.features.typescript)))";
    if text(&run(node(folder.path()).args(["-e", strips])).stdout) == "true" {
        assert_client(|serve, profile| {
            let mut command = as_profile(tools::node(), serve, profile);
            command.arg(folder.path().join("whoami.ts"));
            command
        });
    }
}

/// Built with the tests, as every example of this crate is.
#[test]
fn rust() {
    let built = Path::new(crate::world::COUNTERSIGN).with_file_name("examples").join("whoami");
    assert!(built.exists(), "{} is not there: cargo build --package countersign --example whoami", built.display());
    assert_client(|serve, profile| as_profile(&built, serve, profile));
}
