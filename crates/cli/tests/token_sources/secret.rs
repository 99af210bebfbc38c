//! Where the secret of an OAuth client stands.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use serde_json::{Value, json};
use testkit::page::{Canned, Front};

use crate::asked::{Asked, ask, text};

/// What was sent, if anything was, and what came of it.
fn sent(secret: &Value, environment: Vec<(&str, OsString)>) -> (Option<String>, Asked) {
    let front = Front::start();
    front.answer("POST /token", Canned::json(200, &json!({"access_token": "e30.e30.AA"})));
    let asked = ask(
        &json!({ "o_auth": {
            "endpoint": { "token": format!("{}/token", front.origin()) }, "client_id": "id", "secret": secret,
            "auth": "post", "audience": null, "scope": null,
        } }),
        environment,
    );
    let body = front.came().pop().map(|came| came.body);
    (body.and_then(|body| Some(body.split_once("client_secret=")?.1.to_owned())), asked)
}

fn in_file(path: &Path) -> (Option<String>, Asked) {
    sent(&json!({ "file": text(path) }), Vec::new())
}

fn in_variable(value: Option<OsString>) -> (Option<String>, Asked) {
    sent(&json!({ "environment": "SECRET" }), value.map(|value| ("SECRET", value)).into_iter().collect())
}

#[test]
fn the_end_of_a_line_is_not_part_of_a_secret_and_all_else_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("secret");
    for (content, secret) in [("s", "s"), ("s\n", "s"), ("s\r\n", "s"), (" s \n\n", "%20s%20%0A")] {
        std::fs::write(&path, content).unwrap();
        assert_eq!(in_file(&path).0.as_deref(), Some(secret), "{content:?}");
    }
    assert_eq!(in_variable(Some(" s".into())).0.as_deref(), Some("%20s"));
}

#[test]
fn a_secret_that_others_can_read_is_used_with_a_warning() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("secret");
    std::fs::write(&path, "s").unwrap();
    for (mode, warned) in [(0o600, false), (0o400, false), (0o640, true), (0o604, true)] {
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        let (secret, asked) = in_file(&path);
        assert_eq!(secret.as_deref(), Some("s"));
        let warning = format!("warning: {0} holds a secret and others can read it: chmod 600 {0}\n", text(&path));
        assert_eq!(asked.stderr.contains(&warning), warned, "{mode:o}: {asked:?}");
    }
}

#[test]
fn without_a_secret_nobody_is_asked() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("secret");
    let refused = |(sent, asked): (Option<String>, Asked), words: &[&str]| {
        assert_eq!(sent, None);
        asked.unknown(words);
        asked.hides(&["hidden"]);
    };
    let should = ", which should hold the client secret";
    refused(in_file(&path), &[text(&path), should, "No such file"]);
    refused(in_file(folder.path()), &[should, "directory"]);
    for (content, words) in [
        (b"\n".to_vec(), "is empty, and should hold the client secret"),
        (b"hidden\xff".to_vec(), "is no text"),
        (b"hidden".repeat(11_000), "is larger than 65536 bytes"),
    ] {
        std::fs::write(&path, content).unwrap();
        refused(in_file(&path), &[text(&path), words]);
    }
    refused(in_variable(None), &["the variable SECRET, which should hold the client secret, is not set"]);
    refused(in_variable(Some("".into())), &["the variable SECRET is empty"]);
    refused(in_variable(Some(OsString::from_vec(b"hidden\xff".to_vec()))), &["the variable SECRET is no text"]);
}
