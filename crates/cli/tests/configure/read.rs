//! What botocore and the SDK for Rust read of a file before and after: of any, other profiles are what they were, and the new one
//! is what was meant.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use aws_config::profile::{ProfileSet, load};
use countersign::configure::aws_config::{AwsConfig, Kind};
use proptest::prelude::*;
use serde_json::Value;
use testkit::tools::python;

/// What the new profile is to say.
const NEW: [(&str, &str); 2] = [("region", "eu-central-1"), ("credential_process", "/c credentials --profile x")];
/// The names of settings that texts are made of.
const NAMES: [&str; 7] = ["region", "credential_process", "output", "s3", "a", "b", "sso_session"];

/// botocore, in a process that answers line by line: `null` for a file that it cannot read.
struct Botocore(Child, ChildStdin, BufReader<ChildStdout>);

const READER: &str = r#"
import json, sys, tempfile
from botocore.configloader import load_config
from botocore.exceptions import ConfigParseError
for line in sys.stdin:
    with tempfile.NamedTemporaryFile("wb") as file:
        file.write(json.loads(line).encode())
        file.flush()
        try:
            print(json.dumps(load_config(file.name)), flush=True)
        except ConfigParseError:
            print("null", flush=True)
"#;

impl Botocore {
    fn start() -> Self {
        let mut python = Command::new(python());
        python.args(["-X", "utf8", "-c", READER]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = python.spawn().unwrap();
        let (stdin, stdout) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        Self(child, stdin, BufReader::new(stdout))
    }

    fn read(&mut self, text: &str) -> Value {
        writeln!(self.1, "{}", Value::from(text)).unwrap();
        let mut line = String::new();
        self.2.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap()
    }
}

impl Drop for Botocore {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Every profile with its settings, as the SDK for Rust reads them.
#[allow(deprecated, clippy::default_trait_access, reason = "their new home is a package that is not ours to depend on")]
fn sdk(text: &str) -> Option<BTreeMap<String, BTreeMap<&'static str, String>>> {
    use aws_config::profile::profile_file::{ProfileFileKind, ProfileFiles};
    let files = ProfileFiles::builder().with_contents(ProfileFileKind::Config, text).build();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let set: ProfileSet = runtime.block_on(load(&Default::default(), &Default::default(), &files, None)).ok()?;
    let settings = |name: &str| {
        let profile = set.get_profile(name).unwrap();
        NAMES.into_iter().filter_map(|key| Some((key, profile.get(key)?.to_owned()))).collect()
    };
    Some(set.profiles().map(|name| (name.to_owned(), settings(name))).collect())
}

/// Both read it; and after the change, all but the profile `x` is what it was, line by line and to both.
fn judge(botocore: &mut Botocore, text: &str) -> Result<bool, TestCaseError> {
    let read = (AwsConfig::parse(text), botocore.read(text), sdk(text));
    let (Ok(config), mut before, sdk_before) = read else { return Ok(false) };
    prop_assert!(!before.is_null() && sdk_before.is_some(), "one of AWS's tools does not read {text:?}");
    let Ok(there) = config.profile("x", Kind::Config) else { return Ok(false) };
    let (is_new, mut sdk_before) = (there.is_none(), sdk_before.unwrap_or_default());
    let changed = config.with("x", &NEW).unwrap();
    prop_assert_eq!(
        AwsConfig::parse(&changed).unwrap().with("x", &NEW).unwrap(),
        changed.clone(),
        "not the same twice"
    );

    let (mut after, mut sdk_after) = (botocore.read(&changed), sdk(&changed).unwrap_or_default());
    for (name, value) in NEW {
        prop_assert_eq!(&after["profiles"]["x"][name], value, "botocore of {:?}", changed);
        prop_assert_eq!(sdk_after["x"].get(name).map(String::as_str), Some(value), "the SDK of {:?}", changed);
    }
    let mut rest = [&mut before, &mut after].map(|all| all["profiles"]["x"].take());
    let mut sdk_rest = [&mut sdk_before, &mut sdk_after].map(|all| all.remove("x").unwrap_or_default());
    for name in NEW.map(|(name, _)| name) {
        rest.iter_mut().filter_map(Value::as_object_mut).for_each(|all| drop(all.remove(name)));
        for all in &mut sdk_rest {
            all.remove(name);
        }
    }
    // What `[DEFAULT]` gives to all is there in a new one too.
    prop_assert!(is_new || rest[0] == rest[1], "{text:?}: {rest:?}");
    prop_assert_eq!(&sdk_rest[0], &sdk_rest[1], "{}", text);
    before["profiles"].as_object_mut().unwrap().remove("x");
    after["profiles"].as_object_mut().unwrap().remove("x");
    prop_assert_eq!(before, after, "{}", text);
    prop_assert_eq!(sdk_before, sdk_after, "{}", text);

    let (outside, outside_after) = (without_profile(text), without_profile(&changed));
    let end =
        outside_after.strip_prefix(&outside).unwrap_or_else(|| panic!("{outside:?} is not all there: {changed:?}"));
    prop_assert!(end.trim().is_empty() && (is_new || end.len() < 3), "{changed:?}");
    Ok(true)
}

/// All lines but those of `[profile x]`, with their ends.
fn without_profile(text: &str) -> String {
    let mut inside = false;
    let lines = text.split_inclusive('\n').filter(|line| {
        inside = if line.starts_with('[') { line.starts_with("[profile x]") } else { inside };
        !inside
    });
    lines.collect()
}

/// Lines of every kind, in any order, most of which go together.
fn line() -> impl Strategy<Value = String> {
    let name = proptest::sample::select(&NAMES[..]);
    let value = proptest::sample::select(vec![
        "", "v", "v # c", "v#c", "a = b", "\"q q\"", "# c", "é", "v ; [x]", "a:b", "%(a)s",
    ]);
    let equals = proptest::sample::select(vec!["=", " = ", "= ", "  =\t", ":", ":=", " : = "]);
    let setting = (name, equals, value).prop_map(|(name, equals, value)| format!("{name}{equals}{value}"));
    let title = proptest::sample::select(vec![
        "[default]",
        "[profile x]",
        "[profile y]",
        "[profile z] # c",
        "[profile x] ; c",
        "[sso-session x]",
        "[services s]",
        "[x]",
        "[profile \"y y\"]",
        "[DEFAULT]",
        "[profile  w]",
        "[profile \"x\"]",
        "[profile x] # [1]",
        "[plugins]",
        "[a",
    ]);
    prop_oneof![
        6 => setting.clone(),
        2 => setting.clone().prop_map(|setting| setting.to_uppercase()),
        2 => setting.prop_map(|setting| format!("  {setting}")),
        4 => title.prop_map(str::to_owned),
        3 => proptest::sample::select(vec!["", "  ", "\t", "# c", "; c", "  # c", "  # a = b", "  v", "v", "[", " [profile x]", "\u{a0}a = b", "=", "é"]).prop_map(str::to_owned),
    ]
}

fn file() -> impl Strategy<Value = String> {
    let end = prop_oneof![8 => Just("\n"), 2 => Just("\r\n")];
    (prop::collection::vec(line(), 0..9), end, any::<bool>()).prop_map(|(lines, end, ended)| {
        let text = lines.join(end);
        if ended { text + end } else { text }
    })
}

/// Files that are one, with settings below their titles.
fn good_file() -> impl Strategy<Value = String> {
    let titles = vec!["[default]", "[profile x]", "[profile y] # c", "[sso-session x]", "[profile z]"];
    let inside = prop::collection::btree_map(
        proptest::sample::select(&NAMES[..]),
        proptest::sample::select(vec![
            " = v",
            "=v # c",
            " =\n  k = v\n# c\n\n  l = m",
            " = v\n  more\n  # c",
            "=\n",
            " = é\n; c\n",
            " = eu-central-1 # home",
            " = /c credentials --profile x\n  # c",
            " = /c credentials --profile x",
        ]),
        0..4,
    );
    let sections = prop::collection::vec(inside, titles.len());
    let order = Just(titles).prop_shuffle();
    (order, sections, 1..5_usize, any::<bool>(), any::<bool>()).prop_map(|(titles, sections, count, crlf, ended)| {
        let mut text = String::from("# first\n");
        for (title, section) in titles.iter().zip(sections).take(count) {
            let settings: Vec<String> = section.iter().map(|(name, value)| [name, value, "\n"].concat()).collect();
            text += &[title, "\n", &settings.concat(), "# between\n\n"].concat();
        }
        let text = if crlf { text.replace('\n', "\r\n") } else { text };
        if ended { text } else { text.trim_end().to_owned() }
    })
}

#[test]
fn nothing_else_changes_for_anybody_who_reads_it() {
    let botocore = RefCell::new(Botocore::start());
    let judged = RefCell::new([0, 0]);
    let config = ProptestConfig { cases: 1500, failure_persistence: None, ..ProptestConfig::default() };
    for (kind, files) in [file().boxed(), good_file().boxed()].into_iter().enumerate() {
        let ran = proptest::test_runner::TestRunner::new(config.clone()).run(&files, |text| {
            judged.borrow_mut()[kind] += u32::from(judge(&mut botocore.borrow_mut(), &text)?);
            Ok(())
        });
        ran.unwrap_or_else(|why| panic!("{why}"));
    }
    let judged = judged.into_inner();
    println!("{judged:?} of 1500 each could be changed");
    assert!(judged[0] > 100 && judged[1] > 1400, "{judged:?}: too few of them say anything");
}

#[test]
fn what_is_refused_as_unreadable_is_to_botocore_to_the_sdk_or_to_go() {
    let mut botocore = Botocore::start();
    let mut by = BTreeSet::new();
    for (text, why) in [
        ("\u{feff}[default]\n", "botocore"),
        ("[a]\nb = c\n[a]\n", "botocore"),
        ("[a]\nb = c\nB = d\n", "botocore"),
        ("a = b\n", "both"),
        ("[a]\n  b = c\n", "the SDK"),
        ("[a]\nb: c\n", "the SDK"),
        ("[a]\ns3 =\n  b\n", "both"),
        // `trimComment` of aws-sdk-go-v2 cuts there, and then it is no token.
        ("[a]\nb;c = d\n", "Go"),
    ] {
        assert!(AwsConfig::parse(text).is_err(), "{text}");
        let reader = match (botocore.read(text).is_null(), sdk(text).is_none()) {
            (true, true) => "both",
            (true, false) => "botocore",
            (false, true) => "the SDK",
            (false, false) => "Go",
        };
        by.insert(reader);
        assert!(reader == why || reader == "both", "{text:?}: {reader}");
    }
    assert_eq!(by.len(), 4, "{by:?}");
}
