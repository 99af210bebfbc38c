//! The table: trust policies, good and bad. Where the pattern was published, the source stands with it.

use serde_json::{Value, json};

/// A policy, why it is here, and its text.
pub(crate) type Case = (&'static str, String);

pub(crate) const GITHUB: &str = "arn:aws:iam::111122223333:oidc-provider/token.actions.githubusercontent.com";
const GITLAB: &str = "arn:aws:iam::111122223333:oidc-provider/gitlab.com";
const EKS: &str = "arn:aws:iam::111122223333:oidc-provider/oidc.eks.eu-central-1.amazonaws.com/id/EXAMPLE";
const TERRAFORM: &str = "arn:aws:iam::111122223333:oidc-provider/app.terraform.io";
const OURS: &str = "arn:aws:iam::111122223333:oidc-provider/id.acme.com/tokens";
const COGNITO: &str = "cognito-identity.amazonaws.com";
const SAML: &str = "arn:aws:iam::111122223333:saml-provider/idp";
const WEB: &str = "sts:AssumeRoleWithWebIdentity";

fn policy(statements: &Value) -> String {
    json!({ "Version": "2012-10-17", "Statement": statements }).to_string()
}

fn allow(principal: &Value, action: &Value, condition: &Value) -> String {
    policy(&json!([{ "Effect": "Allow", "Principal": principal, "Action": action, "Condition": condition }]))
}

/// A web identity statement; keys of the provider are written without it: `sub` for `HOST:sub`.
fn web(provider: &str, condition: &Value) -> String {
    let host = provider.split_once("oidc-provider/").map_or(provider, |(_, host)| host);
    let mut named = serde_json::Map::new();
    for (operator, keys) in condition.as_object().unwrap() {
        let keys = keys.as_object().unwrap().iter().map(|(key, values)| {
            let key = if key.contains(':') { key.clone() } else { format!("{host}:{key}") };
            (key, values.clone())
        });
        named.insert(operator.clone(), Value::Object(keys.collect()));
    }
    allow(&json!({ "Federated": provider }), &json!(WEB), &Value::Object(named))
}

/// GitHub, with the usual audience.
pub(crate) fn github(operator: &str, subject: &Value) -> String {
    let mut condition = json!({ "StringEquals": { "aud": "sts.amazonaws.com" } });
    condition[operator]["sub"] = subject.clone();
    web(GITHUB, &condition)
}

fn gitlab(operator: &str, subject: &str) -> String {
    let mut condition = json!({ "StringEquals": { "aud": "https://gitlab.com" } });
    condition[operator]["sub"] = json!(subject);
    web(GITLAB, &condition)
}

fn eks(operator: &str, subject: &str) -> String {
    let mut condition = json!({ "StringEquals": { "aud": "sts.amazonaws.com" } });
    condition[operator]["sub"] = json!(subject);
    web(EKS, &condition)
}

fn aws(principal: &str, condition: &Value) -> String {
    allow(&json!({ "AWS": principal }), &json!("sts:AssumeRole"), condition)
}

fn service(name: &str, condition: &Value) -> String {
    allow(&json!({ "Service": name }), &json!("sts:AssumeRole"), condition)
}

/// The whole table.
pub(crate) fn all() -> Vec<Case> {
    [good(), github_mistakes(), operators(), other_providers(), principals(), documents()].concat()
}

fn good() -> Vec<Case> {
    vec![
        (
            "one branch, by ids (GitHub docs, immutable subject claims)",
            github("StringEquals", &json!("repo:octo-org@123456/octo-repo@456789:ref:refs/heads/main")),
        ),
        (
            "one branch, by names (GitHub docs, OIDC in AWS)",
            github("StringEquals", &json!("repo:octo-org/octo-repo:ref:refs/heads/octo-branch")),
        ),
        (
            "an environment and a tag",
            github(
                "StringEquals",
                &json!(["repo:acme@1/app@2:environment:prod", "repo:acme@1/app@2:ref:refs/tags/v1"]),
            ),
        ),
        (
            "an environment with a colon in its name",
            github("StringEquals", &json!("repo:acme@1/app@2:environment:Production%3AV1")),
        ),
        (
            "a reusable workflow by its own key, for one repository",
            web(
                GITHUB,
                &json!({ "StringEquals": { "aud": "sts.amazonaws.com", "sub": "repo:acme@1/app@2:environment:prod", "job_workflow_ref": "acme/ci/.github/workflows/deploy.yml@refs/heads/main" } }),
            ),
        ),
        (
            "an enterprise's own issuer",
            web(
                "arn:aws:iam::111122223333:oidc-provider/token.actions.githubusercontent.com/octocat-inc",
                &json!({ "StringEquals": { "aud": "sts.amazonaws.com", "sub": "repo:octocat-inc@1/private-server@2:ref:refs/heads/main" } }),
            ),
        ),
        (
            "GitLab with the project's id (GitLab docs)",
            web(
                GITLAB,
                &json!({ "StringEquals": { "aud": "https://gitlab.com", "sub": "project_path:mygroup/sub/myproject:ref_type:branch:ref:main", "project_id": "67890" } }),
            ),
        ),
        (
            "a service account of EKS (EKS docs)",
            eks("StringEquals", "system:serviceaccount:default:my-service-account"),
        ),
        (
            "HCP Terraform, one workspace and phase",
            web(
                TERRAFORM,
                &json!({ "StringEquals": { "aud": "aws.workload.identity", "sub": "organization:acme:project:infra:workspace:prod:run_phase:apply" } }),
            ),
        ),
        (
            "this issuer, with session tags",
            allow(
                &json!({ "Federated": OURS }),
                &json!([WEB, "sts:TagSession"]),
                &json!({ "StringEquals": { "id.acme.com/tokens:aud": "sts.amazonaws.com", "id.acme.com/tokens:sub": "svc:444455556666:loader" } }),
            ),
        ),
        (
            "signed-in users of one Cognito pool (Cognito docs)",
            web(
                COGNITO,
                &json!({ "StringEquals": { "aud": "eu-central-1:12345678-dead-beef-cafe-123456790ab" }, "ForAnyValue:StringLike": { "amr": "authenticated" } }),
            ),
        ),
        (
            "SAML with its audience (IAM docs)",
            allow(
                &json!({ "Federated": SAML }),
                &json!("sts:AssumeRoleWithSAML"),
                &json!({ "StringEquals": { "SAML:aud": "https://signin.aws.amazon.com/saml" } }),
            ),
        ),
        (
            "a third party with an external id (IAM docs)",
            aws("arn:aws:iam::444455556666:role/auditor", &json!({ "StringEquals": { "sts:ExternalId": "12345" } })),
        ),
        (
            "a service for one account (IAM docs, confused deputy)",
            service("cloudtrail.amazonaws.com", &json!({ "StringEquals": { "aws:SourceAccount": "111122223333" } })),
        ),
        (
            "a role of EC2 instances",
            policy(
                &json!([{ "Effect": "Allow", "Principal": { "Service": "ec2.amazonaws.com" }, "Action": "sts:AssumeRole" }]),
            ),
        ),
        (
            "an account, narrowed to its deployers",
            aws(
                "arn:aws:iam::444455556666:root",
                &json!({ "ArnLike": { "aws:PrincipalArn": "arn:aws:iam::444455556666:role/deploy-*" } }),
            ),
        ),
    ]
}

fn github_mistakes() -> Vec<Case> {
    vec![
        (
            "no sub (Datadog 2023, Tinder 2023: any repository of GitHub)",
            web(GITHUB, &json!({ "StringEquals": { "aud": "sts.amazonaws.com" } })),
        ),
        ("no aud", web(GITHUB, &json!({ "StringEquals": { "sub": "repo:acme@1/app@2:ref:refs/heads/main" } }))),
        (
            "no condition at all",
            policy(&json!({ "Effect": "Allow", "Principal": { "Federated": GITHUB }, "Action": WEB })),
        ),
        ("every repository of an organisation (repo:org/*)", github("StringLike", &json!("repo:acme/*"))),
        ("the same with a branch", github("StringLike", &json!("repo:acme/*:ref:refs/heads/main"))),
        ("everything (repo:*)", github("StringLike", &json!("repo:*"))),
        ("everything by one star", github("StringLike", &json!("*"))),
        (
            "any owner with one repository name (repo:*/app)",
            github("StringLike", &json!("repo:*/app:ref:refs/heads/main")),
        ),
        ("wildcard before the slash (Rezonate, Datadog: repo:org*)", github("StringLike", &json!("repo:acme*"))),
        (
            "wildcard before the slash, with a repository",
            github("StringLike", &json!("repo:acme*/app:ref:refs/heads/main")),
        ),
        ("wildcard before the colon (repo:org/repo*)", github("StringLike", &json!("repo:acme/app*"))),
        ("one character before the colon", github("StringLike", &json!("repo:acme/app?:ref:refs/heads/main"))),
        (
            "every event of a repository (GitHub docs, repo:o/r:*)",
            github("StringLike", &json!("repo:octo-org/octo-repo:*")),
        ),
        (
            "the same under StringEquals, which is a plain star (configure-aws-credentials issue 454)",
            github("StringEquals", &json!("repo:octo-org/octo-repo:*")),
        ),
        ("any branch", github("StringLike", &json!("repo:acme@1/app@2:ref:refs/heads/*"))),
        ("any branch or tag", github("StringLike", &json!("repo:acme@1/app@2:ref:*"))),
        ("release branches", github("StringLike", &json!("repo:acme@1/app@2:ref:refs/heads/release/*"))),
        ("any environment", github("StringLike", &json!("repo:acme@1/app@2:environment:*"))),
        ("pull requests", github("StringEquals", &json!("repo:acme@1/app@2:pull_request"))),
        ("ids left open", github("StringLike", &json!("repo:acme@*/app@*:ref:refs/heads/main"))),
        ("an owner's id left open, any repository", github("StringLike", &json!("repo:acme@*"))),
        (
            "an owner's id left open, any repository's branch",
            github("StringLike", &json!("repo:acme@*:ref:refs/heads/main")),
        ),
        (
            "ids left open without a context: a branch x/app@y of another repository will do",
            github("StringLike", &json!("repo:acme@*/app@*")),
        ),
        (
            "a letter that only looks like one (Cyrillic)",
            github("StringEquals", &json!("repo:\u{430}cme/app:ref:refs/heads/main")),
        ),
        ("a repository's id left open, any event", github("StringLike", &json!("repo:acme@1/app@*"))),
        ("a branch without refs/heads", github("StringEquals", &json!("repo:acme@1/app@2:ref:main"))),
        ("a repository without context", github("StringEquals", &json!("repo:acme/app"))),
        (
            "a customised subject that names no repository: anybody's can have it",
            github("StringEquals", &json!("environment:production")),
        ),
        (
            "a customised subject with the repository in it (GitHub docs)",
            github("StringEquals", &json!("environment:prod:repo:octo-org@1/octo-repo@2")),
        ),
        (
            "a customised subject with a wildcard in front",
            github("StringLike", &json!("job_workflow_ref:*:repo:octo-org/octo-repo")),
        ),
        (
            "a customised subject, the workflow alone (GitHub docs)",
            github(
                "StringEquals",
                &json!("job_workflow_ref:octo-org/octo-automation/.github/workflows/oidc.yml@refs/heads/main"),
            ),
        ),
        (
            "a customised subject, the owner alone (GitHub docs)",
            github("StringLike", &json!("repository_owner:monalisa:*")),
        ),
        (
            "organisation-wide, but through one workflow",
            web(
                GITHUB,
                &json!({ "StringEquals": { "aud": "sts.amazonaws.com", "job_workflow_ref": "acme/ci/.github/workflows/deploy.yml@refs/heads/main" }, "StringLike": { "sub": "repo:acme/*" } }),
            ),
        ),
        (
            "a workflow alone, callable by strangers if public",
            web(
                GITHUB,
                &json!({ "StringEquals": { "aud": "sts.amazonaws.com", "job_workflow_ref": "acme/ci/.github/workflows/deploy.yml@refs/heads/main" } }),
            ),
        ),
        (
            "a workflow on any ref",
            web(
                GITHUB,
                &json!({ "StringEquals": { "aud": "sts.amazonaws.com", "sub": "repo:acme@1/app@2:environment:prod" }, "StringLike": { "job_workflow_ref": "acme/ci/.github/workflows/deploy.yml@*" } }),
            ),
        ),
        (
            "the repository by its id, no sub",
            web(
                GITHUB,
                &json!({ "StringEquals": { "aud": "sts.amazonaws.com", "repository_id": "456789", "ref": "refs/heads/main" } }),
            ),
        ),
        (
            "any event, but the ref pinned by its own key",
            web(
                GITHUB,
                &json!({ "StringEquals": { "aud": "sts.amazonaws.com", "ref": "refs/heads/main" }, "StringLike": { "sub": "repo:acme@1/app@2:*" } }),
            ),
        ),
        (
            "a claim that STS does not tell",
            web(
                GITHUB,
                &json!({ "StringEquals": { "aud": "sts.amazonaws.com", "sub": "repo:acme@1/app@2:environment:prod", "event_name": "push" } }),
            ),
        ),
        (
            "another audience than for AWS",
            web(
                GITHUB,
                &json!({ "StringEquals": { "aud": "https://github.com/acme", "sub": "repo:acme@1/app@2:environment:prod" } }),
            ),
        ),
        (
            "any audience",
            web(
                GITHUB,
                &json!({ "StringLike": { "aud": "*" }, "StringEquals": { "sub": "repo:acme@1/app@2:environment:prod" } }),
            ),
        ),
        (
            "any audience that is not empty",
            web(
                GITHUB,
                &json!({ "StringLike": { "aud": "?*" }, "StringEquals": { "sub": "repo:acme@1/app@2:environment:prod" } }),
            ),
        ),
        (
            "a pattern of audiences",
            web(
                GITHUB,
                &json!({ "StringLike": { "aud": "*amazonaws.com" }, "StringEquals": { "sub": "repo:acme@1/app@2:environment:prod" } }),
            ),
        ),
    ]
}

fn operators() -> Vec<Case> {
    let subject = "repo:acme@1/app@2:ref:refs/heads/main";
    vec![
        (
            "ForAllValues (once in GitHub's own docs; configure-aws-credentials issue 306)",
            web(GITHUB, &json!({ "ForAllValues:StringEquals": { "aud": "sts.amazonaws.com", "sub": subject } })),
        ),
        (
            "ForAnyValue on a key with one value",
            web(
                GITHUB,
                &json!({ "StringEquals": { "aud": "sts.amazonaws.com" }, "ForAnyValue:StringEquals": { "sub": subject } }),
            ),
        ),
        (
            "IfExists",
            web(
                GITHUB,
                &json!({ "StringEquals": { "aud": "sts.amazonaws.com" }, "StringLikeIfExists": { "sub": "repo:acme@1/app@2:*" } }),
            ),
        ),
        (
            "only what it must not be",
            web(GITHUB, &json!({ "StringNotEquals": { "aud": "x" }, "StringNotLike": { "sub": "repo:evil/*" } })),
        ),
        (
            "what it must be and must not be",
            web(
                GITHUB,
                &json!({ "StringEquals": { "aud": "sts.amazonaws.com" }, "StringLike": { "sub": "repo:acme@1/app@2:ref:refs/heads/release/*" }, "StringNotLike": { "sub": "*/old-*" } }),
            ),
        ),
        (
            "an operator in small letters",
            web(GITHUB, &json!({ "stringequals": { "aud": "sts.amazonaws.com", "sub": subject } })),
        ),
        (
            "an operator that there is not",
            web(
                GITHUB,
                &json!({ "StringEquals": { "aud": "sts.amazonaws.com" }, "StringMatches": { "sub": subject } }),
            ),
        ),
        ("StringLike without a wildcard", github("StringLike", &json!(subject))),
        ("without letter case", github("StringEqualsIgnoreCase", &json!(subject))),
        ("a policy variable", github("StringLike", &json!("repo:acme@1/${aws:RequestTag/repo}:ref:refs/heads/main"))),
        (
            "two operators on one key, one within the other",
            web(
                GITHUB,
                &json!({ "StringEquals": { "aud": "sts.amazonaws.com", "sub": [subject, "repo:other@3/x@4:environment:prod"] }, "StringLike": { "sub": "repo:acme@1/*" } }),
            ),
        ),
        (
            "two operators on one key that exclude each other",
            web(
                GITHUB,
                &json!({ "StringEquals": { "aud": "sts.amazonaws.com", "sub": subject }, "StringLike": { "sub": "repo:other/*" } }),
            ),
        ),
        (
            "the key of another provider",
            web(
                GITHUB,
                &json!({ "StringEquals": { "aud": "sts.amazonaws.com", "gitlab.com:sub": "project_path:acme/app:ref_type:branch:ref:main" } }),
            ),
        ),
        (
            "the key of another provider, under a negation",
            web(
                GITHUB,
                &json!({ "StringEquals": { "aud": "sts.amazonaws.com", "sub": subject }, "StringNotEquals": { "https://token.actions.githubusercontent.com:sub": "repo:evil/x:pull_request" } }),
            ),
        ),
        (
            "two providers, keys of one",
            policy(
                &json!([{ "Effect": "Allow", "Action": WEB, "Principal": { "Federated": [GITHUB, GITLAB] }, "Condition": { "StringEquals": { "token.actions.githubusercontent.com:aud": "sts.amazonaws.com", "token.actions.githubusercontent.com:sub": subject } } }]),
            ),
        ),
        (
            "a key that nobody knows",
            web(GITHUB, &json!({ "StringEquals": { "aud": "sts.amazonaws.com", "sub": subject, "acme:team": "x" } })),
        ),
        (
            "a null and a list of none",
            web(
                GITHUB,
                &json!({ "StringEquals": { "aud": "sts.amazonaws.com", "sub": [] }, "StringLike": { "ref": null } }),
            ),
        ),
    ]
}

fn other_providers() -> Vec<Case> {
    vec![
        ("GitLab, a whole group", gitlab("StringLike", "project_path:mygroup/*:ref_type:branch:ref:main")),
        ("GitLab, wildcard before the slash", gitlab("StringLike", "project_path:mygroup*")),
        ("GitLab, wildcard before the colon", gitlab("StringLike", "project_path:mygroup/app*")),
        ("GitLab, everything", gitlab("StringLike", "project_path:*")),
        ("GitLab, any branch", gitlab("StringLike", "project_path:mygroup/app:ref_type:branch:ref:*")),
        ("GitLab, a branch or a tag of its name", gitlab("StringLike", "project_path:mygroup/app:ref_type:*:ref:main")),
        ("GitLab, a project by its id", gitlab("StringLike", "project_id:42:ref_type:branch:ref:*")),
        ("GitLab, any id", gitlab("StringLike", "project_id:*")),
        ("GitLab, a subject as GitHub has it", gitlab("StringEquals", "repo:acme/app:ref:refs/heads/main")),
        (
            "GitLab of one's own, any job of a project",
            web(
                "arn:aws:iam::111122223333:oidc-provider/git.acme.com",
                &json!({ "StringEquals": { "aud": "https://git.acme.com" }, "StringLike": { "sub": "project_path:infra/app:*" } }),
            ),
        ),
        ("EKS, no sub: any pod of the cluster", web(EKS, &json!({ "StringEquals": { "aud": "sts.amazonaws.com" } }))),
        ("EKS, any namespace", eks("StringLike", "system:serviceaccount:*:*")),
        ("EKS, one account name in any namespace", eks("StringLike", "system:serviceaccount:*:default")),
        ("EKS, wildcard before the colon", eks("StringLike", "system:serviceaccount:prod*:app")),
        ("EKS, a whole namespace", eks("StringLike", "system:serviceaccount:prod:*")),
        (
            "HCP Terraform, any organisation",
            web(
                TERRAFORM,
                &json!({ "StringEquals": { "aud": "aws.workload.identity" }, "StringLike": { "sub": "organization:*:project:*:workspace:prod:run_phase:*" } }),
            ),
        ),
        (
            "HCP Terraform, any phase",
            web(
                TERRAFORM,
                &json!({ "StringEquals": { "aud": "aws.workload.identity" }, "StringLike": { "sub": "organization:acme:project:infra:workspace:prod:run_phase:*" } }),
            ),
        ),
        (
            "this issuer, any role of an account",
            web(
                OURS,
                &json!({ "StringEquals": { "aud": "sts.amazonaws.com" }, "StringLike": { "sub": "svc:444455556666:*" } }),
            ),
        ),
        (
            "this issuer, any subject",
            web(OURS, &json!({ "StringEquals": { "aud": "sts.amazonaws.com" }, "StringLike": { "sub": "*" } })),
        ),
        (
            "Cognito without the pool: any pool of the world",
            web(COGNITO, &json!({ "ForAnyValue:StringLike": { "amr": "authenticated" } })),
        ),
        (
            "Cognito, the pools of a region",
            web(
                COGNITO,
                &json!({ "StringLike": { "aud": "eu-central-1:*" }, "ForAnyValue:StringLike": { "amr": "authenticated" } }),
            ),
        ),
        (
            "Facebook, any app",
            web("graph.facebook.com", &json!({ "StringLike": { "app_id": "*" }, "StringEquals": { "id": "1" } })),
        ),
        (
            "a wildcard in the id of a cluster",
            web(
                "arn:aws:iam::111122223333:oidc-provider/oidc.eks.eu-central-1.amazonaws.com/id/*",
                &json!({ "StringEquals": { "aud": "sts.amazonaws.com", "sub": "system:serviceaccount:prod:app" } }),
            ),
        ),
        (
            "Cognito, guests",
            web(
                COGNITO,
                &json!({ "StringEquals": { "aud": "eu-central-1:12345678-dead-beef-cafe-123456790ab" }, "ForAnyValue:StringLike": { "amr": "unauthenticated" } }),
            ),
        ),
        (
            "Cognito, amr forgotten",
            web(COGNITO, &json!({ "StringEquals": { "aud": "eu-central-1:12345678-dead-beef-cafe-123456790ab" } })),
        ),
        (
            "Google, anybody of an app",
            web("accounts.google.com", &json!({ "StringEquals": { "aud": "66677788899900pro0" } })),
        ),
        (
            "SAML without audience",
            policy(
                &json!([{ "Effect": "Allow", "Principal": { "Federated": SAML }, "Action": "sts:AssumeRoleWithSAML" }]),
            ),
        ),
        (
            "web identity with the wrong action",
            allow(
                &json!({ "Federated": GITHUB }),
                &json!("sts:AssumeRole"),
                &json!({ "StringEquals": { "token.actions.githubusercontent.com:aud": "sts.amazonaws.com", "token.actions.githubusercontent.com:sub": "repo:acme@1/app@2:environment:prod" } }),
            ),
        ),
        (
            "session tags in a statement of their own",
            policy(&json!([{ "Effect": "Allow", "Principal": { "Federated": OURS }, "Action": "sts:TagSession" }])),
        ),
        (
            "SAML and a role in one statement",
            policy(
                &json!([{ "Effect": "Allow", "Principal": { "Federated": SAML, "AWS": "arn:aws:iam::444455556666:role/x" }, "Action": ["sts:AssumeRole", "sts:AssumeRoleWithSAML"], "Condition": { "StringEquals": { "SAML:aud": "https://signin.aws.amazon.com/saml" } } }]),
            ),
        ),
        (
            "web identity with sts:*",
            allow(
                &json!({ "Federated": GITHUB }),
                &json!("sts:*"),
                &json!({ "StringEquals": { "token.actions.githubusercontent.com:aud": "sts.amazonaws.com", "token.actions.githubusercontent.com:sub": "repo:acme@1/app@2:environment:prod" } }),
            ),
        ),
    ]
}

fn principals() -> Vec<Case> {
    vec![
        ("everyone", policy(&json!([{ "Effect": "Allow", "Principal": "*", "Action": "sts:AssumeRole" }]))),
        (
            "a role under conditions on a token",
            aws("arn:aws:iam::444455556666:role/x", &json!({ "StringNotEquals": { "gitlab.com:sub": "x" } })),
        ),
        (
            "everyone with a tag, which everybody can give their own",
            aws("*", &json!({ "StringEquals": { "aws:PrincipalTag/team": "deploy" } })),
        ),
        (
            "everyone with a role of one name, in any account",
            aws("*", &json!({ "ArnLike": { "aws:PrincipalArn": "arn:aws:iam::*:role/deploy" } })),
        ),
        (
            "everyone with roles of one account",
            aws("*", &json!({ "ArnLike": { "aws:PrincipalArn": "arn:aws:iam::444455556666:role/deploy-*" } })),
        ),
        ("everyone of any organisation", aws("*", &json!({ "StringLike": { "aws:PrincipalOrgID": "o-*" } }))),
        (
            "a service for any account",
            service(
                "cloudtrail.amazonaws.com",
                &json!({ "ArnLike": { "aws:SourceArn": "arn:aws:cloudtrail:*:*:trail/*" } }),
            ),
        ),
        (
            "every provider",
            allow(
                &json!({ "Federated": "*" }),
                &json!(WEB),
                &json!({ "StringEquals": { "token.actions.githubusercontent.com:aud": "sts.amazonaws.com" } }),
            ),
        ),
        (
            "a wildcard in a provider",
            allow(&json!({ "Federated": "arn:aws:iam::111122223333:oidc-provider/*" }), &json!(WEB), &json!({})),
        ),
        (
            "everyone, with a token of any provider",
            policy(&json!([{ "Effect": "Allow", "Principal": "*", "Action": WEB }])),
        ),
        (
            "everyone, as AWS principal, with an external id",
            aws("*", &json!({ "StringEquals": { "sts:ExternalId": "guess" } })),
        ),
        ("everyone of an organisation", aws("*", &json!({ "StringEquals": { "aws:PrincipalOrgID": "o-a1b2c3d4e5" } }))),
        (
            "everyone of an organisation, if the key exists",
            aws("*", &json!({ "StringEqualsIfExists": { "aws:PrincipalOrgID": "o-a1b2c3d4e5" } })),
        ),
        (
            "everyone with a tag, which every account can set",
            aws("*", &json!({ "StringEquals": { "aws:PrincipalTag/team": "x" } })),
        ),
        (
            "everyone with a session name, which callers choose",
            aws("*", &json!({ "StringLike": { "aws:userid": "*:alice" } })),
        ),
        (
            "everyone with a role of this name",
            aws("*", &json!({ "ArnLike": { "aws:PrincipalArn": "arn:aws:iam::*:role/deploy" } })),
        ),
        (
            "everyone with a role path that looks like an account (StringLike goes on over colons)",
            aws("*", &json!({ "StringLike": { "aws:PrincipalArn": "arn:*:iam::111122223333:role/deploy" } })),
        ),
        (
            "everyone of accounts with twelve digits",
            aws("*", &json!({ "StringLike": { "aws:PrincipalAccount": "????????????" } })),
        ),
        (
            "everyone of the organisation that they are of",
            aws("*", &json!({ "StringEquals": { "aws:PrincipalOrgID": "${aws:PrincipalOrgID}" } })),
        ),
        (
            "everyone of the role's own organisation",
            aws("*", &json!({ "StringEquals": { "aws:PrincipalOrgID": "${aws:ResourceOrgID}" } })),
        ),
        (
            "one role of one account, and all sessions of another by its id",
            policy(&json!([
                { "Effect": "Allow", "Principal": "*", "Action": "sts:AssumeRole", "Condition": { "ArnLike": { "aws:PrincipalArn": "arn:*:iam::444455556666:role/deploy-*" } } },
                { "Effect": "Allow", "Principal": "*", "Action": "sts:AssumeRole", "Condition": { "StringLike": { "aws:userid": "AROAEXAMPLE1234567890:*" } } },
            ])),
        ),
        (
            "an external id of any text",
            aws("arn:aws:iam::444455556666:root", &json!({ "StringLike": { "sts:ExternalId": "?*" } })),
        ),
        (
            "a service for the topics of any account",
            service("sns.amazonaws.com", &json!({ "ArnLike": { "aws:SourceArn": "arn:aws:sns:*:*:*" } })),
        ),
        (
            "a service for any bucket",
            service("s3.amazonaws.com", &json!({ "ArnLike": { "aws:SourceArn": "arn:aws:s3:::acme-*" } })),
        ),
        (
            "a service for one bucket",
            service("s3.amazonaws.com", &json!({ "ArnLike": { "aws:SourceArn": "arn:aws:s3:::acme-logs/*" } })),
        ),
        (
            "an account's root",
            policy(&json!([{ "Effect": "Allow", "Principal": { "AWS": "111122223333" }, "Action": "sts:AssumeRole" }])),
        ),
        (
            "a role of another account without external id",
            policy(
                &json!([{ "Effect": "Allow", "Principal": { "AWS": "arn:aws:iam::444455556666:role/vendor" }, "Action": "sts:AssumeRole" }]),
            ),
        ),
        (
            "a wildcard in a principal",
            policy(
                &json!([{ "Effect": "Allow", "Principal": { "AWS": "arn:aws:iam::444455556666:role/app-*" }, "Action": "sts:AssumeRole" }]),
            ),
        ),
        (
            "a principal that was deleted",
            policy(
                &json!([{ "Effect": "Allow", "Principal": { "AWS": "AROAEXAMPLE123456789" }, "Action": "sts:AssumeRole" }]),
            ),
        ),
        (
            "a service without source (confused deputy)",
            policy(
                &json!([{ "Effect": "Allow", "Principal": { "Service": "cloudtrail.amazonaws.com" }, "Action": "sts:AssumeRole" }]),
            ),
        ),
        (
            "every service",
            policy(
                &json!([{ "Effect": "Allow", "Principal": { "Service": "*.amazonaws.com" }, "Action": "sts:AssumeRole" }]),
            ),
        ),
        (
            "everyone but one (NotPrincipal)",
            policy(
                &json!([{ "Effect": "Allow", "NotPrincipal": { "AWS": "arn:aws:iam::444455556666:user/eve" }, "Action": "sts:AssumeRole" }]),
            ),
        ),
        (
            "every action but one (NotAction)",
            policy(
                &json!([{ "Effect": "Allow", "Principal": { "AWS": "arn:aws:iam::444455556666:role/x" }, "NotAction": "sts:AssumeRole" }]),
            ),
        ),
        (
            "an action that is none of STS",
            policy(
                &json!([{ "Effect": "Allow", "Principal": { "AWS": "arn:aws:iam::444455556666:role/x" }, "Action": ["sts:AssumeRole", "s3:GetObject"] }]),
            ),
        ),
        (
            "a principal of an unknown kind",
            policy(
                &json!([{ "Effect": "Allow", "Principal": { "CanonicalUser": "79a59df900b949e55d96a1e698fbaced" }, "Action": "sts:AssumeRole" }]),
            ),
        ),
    ]
}

fn documents() -> Vec<Case> {
    let statement = json!({ "Effect": "Allow", "Principal": { "AWS": "arn:aws:iam::444455556666:role/x" }, "Action": "sts:AssumeRole" });
    let role = |account: &str| {
        json!({ "Role": {
            "Path": "/", "RoleName": "deploy", "Arn": format!("arn:aws:iam::{account}:role/deploy"),
            "AssumeRolePolicyDocument": { "Version": "2012-10-17", "Statement": [statement, { "Effect": "Allow", "Principal": { "AWS": "arn:aws:iam::444455556666:root" }, "Action": "sts:AssumeRole" }] },
        }})
        .to_string()
    };
    vec![
        ("a Deny beside an Allow", policy(&json!([statement, { "Effect": "Deny", "Principal": "*", "Action": "sts:AssumeRole", "Condition": { "Bool": { "aws:SecureTransport": "false" } } }, { "Effect": "Deny", "NotPrincipal": { "AWS": "444455556666" }, "Action": "sts:AssumeRole" }]))),
        ("members that stand twice", r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::444455556666:role/x"},"Action":"sts:AssumeRole","Condition":{"StringEquals":{"sts:ExternalId":"a"}},"Condition":{"StringEquals":{"sts:ExternalId":"b"}}}]}"#.to_owned()),
        ("a key twice in different letter case", aws("arn:aws:iam::444455556666:role/x", &json!({ "StringEquals": { "sts:ExternalId": "a", "sts:externalid": "b" } }))),
        ("unknown elements, a resource", json!({ "Version": "2012-10-17", "Statment": [], "Statement": { "Effect": "Allow", "Principal": { "AWS": "arn:aws:iam::444455556666:role/x" }, "Action": "sts:AssumeRole", "Resource": "*", "condition": {} } }).to_string()),
        ("a good role beside the statements of a bad policy", json!({ "Version": "2012-10-17", "Statement": { "Effect": "Allow", "Principal": "*", "Action": "sts:AssumeRole" }, "Role": { "AssumeRolePolicyDocument": { "Version": "2012-10-17", "Statement": [statement] } } }).to_string()),
        ("no version", json!({ "Statement": [statement] }).to_string()),
        ("a version that there is not", json!({ "Version": "2026-01-01", "Statement": [statement] }).to_string()),
        ("no statement", json!({ "Version": "2012-10-17" }).to_string()),
        ("statements without effect, principal or action", policy(&json!([{ "Sid": "Empty" }, 1, { "Effect": "Allow", "Principal": 1, "Action": 2, "Condition": [] }, { "Effect": "Allow", "Principal": { "AWS": 3 }, "Action": "sts:AssumeRole", "Condition": { "StringEquals": 4 } }]))),
        ("get-role, the other account", role("111122223333")),
        ("get-role, its own account", role("444455556666")),
        ("a service-linked role", json!({ "Role": { "Path": "/aws-service-role/x.amazonaws.com/", "RoleName": "AWSServiceRoleForX", "Arn": "arn:aws:iam::111122223333:role/aws-service-role/x.amazonaws.com/AWSServiceRoleForX", "AssumeRolePolicyDocument": { "Version": "2012-10-17", "Statement": [{ "Effect": "Allow", "Principal": { "Service": "x.amazonaws.com" }, "Action": "sts:AssumeRole" }] } } }).to_string()),
    ]
}
