//! The recipes of `docs/aws-credentials.md`, as they stand there; those for jobs and pods run by a stand-in of what runs them.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;
use testkit::github::{self, GitHub};
use testkit::tools::{python, workspace_root};

use crate::world::{ACCOUNT, AUDIENCE, Ran, World, run, write};

/// The blocks of this language below a heading of the document.
fn all_shown(heading: &str, language: &str) -> Vec<String> {
    let blocks = blocks(heading).into_iter();
    blocks.filter(|(marked, _)| marked.split(' ').next() == Some(language)).map(|(_, text)| text).collect()
}

/// The only one.
pub(crate) fn shown(heading: &str, language: &str) -> String {
    let mut blocks = all_shown(heading, language);
    assert_eq!(blocks.len(), 1, "{heading}: {blocks:?}");
    blocks.remove(0)
}

/// What stands behind the fence of each block below a heading, and the block.
fn blocks(heading: &str) -> Vec<(String, String)> {
    let page = fs::read_to_string(workspace_root().join("docs/aws-credentials.md")).expect("it is there");
    let (_, section) = page.split_once(&format!("\n{heading}\n")).unwrap_or_else(|| panic!("there is no {heading}"));
    let ends = if heading.starts_with("### ") { &["\n## ", "\n### "][..] } else { &["\n## "] };
    let section = ends.iter().fold(section, |section, end| section.split(end).next().unwrap_or_default());
    let fenced = section.split("\n```").skip(1).step_by(2);
    fenced.map(|block| block.split_once('\n').map(|(mark, text)| (mark.into(), format!("{text}\n"))).unwrap()).collect()
}

/// The documents of a YAML text.
fn yaml(text: &str) -> Vec<Value> {
    let program = "import json, sys, yaml; json.dump(list(yaml.safe_load_all(sys.stdin)), sys.stdout)";
    let mut child = Command::new(python());
    let mut child =
        child.args(["-c", program]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("Python starts");
    child.stdin.take().expect("it is piped").write_all(text.as_bytes()).expect("it reads");
    serde_json::from_slice(&child.wait_with_output().expect("it ends").stdout).expect("it is YAML")
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("{value} is no text"))
}

/// The members of an object, which are texts.
fn variables(value: &Value) -> BTreeMap<String, String> {
    let members = value.as_object().into_iter().flatten();
    members.map(|(name, value)| (name.clone(), text(value).to_owned())).collect()
}

impl World {
    /// A shell of somebody who has no credentials.
    fn script(&self, options: &[&str], script: &str) -> Command {
        let mut bash = self.consumer("bash");
        bash.args(options).args(["-c", script]).env_remove("AWS_ACCESS_KEY_ID").env_remove("AWS_SECRET_ACCESS_KEY");
        bash
    }

    /// Every call was with credentials that STS gave, for this subject.
    fn assert_all_good(&self, subject: &str, calls: usize) {
        assert_eq!(self.used_by("aws-cli/"), self.given().into_iter().collect());
        assert!(self.given().iter().all(|key| self.sts.session(key).is_some_and(|session| session.subject == subject)));
        assert_eq!(self.sts.consumed().len(), calls);
    }
}

/// A runner of GitHub Actions: what it does with variables, masks and the log.
struct Runner<'a> {
    world: &'a World,
    github: GitHub,
    variables: BTreeMap<String, String>,
    masks: Vec<String>,
    log: String,
}

impl<'a> Runner<'a> {
    fn start(world: &'a World) -> Self {
        let github = GitHub::start();
        world.provider(ACCOUNT, github::ISSUER, AUDIENCE, &github.origin());
        world.trust_of(github::ISSUER, github::SUBJECT);
        let workflow = yaml(&all_shown("### In GitHub Actions", "yaml")[0]).remove(0);
        assert_eq!(workflow["permissions"]["id-token"], "write");
        let variables = variables(&workflow["jobs"]["deploy"]["env"]);
        Self { world, github, variables, masks: Vec::new(), log: String::new() }
    }

    /// The steps of the nth block.
    fn steps(nth: usize) -> Vec<String> {
        let block = yaml(&all_shown("### In GitHub Actions", "yaml")[nth]).remove(0);
        let steps = if nth == 0 { &block["jobs"]["deploy"]["steps"] } else { &block };
        steps.as_array().expect("steps").iter().map(|step| text(&step["run"]).to_owned()).collect()
    }

    /// Runs the steps until one fails, and says how that ended.
    fn run(&mut self, steps: &[String]) -> Option<i32> {
        let (file, temporary) = (self.world.home().join("github_env"), self.world.home().join("temporary"));
        fs::create_dir_all(&temporary).expect("it can be made");
        for step in steps {
            write(&file, "");
            for (name, value) in self.variables.clone() {
                self.log(&format!("  {name}: {value}"));
            }
            let mut bash = self.world.script(&["-e"], step);
            bash.envs(&self.variables).envs(self.github.environment());
            let Ran { code, stdout, stderr } = run(bash.env("GITHUB_ENV", &file).env("RUNNER_TEMP", &temporary));
            stdout.lines().chain(stderr.lines()).for_each(|line| self.log(line));
            if code != Some(0) {
                return code;
            }
            let written = fs::read_to_string(&file).expect("it is there");
            let written = written.lines().map(|line| line.split_once('=').expect("NAME=value"));
            self.variables.extend(written.map(|(name, value)| (name.to_owned(), value.to_owned())));
        }
        Some(0)
    }

    /// A mask holds for what comes after it.
    fn log(&mut self, line: &str) {
        if let Some(secret) = line.strip_prefix("::add-mask::") {
            self.masks.push(secret.to_owned());
        }
        let line = self.masks.iter().fold(line.to_owned(), |line, secret| line.replace(secret, "***"));
        self.log.push_str(&line);
        self.log.push('\n');
    }
}

#[test]
fn a_job_of_github_runs_a_command() {
    let world = World::new();
    let mut runner = Runner::start(&world);
    assert_eq!(runner.run(&Runner::steps(0)), Some(0), "{}", runner.log);
    world.assert_all_good(github::SUBJECT, 1);
    assert!(runner.log.contains("assumed-role/deploy/"), "{}", runner.log);
}

#[test]
fn a_job_of_github_has_credentials_for_its_later_steps() {
    let world = World::new();
    let mut runner = Runner::start(&world);
    let mut steps = Runner::steps(1);
    steps.push("aws sts get-caller-identity".to_owned());
    assert_eq!(runner.run(&steps), Some(0), "{}", runner.log);
    world.assert_all_good(github::SUBJECT, 2);
    assert_eq!(world.asked(), 1, "the steps share them");
}

#[test]
fn a_job_of_github_hides_the_variables_that_are_secret() {
    let world = World::new();
    let mut runner = Runner::start(&world);
    assert_eq!(runner.run(&Runner::steps(2)), Some(0), "{}", runner.log);
    world.assert_all_good(github::SUBJECT, 1);
    let secrets = ["AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"].map(|name| runner.variables[name].clone());
    assert_eq!(runner.masks, secrets);
    assert!(runner.log.contains("  AWS_SESSION_TOKEN: ***\n"), "{}", runner.log);
    assert!(!secrets.iter().any(|secret| runner.log.contains(secret)));

    let world = World::new();
    let mut runner = Runner::start(&world);
    runner.github.fail(&[401]);
    assert_eq!(runner.run(&Runner::steps(2)), Some(1), "{}", runner.log);
    assert!(runner.log.contains("GitHub refused a token") && !runner.variables.contains_key("AWS_SESSION_TOKEN"));
}

#[test]
fn what_a_runner_of_ones_own_keeps_can_lie_where_it_tidies_up() {
    let world = World::new();
    let mut runner = Runner::start(&world);
    let page = fs::read_to_string(workspace_root().join("docs/aws-credentials.md")).expect("it is there");
    let step = page.split('`').find(|span| span.starts_with("echo \"XDG_CACHE_HOME=")).expect("it says how");
    assert_eq!(runner.run(&[&[step.to_owned()][..], &Runner::steps(0)].concat()), Some(0), "{}", runner.log);
    assert!(!world.cache().exists() && world.home().join("temporary/countersign").exists());
}

#[test]
fn a_job_of_gitlab_gets_credentials_for_its_token() {
    let world = World::new();
    let job = yaml(&shown("### In GitLab", "yaml")).remove(0)["deploy"].take();
    assert_eq!(job["id_tokens"]["AWS_ID_TOKEN"]["aud"], "sts.amazonaws.com");
    let lines: Vec<&str> = job["script"].as_array().expect("lines").iter().map(text).collect();
    // As GitLab's runner has it.
    let mut bash = world.script(&["-eo", "pipefail"], &lines.join("\n"));
    let ran =
        run(bash.envs(variables(&job["variables"])).env("AWS_ID_TOKEN", token(&world)).env("TMPDIR", world.home()));
    assert!(ran.code == Some(0) && ran.stdout.contains("assumed-role/deploy/"), "{ran:?}");
    assert!(!ran.stderr.contains("eyJ") && ran.stderr.is_empty(), "{ran:?}");
    world.assert_all_good(crate::world::SUBJECT, 1);
}

/// What another issuer would give: ours is as good.
fn token(world: &World) -> String {
    let ran = run(&mut world.countersign(&["token", "--url", world.issuer.origin()]));
    assert_eq!(ran.code, Some(0), "{ran:?}");
    ran.stdout
}

#[test]
fn a_pod_gets_credentials_for_its_projected_token() {
    let world = World::new();
    let documents = yaml(&shown("### In Kubernetes", "yaml"));
    let [files, pod] = &documents[..] else { panic!("{documents:?}") };
    let (spec, container) = (&pod["spec"], &pod["spec"]["containers"][0]);
    let volume = |name: &Value| {
        spec["volumes"].as_array().expect("volumes").iter().find(|volume| volume["name"] == *name).expect("it is there")
    };
    // The root of the container's file system.
    let root = world.home().join("root");
    let at = |path: &Value| root.join(text(path).strip_prefix('/').expect("an absolute path"));
    for mount in container["volumeMounts"].as_array().expect("mounts") {
        let (volume, folder) = (volume(&mount["name"]), at(&mount["mountPath"]));
        fs::create_dir_all(&folder).expect("it can be made");
        if let Some(token) = volume["projected"]["sources"][0].get("serviceAccountToken") {
            assert_eq!(token["audience"], "sts.amazonaws.com");
            write(&folder.join(text(&token["path"])), &self::token(&world));
        } else if volume.get("configMap").is_some() {
            assert_eq!(volume["configMap"]["name"], files["metadata"]["name"]);
            for (name, text) in &variables(&files["data"]) {
                write(&folder.join(name), text);
            }
        } else {
            assert!(volume.get("emptyDir").is_some(), "{volume}");
        }
    }
    let command: Vec<&str> = container["command"].as_array().expect("words").iter().map(text).collect();
    let mut pod = world.script(&["-e"], &command.join(" "));
    for variable in container["env"].as_array().expect("variables") {
        let (name, value) = (text(&variable["name"]), &variable["value"]);
        let is_path = Path::new(text(value)).is_absolute();
        pod.env(name, if is_path { at(value) } else { text(value).into() });
    }
    let ran = run(pod.env_remove("AWS_REGION"));
    assert!(ran.code == Some(0) && ran.stdout.contains("assumed-role/deploy/"), "{ran:?}");
    world.assert_all_good(crate::world::SUBJECT, 1);
    assert!(root.join("cache/countersign").exists() && !world.cache().exists());
}

#[test]
fn a_recipe_that_is_added_is_run() {
    let languages: Vec<String> = blocks("## Recipes").into_iter().map(|(mark, _)| mark).collect();
    let run = ["sh run-by=crates/cli/tests/credentials/consumers.rs", "python", "hcl"];
    assert_eq!(languages, [&run[..], &["yaml"; 5]].concat(), "a recipe more is a test more");
}
