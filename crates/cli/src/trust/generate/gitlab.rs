//! GitLab.

use super::{Demand, Document, Fault, Place, audience, document, environment_name, git_name, issuer, number};

/// Which jobs of which project.
#[derive(Debug, Clone, Default)]
pub struct GitLab {
    /// `GROUP/PROJECT`, subgroups too.
    pub project: String,
    /// Branches, by name.
    pub branches: Vec<String>,
    /// Tags, by name.
    pub tags: Vec<String>,
    /// Environments, by name: the project's subject has to be customised for them.
    pub environments: Vec<String>,
    /// The project's id, which nobody can take over.
    pub project_id: Option<String>,
    /// Protected branches and tags only.
    pub protected: bool,
    /// The instance: `gitlab.com`, or one's own.
    pub host: String,
    /// The audience of the job's `id_tokens`.
    pub audience: Option<String>,
}

impl GitLab {
    /// Writes the policy.
    pub fn document(&self, place: &Place) -> Result<Document, Fault> {
        if self.host.contains('/') {
            return Err(Fault::new("--host", &self.host, "the host alone is needed, without https:// and path"));
        }
        let url = format!("https://{}", self.host);
        let issuer = issuer("--host", &url)?;
        let contexts = self.contexts()?;
        let project = project(&self.project)?;
        let subjects = contexts.iter().map(|context| format!("project_path:{project}:{context}")).collect();
        let mut demands = vec![audience(self.audience.as_deref().unwrap_or(&url))?, Demand::new("sub", subjects)];
        let told = self.host == "gitlab.com";
        if let Some(id) = &self.project_id {
            if !told {
                return Err(Fault::new("--project-id", id, "STS tells project_id of tokens of gitlab.com only"));
            }
            demands.push(Demand::new("project_id", vec![number("--project-id", id)?.to_owned()]));
        }
        if self.protected {
            if !told {
                return Err(Fault::new(
                    "--host",
                    &self.host,
                    "--protected: STS tells ref_protected of tokens of gitlab.com only",
                ));
            }
            demands.push(Demand::new("ref_protected", vec!["true".to_owned()]));
        }
        Ok(document(place, &issuer, &[], demands))
    }

    fn contexts(&self) -> Result<Vec<String>, Fault> {
        let mut contexts = Vec::new();
        for branch in &self.branches {
            contexts.push(format!("ref_type:branch:ref:{}", git_name("--branch", branch)?));
        }
        for tag in &self.tags {
            contexts.push(format!("ref_type:tag:ref:{}", git_name("--tag", tag)?));
        }
        for environment in &self.environments {
            let name = environment_name("--environment", environment)?;
            if !contexts.iter().all(|context: &String| context.starts_with("environment:")) {
                return Err(Fault::new(
                    "--environment",
                    name,
                    "a project's subjects have one form, so environments do not go with --branch or --tag in one policy",
                ));
            }
            if name.contains(':') {
                return Err(Fault::new("--environment", name, "GitLab has no colon in the name of an environment"));
            }
            contexts.push(format!("environment:{name}"));
        }
        if contexts.is_empty() {
            let why = "say which of its jobs: --branch, --tag or --environment (--branch '*' is any branch)";
            return Err(Fault::new("--project", &self.project, why));
        }
        Ok(contexts)
    }
}

fn project(path: &str) -> Result<&str, Fault> {
    let letter = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    let good = |step: &str| !step.is_empty() && !step.starts_with(['-', '.']) && step.bytes().all(letter);
    if !path.contains('/') || path.len() > 255 || !path.split('/').all(good) {
        return Err(Fault::new("--project", path, "GROUP/PROJECT is needed, as in the project's URL"));
    }
    Ok(path)
}
