//! Under which name credentials are kept: a hash of everything that went into them.
//!
//! That is the request, and whoever signs for the token: what the environment and the files of the AWS configuration say of it.
//! An identity that neither names (that of an instance) counts as one. What a token file says is looked at when credentials
//! are read, since it can change under the same name.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use aws_lc_rs::digest::{SHA256, digest};
use serde::Serialize;

use super::Request;
use super::role::Session;
use super::source::Source;

/// Variables by which the AWS SDK finds credentials, and the server that is asked.
const AWS: [&str; 18] = [
    // `~/.aws`, with whoever has logged in there.
    "HOME",
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_PROFILE",
    "AWS_CONFIG_FILE",
    "AWS_SHARED_CREDENTIALS_FILE",
    "AWS_ROLE_ARN",
    "AWS_ROLE_SESSION_NAME",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
    "AWS_EC2_METADATA_SERVICE_ENDPOINT",
    "AWS_ENDPOINT_URL",
    "AWS_ENDPOINT_URL_STS",
    "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS",
];
/// Those by which a job of GitHub Actions gets tokens: another job has others.
const GITHUB: [&str; 2] = ["ACTIONS_ID_TOKEN_REQUEST_URL", "ACTIONS_ID_TOKEN_REQUEST_TOKEN"];

/// What is hashed.
#[derive(Serialize)]
struct Material<'a> {
    version: u8,
    source: &'a Source,
    session: &'a Session,
    environment: BTreeMap<&'static str, String>,
    files: Vec<Option<Vec<u8>>>,
}

/// 64 hexadecimal digits.
pub fn of(request: &Request) -> anyhow::Result<String> {
    let variable = |name: &str| std::env::var(name).ok();
    let home = std::env::home_dir().unwrap_or_default();
    let file = |name: &str, default: &str| {
        let path = variable(name).map_or_else(|| Path::new("~/.aws").join(default), PathBuf::from);
        // As the SDK reads it.
        content(&path.strip_prefix("~").map_or_else(|_| path.clone(), |below| home.join(below)))
    };
    let names: &[&str] = match request.source {
        Source::GitHub { .. } => &GITHUB,
        _ => &[],
    };
    let material = Material {
        version: 1,
        source: &request.source,
        session: &request.session,
        environment: AWS.iter().chain(names).filter_map(|name| Some((*name, variable(name)?))).collect(),
        files: vec![
            file("AWS_CONFIG_FILE", "config"),
            file("AWS_SHARED_CREDENTIALS_FILE", "credentials"),
            variable("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE").and_then(|path| content(Path::new(&path))),
        ],
    };
    let text = zeroize::Zeroizing::new(serde_json::to_vec(&material)?);
    Ok(hash(&text))
}

/// SHA-256, in 64 hexadecimal digits.
pub fn hash(content: &[u8]) -> String {
    digest(&SHA256, content).as_ref().iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// What stands in a file. A pipe is the SDK's to read, once: this one is not another one.
fn content(path: &Path) -> Option<Vec<u8>> {
    let found = path.metadata().ok()?;
    if found.is_file() { std::fs::read(path).ok() } else { Some(format!("{} {}", found.dev(), found.ino()).into()) }
}
