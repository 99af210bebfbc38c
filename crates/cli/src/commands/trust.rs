//! `countersign trust generate`, `lint` and `diff`.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use serde_json::json;

use super::Ending;
use crate::out;
use crate::trust::diff::{Change, diff};
use crate::trust::generate::{Countersign, Document, Fault, GitHub, GitLab, Kubernetes, Place};
use crate::trust::{Finding, Input, Severity, lint, read};

/// Write, explain and compare trust policies of IAM roles
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Write a trust policy that lets in exactly those who are meant
    #[command(subcommand)]
    Generate(Generate),
    /// Say who gets in by a trust policy, and what is missing or too wide in it
    Lint(LintArgs),
    /// Say who gains and who loses between two trust policies; exit 1 if somebody gains
    Diff(DiffArgs),
}

/// For whose tokens.
#[derive(Debug, clap::Subcommand)]
pub enum Generate {
    /// For jobs of GitHub Actions
    Github(GithubArgs),
    /// For jobs of GitLab CI/CD
    Gitlab(GitlabArgs),
    /// For service accounts of a Kubernetes cluster (EKS: IAM roles for service accounts)
    Kubernetes(KubernetesArgs),
    /// For tokens of a Countersign issuer
    Countersign(CountersignArgs),
}

/// Where the IAM OIDC provider is.
#[derive(Debug, clap::Args)]
pub struct PlaceArgs {
    /// The AWS account of the role and the OIDC provider
    #[arg(long, value_name = "ID")]
    account: String,
    /// The AWS partition
    #[arg(long, value_name = "P", default_value = "aws")]
    partition: String,
}

/// Jobs of GitHub Actions.
#[derive(Debug, clap::Args)]
pub struct GithubArgs {
    #[command(flatten)]
    place: PlaceArgs,
    /// The repository: OWNER/REPOSITORY, or OWNER@ID/REPOSITORY@ID if its subjects carry ids
    #[arg(long, value_name = "REPO", required = true)]
    repository: Vec<String>,
    /// Jobs on this branch, without refs/heads/; may be a pattern with *
    #[arg(long, value_name = "NAME")]
    branch: Vec<String>,
    /// Jobs on this tag, without refs/tags/; may be a pattern with *
    #[arg(long, value_name = "NAME")]
    tag: Vec<String>,
    /// Jobs in this environment; may be a pattern with *
    #[arg(long, value_name = "NAME")]
    environment: Vec<String>,
    /// Jobs on pull requests without an environment
    #[arg(long)]
    pull_requests: bool,
    /// Only jobs of this reusable workflow: OWNER/REPOSITORY/.github/workflows/FILE@REF, the ref in full
    #[arg(long, value_name = "WORKFLOW")]
    reusable_workflow: Vec<String>,
    /// The audience that the workflow asks for
    #[arg(long, value_name = "A", default_value = "sts.amazonaws.com")]
    audience: String,
    /// The issuer, if it is an enterprise's own, GHE.com's or a GitHub Enterprise Server's
    #[arg(long, value_name = "URL", default_value = "https://token.actions.githubusercontent.com")]
    issuer: String,
}

/// Jobs of GitLab.
#[derive(Debug, clap::Args)]
pub struct GitlabArgs {
    #[command(flatten)]
    place: PlaceArgs,
    /// The project's path, groups included
    #[arg(long, value_name = "GROUP/PROJECT")]
    project: String,
    /// Jobs on this branch; may be a pattern with *
    #[arg(long, value_name = "NAME")]
    branch: Vec<String>,
    /// Jobs on this tag; may be a pattern with *
    #[arg(long, value_name = "NAME")]
    tag: Vec<String>,
    /// Jobs in this environment, if the project's subject is customised to project_path and environment
    #[arg(long, value_name = "NAME")]
    environment: Vec<String>,
    /// The project's id, which nobody can take over as they can a path (gitlab.com only)
    #[arg(long, value_name = "ID")]
    project_id: Option<String>,
    /// Only on protected branches and tags (gitlab.com only)
    #[arg(long)]
    protected: bool,
    /// The GitLab instance
    #[arg(long, value_name = "HOST", default_value = "gitlab.com")]
    host: String,
    /// The `aud` of the job's id_tokens [default: https://HOST]
    #[arg(long, value_name = "A")]
    audience: Option<String>,
}

/// Service accounts of a cluster.
#[derive(Debug, clap::Args)]
pub struct KubernetesArgs {
    #[command(flatten)]
    place: PlaceArgs,
    /// The cluster's issuer (`aws eks describe-cluster --query cluster.identity.oidc.issuer`)
    #[arg(long, value_name = "URL")]
    issuer: String,
    /// The namespace
    #[arg(long, value_name = "N")]
    namespace: String,
    /// The service account
    #[arg(long, value_name = "S", required = true)]
    service_account: Vec<String>,
    /// The audience of the projected token
    #[arg(long, value_name = "A", default_value = "sts.amazonaws.com")]
    audience: String,
}

/// Subjects of a Countersign issuer.
#[derive(Debug, clap::Args)]
pub struct CountersignArgs {
    #[command(flatten)]
    place: PlaceArgs,
    /// The issuer URL, as in the tokens' `iss`
    #[arg(long, value_name = "URL")]
    issuer: String,
    /// The `sub` of the tokens, as the issuer's policy makes it; may end in a whole step *, as in svc:111122223333:*
    #[arg(long, value_name = "S", required = true)]
    subject: Vec<String>,
    /// The `aud` of the audience in the issuer's policy
    #[arg(long, value_name = "A", default_value = "sts.amazonaws.com")]
    audience: String,
    /// The tokens carry session tags: adds sts:TagSession, without which STS refuses them
    #[arg(long)]
    session_tags: bool,
    /// The tokens carry a source identity: adds sts:SetSourceIdentity, without which STS refuses them
    #[arg(long)]
    source_identity: bool,
}

/// What to look at.
#[derive(Debug, clap::Args)]
pub struct LintArgs {
    /// A trust policy, or what `aws iam get-role`, `list-roles` or `get-account-authorization-details` prints; - for
    /// standard input
    file: PathBuf,
    /// Print the reports as JSON
    #[arg(long)]
    json: bool,
}

/// What to compare.
#[derive(Debug, clap::Args)]
pub struct DiffArgs {
    /// The policy as it was, in any form that `lint` takes; - for standard input
    old: PathBuf,
    /// The policy as it will be
    new: PathBuf,
    /// Print the changes as JSON
    #[arg(long)]
    json: bool,
}

/// Run one of them.
pub fn run(command: Command) -> anyhow::Result<Ending> {
    match command {
        Command::Generate(generate) => write(generate),
        Command::Lint(args) => look(&args),
        Command::Diff(args) => compare(&args),
    }
}

fn write(generate: Generate) -> anyhow::Result<Ending> {
    let (document, more) = document(generate)?;
    let text = serde_json::to_string_pretty(&document)?;
    // What was asked for may deserve a thought all the same; and a policy that AWS would not take is said at once.
    for input in read(text.as_bytes())? {
        for Finding { code, message, .. } in
            lint(&input).findings.into_iter().filter(|finding| finding.severity != Severity::Note)
        {
            out::say(format_args!("warning[{}]: {message}", code.as_str()));
        }
    }
    let size = serde_json::to_string(&document)?.len();
    if size > SMALLEST_QUOTA {
        out::say(format_args!(
            "warning: {size} characters: more than IAM takes for a trust policy ({SMALLEST_QUOTA}) unless the account's quota was raised"
        ));
    }
    if let Some(more) = more {
        out::say(more);
    }
    out::print(text)?;
    Ok(Ending::Done)
}

/// "Role trust policy length" of the IAM quotas.
const SMALLEST_QUOTA: usize = 2048;

fn document(generate: Generate) -> Result<(Document, Option<&'static str>), Fault> {
    let place = |args: &PlaceArgs| Place::new(&args.partition, &args.account);
    match generate {
        Generate::Github(args) => {
            let named = args.repository.iter().any(|repository| !repository.contains('@'));
            let github = GitHub {
                repositories: args.repository,
                branches: args.branch,
                tags: args.tag,
                environments: args.environment,
                pull_requests: args.pull_requests,
                reusable_workflows: args.reusable_workflow,
                issuer: args.issuer,
                audience: args.audience,
            };
            let more = named.then_some(
                "note: the subject has no ids. `gh api repos/OWNER/REPOSITORY/actions/oidc/customization/sub` says whether the repository's has (sub_claim_prefix): then give --repository OWNER@ID/REPOSITORY@ID",
            );
            Ok((github.document(&place(&args.place)?)?, more))
        }
        Generate::Gitlab(args) => {
            let customised = !args.environment.is_empty();
            let gitlab = GitLab {
                project: args.project,
                branches: args.branch,
                tags: args.tag,
                environments: args.environment,
                project_id: args.project_id,
                protected: args.protected,
                host: args.host,
                audience: args.audience,
            };
            let more = customised.then_some(
                "note: nobody has this subject until the project's ci_id_token_sub_claim_components are [\"project_path\", \"environment\"] (projects API)",
            );
            Ok((gitlab.document(&place(&args.place)?)?, more))
        }
        Generate::Kubernetes(args) => {
            let kubernetes = Kubernetes {
                issuer: args.issuer,
                namespace: args.namespace,
                service_accounts: args.service_account,
                audience: args.audience,
            };
            Ok((kubernetes.document(&place(&args.place)?)?, None))
        }
        Generate::Countersign(args) => {
            let countersign = Countersign {
                issuer: args.issuer,
                subjects: args.subject,
                audience: args.audience,
                session_tags: args.session_tags,
                source_identity: args.source_identity,
            };
            Ok((countersign.document(&place(&args.place)?)?, None))
        }
    }
}

/// An account has at most some thousands of roles, of some kilobytes each.
const LARGEST: u64 = 64 * 1024 * 1024;

fn inputs(path: &Path) -> anyhow::Result<Vec<Input>> {
    let mut bytes = Vec::new();
    let read_whole = if path == Path::new("-") {
        std::io::stdin().lock().take(LARGEST + 1).read_to_end(&mut bytes)
    } else {
        std::fs::File::open(path).and_then(|file| file.take(LARGEST + 1).read_to_end(&mut bytes))
    };
    let what = || format!("cannot read {}", path.display());
    read_whole.with_context(what)?;
    if bytes.len() as u64 > LARGEST {
        bail!("{}: larger than {LARGEST} bytes", what());
    }
    read(&bytes).with_context(what)
}

fn look(args: &LintArgs) -> anyhow::Result<Ending> {
    let reports: Vec<_> = inputs(&args.file)?.iter().map(lint).collect();
    let ok = reports.iter().all(|report| report.ok);
    if args.json {
        out::print(serde_json::to_string_pretty(&json!({ "ok": ok, "policies": reports }))?)?;
    } else {
        let text: Vec<String> = reports.iter().map(ToString::to_string).collect();
        out::say(text.join("\n").trim_end());
        let of = |severity| {
            reports.iter().flat_map(|report| &report.findings).filter(|finding| finding.severity == severity).count()
        };
        out::say(format_args!(
            "{}: {} policies, {} errors, {} warnings, {} notes",
            args.file.display(),
            reports.len(),
            of(Severity::Error),
            of(Severity::Warning),
            of(Severity::Note)
        ));
    }
    Ok(if ok { Ending::Done } else { Ending::Refused })
}

fn compare(args: &DiffArgs) -> anyhow::Result<Ending> {
    if args.old == Path::new("-") && args.new == Path::new("-") {
        bail!("only one of the two can come from standard input");
    }
    let found = diff(&inputs(&args.old)?, &inputs(&args.new)?)?;
    if args.json {
        out::print(serde_json::to_string_pretty(&found)?)?;
    } else {
        for (word, changes) in [("gains", &found.gains), ("loses", &found.losses)] {
            for Change { role, who, why, example, .. } in changes {
                let role = role.as_ref().map(|role| format!(" ({role})")).unwrap_or_default();
                let example = example.as_ref().map(|example| format!(", for example {example:?}")).unwrap_or_default();
                out::say(format_args!("{word}{role}: {who}\n    because {why}{example}"));
            }
        }
        out::say(match (found.gains.is_empty(), found.losses.is_empty()) {
            (true, true) => "nobody gains and nobody loses",
            (true, false) => "nobody gains",
            (false, _) => "somebody gains access",
        });
    }
    Ok(if found.gains.is_empty() { Ending::Done } else { Ending::Refused })
}
