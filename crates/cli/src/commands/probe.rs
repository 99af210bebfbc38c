//! `countersign probe`: ask for what must be given and for what must be refused, and say whether it is so.

use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, bail};
use clap::builder::{PathBufValueParser, TypedValueParser as _};
use countersign_core::schedule::duration;
use countersign_core::url::IssuerUrl;
use tokio::time::Instant;

use super::Ending;
use super::policy::schema;
use crate::client::token_endpoint;
use crate::out;
use crate::probe::{Document, File, Outcome, Prober, Report, Run, Target};

/// How long after a round that is not as expected the next one begins: first this, then twice as long each time,
const PAUSE: Duration = Duration::from_secs(1);
/// and never longer than this.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// Ask an issuer for tokens that it must give and for tokens that it must refuse
///
/// Exit code 0: all is as expected; 1: at least one probe is not as expected; 2: none of them, but at least one could not tell
/// (no connection, a server's error, no credentials), or the file does not load.
#[derive(Debug, clap::Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag")]
pub struct Args {
    /// The probes, YAML or JSON; - for standard input
    #[arg(long, value_name = "FILE", required_unless_present = "schema")]
    file: Option<PathBuf>,
    /// The issuer URL, exactly as in the tokens' `iss` [default: the file's]
    #[arg(long, value_name = "URL")]
    url: Option<String>,
    /// Where tokens are asked for [default: the file's, unless --url is given; else the issuer URL and /token]
    #[arg(long, value_name = "URL")]
    token_url: Option<String>,
    /// Region to sign for [default: the one in the API's host name, else the file's, else that of the AWS configuration,
    /// else us-east-1]
    #[arg(long, value_name = "R")]
    region: Option<String>,
    /// Only the probe of this name, and the public documents; may be repeated
    #[arg(long, value_name = "NAME")]
    only: Vec<String>,
    /// The longest that one probe may take, its credentials included
    #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = seconds)]
    timeout: Duration,
    /// Ask again until all is as expected in one and the same round, for so long [default: ask once]
    #[arg(long, value_name = "DURATION", value_parser = seconds)]
    wait: Option<Duration>,
    /// Print the results as one JSON document
    #[arg(long)]
    json: bool,
    /// Print a line a probe in CloudWatch's Embedded Metric Format
    #[arg(long, conflicts_with = "json")]
    emf: bool,
    /// Write metrics to this file, NAME.prom, for the textfile collector of Prometheus's node_exporter
    #[arg(long, value_name = "FILE", value_parser = PathBufValueParser::new().try_map(collected))]
    prometheus: Option<PathBuf>,
    /// Only read the file: exit code 0 if it loads, 1 if it does not
    #[arg(long, conflicts_with_all = ["url", "token_url", "region", "only", "wait", "json", "emf", "prometheus"])]
    check: bool,
    /// Print the JSON Schema of the file, for editors
    #[arg(long, exclusive = true)]
    schema: bool,
}

fn seconds(text: &str) -> Result<Duration, String> {
    duration(text).map(|seconds| Duration::from_secs(seconds.into()))
}

/// The file is replaced, whatever it is: nothing but what the collector reads.
fn collected(path: PathBuf) -> Result<PathBuf, &'static str> {
    let is_read = path.extension().is_some_and(|extension| extension == "prom");
    is_read.then_some(path).ok_or("the collector reads only files whose name ends in .prom")
}

/// Probe an issuer.
pub async fn run(args: Args) -> anyhow::Result<Ending> {
    let Some(path) = args.file.as_deref().filter(|_| !args.schema) else {
        out::print(&serde_json::to_string_pretty(&schema::<Document>())?)?;
        return Ok(Ending::Done);
    };
    let file = match File::load(path)? {
        Ok(file) => file,
        Err(why) if args.check => {
            out::say(why);
            return Ok(Ending::Refused);
        }
        Err(why) => bail!(why),
    };
    for warning in file.warnings() {
        out::say(format_args!("{}: warning: {warning}", path.display()));
    }
    if args.check {
        out::say(format_args!("{}: ok: {} probes", path.display(), file.probes.len()));
        return Ok(Ending::Done);
    }
    let prober = prober(&args, file)?;
    let (reports, rounds) = rounds(&prober, args.wait).await;
    let at = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
    let issuer = prober.target().issuer.as_str();
    tell(&args, &Run { issuer, reports: &reports, rounds, at: u64::try_from(at).unwrap_or(u64::MAX) })
}

/// What is asked where. A URL of the file never goes with one that was given in its place: they are two deployments.
fn prober(args: &Args, file: File) -> anyhow::Result<Prober> {
    let File { url, token_url, region, mut probes } = file;
    let given =
        |url: &Option<String>, flag: &'static str| url.as_deref().map(IssuerUrl::local).transpose().context(flag);
    let (given_url, given_token_url) = (given(&args.url, "--url")?, given(&args.token_url, "--token-url")?);
    let token_url = given_token_url.or(token_url.filter(|_| given_url.is_none()));
    let issuer = given_url.or(url).context("no issuer URL: write `url` in the file, or give --url")?;
    for name in &args.only {
        if !probes.iter().any(|probe| probe.name == *name) {
            bail!("--only: no probe is called {name:?}");
        }
    }
    probes.retain(|probe| args.only.is_empty() || args.only.contains(&probe.name));
    let token_url = token_url.map_or_else(|| token_endpoint(&issuer), |url| url.to_string());
    let region = args.region.clone().or_else(|| crate::client::region_of(&token_url)).or(region);
    Ok(Prober::new(Target { issuer, token_url, region, patience: args.timeout }, probes))
}

/// Rounds, until one is as expected throughout or the time is over: the last one, and how many there were.
async fn rounds(prober: &Prober, wait: Option<Duration>) -> (Vec<Report>, u32) {
    let end = Instant::now() + wait.unwrap_or_default();
    let (mut rounds, mut pause) = (0, PAUSE);
    loop {
        let reports = prober.round().await;
        rounds += 1;
        let not_yet: Vec<&str> = reports
            .iter()
            .filter(|report| report.outcome != Outcome::AsExpected)
            .map(|report| report.name.as_str())
            .collect();
        let left = end.saturating_duration_since(Instant::now());
        if not_yet.is_empty() || left.is_zero() {
            return (reports, rounds);
        }
        out::say(format_args!("not yet as expected: {}; asking on for {} s", not_yet.join(", "), left.as_secs()));
        tokio::time::sleep(pause.min(left)).await;
        pause = (2 * pause).min(LONGEST_PAUSE);
    }
}

fn tell(args: &Args, run: &Run<'_>) -> anyhow::Result<Ending> {
    for report in run.reports {
        out::say(report.line());
    }
    let [expected, failed, unclear] = run.counts();
    out::say(format_args!(
        "{}: {expected} as expected, {failed} not as expected, {unclear} could not tell",
        run.issuer
    ));
    let written = write(args, run);
    if failed > 0 {
        // That nobody could be told does not make it better.
        if let Err(error) = written {
            out::say(format_args!("countersign: {error:#}"));
        }
        return Ok(Ending::Refused);
    }
    written?;
    if unclear > 0 {
        bail!("{unclear} of {} probes could not tell", run.reports.len());
    }
    Ok(Ending::Done)
}

/// For machines.
fn write(args: &Args, run: &Run<'_>) -> anyhow::Result<()> {
    // One that cannot be written keeps the other from nobody.
    let file = args.prometheus.as_deref().map_or(Ok(()), |path| run.write_prometheus(path));
    if args.json {
        out::print(&serde_json::to_string_pretty(&run.json())?)?;
    }
    if args.emf {
        out::print(run.emf().join("\n"))?;
    }
    file
}
