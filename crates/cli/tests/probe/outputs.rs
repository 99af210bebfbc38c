//! The file, the flags, and what is written.

use std::fs;

use serde_json::{Value, json};
use testkit::serve::Setup;
use testkit::tools::{isolated, python, workspace_root};

use crate::world::{COUNTERSIGN, Ran, World, ran};

fn run(arguments: &[&str], stdin: &str) -> Ran {
    let home = tempfile::tempdir().unwrap();
    let mut command = isolated(COUNTERSIGN, home.path());
    command.arg("probe").args(arguments);
    ran(command, stdin)
}

fn example() -> String {
    workspace_root().join("examples/probes.yaml").to_str().unwrap().to_owned()
}

#[test]
fn the_example_holds_of_serve_as_it_starts() {
    let serve = Setup::new(COUNTERSIGN).start();
    let mut command = isolated(COUNTERSIGN, serve.data_dir());
    command.args(["probe", "--json", "--file", &example(), "--url", serve.origin()]);
    command.env("AWS_SHARED_CREDENTIALS_FILE", serve.data_dir().join("aws-credentials"));
    let found = ran(command, "");
    assert_eq!((found.code, found.json()["as_expected"].as_bool()), (0, Some(true)), "{}", found.stderr);
    assert_eq!(found.json()["probes"].as_array().map(Vec::len), Some(7), "the routes, and six");
    assert!(!found.stderr.contains("warning"), "{}", found.stderr);
}

#[test]
fn each_output_tells_of_every_probe() {
    let world = World::new();
    let mut wrong = World::loader();
    wrong["expect"] = json!({"refused": {"error": "access_denied"}});
    let probes = json!([wrong, World::stranger()]);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("probe.prom");
    let found = world.probe(&probes, &["--emf", "--prometheus", file.to_str().unwrap()]);
    assert_eq!(found.code, 1);
    let lines: Vec<Value> = found.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let told: Vec<(&str, u64)> =
        lines.iter().map(|line| (line["probe"].as_str().unwrap(), line["ProbeSuccess"].as_u64().unwrap())).collect();
    assert_eq!(told, [("routes", 1), ("loader", 0), ("stranger", 1)]);
    assert!(lines.iter().all(|line| line["ProbeLatency"].is_u64() && line["issuer"] == world.front.origin()));
    let text = fs::read_to_string(&file).unwrap();
    assert!(
        text.contains(&format!(
            "countersign_probe_success{{issuer=\"{}\",probe=\"loader\"}} 0\n",
            world.front.origin()
        )),
        "{text}"
    );
    for words in [
        "ok       routes (",
        "FAILED   loader (",
        "a token, and not access_denied",
        "request id ",
        "2 as expected, 1 not as expected, 0 could not tell",
    ] {
        assert!(found.stderr.contains(words), "{words}\n{}", found.stderr);
    }
    // A file that cannot be written is an error; a probe that is not as expected is more.
    let nowhere = folder.path().join("no/probe.prom");
    for (probes, code) in [(json!([World::stranger()]), 2), (probes, 1)] {
        let found = world.probe(&probes, &["--json", "--prometheus", nowhere.to_str().unwrap()]);
        assert_eq!(found.json()["as_expected"], code == 2, "what can be written is");
        assert!(found.code == code && found.stderr.contains("cannot write"), "{}", found.stderr);
    }
}

#[test]
fn a_bad_file_or_flag_is_2_and_asks_nobody() {
    let world = World::new();
    let probes = json!([World::loader()]);
    for arguments in [
        &["--json", "--emf"][..],
        &["--timeout", "0s"],
        &["--timeout", "soon"],
        &["--wait", "1"],
        &["--url", "http://id.acme.com"],
        &["--token-url", "https://id.acme.com/"],
        &["--only", "loader", "--only", "nobody"],
        &["--check", "--wait", "1s"],
        // It would be replaced.
        &["--prometheus", "/dev/stdout"],
        &["--prometheus", "metrics.txt"],
    ] {
        let found = world.probe(&probes, arguments);
        assert_eq!((found.code, found.stdout.as_str()), (2, ""), "{arguments:?}: {}", found.stderr);
    }
    assert!(world.front.came().is_empty());
    for (text, words) in [
        ("version: 1\nprobe: []\n", "line 2: probe: unknown field `probe`"),
        ("version: 1\nprobes:\n  - name: a\n    name: b\n", "line 4: probes[0].name: this key appears twice"),
        (
            "version: 1\nprobes: [{ name: a, credentials: { unsigned: true }, expect: { refused: { error: gateway } } }]\n",
            "no issuer URL",
        ),
    ] {
        let found = run(&["--file", "-"], text);
        assert!(found.code == 2 && found.stderr.contains(words), "{words}\n{}", found.stderr);
    }
    assert_eq!(run(&["--file", "/nowhere.yaml"], "").code, 2);
    assert_eq!(run(&[], "").code, 2);
}

#[test]
fn a_file_is_checked_without_asking_anybody() {
    let found = run(&["--check", "--file", &example()], "");
    assert!(found.code == 0 && found.stderr.contains("ok: 6 probes"), "{}", found.stderr);
    let found = run(&["--check", "--file", "-"], "version: 1\nprobes: []\n");
    assert!(found.code == 1 && found.stderr.contains("line 2: probes: is empty"), "{}", found.stderr);
    let one =
        "version: 1\nprobes: [{ name: a, credentials: { unsigned: true }, expect: { refused: { error: gateway } } }]\n";
    let found = run(&["--check", "--file", "-"], one);
    assert!(found.code == 0 && found.stderr.contains("warning: no probe expects a token"), "{}", found.stderr);
    assert_eq!(run(&["--check", "--file", "/nowhere.yaml"], "").code, 2);
}

#[test]
fn the_file_of_the_documentation_loads() {
    let text = fs::read_to_string(workspace_root().join("docs/probes.md")).unwrap();
    let files: Vec<&str> = text.split("```yaml\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
    assert_eq!(files.len(), 1);
    let found = run(&["--check", "--file", "-"], files[0]);
    assert!(found.code == 0 && found.stderr.contains("ok: 4 probes"), "{}", found.stderr);
}

#[test]
fn the_schema_says_what_the_reader_says() {
    let schema = run(&["--schema"], "");
    assert_eq!((schema.code, schema.stderr.as_str()), (0, ""));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("schema.json");
    fs::write(&path, &schema.stdout).unwrap();
    let probe = |credentials: Value, expect: Value| json!({"version": 1, "probes": [{"name": "a", "credentials": credentials, "expect": expect}]});
    let (gateway, chain) = (json!({"refused": {"error": "gateway"}}), json!({"default": true}));
    let token = json!({"token": {"claims": {"sub": "a", "aud": "b"}}});
    let documents = json!([
        probe(chain.clone(), gateway.clone()),
        probe(json!({"profile": "x"}), token.clone()),
        probe(json!({}), gateway.clone()),
        probe(json!({"default": false}), gateway.clone()),
        probe(json!({"default": true, "profile": "x"}), gateway.clone()),
        probe(chain.clone(), json!({})),
        probe(chain.clone(), json!({"refused": {"error": "no"}})),
        probe(chain.clone(), json!({"token": {"claims": {"sub": "a"}}})),
        probe(chain, json!({"token": {"claims": {"sub": "a", "aud": "b"}, "more": 1}})),
        {"version": 1, "probes": []},
        {"version": 2, "probes": [{"name": "a", "credentials": {"unsigned": true}, "expect": gateway}]},
    ]);
    let script = "import sys, json, yaml, jsonschema\nvalidator = jsonschema.Draft202012Validator(json.load(open(sys.argv[1])))\nvalidator.check_schema(validator.schema)\nprint(json.dumps([validator.is_valid(each) for each in [yaml.safe_load(open(sys.argv[2]))] + json.load(sys.stdin)]))";
    let mut command = isolated(python(), folder.path());
    command.args(["-c", script]).arg(&path).arg(example());
    let fits: Vec<bool> = serde_json::from_str(&ran(command, &documents.to_string()).stdout).unwrap();
    let reads = |document: &Value| run(&["--check", "--file", "-"], &document.to_string()).code == 0;
    let read: Vec<bool> = std::iter::once(true).chain(documents.as_array().unwrap().iter().map(reads)).collect();
    assert_eq!(fits, read);
    assert_eq!(fits, [true, true, true, false, false, false, false, false, false, false, false, false]);
}
