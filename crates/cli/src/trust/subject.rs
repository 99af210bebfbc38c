//! What a subject, or a pattern of subjects, means at the providers whose form is known: in words, and what it lets in
//! beside what was meant.
//!
//! Sources: GitHub "OpenID Connect reference" (default subjects, `%3A` for a colon, immutable subjects
//! `repo:OWNER@ID/REPO@ID`); GitLab "OpenID Connect authentication using ID tokens" and its projects API
//! (`ci_id_token_sub_claim_components`); Kubernetes service account tokens; HCP Terraform and Buildkite.

use super::finding::{Code, Severity};
use super::pattern::{Pattern, WILD};
use super::principal::Kind;

/// What a subject means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Reading {
    pub(super) words: String,
    pub(super) faults: Vec<(Severity, Code, String)>,
}

/// Reads one pattern.
pub(super) fn read(kind: Kind, subject: &Pattern) -> Reading {
    let form = subject.form();
    let mut reading = Reading { words: String::new(), faults: Vec::new() };
    let kind = match kind {
        Kind::Other if form.starts_with("repo:") => Kind::GitHub,
        Kind::Other if form.starts_with("project_path:") => Kind::GitLab,
        Kind::Other if form.starts_with("system:serviceaccount:") => Kind::Kubernetes,
        kind => kind,
    };
    reading.words = match kind {
        Kind::GitHub => reading.github(&form),
        Kind::GitLab => reading.gitlab(&form),
        Kind::Kubernetes => reading.kubernetes(&form),
        Kind::Organizations => reading.organization(&form),
        Kind::Cognito | Kind::People | Kind::Other => reading.other(&form),
    };
    reading
}

/// As people write it.
fn shown(form: &str) -> String {
    form.replace(WILD, "*")
}

fn wild(form: &str) -> bool {
    form.contains(WILD)
}

/// What stands before the first wildcard.
fn head(form: &str) -> &str {
    form.split(WILD).next().unwrap_or_default()
}

impl Reading {
    fn fault(&mut self, severity: Severity, code: Code, message: impl Into<String>) {
        self.faults.push((severity, code, message.into()));
    }

    fn any(&mut self, who: &str, mend: &str) -> String {
        self.fault(Severity::Error, Code::AnySubject, format!("{who} matches, whoever it belongs to: {mend}"));
        who.to_owned()
    }

    fn prefix(&mut self, name: &str, separator: char, mend: &str) -> String {
        self.fault(
            Severity::Error,
            Code::WildcardBeforeSeparator,
            format!("the wildcard stands before the {separator:?} that ends the name, so {name}-evil matches as {name} does: {mend}"),
        );
        format!("everything whose name begins with {name}")
    }

    fn form(&mut self, form: &str, expected: &str) -> String {
        self.fault(
            Severity::Warning,
            Code::SubjectForm,
            format!("it has not the provider's default form, {expected}: unless the subject is customised there, nobody has it"),
        );
        format!("the subject {}", shown(form))
    }

    fn github(&mut self, form: &str) -> String {
        const MEND: &str = "write repo:OWNER/REPOSITORY: and the branch, tag or environment";
        const EXPECTED: &str = "repo:OWNER/REPOSITORY:CONTEXT";
        let Some(rest) = form.strip_prefix("repo:") else { return self.github_customised(form, MEND) };
        let (owner, after) = rest.split_once('/').unwrap_or((rest, ""));
        let name = owner.split('@').next().unwrap_or_default();
        if wild(owner) || after.is_empty() {
            return match head(rest) {
                "" if wild(rest) => self.any("any repository of GitHub", MEND),
                _ if wild(owner) && !wild(name) && after.is_empty() => self.owner_wide(name, MEND),
                begun if wild(name) => self.prefix(begun, '/', MEND),
                // The wildcard goes on over the repository to the colon after it.
                _ if wild(owner) && owner.contains(':') => self.owner_wide(name, MEND),
                _ if wild(owner) => self.github_repository(owner, after, MEND),
                _ if wild(after) => self.owner_wide(name, MEND),
                _ => self.form(form, EXPECTED),
            };
        }
        self.github_repository(owner, after, MEND)
    }

    /// Everybody can customise the subjects of their own repositories, so only the claims that name a repository or owner
    /// keep strangers out: no value has a colon in it, so none of them can be feigned by another.
    fn github_customised(&mut self, form: &str, mend: &str) -> String {
        let begun = head(form);
        if wild(form) && "repo:".starts_with(begun) {
            return self.any("any repository of GitHub", mend);
        }
        let mut steps: Vec<&str> = begun.split(':').collect();
        if wild(form) {
            // The last one goes on in the wildcard.
            steps.pop();
        }
        let value = |claims: &[&str]| {
            let found = steps
                .windows(2)
                .find(|pair| matches!(pair, [claim, value] if claims.contains(claim) && !value.is_empty()));
            found.and_then(|pair| pair.last().copied())
        };
        if value(&["repo", "repository", "repository_id"]).is_some() {
            if wild(form) {
                self.wildcard();
            }
            return self.form(form, "repo:OWNER/REPOSITORY:CONTEXT");
        }
        if let Some(owner) = value(&["repository_owner", "repository_owner_id"]) {
            return self.owner_wide(owner, mend);
        }
        let words = format!("any repository of GitHub with the subject {}", shown(form));
        let why = if value(&["job_workflow_ref"]).is_some() {
            "it says which workflow runs, not for whom: every repository that can call it can have this subject, those of strangers too if it is public"
        } else {
            "it names no repository or owner, and everybody can customise the subjects of their own repositories to be this"
        };
        self.fault(Severity::Error, Code::AnySubject, format!("{why}: {mend}"));
        words
    }

    fn owner_wide(&mut self, owner: &str, mend: &str) -> String {
        self.fault(
            Severity::Error,
            Code::OwnerWide,
            format!("every repository of {owner} matches, those that will be made too: {mend}"),
        );
        format!("any repository of {owner}")
    }

    /// The owner's name is complete; its id may be a wildcard.
    fn github_repository(&mut self, owner: &str, after: &str, mend: &str) -> String {
        let owner_name = owner.split('@').next().unwrap_or_default();
        let (repository, context) = after.split_once(':').unwrap_or((after, ""));
        let name = repository.split('@').next().unwrap_or_default();
        if head(name).is_empty() && wild(name) {
            return self.owner_wide(owner_name, mend);
        }
        if wild(name) {
            return self.prefix(&format!("{owner_name}/{}", head(name)), ':', mend);
        }
        // With nothing after the last wildcard, a branch that is named like the end of it will do.
        if wild(owner) && wild(repository) && context.is_empty() {
            return self.owner_wide(owner_name, mend);
        }
        let plain = |character: &char| character.is_ascii_alphanumeric() || "-_.".contains(*character);
        if let Some(odd) = owner_name.chars().chain(name.chars()).find(|character| !plain(character)) {
            self.fault(
                Severity::Warning,
                Code::SubjectForm,
                format!("no owner or repository of GitHub has the character {} in its name, whatever it looks like: nobody has this subject", odd.escape_unicode()),
            );
        }
        if name.is_empty() || (context.is_empty() && !wild(repository)) {
            return self.form(&format!("repo:{owner}/{after}"), "repo:OWNER/REPOSITORY:CONTEXT");
        }
        if wild(owner) || wild(repository) {
            self.fault(
                Severity::Warning,
                Code::IdWildcard,
                "a wildcard stands for the ids of owner and repository, so the names alone count, and names can be taken over: write the ids (`gh api repos/OWNER/REPOSITORY/actions/oidc/customization/sub` prints them)",
            );
        } else if !owner.contains('@') {
            self.fault(
                Severity::Note,
                Code::NameOnly,
                "owner and repository are named without their ids: a name can be taken over after a deletion or rename, and repositories made or renamed after 15 July 2026 send repo:OWNER@ID/REPOSITORY@ID",
            );
        }
        // `repo:o/r@*` without more: the wildcard stands for the context too.
        let context = if context.is_empty() { self.repository_wide() } else { self.github_context(context) };
        format!("jobs of {owner_name}/{name} {context}")
    }

    fn github_context(&mut self, context: &str) -> String {
        if let Some(branch) = context.strip_prefix("ref:refs/heads/") {
            return self.reference("branch", branch);
        }
        if let Some(tag) = context.strip_prefix("ref:refs/tags/") {
            return self.reference("tag", tag);
        }
        if let Some(environment) = context.strip_prefix("environment:").filter(|name| !name.contains(':')) {
            return self.environment(environment);
        }
        if context == "pull_request" {
            self.fault(
                Severity::Warning,
                Code::PullRequest,
                "whoever can open a pull request from a branch of the repository chooses the code that runs with this role: give such a role read access at most, or use an environment with reviewers",
            );
            return "on pull requests".to_owned();
        }
        match head(context) {
            begun if wild(context) && begun.starts_with("ref:") => self.reference("branch or tag", &WILD.to_string()),
            _ if wild(context) => self.repository_wide(),
            _ => {
                self.form(
                    context,
                    "after the repository ref:refs/heads/BRANCH, ref:refs/tags/TAG, environment:NAME or pull_request",
                );
                format!("with the context {}", shown(context))
            }
        }
    }

    fn repository_wide(&mut self) -> String {
        self.fault(
            Severity::Warning,
            Code::RepositoryWide,
            "every branch, tag, environment and pull request of it matches, so whoever can push a branch can use the role: name the branch or environment",
        );
        "on any branch, tag, environment or pull request".to_owned()
    }

    fn reference(&mut self, what: &str, name: &str) -> String {
        if wild(name) {
            self.fault(
                Severity::Warning,
                Code::RefWildcard,
                format!(
                    "whoever can push a {what} that matches {:?} can use the role: name it, or protect all that match",
                    shown(name)
                ),
            );
        }
        if name == WILD.to_string() { format!("on any {what}") } else { format!("on the {what} {}", shown(name)) }
    }

    fn environment(&mut self, name: &str) -> String {
        if wild(name) {
            self.fault(
                Severity::Warning,
                Code::EnvironmentWildcard,
                format!("whoever can make an environment that matches {:?}, which a workflow does by naming it, can use the role: name it", shown(name)),
            );
        }
        format!("in the environment {} (whom it lets run, its protection rules say)", shown(name))
    }

    fn gitlab(&mut self, form: &str) -> String {
        const MEND: &str = "write project_path:GROUP/PROJECT:ref_type:branch:ref:BRANCH";
        let Some(rest) = form.strip_prefix("project_path:") else {
            // A project can have its subject begin with its id.
            let names_one =
                form.split_once(':').is_some_and(|(claim, rest)| claim == "project_id" && head(rest).contains(':'));
            return if wild(form) && !names_one {
                self.any("any project of the GitLab instance", MEND)
            } else {
                self.form(form, "project_path:GROUP/PROJECT:ref_type:branch:ref:BRANCH")
            };
        };
        let (path, context) = rest.split_once(':').unwrap_or((rest, ""));
        if wild(path) {
            return match head(path) {
                "" => self.any("any project of the GitLab instance", MEND),
                begun if begun.ends_with('/') => {
                    let group = begun.trim_end_matches('/');
                    self.fault(
                        Severity::Error,
                        Code::OwnerWide,
                        format!("every project of the group {group} and of all groups below it matches, those that will be made too: {MEND}"),
                    );
                    format!("any project of the group {group}")
                }
                begun => self.prefix(begun, if begun.contains('/') { ':' } else { '/' }, MEND),
            };
        }
        if context.is_empty() || !path.contains('/') {
            return self.form(form, "project_path:GROUP/PROJECT:ref_type:branch:ref:BRANCH");
        }
        self.fault(
            Severity::Note,
            Code::NameOnly,
            "the project is named by its path, which can be taken over after a deletion or rename: where STS tells gitlab.com:project_id, pin that too",
        );
        let words = if let Some(branch) = context.strip_prefix("ref_type:branch:ref:") {
            self.reference("branch", branch)
        } else if let Some(tag) = context.strip_prefix("ref_type:tag:ref:") {
            self.reference("tag", tag)
        } else if let Some(name) = context.strip_prefix("environment:").filter(|name| !name.contains(':')) {
            self.environment(name)
        } else if head(context).starts_with("ref_type:") && wild(context) {
            self.reference("branch or tag", &WILD.to_string())
        } else if wild(context) {
            self.repository_wide()
        } else {
            self.form(context, "after the project ref_type:branch:ref:BRANCH or ref_type:tag:ref:TAG");
            format!("with {}", shown(context))
        };
        format!("jobs of {path} {words}")
    }

    fn kubernetes(&mut self, form: &str) -> String {
        const MEND: &str = "write system:serviceaccount:NAMESPACE:NAME";
        let Some(rest) = form.strip_prefix("system:serviceaccount:") else {
            return if wild(form) && "system:serviceaccount:".starts_with(head(form)) {
                self.any("any service account of the cluster", MEND)
            } else {
                self.form(form, "system:serviceaccount:NAMESPACE:NAME")
            };
        };
        let (namespace, account) = rest.split_once(':').unwrap_or((rest, ""));
        if wild(namespace) {
            return match head(namespace) {
                "" => self.any("any service account of the cluster", MEND),
                begun => self.prefix(begun, ':', MEND),
            };
        }
        if account.is_empty() {
            return self.form(form, "system:serviceaccount:NAMESPACE:NAME");
        }
        if wild(account) {
            self.fault(
                Severity::Warning,
                Code::NamespaceWide,
                format!("whoever can make a service account or a pod in the namespace {namespace} can use the role: name the service account"),
            );
        }
        format!("pods with the service account {} of the namespace {namespace}", shown(account))
    }

    fn organization(&mut self, form: &str) -> String {
        const MEND: &str = "write organization:NAME: and what follows, up to the one workspace or pipeline";
        let Some(rest) = form.strip_prefix("organization:") else {
            return if wild(form) && "organization:".starts_with(head(form)) {
                self.any("any organisation of the service", MEND)
            } else {
                self.form(form, "organization:NAME:...")
            };
        };
        let (name, after) = rest.split_once(':').unwrap_or((rest, ""));
        if wild(name) {
            return match head(name) {
                "" => self.any("any organisation of the service", MEND),
                begun => self.prefix(begun, ':', MEND),
            };
        }
        if wild(after) {
            self.wildcard();
        }
        format!("runs of the organisation {name}: {}", shown(after))
    }

    fn other(&mut self, form: &str) -> String {
        if wild(form) {
            if head(form).is_empty() {
                return self.any("everybody to whom the issuer gives a token", "name the subjects");
            }
            self.wildcard();
        }
        format!("the subject {}", shown(form))
    }

    fn wildcard(&mut self) {
        self.fault(
            Severity::Warning,
            Code::SubjectWildcard,
            "a wildcard stands for any text, separators too: make sure that only those who are meant can get such a subject, or name them",
        );
    }
}
