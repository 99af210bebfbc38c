//! What each crate may be built from. A rule that the compiler does not hold is held here: cargo is asked for the
//! packages that a crate really reaches through normal and build dependencies, with all of its features on.
//!
//! A rule names packages as cargo does; `aws-*` means every package whose name begins with `aws-`.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

/// Every package that `package` is built from with all of its features, itself included, with all the versions of it.
fn built_from(package: &str) -> BTreeMap<String, BTreeSet<String>> {
    built_with(package, "--all-features")
}

/// The same with the features that this argument of cargo's means.
fn built_with(package: &str, features: &str) -> BTreeMap<String, BTreeSet<String>> {
    let output = Command::new(env!("CARGO"))
        .args(["tree", "--locked", "--offline", "--quiet", "--package", package, features])
        .args(["--edges", "normal,build", "--prefix", "none", "--format", "{p}"])
        .current_dir(testkit::tools::workspace_root())
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "cargo tree: {}", String::from_utf8_lossy(&output.stderr));

    let mut packages: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for line in String::from_utf8(output.stdout).expect("cargo writes text").lines() {
        // `name v1.2.3`, then perhaps `(proc-macro)`, `(/its/path)` or `(*)`.
        let mut words = line.split(' ');
        if let (Some(name), Some(version)) = (words.next(), words.next()) {
            packages.entry(name.to_owned()).or_default().insert(version.to_owned());
        }
    }
    // A rule about nothing would hold: what is read has to be the tree of this package, and more than the package alone.
    assert!(
        packages.contains_key(package) && packages.contains_key("serde"),
        "not the tree of {package}: {packages:?}"
    );
    packages
}

/// Fails if `package`, with all of its features, reaches one of `forbidden`, with the reason.
fn reaches_none(package: &str, forbidden: &[&str], reason: &str) {
    has_none(package, &built_from(package), forbidden, reason);
}

fn has_none(package: &str, packages: &BTreeMap<String, BTreeSet<String>>, forbidden: &[&str], reason: &str) {
    let reached: Vec<&String> =
        packages.keys().filter(|name| forbidden.iter().any(|pattern| matches(pattern, name))).collect();
    assert!(
        reached.is_empty(),
        "{package} is built from {reached:?}, and may not be: {reason}. `cargo tree -p {package} -i {}` says why it is",
        reached.first().map_or("", |name| name.as_str())
    );
}

fn matches(pattern: &str, name: &str) -> bool {
    pattern.strip_suffix('*').map_or(pattern == name, |beginning| name.starts_with(beginning))
}

#[test]
fn a_rule_with_a_star_means_a_beginning_and_one_without_means_the_name() {
    assert!(matches("aws-*", "aws-lc-rs") && matches("ring", "ring"));
    assert!(!matches("ring", "string") && !matches("aws-*", "laws-of"));
}

#[test]
#[should_panic(expected = "and may not be: it is a test")]
fn a_rule_that_is_broken_fails() {
    reaches_none("countersign-core", &["serd*"], "it is a test");
}

#[test]
fn the_core_runs_nothing_and_talks_to_nobody() {
    reaches_none(
        "countersign-core",
        &["tokio*", "async-std", "smol", "futures*", "hyper*", "http", "http-body*", "reqwest", "ureq", "lambda_*"],
        "the decision is one synchronous function; Lambda, local server and command line bring their own runtime and HTTP",
    );
}

#[test]
fn the_core_knows_no_aws() {
    reaches_none(
        "countersign-core",
        &["aws-*", "aws_*"],
        "it decides about values; whoever fetches them from AWS is another crate, so that the decision can be tested whole",
    );
}

#[test]
fn the_core_cannot_hold_or_use_a_private_key() {
    reaches_none(
        "countersign-core",
        &[
            "aws-lc*",
            "ring",
            "rustls*",
            "openssl*",
            "rsa",
            "p256",
            "p384",
            "ed25519*",
            "jsonwebtoken",
            "countersign-keys",
        ],
        "the function that serves the JWKS links it, and must not be able to sign",
    );
}

#[test]
fn the_core_is_told_the_time_and_the_ids() {
    reaches_none(
        "countersign-core",
        &["rand", "rand_*", "getrandom", "fastrand", "uuid", "time", "chrono", "jiff"],
        "now and token id are arguments: the same request at the same moment is the same decision, in a test as in production",
    );
}

#[test]
fn the_signing_crate_signs_and_does_nothing_else() {
    reaches_none(
        "countersign-keys",
        &["jsonwebtoken"],
        "it parses the key for every token, which doubles the cost; and who signs must not be who verifies in the tests",
    );
    has_none(
        "countersign-keys",
        &built_with("countersign-keys", "--no-default-features"),
        &["tokio*", "hyper*", "http", "reqwest", "rustls", "aws-config", "aws-sdk-*", "aws-sigv4"],
        "the private half has no way out: nothing in it opens a connection, unless a client is asked for",
    );
    has_none(
        "countersign-keys",
        &built_with("countersign-keys", "--features=secrets-manager"),
        &["aws-sdk-kms"],
        "who keeps the keys in the secret has no use for a second client",
    );
    reaches_none(
        "countersign-keys",
        &["reqwest", "aws-config", "aws-sdk-ssm", "aws-sdk-s3"],
        "it fetches one secret, and asks KMS for keys and signatures",
    );
}

/// Cargo's own account of how a function was built as it is shipped. Each is built by itself, since a build of the whole
/// workspace would give it the features that others ask for.
fn account_of(name: &str) -> Vec<serde_json::Value> {
    testkit::lambda::function(name);
    let (package, features) = name.strip_suffix("-kms").map_or((name, ""), |package| (package, "kms"));
    // The rotator makes keys: aws-lc keeps its second source of entropy there.
    let (profile, no_jitter) = if package == "key-rotator" { ("rotator", "0") } else { ("function", "1") };
    let output = Command::new(env!("CARGO"))
        .args(["build", "--profile", profile, "--locked", "--offline", "--quiet", "--package", package])
        .args(["--features", features, "--bin", name, "--message-format", "json"])
        .env("AWS_LC_SYS_NO_JITTER_ENTROPY", no_jitter)
        .current_dir(testkit::tools::workspace_root())
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "cargo build: {}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).expect("cargo writes text");
    text.lines().map(|line| serde_json::from_str(line).expect("cargo writes JSON")).collect()
}

/// What a function was made of.
fn function_is_built_from(name: &str) -> BTreeMap<String, BTreeSet<String>> {
    let mut packages: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for message in account_of(name) {
        // `...#name@1.2.3`, or `path+file:///its/path#1.2.3` if the folder is called like the package.
        let Some(id) = message["package_id"].as_str() else { continue };
        let (place, rest) = id.rsplit_once('#').expect("a package id has a `#`");
        let folder = place.rsplit('/').next().unwrap_or_default();
        let (package, version) = rest.split_once('@').unwrap_or((folder, rest));
        packages.entry(package.to_owned()).or_default().insert(version.to_owned());
    }
    for part in [name.trim_end_matches("-kms"), "countersign-core", "countersign-aws", "aws-sdk-ssm"] {
        assert!(packages.contains_key(part), "not what {name} is built from, without {part}: {packages:?}");
    }
    packages
}

#[test]
fn the_function_that_makes_keys_by_rotation_has_two_sources_of_entropy() {
    for (name, said) in [
        ("key-rotator", "Value: 0 is false"),
        ("key-rotator-kms", "Value: 0 is false"),
        ("jwt-issuer", "Value: 1 is true"),
    ] {
        let account = account_of(name);
        let built = account.iter().find(|message| {
            message["reason"] == "build-script-executed"
                && message["package_id"].as_str().is_some_and(|id| id.contains("aws-lc-sys"))
        });
        let folder = built.and_then(|message| message["out_dir"].as_str()).expect("it is built with aws-lc");
        let output = std::path::Path::new(folder).with_file_name("output");
        let output = std::fs::read_to_string(&output).expect("what the build script said");
        assert!(output.contains(said), "{name}: AWS_LC_SYS_NO_JITTER_ENTROPY: {output}");
    }
}

#[test]
fn the_published_jwks_function_cannot_read_or_hold_a_private_key() {
    has_none(
        "jwks",
        &function_is_built_from("jwks"),
        &[
            "countersign-keys",
            "aws-sdk-secretsmanager",
            "aws-sdk-kms",
            "jsonwebtoken",
            "rsa",
            "pkcs8",
            "pem",
            "p256",
            "p384",
            "ed25519*",
            "aws-config",
        ],
        "whoever takes it over gets public keys only: it has no client for the secret and no code for what is in it",
    );
}

#[test]
fn the_functions_are_built_from_nothing_that_only_others_need() {
    for name in ["jwt-issuer", "jwt-issuer-kms", "jwks", "key-rotator", "key-rotator-kms"] {
        has_none(
            name,
            &function_is_built_from(name),
            &[
                "countersign",
                "testkit",
                "proptest",
                "jsonwebtoken",
                "clap",
                "reqwest",
                "schemars",
                "regex",
                "aws-config",
                "aws-sdk-sts",
                "ring",
            ],
            "what a function holds is what it has to start with, and what has to be watched",
        );
    }
}

#[test]
fn issuer_and_rotator_speak_to_kms_only_where_they_were_asked_to() {
    for name in ["jwt-issuer", "key-rotator"] {
        has_none(
            name,
            &function_is_built_from(name),
            &["aws-sdk-kms"],
            "whoever keeps the keys in the secret has nothing to ask KMS for, and a smaller package",
        );
        assert!(
            function_is_built_from(&format!("{name}-kms")).contains_key("aws-sdk-kms"),
            "a function for keys in KMS has no client for it"
        );
    }
    has_none("jwks", &built_from("jwks"), &["aws-sdk-kms"], "no feature of it may sign");
}

#[test]
fn the_functions_share_code_that_reads_no_secret() {
    reaches_none(
        "countersign-aws",
        &["countersign-keys", "aws-sdk-secretsmanager", "aws-sdk-kms", "jsonwebtoken"],
        "it is linked by the function that publishes the key set",
    );
}

#[test]
fn nothing_of_the_tests_is_shipped() {
    reaches_none(
        "countersign",
        &["testkit", "proptest"],
        "fixtures hold private keys that the public knows, and fakes that say yes",
    );
}

#[test]
fn the_command_line_has_one_of_each_that_must_agree_with_itself() {
    let packages = built_from("countersign");
    for (name, reason) in [
        ("aws-lc-rs", "two would be two random number generators and two ideas of a valid key"),
        ("aws-lc-sys", "the C library is most of the binary"),
        ("rustls", "two would be two trust stores and two sets of protocol settings"),
        ("hyper", "two would be two HTTP parsers, and what one refuses the other may accept"),
        ("http", "types of two versions are not the same types, and every border would copy"),
        ("tokio", "a task of one runtime hangs on the timer of another"),
    ] {
        let versions = packages.get(name).unwrap_or_else(|| panic!("{name} is not in the tree: take it off this list"));
        assert_eq!(versions.len(), 1, "{name} is there as {versions:?}: {reason}");
    }
}

#[test]
fn one_library_does_all_cryptography_of_the_command_line() {
    reaches_none(
        "countersign",
        &["ring", "rsa", "openssl", "openssl-sys", "native-tls", "boring*", "mbedtls*", "s2n-tls*", "p256", "p384"],
        "aws-lc signs, verifies and makes TLS; a second library doubles what has to be watched",
    );
}
