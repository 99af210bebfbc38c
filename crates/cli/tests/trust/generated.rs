//! What is written, judged by others: the evaluator of the testkit lets in who is meant and keeps out their neighbours,
//! and moto takes the document.

use countersign::trust::Severity;
use countersign::trust::generate::{Countersign, Fault, GitHub, GitLab, Kubernetes, Place};
use testkit::iam::{Caller, Context, Document, Request, Verdict};

use crate::report;

const OFFICIAL: &str = "https://token.actions.githubusercontent.com";

fn place() -> Place {
    Place::new("aws", "111122223333").unwrap()
}

fn strings(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

fn github(repositories: &[&str]) -> GitHub {
    GitHub {
        repositories: strings(repositories),
        issuer: OFFICIAL.to_owned(),
        audience: "sts.amazonaws.com".to_owned(),
        ..GitHub::default()
    }
}

fn gitlab(project: &str) -> GitLab {
    GitLab { project: project.to_owned(), host: "gitlab.com".to_owned(), ..GitLab::default() }
}

fn text(document: Result<countersign::trust::generate::Document, Fault>) -> String {
    serde_json::to_string(&document.unwrap_or_else(|fault| panic!("{fault}"))).unwrap()
}

/// A token: its issuer without https://, and its claims.
#[derive(Clone)]
struct Token(&'static str, Vec<(&'static str, &'static str)>);

impl Token {
    fn with(&self, claim: &'static str, value: &'static str) -> Self {
        let mut claims: Vec<_> = self.1.iter().filter(|(name, _)| *name != claim).copied().collect();
        claims.push((claim, value));
        Self(self.0, claims)
    }
}

fn lets_in(policy: &str, token: &Token, action: &str) -> bool {
    let Token(host, claims) = token;
    let context = claims
        .iter()
        .fold(Context::default(), |context, (claim, value)| context.with(&format!("{host}:{claim}"), *value));
    let request = Request {
        caller: Caller::Federated(format!("arn:aws:iam::111122223333:oidc-provider/{host}")),
        action: action.to_owned(),
        resource: None,
        context,
    };
    matches!(Document::parse(policy).unwrap().of_resource(&request).unwrap(), Verdict::Allowed(_))
}

const WEB: &str = "sts:AssumeRoleWithWebIdentity";

/// Those who are meant get in, with nothing but the listed claims changed others do not; and `lint` has no more to say
/// than what was asked for.
fn holds(policy: &str, meant: &[Token], others: &[Token], asked_for: &[&str]) {
    for token in meant {
        assert!(lets_in(policy, token, WEB), "{policy}\nkeeps out {:?}", token.1);
    }
    for token in others {
        assert!(!lets_in(policy, token, WEB), "{policy}\nlets in {:?}", token.1);
    }
    let report = report(policy);
    let mut found: Vec<&str> = report
        .findings
        .iter()
        .filter(|finding| finding.severity != Severity::Note)
        .map(|finding| finding.code.as_str())
        .collect();
    found.sort_unstable();
    assert_eq!(found, asked_for, "{policy}");
    for token in meant {
        let claim = |wanted| token.1.iter().find(|(name, _)| *name == wanted).unwrap().1;
        let provider = format!("arn:aws:iam::111122223333:oidc-provider/{}", token.0);
        assert!(report.admitted.iter().any(|admission| admission.admits(&provider, claim("aud"), claim("sub"))));
    }
}

const HOST: &str = "token.actions.githubusercontent.com";

fn job(subject: &'static str) -> Token {
    Token(
        HOST,
        vec![
            ("aud", "sts.amazonaws.com"),
            ("sub", subject),
            ("job_workflow_ref", "acme/ci/.github/workflows/deploy.yml@refs/heads/main"),
        ],
    )
}

#[test]
fn github_branches_tags_environments_and_pull_requests() {
    let policy = text(GitHub { branches: strings(&["main"]), ..github(&["acme/app"]) }.document(&place()));
    let main = job("repo:acme/app:ref:refs/heads/main");
    let neighbours = [
        "repo:acme/app:ref:refs/heads/main2",
        "repo:acme/app:ref:refs/heads/Main",
        "repo:acme/app:ref:refs/tags/main",
        "repo:acme/app:pull_request",
        "repo:acme/app:environment:main",
        "repo:acme/app2:ref:refs/heads/main",
        "repo:acme-evil/app:ref:refs/heads/main",
        "repo:mallory/app:ref:refs/heads/main",
        "repo:acme@1/app@2:ref:refs/heads/main",
        "job_workflow_ref:acme/app:ref:refs/heads/main",
        "",
    ];
    let mut others: Vec<Token> = neighbours.map(job).to_vec();
    others.push(main.with("aud", "https://github.com/acme"));
    others.push(Token("token.actions.acme.ghe.com", main.1.clone()));
    holds(&policy, &[main], &others, &[]);

    let several = GitHub {
        branches: strings(&["main"]),
        tags: strings(&["v1"]),
        environments: strings(&["prod:eu"]),
        ..github(&["acme@1/app@2", "acme@1/lib@3"])
    };
    holds(
        &text(several.document(&place())),
        &[
            job("repo:acme@1/app@2:ref:refs/heads/main"),
            job("repo:acme@1/lib@3:ref:refs/tags/v1"),
            job("repo:acme@1/app@2:environment:prod%3Aeu"),
        ],
        &[
            job("repo:acme/app:ref:refs/heads/main"),
            job("repo:acme@9/app@2:ref:refs/heads/main"),
            job("repo:acme@1/app@3:ref:refs/heads/main"),
            job("repo:acme@1/app@2:environment:prod:eu"),
        ],
        &[],
    );

    let wide = GitHub { branches: strings(&["release/*"]), pull_requests: true, ..github(&["acme@1/app@2"]) };
    holds(
        &text(wide.document(&place())),
        &[job("repo:acme@1/app@2:ref:refs/heads/release/1"), job("repo:acme@1/app@2:pull_request")],
        &[job("repo:acme@1/app@2:ref:refs/heads/release"), job("repo:acme@1/app2@2:ref:refs/heads/release/1")],
        &["pull-request", "ref-wildcard"],
    );
}

#[test]
fn github_through_one_workflow_and_elsewhere_than_github_com() {
    let through = GitHub {
        environments: strings(&["prod"]),
        reusable_workflows: strings(&["acme/ci/.github/workflows/deploy.yml@refs/heads/main"]),
        ..github(&["acme@1/app@2"])
    };
    let right = job("repo:acme@1/app@2:environment:prod");
    let wrong = [
        "acme/ci/.github/workflows/deploy.yml@refs/heads/dev",
        "acme/ci/.github/workflows/other.yml@refs/heads/main",
        "mallory/ci/.github/workflows/deploy.yml@refs/heads/main",
    ];
    let others = wrong.map(|workflow| right.with("job_workflow_ref", workflow));
    holds(&text(through.document(&place())), &[right], &others, &[]);

    let any_tag = GitHub {
        reusable_workflows: strings(&["acme/ci/.github/workflows/deploy.yml@refs/tags/v1.*"]),
        ..through.clone()
    };
    let tagged = job("repo:acme@1/app@2:environment:prod")
        .with("job_workflow_ref", "acme/ci/.github/workflows/deploy.yml@refs/tags/v1.2");
    holds(&text(any_tag.document(&place())), &[tagged], &others, &["workflow-wildcard"]);

    for (issuer, host) in [
        ("https://token.actions.githubusercontent.com/acme-inc", "token.actions.githubusercontent.com/acme-inc"),
        ("https://token.actions.acme.ghe.com", "token.actions.acme.ghe.com"),
    ] {
        let policy = text(GitHub { issuer: issuer.to_owned(), ..through.clone() }.document(&place()));
        let token = Token(host, job("repo:acme@1/app@2:environment:prod").1);
        holds(&policy, &[token], &[job("repo:acme@1/app@2:environment:prod")], &[]);
    }
    let server = GitHub {
        issuer: "https://github.acme.com/_services/token".to_owned(),
        branches: strings(&["main"]),
        ..github(&["acme/app"])
    };
    let token = Token(
        "github.acme.com/_services/token",
        vec![("aud", "sts.amazonaws.com"), ("sub", "repo:acme/app:ref:refs/heads/main")],
    );
    holds(&text(server.document(&place())), &[token], &[], &[]);
}

#[test]
fn gitlab_projects() {
    let main = Token(
        "gitlab.com",
        vec![
            ("aud", "https://gitlab.com"),
            ("sub", "project_path:acme/sub/app:ref_type:branch:ref:main"),
            ("project_id", "42"),
            ("ref_protected", "true"),
        ],
    );
    let policy = GitLab {
        branches: strings(&["main"]),
        project_id: Some("42".into()),
        protected: true,
        ..gitlab("acme/sub/app")
    };
    let others = [
        main.with("sub", "project_path:acme/sub/app2:ref_type:branch:ref:main"),
        main.with("sub", "project_path:acme/sub/app:ref_type:tag:ref:main"),
        main.with("sub", "project_path:acme/app:ref_type:branch:ref:main"),
        main.with("project_id", "43"),
        main.with("ref_protected", "false"),
        main.with("aud", "https://vault.acme.com"),
    ];
    holds(&text(policy.document(&place())), &[main], &others, &[]);

    let own = GitLab {
        host: "git.acme.com".into(),
        tags: strings(&["v*"]),
        audience: Some("aws".into()),
        ..gitlab("acme/app")
    };
    let tag = Token("git.acme.com", vec![("aud", "aws"), ("sub", "project_path:acme/app:ref_type:tag:ref:v1")]);
    holds(
        &text(own.document(&place())),
        std::slice::from_ref(&tag),
        &[tag.with("sub", "project_path:acme/app:ref_type:branch:ref:v1")],
        &["ref-wildcard"],
    );

    let environment = GitLab { environments: strings(&["prod"]), ..gitlab("acme/app") };
    let job =
        Token("gitlab.com", vec![("aud", "https://gitlab.com"), ("sub", "project_path:acme/app:environment:prod")]);
    holds(
        &text(environment.document(&place())),
        std::slice::from_ref(&job),
        &[job.with("sub", "project_path:acme/app:environment:prod2")],
        &[],
    );
}

#[test]
fn kubernetes_and_this_issuer() {
    const CLUSTER: &str = "oidc.eks.eu-central-1.amazonaws.com/id/EXAMPLE";
    let pods = Kubernetes {
        issuer: format!("https://{CLUSTER}"),
        namespace: "prod".into(),
        service_accounts: strings(&["app", "app.worker"]),
        audience: "sts.amazonaws.com".into(),
    };
    let pod = Token(CLUSTER, vec![("aud", "sts.amazonaws.com"), ("sub", "system:serviceaccount:prod:app")]);
    let others = [
        pod.with("sub", "system:serviceaccount:prod:app2"),
        pod.with("sub", "system:serviceaccount:prod2:app"),
        pod.with("sub", "system:serviceaccount:default:app"),
        Token("oidc.eks.eu-central-1.amazonaws.com/id/OTHER", pod.1.clone()),
    ];
    holds(
        &text(pods.document(&place())),
        &[pod.clone(), pod.with("sub", "system:serviceaccount:prod:app.worker")],
        &others,
        &[],
    );

    let ours = Countersign {
        issuer: "https://id.acme.com/tokens".into(),
        subjects: strings(&["svc:444455556666:loader"]),
        audience: "sts.amazonaws.com".into(),
        session_tags: true,
        source_identity: false,
    };
    let policy = text(ours.document(&place()));
    let token = Token("id.acme.com/tokens", vec![("aud", "sts.amazonaws.com"), ("sub", "svc:444455556666:loader")]);
    let others = [
        token.with("sub", "svc:444455556666:loader2"),
        token.with("sub", "svc:999999999999:loader"),
        Token("id.acme.com", token.1.clone()),
    ];
    holds(&policy, std::slice::from_ref(&token), &others, &[]);
    assert!(lets_in(&policy, &token, "sts:TagSession") && !lets_in(&policy, &token, "sts:SetSourceIdentity"));

    let wide =
        Countersign { subjects: strings(&["svc:444455556666:*"]), session_tags: false, source_identity: true, ..ours };
    let policy = text(wide.document(&place()));
    holds(&policy, std::slice::from_ref(&token), &others[1..], &["subject-wildcard"]);
    assert!(!lets_in(&policy, &token, "sts:TagSession") && lets_in(&policy, &token, "sts:SetSourceIdentity"));
}

/// moto's validator is a copy of what IAM says to `CreateRole`.
#[test]
fn moto_takes_what_is_written() {
    let policies = [
        text(
            GitHub { branches: strings(&["main", "release/*"]), pull_requests: true, ..github(&["acme@1/app@2"]) }
                .document(&place()),
        ),
        text(
            GitLab { tags: strings(&["v1"]), project_id: Some("1".into()), ..gitlab("a/b") }
                .document(&Place::new("aws-us-gov", "111122223333").unwrap()),
        ),
        text(
            Countersign {
                issuer: "https://id.acme.com".into(),
                subjects: strings(&["a", "b"]),
                audience: "x".into(),
                session_tags: true,
                source_identity: true,
            }
            .document(&place()),
        ),
    ];
    let script = "import sys, json\nfrom moto.iam.policy_validation import IAMTrustPolicyDocumentValidator as V\nfor policy in json.loads(sys.argv[1]): V(policy).validate()\nbad = json.loads(json.loads(sys.argv[1])[0]); bad['Statement'][0]['Action'] = 's3:GetObject'\ntry: V(json.dumps(bad)).validate()\nexcept Exception: sys.exit(0)\nsys.exit('it takes anything')";
    let list = serde_json::to_string(&policies).unwrap();
    let output = std::process::Command::new(testkit::tools::python()).args(["-c", script, &list]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// Every refusal, with the flag that it is about.
#[test]
fn what_could_mean_more_than_it_says_is_refused() {
    let on_main =
        |repository: &str| GitHub { branches: strings(&["main"]), ..github(&[repository]) }.document(&place());
    for repository in [
        "acme",
        "acme/",
        "/app",
        "acme/app/x",
        "*/app",
        "acme/*",
        "acme/app*",
        "a?/b",
        "-a/b",
        "acme/..",
        "acme/a b",
        "acme@1/app",
        "acme/app@2",
        "acme@x/app@2",
        "acme@0/app@2",
        "acme@*/app@*",
        "${x}/app",
        "",
    ] {
        assert!(on_main(repository).unwrap_err().to_string().starts_with("--repository"), "{repository}");
    }
    assert!(github(&["acme/app"]).document(&place()).unwrap_err().to_string().contains("say which of its jobs"));
    for branch in [
        "",
        "refs/heads/main",
        "a b",
        "a:b",
        "a?",
        "a..b",
        "/a",
        "a/",
        "a//b",
        ".a",
        "a.lock",
        "a@{b",
        "[a]",
        "${x}",
        "a\\b",
        "@",
        "a\u{7}",
    ] {
        let by_branch = GitHub { branches: strings(&[branch]), ..github(&["acme/app"]) }.document(&place());
        assert!(by_branch.unwrap_err().to_string().starts_with("--branch"), "{branch}");
        let by_tag = GitLab { tags: strings(&[branch]), ..gitlab("acme/app") }.document(&place());
        assert!(by_tag.unwrap_err().to_string().starts_with("--tag"), "{branch}");
    }
    for environment in ["", "a?", "${x}", "a\n"] {
        let github = GitHub { environments: strings(&[environment]), ..github(&["acme/app"]) };
        assert!(github.document(&place()).unwrap_err().to_string().starts_with("--environment"), "{environment:?}");
    }
    for workflow in [
        "acme/ci",
        "acme/ci/.github/workflows/a.yml",
        "acme/ci/.github/workflows/a.yml@main",
        "acme/ci/.github/workflows/a.yml@refs/heads/a b",
        "acme/ci/.github/workflows/a.txt@refs/heads/main",
        "acme/ci/.github/workflows/*.yml@refs/heads/main",
        "acme/*/.github/workflows/a.yml@refs/heads/main",
        "acme@1/ci@2/.github/workflows/a.yml@refs/heads/main",
        "acme/ci/workflows/a.yml@refs/heads/main",
    ] {
        let through =
            GitHub { branches: strings(&["main"]), reusable_workflows: strings(&[workflow]), ..github(&["acme/app"]) };
        assert!(through.document(&place()).unwrap_err().to_string().starts_with("--reusable-workflow"), "{workflow}");
    }
    let elsewhere = GitHub {
        branches: strings(&["main"]),
        reusable_workflows: strings(&["acme/ci/.github/workflows/a.yml@refs/heads/main"]),
        issuer: "https://github.acme.com/_services/token".into(),
        ..github(&["acme/app"])
    };
    assert!(elsewhere.document(&place()).unwrap_err().to_string().contains("STS tells job_workflow_ref"));
    for issuer in [
        "https://TOKEN.actions.githubusercontent.com",
        "https://token.actions.githubusercontent.com/*",
        "https://token.actions.githubusercontent.com/acme/app",
        "https://token.actions.acme.ghe.com/acme",
        "https://gitlab.com",
        "https://10.0.0.1/_services/token",
        "http://token.actions.githubusercontent.com",
        "https://a.b:8443",
        "https://a.b/",
        "https://a.b?x",
        "a.b",
        "https://[::1]",
    ] {
        let github = GitHub { branches: strings(&["main"]), issuer: issuer.into(), ..github(&["acme/app"]) };
        assert!(github.document(&place()).unwrap_err().to_string().starts_with("--issuer"), "{issuer}");
    }
    for audience in ["", "*", "a b", "a?", "${x}", "ä"] {
        let github = GitHub { branches: strings(&["main"]), audience: audience.into(), ..github(&["acme/app"]) };
        assert!(github.document(&place()).unwrap_err().to_string().starts_with("--audience"), "{audience}");
    }
    for (partition, account, flag) in
        [("aws", "1", "--account"), ("aws", "11112222333x", "--account"), ("moon", "111122223333", "--partition")]
    {
        assert!(Place::new(partition, account).unwrap_err().to_string().starts_with(flag));
    }
    for project in ["", "app", "acme/*", "acme//app", "acme/-a", "acme/a b", "/acme/app"] {
        let gitlab = GitLab { branches: strings(&["main"]), ..gitlab(project) };
        assert!(gitlab.document(&place()).unwrap_err().to_string().starts_with("--project"), "{project}");
    }
    let gitlab_faults = [
        (gitlab("a/b"), "say which of its jobs"),
        (GitLab { branches: strings(&["main"]), environments: strings(&["prod"]), ..gitlab("a/b") }, "do not go with"),
        (GitLab { environments: strings(&["a:b"]), ..gitlab("a/b") }, "no colon"),
        (GitLab { branches: strings(&["main"]), project_id: Some("x".into()), ..gitlab("a/b") }, "an id is a number"),
        (
            GitLab {
                branches: strings(&["main"]),
                project_id: Some("1".into()),
                host: "git.acme.com".into(),
                ..gitlab("a/b")
            },
            "gitlab.com only",
        ),
        (
            GitLab { branches: strings(&["main"]), protected: true, host: "git.acme.com".into(), ..gitlab("a/b") },
            "gitlab.com only",
        ),
        (GitLab { branches: strings(&["main"]), host: "https://gitlab.com".into(), ..gitlab("a/b") }, "host alone"),
    ];
    for (gitlab, words) in gitlab_faults {
        let error = gitlab.document(&place()).unwrap_err().to_string();
        assert!(error.contains(words), "{error}");
    }
    for (namespace, account, flag) in [
        ("*", "a", "--namespace"),
        ("a.b", "a", "--namespace"),
        ("a", "*", "--service-account"),
        ("a", "A", "--service-account"),
        ("a", "a:b", "--service-account"),
    ] {
        let pods = Kubernetes {
            issuer: "https://a.b".into(),
            namespace: namespace.into(),
            service_accounts: strings(&[account]),
            audience: "x".into(),
        };
        assert!(pods.document(&place()).unwrap_err().to_string().starts_with(flag), "{namespace} {account}");
    }
    for subject in ["", "*", "svc*", "svc:*:x", "a b", "a?", "${x}", "s\u{e9}", ":*x"] {
        let ours = Countersign {
            issuer: "https://id.acme.com".into(),
            subjects: strings(&[subject]),
            audience: "x".into(),
            ..Countersign::default()
        };
        assert!(ours.document(&place()).unwrap_err().to_string().starts_with("--subject"), "{subject}");
    }
}
