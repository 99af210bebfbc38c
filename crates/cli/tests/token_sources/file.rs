//! The file.

use std::path::Path;

use countersign::credentials::source::{FileFault, read_file};
use countersign::credentials::token::TokenFault;
use serde_json::json;
use testkit::idp::{AUDIENCE, Idp};

use crate::asked::{Asked, ask_alone, text};
use crate::oauth::{client, with};

fn of(path: &Path) -> Asked {
    ask_alone(&json!({ "file": text(path) }))
}

#[test]
fn a_token_is_read_anew_each_time_whatever_white_space_is_around_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("token");
    let idp = Idp::start();
    let endpoint = json!({ "issuer": idp.issuer() });
    for audience in [AUDIENCE, "https://api.test/"] {
        let client = client(idp.client_id(), &endpoint, &json!({ "audience": audience }));
        let token = with(idp.client_secret(), &client).text;
        std::fs::write(&path, format!("  {token}\r\n\n")).unwrap();
        let read = of(&path).token();
        let subject = Some(idp.client_id());
        assert_eq!((read.text(), read.claim("sub"), read.claim("aud")), (&*token, subject, Some(audience)));
    }
}

#[test]
fn a_device_that_never_ends_is_read_no_further_than_a_token_can_be() {
    let read = read_file("/dev/zero".as_ref());
    assert!(matches!(read, Err(FileFault::NoToken(TokenFault::Long))), "{read:?}");
}

#[test]
fn each_fault_of_a_file_is_told_from_the_others() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("token");
    assert!(matches!(read_file(&path), Err(FileFault::Missing)));
    of(&path).unknown(&[
        "the token file ",
        text(&path),
        "there is no such file: what keeps it fresh has not written it yet",
    ]);

    assert!(matches!(read_file(folder.path()), Err(FileFault::Unreadable(_))));
    of(folder.path()).unknown(&["the token file ", "it cannot be read: ", "directory"]);

    let long = format!("e30.e30.{}", "A".repeat(20_000 - 8 + 1));
    for (content, fault, words) in [
        (Vec::new(), TokenFault::Empty, "it is empty: what keeps it fresh is still writing it"),
        (b" \n".to_vec(), TokenFault::Empty, "it is empty"),
        (b"e30.e30".to_vec(), TokenFault::Form, "it is no signed JWT"),
        (b"e30.e30.\xff".to_vec(), TokenFault::Form, "it is no signed JWT"),
        (long.into_bytes(), TokenFault::Long, "longer than the 20000 characters that STS takes"),
        (vec![b' '; 65 * 1024], TokenFault::Long, "longer than the 20000 characters that STS takes"),
    ] {
        std::fs::write(&path, content).unwrap();
        let Err(FileFault::NoToken(found)) = read_file(&path) else { panic!("{fault:?}") };
        assert_eq!(found, fault);
        of(&path).unknown(&["the token file ", text(&path), words]);
    }
}
