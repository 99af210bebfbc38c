//! `countersign serve`.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::{Context as _, bail};
use countersign_core::schedule;
use countersign_core::url::IssuerUrl;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

use super::Ending;
use super::keys::Times;
use crate::out::{self, Lines};
use crate::serve::data::Data;
use crate::serve::rotation::Rotation;
use crate::serve::{Server, audit_to, greeting};

/// Run the issuer on this machine, with real SigV4 verification.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Address and port to listen on; port 0 takes a free one
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8787")]
    listen: SocketAddr,
    /// Where key ring, policy and credentials are kept; made if missing [default: $XDG_DATA_HOME/countersign, or ~/.local/share/countersign]
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// The policy; wins over policy.yaml in the data directory
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
    /// The issuer URL in tokens and discovery [default: the address that it listens on]
    #[arg(long, value_name = "URL")]
    issuer_url: Option<String>,
    /// Let each key sign for this long, as 720h; a new one is announced ahead of it [default: keys are rotated by `keys rotate` alone]
    #[arg(long, value_name = "DURATION", value_parser = schedule::duration)]
    rotate_every: Option<u32>,
    #[command(flatten)]
    times: Times,
    /// Listen on other addresses than loopback, over plain http: whoever sees the traffic sees the tokens
    #[arg(long)]
    dangerous_listen_anywhere: bool,
}

/// Listen and serve until SIGINT or SIGTERM.
pub async fn run(args: Args) -> anyhow::Result<Ending> {
    if !args.listen.ip().is_loopback() && !args.dangerous_listen_anywhere {
        bail!(
            "{} is not a loopback address: `serve` speaks plain http (--dangerous-listen-anywhere to do it all the same)",
            args.listen
        );
    }
    // Before anything is made on disk: a bad flag leaves nothing behind.
    if args.issuer_url.as_deref().is_some_and(|url| url.ends_with("/token")) {
        bail!("--issuer-url: clients take a URL that ends in /token for the token endpoint itself");
    }
    let given = args.issuer_url.as_deref().map(IssuerUrl::local).transpose().context("--issuer-url")?;
    let keys = Rotation::new(args.rotate_every, args.times)?;
    let directory = match args.data_dir {
        Some(directory) => directory,
        None => default_directory()?,
    };
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let listener = TcpListener::bind(args.listen).await.with_context(|| format!("cannot listen on {}", args.listen))?;
    let issuer = match given {
        Some(issuer) => issuer,
        None => IssuerUrl::local(&format!("http://{}", loopback(listener.local_addr()?)))?,
    };
    let data = Data::open(&directory, args.policy.as_deref(), issuer, keys)?;
    let log = Lines::to(io::stderr())?;
    let server = Server::new(listener, data, audit_to(out::stdout()?)?, log.clone())?;
    out::say(format_args!("{}", greeting(server.data(), server.address())));
    server
        .run(async {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            log.send("countersign: finishing what is running (once more to end at once)");
            tokio::spawn(async move {
                tokio::select! {
                    _ = terminate.recv() => {}
                    _ = interrupt.recv() => {}
                }
                std::process::exit(130);
            });
        })
        .await;
    Ok(Ending::Done)
}

/// The address under which this machine itself reaches the server.
fn loopback(address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() { SocketAddr::from(([127, 0, 0, 1], address.port())) } else { address }
}

fn default_directory() -> anyhow::Result<PathBuf> {
    let set = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    set("XDG_DATA_HOME")
        .or_else(|| set("HOME").map(|home| home.join(".local/share")))
        .map(|base| base.join("countersign"))
        .context("neither XDG_DATA_HOME nor HOME is set: name a --data-dir")
}
