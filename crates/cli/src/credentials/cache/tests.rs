use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, SystemTime};

use serde_json::json;

use super::super::token::tests::token;
use super::*;

fn second(n: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + n).unwrap()
}

fn entry(obtained: i64, expires: i64) -> Entry {
    Entry {
        version: VERSION,
        credentials: Assumed {
            access_key_id: "ASIAEXAMPLE".to_owned(),
            secret_access_key: "secret".to_owned().into(),
            session_token: "token".to_owned().into(),
            expiration: second(expires),
            arn: "arn:aws:sts::444455556666:assumed-role/deploy/x".to_owned(),
        },
        obtained_at: second(obtained),
        refresh_at: second(expires - 300),
        issuer: "https://id.acme.com".to_owned(),
        subject: "x".to_owned(),
        claims: Map::new(),
    }
}

fn cache() -> (tempfile::TempDir, Cache) {
    let folder = tempfile::tempdir().unwrap();
    let cache = Cache::at(folder.path().join("a/countersign")).unwrap();
    (folder, cache)
}

fn keep(slot: &Slot, entry: &Entry) {
    slot.try_hold().unwrap().expect("nobody holds it").keep(entry).unwrap();
}

fn mode(path: &Path) -> u32 {
    path.metadata().unwrap().mode() & 0o777
}

#[test]
fn what_is_kept_is_read_until_it_ends_and_is_ours_alone() {
    let (_folder, cache) = cache();
    let slot = cache.slot("00");
    assert!(slot.read(second(0)).is_none());
    keep(&slot, &entry(0, 3600));
    let kept = slot.read(second(3599)).unwrap();
    assert_eq!((kept.credentials.secret_access_key.as_str(), kept.obtained_at), ("secret", second(0)));
    assert!(!kept.is_due(second(3299)) && kept.is_due(second(3300)), "5 minutes before the end");
    assert!(!kept.is_due(second(-5)) && kept.is_due(second(-6)), "a clock that went back");
    assert!(slot.read(second(3600)).is_none(), "it has ended");
    assert!(cache.slot("01").read(second(0)).is_none(), "another request");
    assert_eq!((mode(&cache.0), mode(&slot.entry), mode(&slot.lock)), (0o700, 0o600, 0o600));
}

#[test]
fn what_others_may_read_or_nobody_finished_or_another_version_wrote_is_not_read() {
    let (_folder, cache) = cache();
    let slot = cache.slot("00");
    let good = serde_json::to_string(&entry(0, 3600)).unwrap();
    for (text, mode) in [
        (good.clone(), 0o644),
        (good.split_at(good.len() - 20).0.to_owned(), 0o600),
        (String::new(), 0o600),
        (good.replace("\"version\":1", "\"version\":2"), 0o600),
        (good.replace("\"version\":1", "\"version\":1,\"more\":1"), 0o600),
    ] {
        std::fs::write(&slot.entry, text).unwrap();
        std::fs::set_permissions(&slot.entry, PermissionsExt::from_mode(mode)).unwrap();
        assert!(slot.read(second(0)).is_none());
    }
    std::fs::write(&slot.entry, good).unwrap();
    std::fs::set_permissions(&slot.entry, PermissionsExt::from_mode(0o600)).unwrap();
    assert!(slot.read(second(0)).is_some());
    std::fs::set_permissions(&cache.0, PermissionsExt::from_mode(0o750)).unwrap();
    let why = Cache::at(cache.0.clone()).err().unwrap().to_string();
    assert!(why.contains("others may read it (mode 750)"), "{why}");
}

#[test]
fn one_holds_a_slot_and_those_who_wait_learn_how_it_ended() {
    let (_folder, cache) = cache();
    let slot = cache.slot("00");
    let held = slot.try_hold().unwrap().unwrap();
    assert!(slot.try_hold().unwrap().is_none(), "somebody holds it");
    assert!(cache.slot("01").try_hold().unwrap().is_some(), "another one is free");
    assert_eq!(slot.holder(), Some(std::process::id()));
    assert!(held.last_failure().is_none());
    held.give_up(&Failure::Refused("no".to_owned()), second(7)).unwrap();

    let held = slot.try_hold().unwrap().expect("it is free again");
    let failed = held.last_failure().cloned().unwrap();
    assert_eq!(failed.at, second(7));
    assert!(matches!(failed.failure(), Failure::Refused(why) if why == "no"));
    drop(held);
    assert!(slot.try_hold().unwrap().unwrap().last_failure().is_some(), "who did nothing takes nothing away");
    keep(&slot, &entry(0, 3600));
    assert!(slot.try_hold().unwrap().unwrap().last_failure().is_none());
    std::fs::write(&slot.lock, "{\"process\":").unwrap();
    assert!(slot.try_hold().unwrap().unwrap().last_failure().is_none(), "half a note says nothing");
}

#[test]
fn credentials_are_of_one_who_is_told_to_aws_in_the_same_words() {
    let token = |sub: Value, tags: Value, times: i64| {
        token(&json!({
            "iss": "i", "sub": sub, "aud": "a", "iat": times, "exp": times, "jti": times,
            "https://aws.amazon.com/tags": {"principal_tags": tags},
        }))
    };
    let assumed = entry(0, 3600).credentials;
    let entry = Entry::new(assumed, second(0), second(1), &token(json!(7), json!({"team": ["a"]}), 1));
    assert!(entry.is_for(&token(json!(7), json!({"team": ["a"]}), 2)));
    assert!(!entry.is_for(&token(json!(8), json!({"team": ["a"]}), 1)), "STS takes numbers, too");
    assert!(!entry.is_for(&token(json!(7), json!({"team": ["b"]}), 1)), "another session");
}

#[test]
fn a_lock_whose_file_was_taken_away_is_none() {
    let (_folder, cache) = cache();
    let slot = cache.slot("00");
    let first = slot.try_hold().unwrap().unwrap();
    std::fs::remove_file(&slot.lock).unwrap();
    let second = slot.try_hold().unwrap().expect("the name is free");
    assert!(slot.try_hold().unwrap().is_none());
    drop((first, second));
}

#[test]
fn what_ended_long_ago_is_taken_away_and_nothing_else() {
    let (_folder, cache) = cache();
    let age = |path: &Path| {
        File::options().write(true).open(path).unwrap().set_modified(SystemTime::UNIX_EPOCH + Duration::from_hours(1))
    };
    let (old, lasting, held, fresh) = (cache.slot("00"), cache.slot("01"), cache.slot("02"), cache.slot("03"));
    for (slot, entry) in [(&old, entry(0, 100)), (&lasting, entry(0, 1_000_000)), (&held, entry(0, 100))] {
        keep(slot, &entry);
        age(&slot.entry).unwrap();
        age(&slot.lock).unwrap();
    }
    let part = cache.0.join(".tmpx.part");
    let others = ["README", "notes.json", "disk.part", "Cargo.lock"].map(|name| cache.0.join(name));
    for path in others.iter().chain([&part]) {
        std::fs::write(path, "x").unwrap();
        age(path).unwrap();
    }
    let _held = held.try_hold().unwrap().unwrap();
    age(&held.lock).unwrap();
    keep(&fresh, &entry(90_000, 95_000));
    let there = |slot: &Slot| (slot.entry.exists(), slot.lock.exists());
    assert_eq!((there(&old), part.exists()), ((false, false), false));
    assert_eq!(
        (there(&lasting), there(&held), there(&fresh), others.iter().all(|path| path.exists())),
        ((true, true), (true, true), (true, true), true)
    );
}
