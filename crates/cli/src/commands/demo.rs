//! `countersign demo`: the whole story on this machine, with nothing left out and nothing set up.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context as _, anyhow, bail, ensure};
use aws_credential_types::Credentials as AwsCredentials;
use countersign_core::url::IssuerUrl;
use countersign_keys::file::write_private;
use futures_util::FutureExt as _;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;

use super::{Ending, token, verify};
use crate::out::{self, Lines};
use crate::serve::Server;
use crate::serve::credentials::{Credential, Credentials};
use crate::serve::data::Data;
use crate::serve::rotation::Rotation;

/// Run the demonstration. Told to stop, it cleans up all the same.
pub async fn run() -> anyhow::Result<Ending> {
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let directory = tempfile::Builder::new()
        .prefix("countersign-demo-")
        .permissions(fs::Permissions::from_mode(0o700))
        .tempdir()
        .context("no temporary directory")?;
    let people = cast(directory.path())?;
    let listener = TcpListener::bind("127.0.0.1:0").await.context("cannot listen on loopback")?;
    let issuer = IssuerUrl::local(&format!("http://{}", listener.local_addr()?))?;
    out::say(format_args!(
        "1. An issuer starts at {issuer}, with a key ring that is made for it and the example policy."
    ));
    let data = Data::open(directory.path(), None, issuer.clone(), Rotation::default())?;
    let records: Arc<Mutex<Vec<String>>> = Arc::default();
    let sink = Arc::clone(&records);
    let audit = Arc::new(move |line| {
        sink.lock().unwrap_or_else(PoisonError::into_inner).push(line);
        std::future::ready(Ok(())).boxed()
    });
    let server = Server::new(listener, data, audit, Lines::to(std::io::stderr())?)?;
    let (stop, stopped) = oneshot::channel::<()>();
    let running = tokio::spawn(server.run(async {
        let _ = stopped.await;
    }));
    // A signal that came earlier is heard here too: nothing is written any more that would stay behind.
    let told = tokio::select! {
        told = story(&people, &issuer, &records) => told,
        _ = interrupt.recv() => Err(anyhow!("interrupted")),
        _ = terminate.recv() => Err(anyhow!("terminated")),
    };
    drop(stop);
    running.await.context("the issuer ended in a panic")?;
    told.map(|()| Ending::Done)
}

/// Who appears: a person, a workload, and the workload's namesake in a stranger's account.
fn cast(directory: &Path) -> anyhow::Result<Vec<Credential>> {
    let mut credentials = Credentials::development();
    credentials.push(Credentials::made(
        "arn:aws:sts::999999999999:assumed-role/snowflake-loader/i-0fedcba9876543210",
        "AROASTRANGER2345678:i-0fedcba9876543210",
    ));
    write_private(&directory.join("credentials.yaml"), credentials.to_yaml().as_bytes())?;
    Ok(credentials.list().to_vec())
}

async fn story(people: &[Credential], issuer: &IssuerUrl, records: &Mutex<Vec<String>>) -> anyhow::Result<()> {
    let [person, workload, stranger] = people else { bail!("the cast is incomplete") };
    let url = format!("{issuer}/token");
    for (number, who) in [(2, person), (3, workload)] {
        out::say(format_args!(
            "\n{number}. {}\n   signs POST {url} with its AWS credentials (SigV4) and asks for a token.",
            who.arn
        ));
        let answer = token::request(&url, aws(who)).await?;
        let body: Value = serde_json::from_slice(&answer.body).context("the answer is not JSON")?;
        let token = body.get("token").and_then(Value::as_str);
        let token = token.with_context(|| format!("no token, but HTTP status {}: {body}", answer.status))?;
        out::say(format_args!(
            "   200: a token of {} characters, good for {} seconds.",
            token.len(),
            body["expires_in"]
        ));
        out::say(format_args!(
            "   Fetched by a relying party: {issuer}/.well-known/openid-configuration, and the JWKS that it names."
        ));
        let report = verify::report(token, issuer, Some("https://acme-prod.snowflakecomputing.com")).await?;
        for line in report.to_string().lines() {
            out::say(format_args!("   {line}"));
        }
        ensure!(report.is_valid(), "the token does not verify");
    }
    out::say(format_args!(
        "\n4. {}\n   signs correctly too: the same role name, in an account that the policy does not name.",
        stranger.arn
    ));
    let answer = token::request(&url, aws(stranger)).await?;
    ensure!(answer.status == 403, "the stranger got HTTP status {}", answer.status);
    out::say(format_args!("   403: {}", String::from_utf8_lossy(&answer.body)));
    let record = records.lock().unwrap_or_else(PoisonError::into_inner).last().cloned().unwrap_or_default();
    let record: Value = serde_json::from_str(&record).context("the audit record is not JSON")?;
    out::say(format_args!(
        "   The stranger learns no more. The audit record says why: {}",
        record["reason"].as_str().unwrap_or("nothing")
    ));
    out::say(format_args!(
        "\nDone: two tokens issued and verified, one caller refused. `countersign serve` keeps such an issuer running."
    ));
    Ok(())
}

fn aws(credential: &Credential) -> AwsCredentials {
    let (id, secret) = (&credential.access_key_id, credential.secret_access_key.as_str());
    AwsCredentials::new(id, secret, None, None, "demo")
}
