//! What a token costs the function beside its signature: `cargo bench --profile function --bench token`.
//!
//! A token here is everything from the text of a gateway's event to the text of the answer: the event read, the decision,
//! claims, signing, the line that is audit record and metrics, the answer's JSON, and the span of the log. Ring and policy
//! are held, as they are for all requests but one in five minutes. The bare call is [`LocalKey::sign_now`] by the same key
//! on the same bytes. All times are CPU time of the one thread.
//!
//! A line costs what it costs to hand it over, and whoever waits for it has to be woken. So this program starts itself for
//! what it measures: once with nobody at the other end, and once with a pipe that it reads, as Lambda does.

mod world;

use std::env;
use std::hint::black_box;
use std::io;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, anyhow, ensure};
use countersign_aws::function::{Handler as _, respond};
use countersign_aws::gateway::Reply;
use countersign_aws::metrics::{Line, Metric};
use countersign_aws::settings::Settings;
use countersign_aws::{log, told};
use countersign_core::audit::Audit;
use countersign_core::issue::{Ask, Issuer, Prepared, sign};
use countersign_core::jwk::Algorithm;
use countersign_core::jws::{Signer as _, SigningInput};
use countersign_core::policy::Policy;
use countersign_core::url::IssuerUrl;
use countersign_keys::{Keyring, LocalKey};
use futures_util::FutureExt as _;
use jwt_issuer::JwtIssuer;
use serde_json::Value;
use testkit::aws::Moto;
use testkit::measure::workload::{ARN, ORGANISATION, POLICY, Shape, event};
use testkit::measure::{self, Samples, interleaved, verdict};

/// RS256 with 2048 bits and 20 rules: at most this many times the bare call.
const RSA_BUDGET: f64 = 1.15;
/// ES256: at most so many microseconds more than the bare call.
const ES256_BUDGET: f64 = 40.0;

/// Set for a process that measures: where its lines go.
const LINES_GO_TO: &str = "COUNTERSIGN_BENCH_LINES_GO_TO";
/// What the two tables' rows begin with on the way from there.
const WHOLE: &str = "whole: ";
const PARTS: &str = "parts: ";

const INVOCATION_ID: &str = "8f0f7a3e-5f52-4a39-8b0e-0d6a5b1f4a11";
/// Lambda always gives one.
const TRACE_ID: &str = "Root=1-69a55562-0a1b2c3d4e5f60718293a4b5;Parent=0a1b2c3d4e5f6071;Sampled=0";

fn main() -> anyhow::Result<()> {
    if !measure::is_wanted() {
        return Ok(());
    }
    if let Ok(sink) = env::var(LINES_GO_TO) {
        return rows(&sink);
    }
    println!("{}", measure::conditions("cargo bench --profile function --bench token"));
    let rows = measured("`/dev/null`", Stdio::null())? + &measured("a pipe that is read", Stdio::piped())?;
    let table = |kind: &str| rows.lines().filter_map(|row| row.strip_prefix(kind)).collect::<Vec<_>>().join("\n");
    println!("| key | rules | lines go to | bare signature, µs | token / bare | token - bare, µs | budget |");
    println!("|---|---|---|---|---|---|---|\n{}\n", table(WHOLE));
    println!("Where that goes, in µs: each part after a signature, as it comes in a token, and without it.\n");
    println!(
        "| key | rules | lines go to | reading the event | the span | deciding | token and body | the line as text | \
         the line written | the answer as JSON | all else |"
    );
    println!("|---|---|---|---|---|---|---|---|---|---|---|\n{}", table(PARTS));
    Ok(())
}

/// Starts this program again, with its lines going there, and gives the rows that it writes to stderr.
fn measured(sink: &str, stdout: Stdio) -> anyhow::Result<String> {
    let mut program = Command::new(env::current_exe().context("this program")?);
    program.args(env::args_os().skip(1)).env(LINES_GO_TO, sink);
    let mut process = program.stdout(stdout).stderr(Stdio::piped()).spawn()?;
    if let Some(mut lines) = process.stdout.take() {
        io::copy(&mut lines, &mut io::sink())?;
    }
    let output = process.wait_with_output()?;
    let rows = String::from_utf8(output.stderr)?;
    ensure!(output.status.success(), "the process that measures failed: {rows}");
    Ok(rows)
}

fn rows(sink: &str) -> anyhow::Result<()> {
    // The function does so too, and what a span costs depends on it.
    log::start();
    let folder = tempfile::Builder::new().prefix("countersign-bench-").tempdir().context("no temporary directory")?;
    let moto = Moto::start();
    let (keyring, stored) = world::ring(&[Algorithm::RS256, Algorithm::ES256])?;
    let secret_arn = moto.put_secret(world::SECRET, &stored);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let large = Shape::Globs.policy(500);
    for (name, alg, policy, arn, audience) in [
        ("RS256, 2048 bits", Algorithm::RS256, POLICY, ARN, "snowflake"),
        ("RS256, 2048 bits", Algorithm::RS256, large.as_str(), Shape::CALLER, Shape::AUDIENCE),
        ("ES256", Algorithm::ES256, POLICY, ARN, "orders"),
    ] {
        let file = folder.path().join("policy.json");
        std::fs::write(&file, policy)?;
        let function = runtime.block_on(JwtIssuer::start(settings(&moto, &secret_arn, &file)))?;
        let scene = Scene { function, issuer: issuer()?, policy: parsed(policy)?, event: event(arn, audience) };
        let measured = scene.measure(&keyring, &copies(&stored, alg)?)?;
        let start = format!("| {name} | {} | {sink} |", scene.policy.rule_count());
        eprintln!("{WHOLE}{start} {}", measured.whole(name, scene.policy.rule_count()));
        eprintln!("{PARTS}{start} {}", measured.parts());
    }
    Ok(())
}

fn settings(moto: &Moto, secret_arn: &str, policy: &Path) -> Settings {
    let configuration = world::configuration(secret_arn, &format!("file:{}", policy.display()));
    Settings::new(moto.environment().into_iter().chain(configuration))
}

fn issuer() -> anyhow::Result<Issuer> {
    Ok(Issuer::new(IssuerUrl::new(world::ISSUER)?, Some(vec![ORGANISATION.to_owned()])))
}

fn parsed(text: &str) -> anyhow::Result<Policy> {
    Policy::from_json(text.as_bytes()).map_err(|problems| anyhow!("{} problems in the policy", problems.len()))
}

/// The lane's signing key, once for each who signs: of two who sign in turns with one RSA key, always the same would come
/// upon its used-up blinding.
fn copies(stored: &str, alg: Algorithm) -> anyhow::Result<[LocalKey; 8]> {
    let ring: Value = serde_json::from_str(stored)?;
    let keys = ring["keys"].as_array().context("a ring has keys")?;
    let key = keys.iter().find(|key| key["alg"] == alg.as_str() && key["state"] == "signing");
    let pem = key.and_then(|key| key["private_key"].as_str()).context("the lane has a signing key")?;
    let copies = (0..8).map(|_| LocalKey::from_pem(pem, alg, None)).collect::<Result<Vec<_>, _>>()?;
    copies.try_into().map_err(|_| anyhow!("that are not eight"))
}

/// A function and a request, and apart from it what the function does with one.
struct Scene {
    function: JwtIssuer,
    issuer: Issuer,
    policy: Policy,
    event: String,
}

/// Seconds for each.
struct Measured {
    bare: Samples,
    token: Samples,
    /// Each with a signature before it; that of the fourth is the one that the token has anyway.
    parts: [Samples; 7],
}

impl Scene {
    fn measure(&self, keyring: &Keyring, keys: &[LocalKey; 8]) -> anyhow::Result<Measured> {
        let request = self.function.gateway().read(&self.event);
        let content_type = request.header("content-type");
        let ask = Ask {
            request_id: INVOCATION_ID,
            identity: &request.identity,
            trace_id: Some(TRACE_ID),
            source_ip: request.source_ip.as_deref(),
            has_query: request.has_query,
            content_type: content_type.as_deref(),
            body: &request.body,
        };
        let prepared = self.prepare(&ask, keyring)?;
        let input = SigningInput::new(prepared.claims(), keys[0].key())?;
        ensure!(prepared.kid() == keys[0].key().kid(), "the function signs with another key");
        let audit = prepared.audit().clone();
        let text = line(&audit)?;
        let reply = self.reply()?;
        let after = |key: &LocalKey| {
            black_box(key.sign_now(black_box(input.as_bytes()))?);
            Ok::<_, anyhow::Error>(())
        };
        let [bare, token, parts @ ..] = interleaved([
            &mut || after(&keys[0]),
            &mut || {
                black_box(serde_json::to_string(&self.reply()?)?);
                Ok(())
            },
            &mut || {
                after(&keys[1])?;
                black_box(self.function.gateway().read(black_box(&self.event)));
                Ok(())
            },
            &mut || {
                after(&keys[2])?;
                let span = tracing::info_span!("request", request_id = INVOCATION_ID, trace_id = TRACE_ID);
                span.in_scope(|| black_box(()));
                Ok(())
            },
            &mut || {
                after(&keys[3])?;
                black_box(self.prepare(black_box(&ask), keyring)?);
                Ok(())
            },
            &mut || {
                let issued = sign(prepared.clone(), &keys[4]).now_or_never().context("a local key does not wait")?;
                black_box(issued.map_err(|refusal| anyhow!("not signed: {}", refusal.reason))?);
                Ok(())
            },
            &mut || {
                after(&keys[5])?;
                black_box(line(black_box(&audit))?);
                Ok(())
            },
            &mut || {
                after(&keys[6])?;
                Ok(log::line(black_box(&text))?)
            },
            &mut || {
                after(&keys[7])?;
                black_box(serde_json::to_string(black_box(&reply))?);
                Ok(())
            },
        ])?;
        Ok(Measured { bare, token, parts })
    }

    /// The function's answer, whose line has been written.
    fn reply(&self) -> anyhow::Result<Reply> {
        let reply = respond(&self.function, black_box(&self.event), INVOCATION_ID, Some(TRACE_ID.to_owned()));
        let reply = reply.now_or_never().context("what is held is not waited for")?;
        ensure!(reply.status() == 200, "no token ({})", reply.status());
        Ok(reply)
    }

    fn prepare(&self, ask: &Ask<'_>, keyring: &Keyring) -> anyhow::Result<Prepared> {
        let (now, token_id) = (told::now(), told::unique());
        let prepared = self.issuer.prepare(ask, Some(&self.policy), Some(keyring.public()), now, &token_id);
        prepared.map_err(|refusal| anyhow!("refused: {}", refusal.reason))
    }
}

/// A record and the metrics that the function writes with it.
fn line(audit: &Audit) -> anyhow::Result<String> {
    let age = Duration::from_secs(100);
    let metrics = [
        Metric::count("Issued"),
        Metric::micros("SigningTime", 400),
        Metric::age("RingAge", age),
        Metric::age("PolicyAge", age),
    ];
    Ok(Line::new(world::FUNCTION, &metrics, audit).to_text()?)
}

impl Measured {
    fn whole(&self, key: &str, rules: usize) -> String {
        let (ratio, more) = (self.token.per(&self.bare), self.token.with(&self.bare, |token, bare| token - bare));
        let more = more.times(1e6);
        let budget = match (key, rules) {
            ("ES256", _) => verdict(&format!("at most +{ES256_BUDGET} µs"), more.median() <= ES256_BUDGET),
            (_, 20) => verdict(&format!("at most {RSA_BUDGET}"), ratio.median() <= RSA_BUDGET),
            _ => String::new(),
        };
        format!("{:.1} | {ratio:.3} | {more:.1} | {budget} |", self.bare.median() * 1e6)
    }

    /// Each is the median of its own rounds, and so is what is left; they need not add up.
    fn parts(&self) -> String {
        let beside = |samples: &Samples| samples.with(&self.bare, |with, bare| with - bare);
        let parts = self.parts.each_ref().map(beside);
        let rest = parts.iter().fold(beside(&self.token), |rest, part| rest.with(part, |rest, part| rest - part));
        let cells = parts.iter().chain([&rest]).map(|part| format!("{:.1} |", part.median() * 1e6));
        cells.collect::<Vec<_>>().join(" ")
    }
}
