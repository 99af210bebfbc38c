//! Whom the roles of `infrastructure/modules/github_oidc` let in, and what they may do there. The module's own test holds its
//! policies to `tests/golden`, word for word; here those are judged, with claims as GitHub writes them ("OpenID Connect
//! reference"). Each token is held against every role, so that a neighbour who gets in anywhere is seen.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;
use testkit::iam::{Caller, Context, Document, Policies, Reach, Request, Verdict};

const HOST: &str = "token.actions.githubusercontent.com";
const PROVIDER: &str = "arn:aws:iam::111122223333:oidc-provider/token.actions.githubusercontent.com";
const SHARED: &str = "acme/workflows/.github/workflows/deploy.yml@refs/heads/main";

fn golden(name: &str) -> BTreeMap<String, Document> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../infrastructure/modules/github_oidc/tests/golden");
    let text = std::fs::read_to_string(folder.join(name)).unwrap();
    let policies: BTreeMap<String, Value> = serde_json::from_str(&text).unwrap();
    policies.iter().map(|(role, policy)| (role.clone(), Document::of(policy).unwrap())).collect()
}

/// What a job's token says of it.
#[derive(Debug, Clone)]
struct Token {
    provider: &'static str,
    aud: &'static str,
    repository: &'static str,
    owner_id: &'static str,
    repository_id: &'static str,
    /// Whether the subject holds the ids.
    immutable: bool,
    /// What the subject ends with.
    context: &'static str,
    /// The ref, where the subject does not say it.
    r#ref: &'static str,
    workflow: &'static str,
}

/// A push to a branch of the repository that the roles are for, before GitHub wrote ids into subjects.
const MAIN: Token = Token {
    provider: PROVIDER,
    aud: "sts.amazonaws.com",
    repository: "acme/app",
    owner_id: "1234",
    repository_id: "5678",
    immutable: false,
    context: "ref:refs/heads/main",
    r#ref: "refs/heads/main",
    workflow: "acme/app/.github/workflows/ci.yml@refs/heads/main",
};

impl Token {
    /// The same job of a repository whose subjects hold the ids.
    fn with_ids(mut self) -> Self {
        self.immutable = true;
        self
    }

    fn sub(&self) -> String {
        let (owner, name) = self.repository.split_once('/').unwrap();
        if self.immutable {
            return format!("repo:{owner}@{}/{name}@{}:{}", self.owner_id, self.repository_id, self.context);
        }
        format!("repo:{owner}/{name}:{}", self.context)
    }

    /// What AWS asks the trust policy of a role.
    fn request(&self) -> Request {
        let claim = |name: &str| format!("{HOST}:{name}");
        Request {
            caller: Caller::Federated(self.provider.to_owned()),
            action: "sts:AssumeRoleWithWebIdentity".to_owned(),
            resource: None,
            context: Context::default()
                .with(&claim("aud"), self.aud)
                .with(&claim("sub"), self.sub())
                .with(&claim("repository_id"), self.repository_id)
                .with(&claim("ref"), self.r#ref)
                .with(&claim("job_workflow_ref"), self.workflow),
        }
    }

    /// The roles that let it in.
    fn opens(&self, roles: &BTreeMap<String, Document>) -> Vec<String> {
        let admits =
            |document: &Document| matches!(document.of_resource(&self.request()).unwrap(), Verdict::Allowed(_));
        roles.iter().filter(|(_, document)| admits(document)).map(|(role, _)| role.clone()).collect()
    }
}

/// What a token is, the token, and the roles that it opens.
type Row = (&'static str, Token, &'static [&'static str]);

fn on(context: &'static str, r#ref: &'static str) -> Token {
    Token { context, r#ref, ..MAIN }
}

/// Jobs of the repository that the roles are for: which of its refs, environments and pull requests.
fn jobs() -> Vec<Row> {
    vec![
        ("the branch", MAIN, &["by-name", "deploy", "name-alone", "several"]),
        ("the branch, by ids", MAIN.with_ids(), &["deploy", "immutable", "several"]),
        ("a branch of the pattern", on("ref:refs/heads/release/1", "refs/heads/release/1"), &["deploy"]),
        ("one with more steps", on("ref:refs/heads/release/1/fix", "refs/heads/release/1/fix").with_ids(), &["deploy"]),
        ("the pattern's beginning alone", on("ref:refs/heads/release", "refs/heads/release"), &[]),
        ("a branch beside the pattern", on("ref:refs/heads/releases/1", "refs/heads/releases/1"), &[]),
        ("another branch", on("ref:refs/heads/feature", "refs/heads/feature"), &[]),
        ("a branch that begins alike", on("ref:refs/heads/main-2", "refs/heads/main-2"), &[]),
        ("a branch that ends alike", on("ref:refs/heads/x/main", "refs/heads/x/main"), &[]),
        ("the branch in capitals", on("ref:refs/heads/Main", "refs/heads/Main"), &[]),
        ("a branch that is called as a tag", on("ref:refs/heads/v1", "refs/heads/v1"), &[]),
        ("a tag", on("ref:refs/tags/v1", "refs/tags/v1"), &["deploy", "held"]),
        ("another tag of the pattern", on("ref:refs/tags/v2", "refs/tags/v2").with_ids(), &["deploy"]),
        ("a tag that is called as the branch", on("ref:refs/tags/main", "refs/tags/main"), &[]),
        ("a tag that is called as a ref", on("ref:refs/tags/refs/heads/main", "refs/tags/refs/heads/main"), &[]),
        ("the environment", on("environment:production", "refs/heads/main"), &["deploy", "held"]),
        ("it, by ids", on("environment:production", "refs/heads/main").with_ids(), &["deploy", "held"]),
        ("it, from another branch", on("environment:production", "refs/heads/feature"), &["deploy"]),
        ("it, from a pull request", on("environment:production", "refs/pull/7/merge").with_ids(), &["deploy"]),
        ("an environment with a colon", on("environment:Production%3AV1", "refs/heads/main"), &["deploy"]),
        ("the colon as it is", on("environment:Production:V1", "refs/heads/main"), &[]),
        ("another environment", on("environment:staging", "refs/heads/main"), &[]),
        ("one that begins alike", on("environment:production-eu", "refs/heads/main"), &[]),
        ("one that is called as the branch", on("environment:ref%3Arefs/heads/main", "refs/heads/main"), &[]),
        ("a pull request", on("pull_request", "refs/pull/7/merge"), &["pulls"]),
        ("a pull request, by ids", on("pull_request", "refs/pull/7/merge").with_ids(), &["pulls"]),
    ]
}

/// Jobs of reusable workflows, of other repositories, and of those who wear this one's name.
fn workflows_and_others() -> Vec<Row> {
    vec![
        (
            "the shared workflow",
            Token { workflow: SHARED, ..MAIN },
            &["by-name", "deploy", "name-alone", "several", "shared-workflow"],
        ),
        (
            "it, from anywhere",
            Token { workflow: SHARED, ..on("ref:refs/heads/feature", "refs/heads/feature") }.with_ids(),
            &["shared-workflow"],
        ),
        (
            "it, from another branch of itself",
            Token {
                workflow: "acme/workflows/.github/workflows/deploy.yml@refs/heads/x",
                ..on("ref:refs/heads/y", "refs/heads/y")
            },
            &[],
        ),
        (
            "it, in another repository",
            Token { workflow: SHARED, repository: "acme/other", repository_id: "1", ..MAIN },
            &[],
        ),
        (
            "a workflow by its tag",
            Token { workflow: "acme/workflows/.github/workflows/deploy.yml@refs/tags/v1", ..MAIN },
            &["by-name", "deploy", "name-alone", "narrowed", "several"],
        ),
        (
            "a workflow by its commit",
            Token {
                workflow: "acme/workflows/.github/workflows/deploy.yml@0123456789abcdef0123456789abcdef01234567",
                ..MAIN
            }
            .with_ids(),
            &["deploy", "immutable", "narrowed", "several"],
        ),
        (
            "the other repository's tag",
            Token { repository: "acme/tools", repository_id: "9999", ..on("ref:refs/tags/main", "refs/tags/main") },
            &["several"],
        ),
        (
            "the other repository's branch",
            Token { repository: "acme/tools", repository_id: "9999", ..MAIN }.with_ids(),
            &[],
        ),
        (
            "the other repository with this one's id",
            Token { repository: "acme/tools", ..on("ref:refs/tags/main", "refs/tags/main") },
            &[],
        ),
        // A fork is a repository of its own.
        ("a fork", Token { repository: "mallory/app", owner_id: "666", repository_id: "667", ..MAIN }, &[]),
        (
            "a fork, by ids",
            Token { repository: "mallory/app", owner_id: "666", repository_id: "667", ..MAIN }.with_ids(),
            &[],
        ),
        ("a repository that begins alike", Token { repository: "acme/app-2", repository_id: "5679", ..MAIN }, &[]),
        (
            "an organisation that begins alike",
            Token { repository: "acme-2/app", owner_id: "1235", repository_id: "667", ..MAIN },
            &[],
        ),
        (
            "an organisation that ends alike",
            Token { repository: "not-acme/app", owner_id: "1235", repository_id: "667", ..MAIN },
            &[],
        ),
        // Whoever makes the organisation or the repository anew has other ids. By the name alone they get in.
        ("the name, given away", Token { owner_id: "666", repository_id: "667", ..MAIN }, &["name-alone"]),
        ("the name, given away, by ids", Token { owner_id: "666", repository_id: "667", ..MAIN }.with_ids(), &[]),
        ("the repository made anew", Token { repository_id: "667", ..MAIN }.with_ids(), &[]),
        ("the repository under another name", Token { repository: "acme/app2", ..MAIN }.with_ids(), &[]),
        (
            "the repository given to another owner",
            Token { repository: "mallory/app", owner_id: "666", ..MAIN }.with_ids(),
            &[],
        ),
        ("another audience", Token { aud: "https://github.com/acme", ..MAIN }, &[]),
        (
            "another provider",
            Token { provider: "arn:aws:iam::111122223333:oidc-provider/token.actions.acme.ghe.com", ..MAIN },
            &[],
        ),
    ]
}

#[test]
fn who_is_meant_gets_in_and_no_neighbour() {
    let roles = golden("trust.json");
    let table: Vec<Row> = jobs().into_iter().chain(workflows_and_others()).collect();
    for (what, token, expected) in &table {
        assert_eq!(token.opens(&roles), *expected, "{what}: {}", token.sub());
    }
    // Every role is opened by something, or the table says nothing of it.
    for role in roles.keys() {
        assert!(table.iter().any(|(.., opens)| opens.contains(&role.as_str())), "nobody gets into {role}");
    }
}

#[test]
fn nobody_gets_in_where_a_claim_is_not_told() {
    let roles = golden("trust.json");
    let whole = Token { workflow: SHARED, ..MAIN };
    assert!(!whole.opens(&roles).is_empty());
    for claim in ["aud", "sub"] {
        let mut request = whole.request();
        request.context = request.context.without(&[&format!("{HOST}:{claim}")]);
        for (role, document) in &roles {
            assert_eq!(document.of_resource(&request).unwrap(), Verdict::Silent, "{role} without {claim}");
        }
    }
    // As in a partition that does not know GitHub's own claims: only those that need none of them are open.
    let mut request = MAIN.with_ids().request();
    request.context = request.context.without(&[
        &format!("{HOST}:repository_id"),
        &format!("{HOST}:ref"),
        &format!("{HOST}:job_workflow_ref"),
    ]);
    let open: Vec<_> =
        roles.iter().filter(|(_, document)| document.of_resource(&request).unwrap() != Verdict::Silent).collect();
    assert_eq!(open.iter().map(|(role, _)| role.as_str()).collect::<Vec<_>>(), ["immutable"]);
}

#[test]
fn what_the_role_may_do() {
    let access = golden("access.json");
    let function = "arn:aws:lambda:eu-central-1:111122223333:function:app";
    let (mine, theirs) = ("111122223333", "444455556666");
    let none = Context::default;
    let owned = |account: &str| none().with("aws:ResourceAccount", account).without(&["s3:prefix"]);
    let listing = |prefix: &str| owned(mine).with("s3:prefix", prefix);
    let passed = |service: &str| none().with("iam:PassedToService", service);
    for (action, resource, context, allowed) in [
        ("lambda:UpdateFunctionCode", function, none(), true),
        ("lambda:PublishVersion", function, none(), true),
        ("lambda:UpdateAlias", function, none(), true),
        ("lambda:GetFunction", &format!("{function}:live"), none(), true),
        ("lambda:UpdateFunctionCode", &format!("{function}-2"), none(), false),
        ("lambda:UpdateFunctionCode", "arn:aws:lambda:us-east-1:111122223333:function:app", none(), false),
        ("lambda:UpdateFunctionConfiguration", function, none(), false),
        ("lambda:InvokeFunction", function, none(), false),
        ("lambda:AddPermission", function, none(), false),
        ("lambda:DeleteFunction", function, none(), false),
        ("s3:GetObject", "arn:aws:s3:::acme-releases/releases/app/1.zip", owned(mine), true),
        ("s3:PutObject", "arn:aws:s3:::acme-releases/releases/app/a/1.zip", owned(mine), true),
        ("s3:DeleteObject", "arn:aws:s3:::acme-releases/releases/app/1.zip", owned(mine), false),
        ("s3:GetObject", "arn:aws:s3:::acme-releases/releases/app-secrets/1.zip", owned(mine), false),
        ("s3:GetObject", "arn:aws:s3:::acme-releases/releases/1.zip", owned(mine), false),
        ("s3:GetObject", "arn:aws:s3:::acme-releases-2/releases/app/1.zip", owned(mine), false),
        // Somebody else made the bucket anew.
        ("s3:PutObject", "arn:aws:s3:::acme-releases/releases/app/1.zip", owned("999999999999"), false),
        ("s3:GetObject", "arn:aws:s3:::acme-releases/base/1.zip", owned(mine), true),
        ("s3:PutObject", "arn:aws:s3:::acme-releases/base/1.zip", owned(mine), false),
        ("s3:DeleteObject", "arn:aws:s3:::acme-shared/app/1.zip", owned(theirs), true),
        ("s3:DeleteObject", "arn:aws:s3:::acme-shared/app/1.zip", owned(mine), false),
        ("s3:PutBucketPolicy", "arn:aws:s3:::acme-releases", owned(mine), false),
        ("s3:ListBucket", "arn:aws:s3:::acme-releases", listing("releases/app/"), true),
        ("s3:ListBucket", "arn:aws:s3:::acme-releases", listing("releases/app/a"), true),
        ("s3:ListBucket", "arn:aws:s3:::acme-releases", listing("releases/app"), false),
        ("s3:ListBucket", "arn:aws:s3:::acme-releases", listing("releases/app-secrets/"), false),
        ("s3:ListBucket", "arn:aws:s3:::acme-releases", listing(""), false),
        ("s3:ListBucket", "arn:aws:s3:::acme-releases", owned(mine), false),
        ("iam:PassRole", "arn:aws:iam::111122223333:role/app", passed("lambda.amazonaws.com"), true),
        ("iam:PassRole", "arn:aws:iam::111122223333:role/app", passed("ec2.amazonaws.com"), false),
        ("iam:PassRole", "arn:aws:iam::111122223333:role/admin", passed("lambda.amazonaws.com"), false),
        ("sts:AssumeRole", "arn:aws:iam::111122223333:role/app", none(), false),
    ] {
        let caller = Caller::role("arn:aws:iam::111122223333:role/github-acme-deploy", "GitHubActions");
        let request = Request { caller, action: action.to_owned(), resource: Some(resource.to_owned()), context };
        let policies = Policies { identity: std::slice::from_ref(&access["deploy"]), ..Policies::default() };
        let decision = policies.decide(&request, Reach::SameAccount).unwrap();
        assert_eq!(decision.is_allowed(), allowed, "{action} {resource}: {decision:?}");
    }
    assert_eq!(access.keys().collect::<Vec<_>>(), ["deploy"], "a role may do what nobody asked for");
}
