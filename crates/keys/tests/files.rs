//! Files of secrets: who may read them, and what a crash leaves.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::sync::{Arc, Barrier};

use countersign_core::jwk::Algorithm;
use countersign_keys::file::{FileFault, KeyringFile, read_private, write_private};

fn mode(path: &std::path::Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn a_file_is_written_whole_with_mode_0600_and_replaced() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("secret");
    write_private(&path, b"one").unwrap();
    write_private(&path, b"two").unwrap();
    assert_eq!((read_private(&path).unwrap().as_slice(), mode(&path)), (&b"two"[..], 0o600));
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1, "nothing is left beside it");
}

#[test]
fn what_a_killed_writer_left_is_in_nobodys_way() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("secret");
    fs::write(directory.path().join(".secret.new"), b"half").unwrap();
    write_private(&path, b"whole").unwrap();
    assert_eq!((read_private(&path).unwrap().as_slice(), mode(&path)), (&b"whole"[..], 0o600));
}

#[test]
fn a_file_that_others_may_read_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("keyring.json");
    fs::write(&path, br#"{"version":1,"keys":[]}"#).unwrap();
    for bad in [0o644, 0o640, 0o604, 0o620, 0o660] {
        fs::set_permissions(&path, fs::Permissions::from_mode(bad)).unwrap();
        assert!(matches!(read_private(&path), Err(FileFault::Readable(_, found)) if found == bad), "{bad:o}");
        let ring = KeyringFile::in_directory(directory.path());
        assert!(ring.open(&[Algorithm::ES256], 0).unwrap_err().to_string().contains("chmod 600"));
    }
    fs::set_permissions(&path, fs::Permissions::from_mode(0o400)).unwrap();
    assert!(read_private(&path).is_ok());
    assert!(matches!(read_private(&directory.path().join("nothing")), Err(FileFault::Io(..))));
}

#[test]
fn many_who_open_an_empty_ring_at_once_make_one() {
    let directory = tempfile::tempdir().unwrap();
    let barrier = Arc::new(Barrier::new(8));
    let threads: Vec<_> = (0..8)
        .map(|_| {
            let (ring, barrier) = (KeyringFile::in_directory(directory.path()), Arc::clone(&barrier));
            std::thread::spawn(move || {
                barrier.wait();
                ring.open(&[Algorithm::ES256], 0).unwrap().0.public().signing(Algorithm::ES256).unwrap().kid().clone()
            })
        })
        .collect();
    let kids: Vec<_> = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
    assert!(kids.iter().all(|kid| *kid == kids[0]), "{kids:?}");
}

#[test]
fn a_new_lane_is_added_and_what_is_there_stays() {
    let directory = tempfile::tempdir().unwrap();
    let ring = KeyringFile::in_directory(directory.path());
    let (first, opened) = ring.open(&[Algorithm::ES256], 1).unwrap();
    assert_eq!(opened, [Algorithm::ES256]);
    let written = fs::read(ring.path()).unwrap();
    assert_eq!(ring.open(&[Algorithm::ES256], 2).unwrap().1, []);
    assert_eq!(fs::read(ring.path()).unwrap(), written, "nothing to do, nothing written");
    let (second, opened) = ring.open(&[Algorithm::ES256, Algorithm::ES384], 3).unwrap();
    assert_eq!(opened, [Algorithm::ES384]);
    assert_eq!(second.public().signing(Algorithm::ES256), first.public().signing(Algorithm::ES256));
}

#[test]
fn a_ring_behind_a_link_is_written_where_the_link_points() {
    let (here, there) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let target = there.path().join("ring.json");
    KeyringFile::in_directory(there.path()).open(&[Algorithm::ES256], 0).unwrap();
    fs::rename(there.path().join("keyring.json"), &target).unwrap();
    let ring = KeyringFile::in_directory(here.path());
    std::os::unix::fs::symlink(&target, ring.path()).unwrap();
    ring.open(&[Algorithm::ES256, Algorithm::ES384], 1).unwrap();
    assert!(fs::symlink_metadata(ring.path()).unwrap().is_symlink());
    assert!(fs::read_to_string(&target).unwrap().contains("ES384"));
}
