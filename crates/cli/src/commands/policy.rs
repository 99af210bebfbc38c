//! `countersign policy check`, `json`, `explain` and `schema`.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow, bail};
use countersign_core::caller::{Caller, CallerFault, Field, Identity, Kind};
use countersign_core::issue::{Ask, Issuer, Prepared, Reason, Refusal};
use countersign_core::jwk::{Algorithm, Jwk};
use countersign_core::policy::{Document, Explanation, MAX_SSM_BYTES, Policy, Problem, Verdict};
use countersign_core::ring::{Ring, RingKey, State};
use countersign_core::url::IssuerUrl;
use serde::Serialize;
use serde_json::{Value, json};

use super::Ending;
use crate::{clock, out, yaml};

/// Check, explain and describe policies
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Load a policy and show every mistake and warning, with line and key
    Check(CheckArgs),
    /// Print a policy that loads as JSON, the form in which the functions read it
    Json(JsonArgs),
    /// Say which rule decides for a caller, why the others do not, and what the token would say
    Explain(ExplainArgs),
    /// Print the JSON Schema of the policy, for editors
    Schema,
}

/// What to check.
#[derive(Debug, clap::Args)]
pub struct CheckArgs {
    /// The policy, YAML or JSON; - for standard input
    file: PathBuf,
    /// Print the findings as JSON
    #[arg(long)]
    json: bool,
}

/// What to print.
#[derive(Debug, clap::Args)]
pub struct JsonArgs {
    /// The policy, YAML or JSON; - for standard input
    file: PathBuf,
}

/// What to explain.
#[derive(Debug, clap::Args)]
pub struct ExplainArgs {
    /// The policy, YAML or JSON
    #[arg(long, value_name = "FILE")]
    policy: PathBuf,
    /// The caller's ARN, as `aws sts get-caller-identity` prints it
    #[arg(long)]
    arn: String,
    /// Name or `aud` of the audience [default: the policy's]
    #[arg(long, value_name = "A")]
    audience: Option<String>,
    /// The caller's unique id, `UserId` of `aws sts get-caller-identity`: rules that pin one need it
    #[arg(long, value_name = "ID")]
    principal_id: Option<String>,
    /// The caller's organisation (o-...)
    #[arg(long, value_name = "ID")]
    org_id: Option<String>,
    /// The organisations that the issuer serves, comma-separated, as in ALLOWED_ORG_IDS [default: all]
    #[arg(long, value_name = "IDS", value_delimiter = ',')]
    allowed_org_ids: Option<Vec<String>>,
    /// The issuer URL that the token would bear
    #[arg(long, value_name = "URL", default_value = "https://issuer.example.com")]
    issuer_url: String,
    /// Print the explanation as JSON
    #[arg(long)]
    json: bool,
}

/// Run one of them.
pub fn run(command: &Command) -> anyhow::Result<Ending> {
    match command {
        Command::Check(args) => check(args),
        Command::Json(args) => print_json(args),
        Command::Explain(args) => explain(args),
        Command::Schema => {
            out::print(&serde_json::to_string_pretty(&schema::<Document>())?)?;
            Ok(Ending::Done)
        }
    }
}

/// A problem and its line.
#[derive(Debug, Serialize)]
pub(crate) struct Finding {
    pub(crate) line: usize,
    pub(crate) key: String,
    pub(crate) message: String,
}

impl Finding {
    pub(crate) fn new(line: usize, problem: Problem) -> Self {
        Self { line, key: problem.path.to_string(), message: problem.message }
    }
}

/// A policy file, read.
struct Loaded {
    outcome: Result<(Policy, Vec<Finding>), Vec<Finding>>,
    json: Vec<u8>,
}

/// A policy has at most 64 KiB as JSON; comments and white space may be many times that, but not without end.
pub(crate) fn read_bounded(path: &Path) -> anyhow::Result<String> {
    const LARGEST: u64 = 1024 * 1024;
    let mut text = String::new();
    if path == Path::new("-") {
        std::io::stdin().lock().take(LARGEST + 1).read_to_string(&mut text)?;
    } else {
        std::fs::File::open(path)?.take(LARGEST + 1).read_to_string(&mut text)?;
    }
    if text.len() as u64 > LARGEST {
        bail!("larger than {LARGEST} bytes");
    }
    Ok(text)
}

fn load(path: &Path) -> anyhow::Result<Loaded> {
    let text = read_bounded(path).with_context(|| format!("cannot read {}", path.display()))?;
    let document = match yaml::parse(&text) {
        Ok(document) => document,
        Err(problems) => {
            let found = problems.into_iter().map(|(line, problem)| Finding::new(line, problem)).collect();
            return Ok(Loaded { outcome: Err(found), json: Vec::new() });
        }
    };
    let located = |problems: Vec<Problem>| {
        let mut found: Vec<Finding> =
            problems.into_iter().map(|problem| Finding::new(document.line(&problem.path), problem)).collect();
        found.sort_by_key(|finding| finding.line);
        found
    };
    let json = serde_json::to_vec(&document.value)?;
    let outcome = Policy::from_json(&json).map_err(&located).map(|policy| {
        let warnings = located(policy.warnings());
        (policy, warnings)
    });
    Ok(Loaded { outcome, json })
}

/// A policy file that must be good: for `serve` and `explain`.
pub(crate) fn load_policy(path: &Path) -> anyhow::Result<Policy> {
    load(path)?.outcome.map(|(policy, _)| policy).map_err(|found| anyhow!(does_not_load(path, found)))
}

/// The same where a policy that does not load is an answer: its mistakes are said, and there is none.
pub(crate) fn load_or_say(path: &Path) -> anyhow::Result<Option<Policy>> {
    match load(path)?.outcome {
        Ok((policy, _)) => Ok(Some(policy)),
        Err(found) => {
            out::say(does_not_load(path, found));
            Ok(None)
        }
    }
}

pub(crate) fn does_not_load(path: &Path, found: Vec<Finding>) -> String {
    let mut text = format!("{} does not load:", path.display());
    for Finding { line, key, message } in found {
        let _ = write!(text, "\n  line {line}: {}{message}", prefix(&key));
    }
    text
}

fn prefix(key: &str) -> String {
    if key.is_empty() { String::new() } else { format!("{key}: ") }
}

fn check(args: &CheckArgs) -> anyhow::Result<Ending> {
    let Loaded { outcome, json } = load(&args.file)?;
    let json_bytes = json.len();
    let (errors, warnings, policy) = match outcome {
        Ok((policy, warnings)) => (Vec::new(), warnings, Some(policy)),
        Err(errors) => (errors, Vec::new(), None),
    };
    if args.json {
        let rules = policy.as_ref().map(Policy::rule_count);
        out::print(serde_json::to_string_pretty(&json!({
            "ok": errors.is_empty(), "errors": errors, "warnings": warnings, "rules": rules, "json_bytes": json_bytes,
        }))?)?;
    } else {
        let file = args.file.display();
        for (kind, findings) in [("error", &errors), ("warning", &warnings)] {
            for Finding { line, key, message } in findings {
                out::say(format_args!("{file}:{line}: {kind}: {}{message}", prefix(key)));
            }
        }
        if let Some(policy) = &policy {
            out::say(format_args!(
                "{file}: ok: {} rules, {} audiences, {json_bytes} bytes as JSON, {} warnings",
                policy.rule_count(),
                policy.audience_names().count(),
                warnings.len()
            ));
            if json_bytes > MAX_SSM_BYTES {
                out::say(format_args!(
                    "{file}: note: larger than an SSM parameter holds ({MAX_SSM_BYTES} bytes): deploy it as a secret"
                ));
            }
        } else {
            out::say(format_args!("{file}: does not load: {} errors", errors.len()));
        }
    }
    Ok(if errors.is_empty() { Ending::Done } else { Ending::Refused })
}

fn print_json(args: &JsonArgs) -> anyhow::Result<Ending> {
    let Loaded { outcome, json } = load(&args.file)?;
    match outcome {
        Ok(_) => out::print(String::from_utf8(json)?).map(|()| Ending::Done),
        Err(found) => {
            out::say(does_not_load(&args.file, found));
            Ok(Ending::Refused)
        }
    }
}

/// The schema of a document, with one thing said that serde's types do not: nothing may be null.
pub(crate) fn schema<T: schemars::JsonSchema>() -> Value {
    let mut schema = schemars::schema_for!(T).to_value();
    without_null(&mut schema);
    schema
}

fn without_null(value: &mut Value) {
    match value {
        Value::Object(map) => {
            if let Some(Value::Array(types)) = map.get_mut("type") {
                types.retain(|kind| kind != "null");
                if let [only] = types.as_slice() {
                    let only = only.clone();
                    map.insert("type".to_owned(), only);
                }
            }
            if let Some(Value::Array(choices)) = map.get_mut("anyOf") {
                choices.retain(|choice| choice.get("type") != Some(&json!("null")));
                if let [Value::Object(only)] = choices.as_mut_slice() {
                    let only = std::mem::take(only);
                    map.remove("anyOf");
                    map.extend(only);
                }
            }
            if map.get("default") == Some(&Value::Null) {
                map.remove("default");
            }
            map.values_mut().for_each(without_null);
        }
        Value::Array(list) => list.iter_mut().for_each(without_null),
        _ => {}
    }
}

/// What `policy explain` says.
#[derive(Serialize)]
struct Explained {
    issued: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    caller: BTreeMap<&'static str, String>,
    #[serde(flatten)]
    explanation: Explanation,
    #[serde(skip_serializing_if = "Option::is_none")]
    token: Option<TokenWould>,
}

/// What the token would say.
#[derive(Serialize)]
struct TokenWould {
    alg: Algorithm,
    typ: &'static str,
    claims: Value,
}

fn explain(args: &ExplainArgs) -> anyhow::Result<Ending> {
    let Some(policy) = load_or_say(&args.policy)? else { return Ok(Ending::Refused) };
    let issuer = Issuer::new(IssuerUrl::local(&args.issuer_url).context("--issuer-url")?, args.allowed_org_ids.clone());
    let identity = Identity::supposed(&args.arn, args.principal_id.as_deref(), args.org_id.as_deref());
    let body = args.audience.as_ref().map(|audience| json!({ "audience": audience }).to_string()).unwrap_or_default();
    let ask = Ask {
        request_id: "explain",
        identity: &identity,
        trace_id: None,
        source_ip: None,
        has_query: false,
        content_type: Some("application/json"),
        body: body.as_bytes(),
    };
    let decision =
        issuer.prepare(&ask, Some(&policy), Some(&standing_in(&policy)?), clock::now(), "(a new one each time)");
    let caller = Caller::new(&identity);
    let explained = explained(decision, &caller, &policy, args.audience.as_deref());
    if args.json {
        out::print(&serde_json::to_string_pretty(&explained)?)?;
    } else {
        out::say(told(&explained).trim_end());
    }
    Ok(if explained.issued { Ending::Done } else { Ending::Refused })
}

fn explained(
    decision: Result<Prepared, Refusal>,
    caller: &Result<Caller, CallerFault>,
    policy: &Policy,
    audience: Option<&str>,
) -> Explained {
    let (fields, explanation) = match caller {
        Ok(caller) => (fields(caller), policy.explain(caller, audience)),
        Err(_) => (BTreeMap::new(), policy.explain_nobody(audience)),
    };
    match decision {
        Ok(prepared) => {
            let claims = prepared.claims();
            let token =
                TokenWould { alg: prepared.alg(), typ: claims.typ(), claims: Value::Object(claims.as_map().clone()) };
            Explained { issued: true, reason: None, caller: fields, explanation, token: Some(token) }
        }
        Err(refusal) => {
            // Where the caller may have nothing at all, what stands against this audience says most.
            let reason = match (&refusal.reason, &explanation.denial) {
                (Reason::NoAudience(_), Some(denial)) => format!("no audience for this caller; of this one: {denial}"),
                (reason, _) => reason.to_string(),
            };
            let reason = Some(reason);
            Explained { issued: false, reason, caller: fields, explanation, token: None }
        }
    }
}

fn fields(caller: &Caller) -> BTreeMap<&'static str, String> {
    let known = Field::ALL.into_iter().filter_map(|field| Some((field.as_str(), caller.field(field)?.to_owned())));
    let kind: Kind = caller.kind();
    known.chain([("kind", kind.to_string())]).collect()
}

fn told(explained: &Explained) -> String {
    let mut text = String::new();
    let fields: Vec<String> = explained.caller.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let _ = writeln!(text, "caller    {}", if fields.is_empty() { "none".to_owned() } else { fields.join(" ") });
    let audience = explained.explanation.audience.as_deref();
    let _ = writeln!(text, "audience  {}", audience.unwrap_or("none that the policy knows"));
    for verdict in &explained.explanation.rules {
        let mark = if verdict.verdict == Verdict::Decides { "=>" } else { "  " };
        let _ = writeln!(text, "{mark} {} ({}) {}", verdict.rule, verdict.effect, verdict.verdict.clause());
    }
    match (&explained.token, &explained.reason) {
        (Some(token), _) => {
            let _ = writeln!(text, "a token, alg {}, typ {}, with the claims", token.alg, token.typ);
            let _ = writeln!(text, "{:#}", token.claims);
        }
        (None, reason) => {
            let _ = writeln!(text, "refused: {}", reason.as_deref().unwrap_or("unknown"));
        }
    }
    text
}

/// Public keys that nobody holds the private half of, one for each lane: a supposed token is never signed.
fn standing_in(policy: &Policy) -> anyhow::Result<Ring> {
    let key = |lane| {
        let public = match lane {
            Algorithm::RS256 => Jwk::rsa(&[0xff; 256], &[1, 0, 1], None)?,
            Algorithm::ES256 => Jwk::ec(lane, &[4; 65], None)?,
            Algorithm::ES384 => Jwk::ec(lane, &[4; 97], None)?,
        };
        Ok(RingKey { public, state: State::Signing { announced_at: 0, signing_since: 0 } })
    };
    let keys = policy.lanes().into_iter().map(key).collect::<anyhow::Result<Vec<_>>>()?;
    Ok(Ring::new(keys, Vec::new())?)
}
