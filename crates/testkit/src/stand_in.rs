//! The whole story of a deployment on this machine: `infrastructure/` applied against a stand-in of AWS, and what was
//! deployed run as it says itself.
//!
//! **Owns** the order of the story and its checks; [`crate::deployed`] is the AWS in it. **Refuses** to reach for anything
//! that the deployment does not say: environment, role, policies, package, routes, permissions and schedules are read from
//! where tofu put them. Two things are the story's own: the clock, which it moves, and the callers.
//!
//! What it cannot prove is what AWS itself accepts and does: moto takes most of what it is given.

mod access;
mod changes;
mod checks;
mod client;
mod operation;
mod removal;
mod scenario;
mod secrecy;
mod service;
mod state;
mod tofu;

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;

use self::checks::{Checks, Run};
use self::client::Client;
use self::scenario::{NAME, REGION, Scenario};
use self::state::State;
use self::tofu::Tofu;
use crate::clock::Clock;
use crate::deployed::{Deployed, Rotation};
use crate::tools::{self, isolated};
use crate::verifier::{Verified, verify_at};

/// What a run needs to be told.
#[derive(Debug)]
pub struct Options {
    /// Which set of variables: `default`, `domain-and-kms`, `kept-ready`.
    pub scenario: String,
    /// What is deployed: `infrastructure/`, or a copy that somebody broke to see whether it is noticed.
    pub infrastructure: PathBuf,
    /// OpenTofu, Terraform, or what finds them.
    pub tofu: PathBuf,
    /// The command line.
    pub countersign: PathBuf,
    /// The folder with `x86_64/NAME.zip`.
    pub packages: PathBuf,
}

/// How long all steps of a rotation may take, with the repetitions of those that fail.
const ROTATION: Duration = Duration::from_mins(3);

/// The time in which a change of ring, key set or policy reaches a function that runs, and a little.
const REFRESH: Duration = Duration::from_secs(5 * 60 + 10);

/// The time after which an announced key may sign, and a little.
const ANNOUNCED: Duration = Duration::from_hours(25);

/// The deployment and everything around it.
struct Site<'c> {
    checks: &'c Checks,
    scenario: Scenario,
    deployed: Deployed,
    clock: Clock,
    tofu: Tofu,
    client: Client,
    countersign: PathBuf,
    zone_id: Option<String>,
    seen_keys: RefCell<BTreeSet<String>>,
    folder: TempDir,
}

/// Runs the story, telling each check as it is made. The last line is one of counts. True if all passed.
///
/// # Panics
/// If the machine is not as it should be: moto, Python or a free port is missing.
pub fn run(options: &Options) -> bool {
    let checks = Checks::new();
    if let Err(why) = story(&checks, options) {
        checks.fail("the run", &why);
    }
    println!("\n{}", checks.times());
    println!("{}", checks.counts());
    checks.failed() == 0
}

fn story(checks: &Checks, options: &Options) -> Run<()> {
    let scenario = Scenario::named(&options.scenario)?;
    let site = checks.phase("start", || Site::new(checks, scenario, options))?;
    let result = site.all_phases();
    // Whatever went wrong, what the functions were refused may be the reason.
    site.report();
    if result.is_ok() {
        let unused = site.deployed.ledger().unused();
        checks.holds("every action that a role is allowed was used", unused.is_empty(), unused.join(", "));
    }
    result
}

impl<'c> Site<'c> {
    fn new(checks: &'c Checks, scenario: Scenario, options: &Options) -> Run<Self> {
        let folder = tempfile::Builder::new().prefix("countersign-stand-in-").tempdir();
        let folder = folder.map_err(|error| format!("a temporary folder: {error}"))?;
        let to = folder.path().join("packages/x86_64");
        std::fs::create_dir_all(&to).map_err(|error| format!("{}: {error}", to.display()))?;
        for name in scenario.packages() {
            let zip = options.packages.join("x86_64").join(format!("{name}.zip"));
            let copied = std::fs::copy(&zip, to.join(format!("{name}.zip")));
            copied.map_err(|error| format!("{}: {error}: scripts/package makes it", zip.display()))?;
        }
        let clock = Clock::start();
        let deployed = Deployed::start(REGION, Some(&clock));
        let client = Client::new(deployed.gateway());
        let mut environment = deployed.environment();
        let countersign = options.countersign.clone();
        environment.extend([
            ("AWS_MAX_ATTEMPTS".to_owned(), "3".to_owned()),
            ("COUNTERSIGN".to_owned(), countersign.display().to_string()),
        ]);
        let tofu = Tofu::copy(&options.tofu, &options.infrastructure, folder.path(), environment)?;
        let mut site = Self {
            checks,
            scenario,
            deployed,
            clock,
            tofu,
            client,
            countersign,
            zone_id: None,
            seen_keys: RefCell::default(),
            folder,
        };
        if scenario.domain.is_some() {
            let made = site.aws(&["route53", "create-hosted-zone", "--name", "acme.com", "--caller-reference", "1"])?;
            let id = made["HostedZone"]["Id"].as_str().unwrap_or_default();
            site.zone_id = Some(id.trim_start_matches("/hostedzone/").to_owned());
        }
        site.write_policy("{user_name|local_part|upper}")?;
        site.set(&json!({}))?;
        site.tofu.init()?;
        Ok(site)
    }

    fn all_phases(&self) -> Run<()> {
        let checks = self.checks;
        let state = checks.phase("apply", || self.apply())?;
        checks.phase("what was deployed", || self.is_as_stated(&state))?;
        checks.phase("second plan", || {
            checks.check("a second plan is empty", self.tofu.nothing_to_do());
            Ok(())
        })?;
        checks.phase("documents and tokens", || self.serves(&state))?;
        checks.phase("who may", || self.keeps_others_out(&state))?;
        checks.phase("another policy", || self.takes_a_policy(&state))?;
        checks.phase("rotation", || self.rotates(&state))?;
        checks.phase("operation", || self.is_operated(&state))?;
        checks.phase("revocation", || self.revokes(&state))?;
        checks.phase("another package, another organisation", || self.takes_code(&state))?;
        checks.phase("destroy", || self.is_removed(&state))
    }

    /// The variables of the scenario, with these over them.
    fn set(&self, more: &Value) -> Run<()> {
        let mut variables = self.scenario.variables(self.zone_id.as_deref());
        variables["package_directory"] = json!(self.folder.path().join("packages"));
        variables["policy_file"] = json!(self.folder.path().join("policy.yaml"));
        variables["jwks_probe_url"] = json!(format!("{}/.well-known/jwks.json", self.deployed.gateway()));
        for (name, value) in more.as_object().into_iter().flatten() {
            variables[name] = value.clone();
        }
        self.tofu.set(&variables)
    }

    fn write_policy(&self, subject: &str) -> Run<()> {
        tofu::write(&self.folder.path().join("policy.yaml"), &self.scenario.policy(subject))
    }

    fn package(&self, name: &str) -> PathBuf {
        self.folder.path().join("packages/x86_64").join(format!("{name}.zip"))
    }

    fn apply(&self) -> Run<State> {
        let plan = self.tofu.plan()?;
        self.checks.check("no private key is in the plan", self.has_no_private_key(&plan.to_string()));
        let said = self.tofu.apply_plan()?;
        let state = State::new(self.tofu.state()?);
        let added = said.lines().find(|line| line.starts_with("Apply complete!")).unwrap_or_default().to_owned();
        let expected = format!("Resources: {} added, 0 changed, 0 destroyed.", state.len());
        self.checks.holds("everything that the state holds was made by one apply", added.ends_with(&expected), &added);
        // The first thing that is looked at: the story is that nobody need wait after an apply.
        let keys = self.jwks()?["keys"].as_array().map_or(0, Vec::len);
        self.checks.holds("an apply that has ended has keys at the JWKS route", keys > 0, "there is none");
        Ok(state)
    }

    /// The published keys, over the gateway.
    fn jwks(&self) -> Run<Value> {
        self.client.get("/.well-known/jwks.json")?.json()
    }

    /// A token of this caller.
    fn token(&self, caller: &str) -> Run<String> {
        let said = self.client.token(Some(caller), "")?;
        let token = said.json()?["token"].as_str().map(str::to_owned);
        token.ok_or_else(|| format!("{caller} gets no token: {} {}", said.status, said.body))
    }

    /// What a relying party makes of a token now, with the keys that it can fetch now.
    fn verified(&self, token: &str, state: &State) -> Run<Verified> {
        let issuer = state.output("issuer_url")?;
        let now = self.clock.now().unsigned_abs();
        verify_at(token, &self.jwks()?, &issuer, scenario::AUDIENCE, now).map_err(|refused| {
            let mut why = refused.to_string();
            let mut source = std::error::Error::source(&refused);
            while let Some(error) = source {
                why = format!("{why}: {error}");
                source = error.source();
            }
            why
        })
    }

    /// The rotation that was begun last, when it has come to its end.
    fn last_rotation(&self, number: usize) -> Run<Rotation> {
        let rotations = self.deployed.rotations(ROTATION);
        match (rotations.len() == number, rotations.last()) {
            (true, Some(last)) if last.has_ended => Ok(last.clone()),
            _ => Err(format!("there should be {number} rotations, all at their end: {rotations:?}")),
        }
    }

    /// The AWS command line, as an operator uses it.
    fn aws(&self, arguments: &[&str]) -> Run<Value> {
        let mut aws = isolated(tools::aws(), self.folder.path());
        aws.envs(self.deployed.environment()).args(arguments).args(["--output", "json"]).stdin(Stdio::null());
        let output = aws.output().map_err(|error| format!("aws does not start: {error}"))?;
        if !output.status.success() {
            return Err(format!("aws {}: {}", arguments.join(" "), String::from_utf8_lossy(&output.stderr).trim()));
        }
        Ok(serde_json::from_slice(&output.stdout).unwrap_or_default())
    }

    /// `countersign keys ... --json`, as an operator uses it.
    fn keys(&self, state: &State, arguments: &[&str]) -> Run<Value> {
        let rotator = state.output_of("function_names", "key_rotator")?;
        let mut countersign = isolated(&self.countersign, self.folder.path());
        countersign.envs(self.deployed.environment()).arg("keys").args(arguments).stdin(Stdio::null());
        let output = countersign.args(["--function", &rotator, "--json"]).output();
        let output = output.map_err(|error| format!("{} does not start: {error}", self.countersign.display()))?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
            return Err(format!("countersign keys {}: {}: {said}", arguments.join(" "), output.status));
        }
        serde_json::from_slice(&output.stdout).map_err(|error| format!("countersign keys: no JSON: {error}"))
    }

    /// What was judged and used. What should not have happened is a failed check.
    fn report(&self) {
        let ledger = self.deployed.ledger();
        println!("== what the functions did");
        for (what, times) in ledger.calls() {
            println!("   {times:>7} {what}");
        }
        for rotation in self.deployed.rotations(Duration::ZERO) {
            for failure in rotation.failures {
                println!("   a rotation failed: {failure}");
            }
        }
        let violations = ledger.violations();
        let why = violations.join("\n           ");
        self.checks.holds("nothing was done that is not allowed", violations.is_empty(), why);
        let logs = self.deployed.logs();
        self.checks.check("no log holds a secret", self.has_no_secret(&logs));
        let (judged, used) = (ledger.judged(), ledger.used());
        println!(
            "\n{judged} calls judged; {used} of {} allowed actions used; {} instances of functions started",
            used + ledger.unused().len(),
            self.deployed.instances_started()
        );
    }
}

/// A name, cut out of what stands around it.
fn after<'t>(text: &'t str, before: &str) -> &'t str {
    text.split_once(before).map_or(text, |(_, rest)| rest)
}

/// The folder of a program that was built here, for those who are not told another one.
pub fn built(name: &str) -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| PathBuf::from("target"), PathBuf::from);
    tools::workspace_root().join(target).join(Path::new("debug").join(name))
}
