//! GitHub Actions.

use super::{Demand, Document, Fault, Place, audience, document, environment_name, git_name, issuer, number};

/// Which jobs of which repositories.
#[derive(Debug, Clone, Default)]
pub struct GitHub {
    /// `OWNER/REPOSITORY`, or with their ids `OWNER@ID/REPOSITORY@ID`.
    pub repositories: Vec<String>,
    /// Branches, by name.
    pub branches: Vec<String>,
    /// Tags, by name.
    pub tags: Vec<String>,
    /// Environments, by name.
    pub environments: Vec<String>,
    /// Pull requests too.
    pub pull_requests: bool,
    /// `OWNER/REPOSITORY/.github/workflows/FILE@REF`: only by one of these.
    pub reusable_workflows: Vec<String>,
    /// The issuer: github.com's, an enterprise's own, GHE.com's or a server's.
    pub issuer: String,
    /// The audience that the workflow asks for.
    pub audience: String,
}

impl GitHub {
    /// Writes the policy.
    pub fn document(&self, place: &Place) -> Result<Document, Fault> {
        let issuer = issuer("--issuer", &self.issuer)?;
        let name = issuer.as_str().trim_start_matches("https://");
        let (host, path) = name.split_once('/').unwrap_or((name, ""));
        let github = (host == "token.actions.githubusercontent.com" && !path.contains('/'))
            || (host.starts_with("token.actions.") && host.ends_with(".ghe.com") && path.is_empty());
        if !github && path != "_services/token" {
            return Err(Fault::new(
                "--issuer",
                &self.issuer,
                "GitHub's are https://token.actions.githubusercontent.com, with an enterprise's /SLUG or without, https://token.actions.NAME.ghe.com and, of a server, https://HOST/_services/token",
            ));
        }
        let contexts = self.contexts()?;
        let mut subjects = Vec::new();
        for repository in &self.repositories {
            repository_name("--repository", repository, true)?;
            subjects.extend(contexts.iter().map(|context| format!("repo:{repository}:{context}")));
        }
        let mut demands = vec![audience(&self.audience)?, Demand::new("sub", subjects)];
        if let Some(first) = self.reusable_workflows.first() {
            if !github {
                return Err(Fault::new(
                    "--reusable-workflow",
                    first,
                    format!(
                        "STS tells job_workflow_ref of tokens of github.com and GHE.com only, not of {}",
                        self.issuer
                    ),
                ));
            }
            let workflows: Vec<String> =
                self.reusable_workflows.iter().map(|text| workflow(text)).collect::<Result<_, _>>()?;
            demands.push(Demand::new("job_workflow_ref", workflows));
        }
        Ok(document(place, &issuer, &[], demands))
    }

    fn contexts(&self) -> Result<Vec<String>, Fault> {
        let mut contexts = Vec::new();
        for branch in &self.branches {
            contexts.push(format!("ref:refs/heads/{}", git_name("--branch", branch)?));
        }
        for tag in &self.tags {
            contexts.push(format!("ref:refs/tags/{}", git_name("--tag", tag)?));
        }
        for environment in &self.environments {
            // GitHub writes a colon in a name so.
            let name = environment_name("--environment", environment)?.replace(':', "%3A");
            contexts.push(format!("environment:{name}"));
        }
        if self.pull_requests {
            contexts.push("pull_request".to_owned());
        }
        if contexts.is_empty() {
            return Err(Fault::new(
                "--repository",
                &self.repositories.join(" "),
                "say which of its jobs: --branch, --tag, --environment or --pull-requests (--branch '*' is any branch)",
            ));
        }
        Ok(contexts)
    }
}

fn repository_name(flag: &'static str, text: &str, ids: bool) -> Result<(), Fault> {
    let fault = |why: &str| Err(Fault::new(flag, text, why));
    let Some((owner, repository)) = text.split_once('/') else { return fault("OWNER/REPOSITORY is needed") };
    let (owner_name, owner_id) = owner.split_once('@').map_or((owner, None), |(name, id)| (name, Some(id)));
    let (name, id) = repository.split_once('@').map_or((repository, None), |(name, id)| (name, Some(id)));
    // A managed user's name has an underscore.
    let letter = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    if owner_name.is_empty() || owner_name.len() > 39 || owner_name.starts_with('-') || !owner_name.bytes().all(letter)
    {
        return fault("the owner is no name of an account on GitHub");
    }
    let letter = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    if name.is_empty() || name.len() > 100 || [".", ".."].contains(&name) || !name.bytes().all(letter) {
        return fault("the repository is no name of a repository on GitHub");
    }
    match (owner_id, id) {
        (None, None) => Ok(()),
        (Some(owner_id), Some(id)) if ids => number(flag, owner_id).and(number(flag, id)).map(|_| ()),
        _ if ids => fault("either both ids are needed, OWNER@ID/REPOSITORY@ID, or none"),
        _ => fault("there are no ids in it"),
    }
}

/// A workflow file and the full ref that it is taken from, as the claim has it.
fn workflow(text: &str) -> Result<String, Fault> {
    const FLAG: &str = "--reusable-workflow";
    let fault = |why: &str| Err(Fault::new(FLAG, text, why));
    let Some((file, reference)) = text.split_once('@') else {
        return fault("OWNER/REPOSITORY/.github/workflows/FILE@REF is needed");
    };
    let Some((repository, name)) = file.split_once("/.github/workflows/") else {
        return fault("the file is not in .github/workflows of a repository");
    };
    if let Err(Fault { why, .. }) = repository_name(FLAG, repository, false) {
        return fault(&why);
    }
    let letter = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    if !matches!(name.rsplit_once('.'), Some((_, "yml" | "yaml"))) || !name.bytes().all(letter) {
        return fault("the file is not a workflow, NAME.yml or NAME.yaml");
    }
    let name = reference.strip_prefix("refs/heads/").or_else(|| reference.strip_prefix("refs/tags/"));
    let commit =
        reference.len() == 40 && reference.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
    match name {
        Some(name) => git_name(FLAG, name).map(|_| text.to_owned()),
        None if commit => Ok(text.to_owned()),
        None => fault("the claim holds a full ref: refs/heads/BRANCH, refs/tags/TAG or a commit of 40 digits"),
    }
}
