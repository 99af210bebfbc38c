//! How long a program waits for `countersign credentials` while credentials are kept: `cargo bench --bench credentials`.
//!
//! Beside `aws configure export-credentials`, which answers the same question from the environment and asks nobody either, and
//! beside a process that does nothing. Whole processes by the wall clock, in turns, on a machine that does nothing else.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context as _, ensure};
use serde_json::json;
use testkit::measure::{self, Samples};
use testkit::serve::Setup;
use testkit::sts::{Provider, Role, Sts};
use testkit::tools;

/// How often each has its turn.
const ROUNDS: usize = 15;
/// Processes in a turn, of ours and of one that does nothing.
const SHORT: u32 = 20;
/// What a program that starts should not notice, in milliseconds.
const GOAL: f64 = 10.0;

const COUNTERSIGN: &str = env!("CARGO_BIN_EXE_countersign");
const ISSUER: &str = "https://id.test";
const ROLE: &str = "arn:aws:iam::444455556666:role/deploy";
const POLICY: &str = r#"
version: 1
default_audience: aws
audiences: { aws: { aud: "sts.amazonaws.com", profile: aws } }
rules:
  - name: ci
    when: { kind: user, account: ["111122223333"], path: ["/ci/"] }
    grant: { audiences: [aws], subject: "ci:{user}" }
"#;

fn main() -> anyhow::Result<()> {
    if !measure::is_wanted() {
        return Ok(());
    }
    println!("{}", measure::conditions("cargo bench --bench credentials"));
    let version =
        Command::new("aws").arg("--version").output().map(|ran| String::from_utf8_lossy(&ran.stdout).into_owned());
    ensure!(
        version.is_ok_and(|version| version.starts_with("aws-cli/2")),
        "put the AWS command line 2 on PATH: version 1, which scripts/tools installs, has no `aws configure export-credentials`"
    );
    let home = tempfile::tempdir().context("no temporary directory")?;
    let home = home.path();
    keep_credentials(home)?;

    let ours = || program(COUNTERSIGN, &["credentials", "--profile", "deploy"], home);
    let exec = || program(COUNTERSIGN, &["exec", "--profile", "deploy", "--", "true"], home);
    let theirs = || program("aws", &["configure", "export-credentials"], home);
    let nothing = || program("true", &[], home);
    let mut samples = [(); 4].map(|()| Samples::default());
    for _ in 0..ROUNDS {
        let [a, b, c, d] = &mut samples;
        a.0.push(milliseconds(ours, SHORT)?);
        b.0.push(milliseconds(exec, SHORT)?);
        c.0.push(milliseconds(theirs, 1)?);
        d.0.push(milliseconds(nothing, SHORT)?);
    }
    let [ours, exec, theirs, nothing] = &samples;
    println!("| process | ms | to `aws configure export-credentials` |");
    println!("|---|---|---|");
    println!("| `countersign credentials`, kept | {ours:.1} | {:.3} |", ours.per(theirs));
    println!("| `countersign exec -- true`, kept | {exec:.1} | {:.3} |", exec.per(theirs));
    println!("| `aws configure export-credentials` | {theirs:.0} | 1 |");
    println!("| `true` | {nothing:.1} | {:.3} |", nothing.per(theirs));
    println!("\n{}", measure::verdict(&format!("goal of {GOAL} ms for kept credentials"), ours.median() < GOAL));
    Ok(())
}

/// A program with a caller's credentials, and with nothing of this machine's.
fn program(program: impl AsRef<Path>, arguments: &[&str], home: &Path) -> Command {
    let mut command = tools::isolated(program, home);
    command.args(arguments).env("AWS_ACCESS_KEY_ID", "AKIABENCH").env("AWS_SECRET_ACCESS_KEY", "secret/of+bench");
    command.stdin(Stdio::null()).stdout(Stdio::null());
    command
}

/// Milliseconds of the wall clock for one process.
fn milliseconds(start: impl Fn() -> Command, times: u32) -> anyhow::Result<f64> {
    let began = Instant::now();
    for _ in 0..times {
        ensure!(start().status()?.success(), "a process failed");
    }
    Ok(began.elapsed().as_secs_f64() * 1e3 / f64::from(times))
}

/// Credentials as they are kept after a first call, by a real issuer and a stand-in of STS, both of which are gone afterwards.
fn keep_credentials(home: &Path) -> anyhow::Result<()> {
    let caller = json!([{
        "access_key_id": "AKIABENCH", "secret_access_key": "secret/of+bench", "principal_id": "AIDAEXAMPLEBENCH",
        "arn": "arn:aws:iam::111122223333:user/ci/bench",
    }]);
    let issuer = Setup::new(COUNTERSIGN).file("policy.yaml", POLICY).file("credentials.yaml", &caller.to_string());
    let issuer = issuer.arg("--issuer-url").arg(ISSUER).start();
    let sts = Sts::start();
    sts.provider(Provider {
        url: ISSUER.to_owned(),
        client_ids: vec!["sts.amazonaws.com".to_owned()],
        account: "444455556666".to_owned(),
        fetch_from: issuer.origin().to_owned(),
    });
    let trust = json!({
        "Version": "2012-10-17",
        "Statement": [{
            "Effect": "Allow",
            "Principal": {"Federated": "arn:aws:iam::444455556666:oidc-provider/id.test"},
            "Action": "sts:AssumeRoleWithWebIdentity",
            "Condition": {"StringEquals": {"id.test:aud": "sts.amazonaws.com", "id.test:sub": "ci:bench"}},
        }],
    });
    sts.role(Role { arn: ROLE.to_owned(), trust, max_session: 3600 });
    // The endpoint is part of what credentials are kept for: it stands in a file here, so that it does in each call.
    let folder = home.join(".config/countersign");
    std::fs::create_dir_all(&folder)?;
    let profile = format!("[profiles.deploy]\nurl = '{}'\nrole_arn = '{ROLE}'\n", issuer.origin());
    std::fs::write(folder.join("config.toml"), profile)?;
    std::fs::create_dir(home.join(".aws"))?;
    std::fs::write(home.join(".aws/config"), format!("[default]\nendpoint_url = {}\n", sts.endpoint()))?;
    ensure!(program(COUNTERSIGN, &["credentials", "--profile", "deploy"], home).status()?.success(), "no credentials");
    Ok(())
}
