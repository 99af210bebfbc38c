//! `countersign snowflake-sql`: what a Snowflake account has to be told, as SQL.

use std::path::PathBuf;

use anyhow::{Context as _, bail};
use countersign_core::url::{IssuerUrl, is_loopback};
use serde_json::json;

use super::{Ending, policy};
use crate::out;
use crate::snowflake::{Form, Issuer, Setup, setups, sql};

/// Which ways of taking tokens to write for.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Forms {
    /// Security integrations, for audiences of the profile snowflake
    ExternalOauth,
    /// Workload Identity Federation, for audiences of the profile snowflake-wif
    Wif,
    /// Both
    All,
}

/// Write the SQL that lets Snowflake take the tokens
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The policy, YAML or JSON; - for standard input
    #[arg(long, value_name = "FILE")]
    policy: PathBuf,
    /// The issuer URL, exactly as in the tokens' `iss`
    #[arg(long, value_name = "URL")]
    issuer_url: String,
    /// Where Snowflake fetches the keys [default: the issuer URL and /.well-known/jwks.json]
    #[arg(long, value_name = "URL")]
    jwks_url: Option<String>,
    /// Only this audience, by its name in the policy
    #[arg(long, value_name = "NAME")]
    audience: Option<String>,
    /// What names of integrations begin with
    #[arg(long, value_name = "PREFIX", default_value = "countersign")]
    name: String,
    /// For which way of taking tokens
    #[arg(long, value_enum, default_value = "all")]
    form: Forms,
    /// With the users and roles of External OAuth (those of Workload Identity Federation are always there)
    #[arg(long)]
    users: bool,
    /// Print it as JSON: integrations, users and roles, and the statements
    #[arg(long)]
    json: bool,
}

/// Write it to standard output.
pub fn run(args: &Args) -> anyhow::Result<Ending> {
    let url = IssuerUrl::local(&args.issuer_url).context("--issuer-url")?;
    let jwks_url = args.jwks_url.clone().unwrap_or_else(|| format!("{url}/.well-known/jwks.json"));
    // The same form: https, and nothing that two readers could read in two ways.
    IssuerUrl::local(&jwks_url).context("--jwks-url")?;
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    if !args.name.starts_with(|first: char| first.is_ascii_alphabetic()) || !args.name.bytes().all(legal) {
        bail!("--name: {:?}: a letter, and then letters, digits, - and _", args.name);
    }
    let Some(policy) = policy::load_or_say(&args.policy)? else { return Ok(Ending::Refused) };
    let forms = match args.form {
        Forms::ExternalOauth => &[Form::ExternalOauth][..],
        Forms::Wif => &[Form::Wif],
        Forms::All => &[Form::ExternalOauth, Form::Wif],
    };
    let mut found: Vec<Setup> = forms.iter().flat_map(|form| setups(&policy, *form, &args.name, args.users)).collect();
    if let Some(name) = &args.audience {
        found.retain(|setup| setup.audience == *name);
        if found.is_empty() {
            bail!("--audience: the policy has no audience `{name}` of such a profile");
        }
    }
    if found.is_empty() {
        out::say(
            "countersign: no audience of the policy has the profile snowflake or snowflake-wif: there is nothing to run",
        );
    }
    for url in [url.as_str(), &jwks_url].into_iter().filter(|url| is_loopback(url)) {
        out::say(format_args!("countersign: Snowflake cannot fetch anything from {url}"));
    }
    let issuer = Issuer { url: url.as_str(), jwks_url: &jwks_url };
    if args.json {
        let described = |setup: &Setup| -> anyhow::Result<_> {
            let mut described = serde_json::to_value(setup)?;
            described["statements"] = json!(sql::statements(setup, issuer));
            Ok(described)
        };
        let audiences = found.iter().map(described).collect::<anyhow::Result<Vec<_>>>()?;
        out::print(serde_json::to_string_pretty(
            &json!({ "issuer": issuer.url, "jwks_url": issuer.jwks_url, "audiences": audiences }),
        )?)?;
    } else if !found.is_empty() {
        out::print(sql::script(&found, issuer).trim_end())?;
    }
    Ok(Ending::Done)
}
