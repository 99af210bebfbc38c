//! What is kept, for whom, and when it is renewed.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use testkit::sts::Fault;

use crate::world::{ROLE, SUBJECT, World, key_of, key_of_warned, run};

/// Moves the times of what is kept, as if it had been obtained so much earlier.
pub(crate) fn age(world: &World, by: SignedDuration) {
    for path in world.cached("json") {
        let text = fs::read_to_string(&path).expect("it can be read");
        let mut entry: Value = serde_json::from_str(&text).expect("it is JSON");
        let moved = |time: &Value| {
            let time: Timestamp = time.as_str().and_then(|time| time.parse().ok()).expect("it is a time");
            Value::from((time - by).to_string())
        };
        for name in ["obtained_at", "refresh_at"] {
            entry[name] = moved(&entry[name]);
        }
        entry["credentials"]["expiration"] = moved(&entry["credentials"]["expiration"]);
        // In place, so that its mode stays.
        fs::write(&path, entry.to_string()).expect("it can be written");
    }
}

fn mode(path: &Path) -> u32 {
    path.metadata().expect("it is there").mode() & 0o777
}

#[test]
fn the_second_call_asks_nobody_and_renew_and_no_cache_do() {
    let world = World::new();
    let first = key_of(&run(&mut world.credentials(&[])));
    world.sts.close();
    assert_eq!(key_of(&run(&mut world.credentials(&[]))), first);
    assert_eq!(world.asked(), 1);
    world.sts.open();
    let renewed = key_of(&run(&mut world.credentials(&["--renew"])));
    assert_ne!(renewed, first);
    let unkept = key_of(&run(&mut world.credentials(&["--no-cache"])));
    assert_ne!(unkept, renewed);
    assert_eq!(key_of(&run(&mut world.credentials(&[]))), renewed);
    assert_eq!(world.asked(), 3);
    assert_eq!((mode(&world.cache()), world.cached("json").len()), (0o700, 1));
    assert!(fs::read_dir(world.cache()).unwrap().all(|file| mode(&file.unwrap().path()) == 0o600));
}

#[test]
fn it_is_renewed_five_minutes_before_the_end_or_up_to_one_earlier() {
    let world = World::new();
    let first = key_of(&run(&mut world.credentials(&[])));
    age(&world, SignedDuration::from_mins(53));
    assert_eq!(key_of(&run(&mut world.credentials(&[]))), first);
    age(&world, SignedDuration::from_secs(125));
    assert_ne!(key_of(&run(&mut world.credentials(&[]))), first);
    assert_eq!(world.asked(), 2);
}

#[test]
fn while_new_ones_are_not_to_be_had_the_kept_ones_are_used_and_sts_is_not_asked_each_time() {
    let world = World::new();
    let first = key_of(&run(&mut world.credentials(&[])));
    age(&world, SignedDuration::from_mins(56));
    world.sts.fail(Fault::RegionDisabled);
    let ran = run(&mut world.credentials(&[]));
    assert_eq!(key_of_warned(&ran), first);
    assert!(ran.stderr.contains("not renewed, and good until"), "{ran:?}");
    let asked = world.asked();
    assert_eq!(key_of_warned(&run(&mut world.credentials(&[]))), first);
    assert_eq!(world.asked(), asked, "the last attempt is seconds old");
    let ran = run(&mut world.credentials(&["--renew"]));
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(1), ""), "who wants new ones is not given old ones: {ran:?}");

    age(&world, SignedDuration::from_mins(5));
    let ran = run(&mut world.credentials(&[]));
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(1), ""), "they have ended: {ran:?}");
    assert!(ran.stderr.contains("RegionDisabled"), "{ran:?}");
    world.sts.heal();
    assert_ne!(key_of(&run(&mut world.credentials(&[]))), first);
}

#[test]
fn another_request_and_another_caller_have_credentials_of_their_own() {
    let world = World::new();
    let first = key_of(&run(&mut world.credentials(&[])));
    let config = world.home().join("config");
    fs::write(&config, "[default]\n").unwrap();
    for (n, mut command) in [
        world.credentials(&["--duration-seconds", "1800"]),
        world.credentials(&["--role-session-name", "other"]),
        world.credentials(&["--policy-arn", "arn:aws:iam::aws:policy/ReadOnlyAccess"]),
        world.credentials(&["--audience", "sts.amazonaws.com"]),
    ]
    .into_iter()
    .enumerate()
    {
        assert_ne!(key_of(&run(&mut command)), first);
        assert_eq!(world.asked(), 2 + n);
    }
    let asked = world.asked();
    key_of(&run(world.credentials(&[]).env("AWS_CONFIG_FILE", &config)));
    fs::write(&config, "[default]\nregion = eu-west-1\n").unwrap();
    key_of(&run(world.credentials(&[]).env("AWS_CONFIG_FILE", &config)));
    assert_eq!(world.asked(), asked + 2, "whoever signs may be another one");
    assert_eq!(key_of(&run(&mut world.credentials(&[]))), first);
    // The signer of the environment.
    world.trust("ci:nightly");
    let nightly = key_of(&run(world.credentials(&[]).env("AWS_ACCESS_KEY_ID", "AKIANIGHTLY")));
    assert_eq!(world.sts.session(&nightly).unwrap().subject, "ci:nightly");
}

#[test]
fn the_credentials_of_a_token_file_are_those_of_whose_token_lies_there() {
    let world = World::new();
    let file = world.home().join("token");
    let token = |key: &str| {
        let ran = run(world.countersign(&["token", "--url", world.issuer.origin()]).env("AWS_ACCESS_KEY_ID", key));
        assert_eq!(ran.code, Some(0), "{ran:?}");
        ran.stdout
    };
    let path = file.to_str().unwrap();
    let credentials =
        || run(&mut world.countersign(&["credentials", "--web-identity-token-file", path, "--role-arn", ROLE]));
    let ran = credentials();
    assert!(ran.code == Some(2) && ran.stderr.contains(path), "{ran:?}");
    fs::write(&file, token("AKIARELEASE")).unwrap();
    let first = key_of(&credentials());
    assert_eq!(world.sts.session(&first).unwrap().subject, SUBJECT);
    fs::write(&file, format!("{}\n", token("AKIARELEASE"))).unwrap();
    assert_eq!(key_of(&credentials()), first, "a new token of the same subject");
    fs::write(&file, "").unwrap();
    assert_eq!(key_of(&credentials()), first, "somebody is writing it");
    fs::write(&file, token("AKIANIGHTLY")).unwrap();
    let ran = credentials();
    assert_eq!(ran.code, Some(1), "it is another one's token now: {ran:?}");
    world.trust("ci:nightly");
    let nightly = key_of(&credentials());
    assert_eq!(world.sts.session(&nightly).unwrap().subject, "ci:nightly");
    fs::remove_file(&file).unwrap();
    let ran = credentials();
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(2), ""), "somebody took it away: {ran:?}");
}

#[test]
fn a_cache_that_cannot_be_used_costs_a_warning() {
    let world = World::new();
    fs::create_dir_all(world.cache()).unwrap();
    fs::set_permissions(world.cache(), fs::Permissions::from_mode(0o755)).unwrap();
    let ran = run(&mut world.credentials(&[]));
    key_of_warned(&ran);
    assert!(ran.stderr.contains("not kept") && ran.stderr.contains("others may read it (mode 755)"), "{ran:?}");
    assert_eq!(fs::read_dir(world.cache()).unwrap().count(), 0);
    fs::remove_dir(world.cache()).unwrap();
    fs::write(world.cache(), "a file").unwrap();
    let ran = run(&mut world.credentials(&[]));
    key_of_warned(&ran);
    assert!(ran.stderr.contains("not kept"), "{ran:?}");
    fs::remove_file(world.cache()).unwrap();
    // A full disk: no file of ours may have a byte.
    let limited =
        format!("ulimit -f 0; trap '' XFSZ; exec {} credentials --profile deploy", env!("CARGO_BIN_EXE_countersign"));
    let ran = run(world.program("bash").args(["-c", &limited]));
    key_of_warned(&ran);
    assert!(ran.stderr.contains("not kept"), "{ran:?}");
    assert_eq!(world.cached("json").len(), 0);
    key_of(&run(&mut world.credentials(&[])));
}

#[test]
fn credentials_that_would_sign_for_themselves_are_noticed() {
    let world = World::new();
    fs::create_dir(world.home().join(".aws")).unwrap();
    let process = format!("{} credentials --profile deploy", env!("CARGO_BIN_EXE_countersign"));
    fs::write(world.home().join(".aws/config"), format!("[profile deploy]\ncredential_process = {process}\n[profile base]\naws_access_key_id = AKIARELEASE\naws_secret_access_key = secret/of+ci\n")).unwrap();
    let unsigned = |mut command: std::process::Command| {
        command.env_remove("AWS_ACCESS_KEY_ID").env_remove("AWS_SECRET_ACCESS_KEY").env("AWS_PROFILE", "deploy");
        run(&mut command)
    };
    let ran = unsigned(world.credentials(&[]));
    assert_eq!(ran.code, Some(2), "{ran:?}");
    assert!(ran.stderr.contains("--aws-profile"), "{ran:?}");
    assert_eq!(world.asked(), 0);
    key_of(&unsigned(world.credentials(&["--aws-profile", "base"])));
}

#[test]
fn a_session_that_is_short_is_renewed_in_its_last_third() {
    let world = World::new();
    world.sts.lifetime(Duration::from_mins(10));
    let first = key_of(&run(&mut world.credentials(&[])));
    age(&world, SignedDuration::from_secs(340));
    assert_eq!(key_of(&run(&mut world.credentials(&[]))), first);
    age(&world, SignedDuration::from_secs(65));
    assert_ne!(key_of(&run(&mut world.credentials(&[]))), first);
}
