//! What a token costs the function beside its signature: `cargo bench --profile function --bench token`.
//!
//! A token here is everything from the text of a gateway's event to the text of the answer: the event read, the decision,
//! claims, signing, the line that is audit record and metrics, the answer's JSON, and the span of the log. Ring and policy
//! are held, as they are for all requests but one in five minutes. The bare call is [`LocalKey::sign_now`] by the same key
//! on the same bytes. All times are CPU time of the one thread.
//!
//! A line costs what it costs to hand it to whoever reads it. So this program starts itself once more and reads what that
//! process writes, as Lambda does: lines of the log are thrown away, the tables passed on.

mod world;

use std::env;
use std::hint::black_box;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, anyhow, ensure};
use countersign_aws::function::{Handler as _, respond};
use countersign_aws::gateway::Reply;
use countersign_aws::log;
use countersign_aws::metrics::{Line, Metric};
use countersign_aws::settings::Settings;
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

/// Set for the process that measures.
const MEASURES: &str = "COUNTERSIGN_BENCH_MEASURES";

const INVOCATION_ID: &str = "8f0f7a3e-5f52-4a39-8b0e-0d6a5b1f4a11";
/// Lambda always gives one.
const TRACE_ID: &str = "Root=1-69a55562-0a1b2c3d4e5f60718293a4b5;Parent=0a1b2c3d4e5f6071;Sampled=0";

fn main() -> anyhow::Result<()> {
    if !measure::is_wanted() {
        return Ok(());
    }
    if env::var_os(MEASURES).is_none() {
        return read_along();
    }
    // The function does so too, and what a span costs depends on it.
    log::start();
    println!("{}", measure::conditions("cargo bench --profile function --bench token"));
    tables()
}

/// Starts this program again, to measure, and reads what it writes.
fn read_along() -> anyhow::Result<()> {
    let program = env::current_exe().context("this program")?;
    let mut process =
        Command::new(program).args(env::args_os().skip(1)).env(MEASURES, "1").stdout(Stdio::piped()).spawn()?;
    let lines = BufReader::new(process.stdout.take().context("it is piped")?).lines();
    for line in lines {
        let line = line?;
        if !line.starts_with('{') {
            println!("{line}");
        }
    }
    let status = process.wait()?;
    ensure!(status.success(), "the process that measures failed ({status})");
    Ok(())
}

fn tables() -> anyhow::Result<()> {
    let folder = tempfile::Builder::new().prefix("countersign-bench-").tempdir().context("no temporary directory")?;
    let moto = Moto::start();
    let (keyring, stored) = world::ring(&[Algorithm::RS256, Algorithm::ES256])?;
    let secret_arn = moto.put_secret(world::SECRET, &stored);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let large = Shape::Globs.policy(500);

    let mut whole = Vec::new();
    let mut parts = Vec::new();
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
        let start = format!("| {name} | {} |", scene.policy.rule_count());
        whole.push(format!("{start} {}", measured.whole(name, scene.policy.rule_count())));
        parts.push(format!("{start} {}", measured.parts()));
    }

    println!("| key | rules | bare signature, µs | token / bare | token - bare, µs | budget |");
    println!("|---|---|---|---|---|---|\n{}\n", whole.join("\n"));
    println!(
        "Where that goes, in µs. What is beside the signature in signing is the token's text and the answer's body.\n"
    );
    println!(
        "| key | rules | reading the event | the span | deciding | signing, beside the signature | the line as text | \
         the line written | the answer as JSON | all else |"
    );
    println!("|---|---|---|---|---|---|---|---|---|---|\n{}", parts.join("\n"));
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
fn copies(stored: &str, alg: Algorithm) -> anyhow::Result<[LocalKey; 2]> {
    let ring: Value = serde_json::from_str(stored)?;
    let keys = ring["keys"].as_array().context("a ring has keys")?;
    let key = keys.iter().find(|key| key["alg"] == alg.as_str() && key["state"] == "signing");
    let pem = key.and_then(|key| key["private_key"].as_str()).context("the lane has a signing key")?;
    Ok([LocalKey::from_pem(pem, alg, None)?, LocalKey::from_pem(pem, alg, None)?])
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
    read: Samples,
    span: Samples,
    decide: Samples,
    sign: Samples,
    line: Samples,
    write: Samples,
    answer: Samples,
}

impl Scene {
    fn measure(&self, keyring: &Keyring, [bare, signer]: &[LocalKey; 2]) -> anyhow::Result<Measured> {
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
        let input = SigningInput::new(prepared.claims(), bare.key())?;
        ensure!(prepared.kid() == bare.key().kid(), "the function signs with another key");
        let audit = prepared.audit().clone();
        let text = line(&audit)?;
        let reply = self.reply()?;
        let [bare, token, read, span, decide, sign, line, write, answer] = interleaved([
            &mut || {
                black_box(bare.sign_now(black_box(input.as_bytes()))?);
                Ok::<_, anyhow::Error>(())
            },
            &mut || {
                black_box(serde_json::to_string(&self.reply()?)?);
                Ok(())
            },
            &mut || {
                black_box(self.function.gateway().read(black_box(&self.event)));
                Ok(())
            },
            &mut || {
                let span = tracing::info_span!("request", request_id = INVOCATION_ID, trace_id = TRACE_ID);
                span.in_scope(|| black_box(()));
                Ok(())
            },
            &mut || {
                black_box(self.prepare(black_box(&ask), keyring)?);
                Ok(())
            },
            &mut || {
                let issued = sign(prepared.clone(), signer).now_or_never().context("a local key does not wait")?;
                black_box(issued.map_err(|refusal| anyhow!("not signed: {}", refusal.reason))?);
                Ok(())
            },
            &mut || {
                black_box(line(black_box(&audit))?);
                Ok(())
            },
            &mut || Ok(log::line(black_box(&text))?),
            &mut || {
                black_box(serde_json::to_string(black_box(&reply))?);
                Ok(())
            },
        ])?;
        Ok(Measured { bare, token, read, span, decide, sign, line, write, answer })
    }

    /// The function's answer, whose line has been written.
    fn reply(&self) -> anyhow::Result<Reply> {
        let reply = respond(&self.function, black_box(&self.event), INVOCATION_ID, Some(TRACE_ID.to_owned()));
        let reply = reply.now_or_never().context("what is held is not waited for")?;
        ensure!(reply.status() == 200, "no token ({})", reply.status());
        Ok(reply)
    }

    fn prepare(&self, ask: &Ask<'_>, keyring: &Keyring) -> anyhow::Result<Prepared> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs().try_into()?;
        let token_id = uuid::Uuid::new_v4().to_string();
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

    /// Each is the median of its own rounds. What is left is of the rounds too, and need not be their difference.
    fn parts(&self) -> String {
        let Self { bare, token, read, span, decide, sign, line, write, answer } = self;
        let beside = sign.with(bare, |sign, bare| sign - bare);
        let parts = [read, span, decide, &beside, line, write, answer];
        let rest = parts
            .iter()
            .fold(token.with(bare, |token, bare| token - bare), |rest, part| rest.with(part, |rest, part| rest - part));
        let cells = parts.into_iter().chain([&rest]).map(|part| format!("{:.1} |", part.median() * 1e6));
        cells.collect::<Vec<_>>().join(" ")
    }
}
