//! `countersign agent`: credentials for every AWS SDK on this machine, which ask again by themselves.

use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::{Context as _, bail, ensure};
use http::header::AUTHORIZATION;
use http::{HeaderMap, Method};
use jiff::Timestamp;
use reqwest::Url;
use rustix::process::{Resource, Rlimit, setrlimit};
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

use super::Ending;
use super::credentials::Which;
use crate::agent::token::{Token, TokenFile, default_path, make_folder};
use crate::agent::{STATUS, check_name, path};
use crate::credentials::Request;
use crate::credentials::output::for_shell;
use crate::credentials::settings::Settings;
use crate::credentials::status::{Row, table};
use crate::out::{self, Lines};
use crate::{agent, client};

/// Where SDKs look before they ask the agent.
const BEFORE_US: [&str; 5] = [
    "AWS_ACCESS_KEY_ID",
    "AWS_PROFILE",
    "AWS_DEFAULT_PROFILE",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
];

/// Which roles, and where they are served.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Loopback address and port to listen on; port 0 takes a free one
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8911")]
    listen: SocketAddr,
    /// A profile of ~/.config/countersign/config.toml, served at /NAME; as often as there are roles [default: that of
    /// COUNTERSIGN_PROFILE, or the settings below, at /default]
    #[arg(long = "profile", value_name = "NAME")]
    profiles: Vec<String>,
    #[command(flatten)]
    settings: Settings,
    /// Where the authorization token is written [default: agent-PORT.token in $XDG_RUNTIME_DIR/countersign, else in
    /// $RUNTIME_DIRECTORY, else in ~/.cache/countersign]
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// Show what the agent that runs has, and when it renews it
    #[arg(long, conflicts_with_all = ["profiles", "Settings"])]
    status: bool,
    /// With --status: as JSON
    #[arg(long)]
    json: bool,
}

/// What `/status` answers.
#[derive(Serialize, Deserialize)]
struct Rows {
    credentials: Vec<Row>,
}

/// Serve until SIGINT or SIGTERM; or ask the agent that does.
pub async fn run(args: Args) -> anyhow::Result<Ending> {
    if !args.listen.ip().is_loopback() {
        bail!("{} is not a loopback address: whoever can reach the agent is a step from its credentials", args.listen);
    }
    if args.status {
        return status(args).await;
    }
    // The parser leaves this out, as --status could not stand beside the rest.
    ensure!(!args.json, "--json goes with --status");
    // What is in memory only lands in no core dump.
    let _ = setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) });
    let requests = requests(args.profiles, args.settings)?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let listener = TcpListener::bind(args.listen).await.with_context(|| format!("cannot listen on {}", args.listen))?;
    let address = listener.local_addr()?;
    // The port is ours, and with it the file that is named by it.
    let file = if let Some(path) = args.token_file {
        std::path::absolute(path)?
    } else {
        let (path, is_in_memory) = default_path(address.port())?;
        make_folder(&path)?;
        if !is_in_memory {
            let said = "neither XDG_RUNTIME_DIR nor RUNTIME_DIRECTORY names a folder in memory";
            out::say(format_args!("countersign: {said}: the authorization token lies in {}", path.display()));
        }
        path
    };
    let file = TokenFile::write(file, Token::fresh()?)?;
    out::print(exports(address, &file, &requests)?)?;
    hint(address);
    out::say(format_args!("listening on http://{address}"));
    let stop = async {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    };
    // A thread of its own: nobody waits for credentials because nobody reads what is said of them.
    let log = Lines::to(std::io::stderr())?;
    // Nor because nobody reads what is said while they are asked for.
    out::say_by(Some(log.clone()));
    let ended = agent::run(listener, address, file, requests, log, stop).await;
    out::say_by(None);
    ended.map(|()| Ending::Done)
}

/// The roles by their names.
fn requests(profiles: Vec<String>, flags: Settings) -> anyhow::Result<Vec<(String, Request)>> {
    let variables = Settings::of_environment(|name| std::env::var_os(name))?;
    if profiles.len() > 1 && [&flags, &variables].into_iter().any(|said| *said != Settings::default()) {
        bail!(
            "with several profiles, each says everything itself: a flag or a variable (COUNTERSIGN_...) would count for all of them"
        );
    }
    if profiles.is_empty() {
        let request = Which { profile: None, settings: flags }.request()?;
        request.source.can_be_read_again()?;
        return Ok(vec![("default".to_owned(), request)]);
    }
    let mut requests: Vec<(String, Request)> = Vec::new();
    for name in profiles {
        check_name(&name)?;
        ensure!(requests.iter().all(|(known, _)| *known != name), "--profile {name}: once is enough");
        let which = Which { profile: Some(name.clone()), settings: flags.clone() };
        let named = || format!("profile {name}");
        let request = which.request().with_context(named)?;
        request.source.can_be_read_again().with_context(named)?;
        requests.push((name, request));
    }
    Ok(requests)
}

/// For a shell: whom an SDK asks, and by what.
fn exports(address: SocketAddr, file: &TokenFile, requests: &[(String, Request)]) -> anyhow::Result<String> {
    let token_file =
        file.path().to_str().context("the token file's path is no text (UTF-8): name another one (--token-file)")?;
    let lines = requests.iter().map(|(name, request)| {
        let (role, path) = (&request.session.role, path(name));
        format!(
            "# {name}: {role}\nexport AWS_CONTAINER_CREDENTIALS_FULL_URI=http://{address}{path}\n\
             export AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE={}",
            for_shell(token_file)
        )
    });
    Ok(lines.collect::<Vec<_>>().join("\n"))
}

/// What may keep an SDK from asking the agent, or the agent from having anything to hand out.
fn hint(address: SocketAddr) {
    let is_set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    let set: Vec<&str> = BEFORE_US.into_iter().filter(|name| is_set(name)).collect();
    if !set.is_empty() {
        let set = set.join(", ");
        out::say(format_args!("countersign: set here, and an SDK that finds it too does not ask the agent: {set}"));
    }
    let own = format!("http://{address}/");
    if std::env::var("AWS_CONTAINER_CREDENTIALS_FULL_URI").is_ok_and(|url| url.starts_with(&own)) {
        out::say(
            "countersign: AWS_CONTAINER_CREDENTIALS_FULL_URI is set here, and names this agent: it cannot sign with credentials of its own",
        );
    }
}

/// Show what the agent has that runs.
async fn status(args: Args) -> anyhow::Result<Ending> {
    let address = args.listen;
    let file = args.token_file.map_or_else(|| default_path(address.port()).map(|(path, _)| path), Ok)?;
    let nobody = || format!("no agent of yours at {address}");
    let token = Token::read(&file).with_context(nobody)?;
    let headers = HeaderMap::from_iter([(AUTHORIZATION, client::secret_header(token.as_str())?)]);
    let url = Url::parse(&format!("http://{address}/{STATUS}"))?;
    let asking = format!("asking the agent at {address}");
    let answer = client::call(Method::GET, &url, headers, String::new(), &asking).await.with_context(nobody)?;
    if answer.status != 200 {
        bail!("{asking}: HTTP status {}: {}", answer.status, answer.said());
    }
    let rows: Rows = serde_json::from_slice(&answer.body).with_context(|| format!("{asking}: its answer is none"))?;
    if args.json {
        out::print(serde_json::to_string(&rows)?)?;
    } else {
        out::print(table(&rows.credentials, Timestamp::now()).trim_end())?;
    }
    let all = rows.credentials.iter().all(|row| row.status.ends_at.is_some_and(|end| end > Timestamp::now()));
    Ok(if all { Ending::Done } else { Ending::Refused })
}
