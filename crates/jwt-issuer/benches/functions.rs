//! What a function costs as a process, start, requests, memory, size: `cargo bench --profile function --bench functions`.
//!
//! The binaries that are shipped run behind a stand-in for the Lambda Runtime API, beside a function that does nothing on
//! the same runtime (`empty_function`, an example of `countersign-aws`), in rounds: one start of each, and again. A start is
//! the time from just before the process is made until the answer to an event that waits already has arrived.
//!
//! Ring, policy and key set come from moto over real connections, so moto's own time is part of a start. It is measured
//! too, and there are starts without it: the same answers from a server of this process that only repeats them.

mod repeater;
mod world;

use std::fs;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{anyhow, ensure};
use countersign_core::jwk::Algorithm;
use repeater::{Connection, Question, Repeater};
use serde_json::json;
use testkit::aws::Moto;
use testkit::lambda::{self, Function, Invocation, Setup};
use testkit::measure::workload::{ARN, POLICY, event};
use testkit::measure::{self, Samples, verdict};
use testkit::tools;

/// How often each function is started.
const ROUNDS: usize = 21;
/// How often each function that runs has its turn, and for how many requests.
const TURNS: usize = 5;
const REQUESTS: u32 = 200;
/// How long the kernel may take to add up the time of a thread that has gone to sleep.
const SETTLES: Duration = Duration::from_millis(2);

/// `jwt-issuer`, start to first response: at most this many times the empty function.
const START_BUDGET: f64 = 6.0;
/// A package: at most so many bytes.
const ZIP_BUDGET: u64 = 4 * 1024 * 1024;

const JWKS: &str = "/countersign/jwks";
const POLICY_NAME: &str = "/countersign/policy";

/// The function that the others are compared with, an example.
const EMPTY: &str = "examples/empty_function";

fn main() -> anyhow::Result<()> {
    if !measure::is_wanted() {
        return Ok(());
    }
    build()?;
    println!("{}", measure::conditions("cargo bench --profile function --bench functions"));
    let (moto, moto_tls) = (Filled::new(Moto::start())?, Filled::new(Moto::start_tls())?);
    let repeater = Repeater::start(&moto.moto.endpoint(), &moto.questions()[..2])?;
    let cases = cases(&moto, &moto_tls, &repeater);
    starts(&cases, &moto)?;
    runs(&cases)?;
    sizes()
}

/// Each by itself, as they are packaged: in a build of several, each has the features that any of them asks for.
fn build() -> anyhow::Result<()> {
    let builds: [&[&str]; 3] = [
        &["--package", "jwt-issuer"],
        &["--package", "jwks"],
        &["--package", "countersign-aws", "--example", "empty_function"],
    ];
    for what in builds {
        let mut cargo = Command::new(env!("CARGO"));
        cargo
            .args(["build", "--quiet", "--profile", "function", "--locked"])
            .args(what)
            .current_dir(tools::workspace_root());
        ensure!(cargo.status()?.success(), "cargo build {} failed", what.join(" "));
    }
    Ok(())
}

/// moto, and what is in it.
struct Filled {
    moto: Moto,
    secret_arn: String,
}

impl Filled {
    fn new(moto: Moto) -> anyhow::Result<Self> {
        let (keyring, stored) = world::ring(&[Algorithm::RS256])?;
        let secret_arn = moto.put_secret(world::SECRET, &stored);
        moto.put_parameter(POLICY_NAME, POLICY);
        moto.put_parameter(JWKS, &serde_json::to_string(&keyring.public().published()?)?);
        Ok(Self { moto, secret_arn })
    }

    fn issuer(&self) -> Setup {
        let configuration = world::configuration(&self.secret_arn, &format!("ssm:{POLICY_NAME}"));
        Setup::new(lambda::function("jwt-issuer")).envs(self.moto.environment()).envs(configuration)
    }

    fn publisher(&self) -> Setup {
        Setup::new(lambda::function("jwks"))
            .envs(self.moto.environment())
            .envs(world::configuration(&self.secret_arn, &format!("ssm:{POLICY_NAME}")))
            .env("JWKS_SSM_PARAM", JWKS)
    }

    /// What the functions ask: `jwt-issuer` the first two at once, `jwks` the third.
    fn questions(&self) -> [Question; 3] {
        let parameter = |name| Question {
            target: "AmazonSSM.GetParameter",
            service: "ssm",
            body: json!({ "Name": name, "WithDecryption": true }),
        };
        let secret = Question {
            target: "secretsmanager.GetSecretValue",
            service: "secretsmanager",
            body: json!({ "SecretId": self.secret_arn, "VersionStage": "AWSCURRENT" }),
        };
        [secret, parameter(POLICY_NAME), parameter(JWKS)]
    }
}

/// A function in one kind of surroundings.
struct Case<'w> {
    name: &'static str,
    setup: Box<dyn Fn() -> Setup + 'w>,
    event: String,
}

impl Case<'_> {
    /// One start, and the first answer.
    fn start(&self) -> anyhow::Result<(Function, Duration)> {
        let function = (self.setup)().start();
        let arrived = self.ask(&function)?;
        let took = arrived - function.started();
        Ok((function, took))
    }

    fn ask(&self, function: &Function) -> anyhow::Result<Instant> {
        let answer = function.invoke_with(Invocation::new(self.event.clone()));
        let status = answer.result.as_ref().map(|answer| answer["statusCode"].clone());
        ensure!(status.as_ref().is_ok_and(|status| *status == 200), "{}: {:?}", self.name, answer.result);
        Ok(answer.arrived)
    }
}

/// The places of the cases that a table speaks of apart.
const EMPTY_CASE: usize = 0;
const MOTO: usize = 1;
const MOTO_BUNDLE: usize = 2;
const MOTO_TLS: usize = 3;
const REPEATED: usize = 4;
const REPEATED_BUNDLE: usize = 5;
const JWKS_CASE: usize = 6;

fn cases<'w>(moto: &'w Filled, moto_tls: &'w Filled, repeater: &'w Repeater) -> [Case<'w>; 7] {
    let bundle = moto_tls.moto.ca_bundle().display().to_string();
    let same_bundle = bundle.clone();
    let issuer = |name, setup: Box<dyn Fn() -> Setup + 'w>| Case { name, setup, event: event(ARN, "snowflake") };
    let endpoint = || ("AWS_ENDPOINT_URL".to_owned(), repeater.endpoint());
    [
        Case {
            name: "an empty function",
            setup: Box::new(|| Setup::new(lambda::function(EMPTY))),
            event: event(ARN, "snowflake"),
        },
        issuer("`jwt-issuer`", Box::new(|| moto.issuer())),
        issuer(
            "`jwt-issuer`, `AWS_CA_BUNDLE` of one certificate",
            Box::new(move || moto.issuer().env("AWS_CA_BUNDLE", &bundle)),
        ),
        issuer("`jwt-issuer`, the same, over TLS", Box::new(|| moto_tls.issuer())),
        issuer("`jwt-issuer`, answers repeated", Box::new(move || moto.issuer().envs([endpoint()]))),
        issuer(
            "`jwt-issuer`, `AWS_CA_BUNDLE` of one certificate, answers repeated",
            Box::new(move || moto.issuer().envs([endpoint()]).env("AWS_CA_BUNDLE", &same_bundle)),
        ),
        Case { name: "`jwks`", setup: Box::new(|| moto.publisher()), event: jwks_event() },
    ]
}

fn jwks_event() -> String {
    include_str!("../../../events/rest/domain-root.jwks.json").to_owned()
}

/// Milliseconds of a start, by the clock and of CPU, and those of moto alone.
fn starts(cases: &[Case<'_>; 7], moto: &Filled) -> anyhow::Result<()> {
    let mut clock: [Samples; 7] = Default::default();
    let mut cpu: [Samples; 7] = Default::default();
    let mut asked: [Samples; 3] = Default::default();
    let questions = moto.questions();
    let mut connections = [Connection::open(&moto.moto.endpoint())?, Connection::open(&moto.moto.endpoint())?];
    // The first of each reads its binary from the disk.
    for round in 0..=ROUNDS {
        for ((case, clock), cpu) in cases.iter().zip(&mut clock).zip(&mut cpu) {
            let (function, took) = case.start()?;
            thread::sleep(SETTLES);
            if round > 0 {
                clock.0.push(millis(took));
                cpu.0.push(millis(function.cpu_time()));
            }
        }
        let times = moto_times(&mut connections, &questions)?;
        if round > 0 {
            for (samples, time) in asked.iter_mut().zip(times) {
                samples.0.push(millis(time));
            }
        }
    }

    println!("| function | start to first response, ms | / empty | CPU time of it, ms | budget |");
    println!("|---|---|---|---|---|");
    let empty = &clock[EMPTY_CASE];
    for (index, case) in cases.iter().enumerate() {
        let ratio = clock[index].per(empty);
        let budget = if [MOTO, REPEATED].contains(&index) {
            verdict(&format!("at most {START_BUDGET}"), ratio.median() <= START_BUDGET)
        } else {
            String::new()
        };
        println!("| {} | {:.1} | {ratio:.2} | {:.1} | {budget} |", case.name, clock[index], cpu[index]);
    }
    println!();
    println!("| part of a start of `jwt-issuer` | ms | CPU, ms |");
    println!("|---|---|---|");
    for (name, with, without) in [
        ("the system's root certificates (moto)", MOTO, MOTO_BUNDLE),
        ("the system's root certificates (answers repeated)", REPEATED, REPEATED_BUNDLE),
        ("TLS, moto's part of it included", MOTO_TLS, MOTO_BUNDLE),
    ] {
        let more = |samples: &[Samples; 7]| samples[with].with(&samples[without], |with, without| with - without);
        println!("| {name} | {:.1} | {:.1} |", more(&clock), more(&cpu));
    }
    for (name, samples) in
        ["moto: `GetSecretValue`", "moto: `GetParameter`", "moto: both at once"].into_iter().zip(&asked)
    {
        println!("| {name} | {samples:.1} | |");
    }
    println!();
    Ok(())
}

/// How long moto takes for the ring, for the policy, and for both at once, on connections that are open.
fn moto_times(connections: &mut [Connection; 2], questions: &[Question; 3]) -> anyhow::Result<[Duration; 3]> {
    let [one, other] = connections;
    let [ring, policy, _] = questions;
    let timed = |connection: &mut Connection, question: &Question| {
        let began = Instant::now();
        connection.ask(question).map(|_| began.elapsed())
    };
    let alone = [timed(one, ring)?, timed(other, policy)?];
    let began = Instant::now();
    thread::scope(|scope| {
        let asked = scope.spawn(|| timed(one, ring));
        timed(other, policy)?;
        asked.join().map_err(|_| anyhow!("a thread of this benchmark panicked"))?
    })?;
    Ok([alone[0], alone[1], began.elapsed()])
}

/// What requests cost a function that runs.
fn runs(cases: &[Case<'_>; 7]) -> anyhow::Result<()> {
    let cases = [EMPTY_CASE, MOTO, MOTO_TLS, JWKS_CASE].map(|index| &cases[index]);
    let running = cases.iter().map(|case| Ok(case.start()?.0)).collect::<anyhow::Result<Vec<Function>>>()?;
    let mut samples: [Samples; 4] = Default::default();
    for turn in 0..=TURNS {
        for ((case, function), samples) in cases.iter().zip(&running).zip(&mut samples) {
            let before = settled(function);
            for _ in 0..REQUESTS {
                case.ask(function)?;
            }
            // The first warms up.
            if turn > 0 {
                samples.0.push(1e3 * millis(settled(function).saturating_sub(before)) / f64::from(REQUESTS));
            }
        }
    }
    println!("| function | CPU per request, µs | / empty | peak memory, MiB |");
    println!("|---|---|---|---|");
    for ((case, function), cpu) in cases.iter().zip(&running).zip(&samples) {
        let (ratio, memory) = (cpu.per(&samples[EMPTY_CASE]), mib(function.peak_memory()));
        println!("| {} | {cpu:.0} | {ratio:.2} | {memory:.1} |", case.name);
    }
    println!();
    Ok(())
}

/// How large the functions are, and their packages for x86-64 if they have been made.
fn sizes() -> anyhow::Result<()> {
    println!("| function | binary, KiB | zip, KiB | budget |");
    println!("|---|---|---|---|");
    for name in [EMPTY, "jwt-issuer", "jwks"] {
        let binary = fs::metadata(lambda::function(name))?.len().div_ceil(1024);
        let zip = tools::workspace_root().join(format!("target/lambda/x86_64/{name}.zip"));
        let (zip, budget) = match fs::metadata(&zip).map(|zip| zip.len()) {
            Ok(size) => (
                size.div_ceil(1024).to_string(),
                verdict(&format!("at most {}", ZIP_BUDGET / 1024), size <= ZIP_BUDGET),
            ),
            Err(_) if name == EMPTY => (String::new(), String::new()),
            Err(_) => ("none: `scripts/package` has not been run".to_owned(), String::new()),
        };
        println!("| {name} | {binary} | {zip} | {budget} |");
    }
    Ok(())
}

/// The CPU time of a function that waits for an event.
fn settled(function: &Function) -> Duration {
    thread::sleep(SETTLES);
    function.cpu_time()
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

fn mib(bytes: u64) -> f64 {
    // No process has so many that the number is not exact.
    f64::from(u32::try_from(bytes / 1024).unwrap_or(u32::MAX)) / 1024.0
}
