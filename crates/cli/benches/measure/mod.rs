//! What both benchmarks share: CPU time, how a result reads, and who asks for what.
//!
//! Two things are compared only if they were measured in turn, in one run: A B A B ... Each round gives a ratio, and the
//! median of them is the result, so that a busy machine disturbs a few rounds and not the comparison. Nothing is asserted.

use std::fmt;
use std::fs;
use std::path::Path;
use std::thread;

use anyhow::Context as _;

/// The issuer's organisation.
pub(crate) const ORGANISATION: &str = "o-a1b2c3d4e5";
/// A workload, which the seventeenth rule of [`POLICY`] is the first to mean.
pub(crate) const ARN: &str = "arn:aws:sts::777788889999:assumed-role/snowflake-loader-eu/i-0123456789abcdef0";
/// Its unique id.
pub(crate) const PRINCIPAL_ID: &str = "AROAEXAMPLE1234567890:i-0123456789abcdef0";
/// How a request's body is written.
pub(crate) const CONTENT_TYPE: &str = "application/json";

/// A policy of 20 rules in the manner of one in use: accounts by set, patterns, templates, deny rules at the end.
pub(crate) const POLICY: &str = r#"{
"version": 1, "default_audience": "snowflake",
"account_sets": { "data": ["444455556666", "777788889999"], "build": ["222233334444"], "all": ["111122223333", "222233334444", "444455556666", "777788889999"] },
"audiences": {
  "snowflake": { "aud": "https://acme-prod.snowflakecomputing.com", "profile": "snowflake", "max_lifetime": "15m" },
  "orders": { "aud": "https://orders.acme.com", "profile": "oauth", "alg": "ES256" },
  "ledger": { "aud": "https://ledger.acme.com", "profile": "oauth", "alg": "ES384" },
  "deploy": { "aud": "sts.amazonaws.com", "profile": "aws" }
},
"rules": [
  { "name": "analysts", "when": { "kind": "sso", "account": ["111122223333"], "permission_set": ["DataAnalyst"], "user_name": ["*@acme.com"] }, "grant": { "audiences": ["snowflake"], "subject": "{user_name|local_part|upper}", "scopes": ["session:role-any"], "lifetime": "15m" } },
  { "name": "engineers", "when": { "kind": "sso", "account": ["111122223333"], "permission_set": ["DataEngineer*"], "user_name": ["*@acme.com"] }, "grant": { "audiences": ["orders", "ledger"], "subject": "eng:{user_name}", "scopes": ["read", "write"] } },
  { "name": "auditors", "when": { "kind": "sso", "account": ["111122223333"], "permission_set": ["Auditor"], "user_name": ["*@acme.com"] }, "grant": { "audiences": ["ledger"], "subject": "audit:{user_name}", "scopes": ["read"] } },
  { "name": "deployers", "when": { "kind": "user", "account": ["222233334444"], "path": ["/ci/"] }, "grant": { "audiences": ["deploy"], "subject": "ci:{user}", "session_tags": { "team": "platform" }, "source_identity": "{user}" } },
  { "name": "pipelines", "when": { "kind": "role", "account_set": ["build"], "role": ["pipeline-*"] }, "grant": { "audiences": ["deploy"], "subject": "pipeline:{account}:{role}" } },
  { "name": "dbt", "when": { "kind": "role", "account_set": ["data"], "role": ["dbt-*-runner"] }, "grant": { "audiences": ["snowflake"], "subject": "dbt:{account}:{role}", "scopes": ["session:role:TRANSFORMER"] } },
  { "name": "airflow", "when": { "kind": "role", "account_set": ["data"], "role": ["airflow-worker", "airflow-scheduler"] }, "grant": { "audiences": ["snowflake"], "subject": "airflow:{account}:{role}", "scopes": ["session:role:ORCHESTRATOR"] } },
  { "name": "ingest", "when": { "kind": "role", "account_set": ["data"], "role": ["ingest-*", "*-ingest"] }, "grant": { "audiences": ["snowflake", "orders"], "subject": "ingest:{account}:{role}", "scopes": ["session:role:INGEST"] } },
  { "name": "reports", "when": { "kind": "role", "account_set": ["data"], "role": ["report-*"] }, "grant": { "audiences": ["snowflake"], "subject": "report:{account}:{role}", "scopes": ["session:role:REPORTER"] } },
  { "name": "ml-training", "when": { "kind": "role", "account_set": ["data"], "role": ["ml-train-*"] }, "grant": { "audiences": ["snowflake"], "subject": "ml:train:{account}:{role}", "scopes": ["session:role:ML"] } },
  { "name": "ml-serving", "when": { "kind": "role", "account_set": ["data"], "role": ["ml-serve-*"] }, "grant": { "audiences": ["snowflake", "ledger"], "subject": "ml:serve:{account}:{role}", "scopes": ["session:role:ML_READ"] } },
  { "name": "orders-service", "when": { "kind": "role", "account": ["444455556666"], "role": ["orders-service"] }, "grant": { "audiences": ["ledger"], "subject": "orders-service", "scopes": ["post"] } },
  { "name": "ledger-service", "when": { "kind": "role", "account": ["444455556666"], "role": ["ledger-service"] }, "grant": { "audiences": ["orders"], "subject": "ledger-service", "scopes": ["read"] } },
  { "name": "exports", "when": { "kind": "role", "account_set": ["data"], "role": ["export-*-nightly"] }, "grant": { "audiences": ["snowflake"], "subject": "export:{account}:{role}", "scopes": ["session:role:EXPORTER"] } },
  { "name": "quality", "when": { "kind": "role", "account_set": ["data"], "role": ["dq-*"] }, "grant": { "audiences": ["snowflake"], "subject": "dq:{account}:{role}", "scopes": ["session:role:QUALITY"] } },
  { "name": "notebooks", "when": { "kind": "role", "account_set": ["all"], "role": ["notebook-*"] }, "grant": { "audiences": ["snowflake"], "subject": "notebook:{account}:{role}", "scopes": ["session:role:SANDBOX"] } },
  { "name": "workloads", "when": { "kind": "role", "account_set": ["data"], "role": ["snowflake-*"] }, "grant": { "audiences": ["snowflake", "orders", "ledger"], "subject": "svc:{account}:{role}", "scopes": ["session:role:{role|upper|underscore}"], "claims": { "team": "data", "workload": "{role}" } } },
  { "name": "never-these", "effect": "deny", "when": { "role": ["*-breakglass", "OrganizationAccountAccessRole"] } },
  { "name": "nobody-by-breakglass", "effect": "deny", "when": { "permission_set": ["*BreakGlass*"] } },
  { "name": "no-deploys-from-data", "effect": "deny", "audiences": ["deploy"], "when": { "account_set": ["data"] } }
] }"#;

/// The body of a request for a token.
pub(crate) fn body(audience: &str) -> String {
    format!(r#"{{"audience":"{audience}","scope":"session:role:SNOWFLAKE_LOADER_EU","expires_in":600}}"#)
}

/// Has `cargo bench` started this? Test runners start every target too, to list or to run its tests: there are none.
pub(crate) fn is_wanted() -> bool {
    std::env::args().any(|argument| argument == "--bench")
}

/// Where and how this is measured, in one line.
pub(crate) fn conditions(bench: &str) -> anyhow::Result<String> {
    // What is compiled in is what was compiled with; `[profile.bench]` inherits from it.
    const MANIFEST: &str = include_str!("../../../../Cargo.toml");
    let cpus = fs::read_to_string("/proc/cpuinfo").context("/proc/cpuinfo")?;
    let value = |line: &str| line.split_once(':').map(|(_, value)| value.trim().to_owned());
    // Arm machines give no name.
    let model = cpus.lines().find(|line| line.starts_with("model name")).and_then(value);
    let model = model.unwrap_or_else(|| std::env::consts::ARCH.to_owned());
    let cores = cpus.lines().filter(|line| line.starts_with("processor")).count();
    let profile = MANIFEST.lines().skip_while(|line| *line != "[profile.release]").skip(1);
    let settings = profile.take_while(|line| !line.starts_with('[')).filter(|line| {
        ["opt-level", "lto", "codegen-units"].iter().any(|setting| line.split(' ').next() == Some(setting))
    });
    let profile = settings.fold("opt-level = 3".to_owned(), |all, setting| format!("{all}, {setting}"));
    Ok(format!(
        "{model}, {cores} cores; profile `bench`: {profile}; `cargo bench --bench {bench}`; median (least to most) of the rounds\n"
    ))
}

/// CPU time of this thread so far, in seconds.
pub(crate) fn own_cpu_time() -> anyhow::Result<f64> {
    // The kernel adds up at a tick or when it schedules; yielding makes it do so now.
    thread::yield_now();
    cpu_time(Path::new("/proc/thread-self"))
}

/// CPU time of the thread of this folder, in seconds.
pub(crate) fn cpu_time(thread: &Path) -> anyhow::Result<f64> {
    let text = fs::read_to_string(thread.join("schedstat")).context("this kernel has no schedstat")?;
    let nanoseconds = text.split(' ').next().unwrap_or_default().parse::<f64>().context("schedstat")?;
    Ok(nanoseconds / 1e9)
}

/// One number per round.
pub(crate) struct Samples(pub(crate) Vec<f64>);

impl Samples {
    /// Round by round, this by that.
    pub(crate) fn per(&self, other: &Self) -> Self {
        self.with(other, |this, that| this / that)
    }

    /// Round by round, this and that made into one number.
    pub(crate) fn with(&self, other: &Self, both: impl Fn(f64, f64) -> f64) -> Self {
        Self(self.0.iter().zip(&other.0).map(|(this, that)| both(*this, *that)).collect())
    }

    /// The middle one.
    pub(crate) fn median(&self) -> f64 {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        sorted.get(sorted.len() / 2).copied().unwrap_or(f64::NAN)
    }
}

/// `median (min to max)`, with the precision asked for.
impl fmt::Display for Samples {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let least = self.0.iter().copied().fold(f64::INFINITY, f64::min);
        let most = self.0.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let digits = f.precision().unwrap_or(2);
        write!(f, "{:.digits$} ({least:.digits$} to {most:.digits$})", self.median())
    }
}
