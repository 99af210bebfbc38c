//! `countersign demo`: the whole story on this machine, with nothing left out and nothing set up.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context as _, bail, ensure};
use aws_credential_types::Credentials as AwsCredentials;
use countersign_core::url::IssuerUrl;
use countersign_keys::file::write_private;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use super::{Ending, token, verify};
use crate::serve::Server;
use crate::serve::credentials::{Credential, Credentials};
use crate::serve::data::Data;

/// Run the demonstration.
pub async fn run() -> anyhow::Result<Ending> {
    let directory = tempfile::Builder::new().prefix("countersign-demo-").tempdir().context("no temporary directory")?;
    let people = cast(directory.path())?;
    let listener = TcpListener::bind("127.0.0.1:0").await.context("cannot listen on loopback")?;
    let issuer = IssuerUrl::local(&format!("http://{}", listener.local_addr()?))?;
    eprintln!("1. An issuer starts at {issuer}, with a key ring that is made for it and the example policy.");
    let data = Data::open(directory.path(), None, issuer.clone())?;
    let records: Arc<Mutex<Vec<String>>> = Arc::default();
    let sink = Arc::clone(&records);
    let audit = Arc::new(move |line: &str| sink.lock().unwrap_or_else(PoisonError::into_inner).push(line.to_owned()));
    let server = Server::new(listener, data, audit)?;
    let (stop, stopped) = oneshot::channel::<()>();
    let running = tokio::spawn(server.run(async {
        let _ = stopped.await;
    }));
    let told = story(&people, &issuer, &records).await;
    drop(stop);
    running.await.context("the issuer ended in a panic")?;
    told?;
    Ok(Ending::Done)
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
        eprintln!(
            "\n{number}. {}\n   signs POST {url} with its AWS credentials (SigV4) and asks for a token.",
            who.arn
        );
        let answer = token::request(&url, &aws(who)).await?;
        let body: Value = serde_json::from_slice(&answer.body).context("the answer is not JSON")?;
        let token = body.get("token").and_then(Value::as_str);
        let token = token.with_context(|| format!("no token, but HTTP status {}: {body}", answer.status))?;
        eprintln!("   200: a token of {} characters, good for {} seconds.", token.len(), body["expires_in"]);
        eprintln!(
            "   Fetched by a relying party: {issuer}/.well-known/openid-configuration, and the JWKS that it names."
        );
        let report = verify::report(token, issuer, Some("https://acme-prod.snowflakecomputing.com")).await?;
        for line in report.to_string().lines() {
            eprintln!("   {line}");
        }
        ensure!(report.is_valid(), "the token does not verify");
    }
    eprintln!(
        "\n4. {}\n   signs correctly too: the same role name, in an account that the policy does not name.",
        stranger.arn
    );
    let answer = token::request(&url, &aws(stranger)).await?;
    ensure!(answer.status == 403, "the stranger got HTTP status {}", answer.status);
    eprintln!("   403: {}", String::from_utf8_lossy(&answer.body));
    let record = records.lock().unwrap_or_else(PoisonError::into_inner).last().cloned().unwrap_or_default();
    let record: Value = serde_json::from_str(&record).context("the audit record is not JSON")?;
    eprintln!(
        "   The stranger learns no more. The audit record says why: {}",
        record["reason"].as_str().unwrap_or("nothing")
    );
    eprintln!(
        "\nDone: two tokens issued and verified, one caller refused. `countersign serve` keeps such an issuer running."
    );
    Ok(())
}

fn aws(credential: &Credential) -> AwsCredentials {
    let (id, secret) = (&credential.access_key_id, credential.secret_access_key.as_str());
    AwsCredentials::new(id, secret, None, None, "demo")
}
