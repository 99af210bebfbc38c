//! Pages as files.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

/// Writes the pages: the exit code, and what was said.
fn write(directory: &Path) -> (Option<i32>, String) {
    let written = super::run(&["manual", "--directory", directory.to_str().unwrap()], &[]);
    assert!(written.stdout.is_empty());
    (written.status.code(), super::text(&written.stderr))
}

fn content(directory: &Path) -> BTreeMap<String, String> {
    let entries = fs::read_dir(directory).unwrap().map(Result::unwrap);
    entries.map(|entry| (entry.file_name().into_string().unwrap(), fs::read_to_string(entry.path()).unwrap())).collect()
}

fn pages() -> BTreeMap<String, String> {
    super::made().into_iter().map(|page| (format!("{}.1", page.name), page.roff)).collect()
}

#[test]
fn a_directory_gets_every_page_and_pages_of_before_are_replaced() {
    let home = tempfile::tempdir().unwrap();
    let directory = home.path().join("share/man/man1");
    assert_eq!(write(&directory), (Some(0), String::new()));
    assert_eq!(content(&directory), pages());
    assert!(pages().contains_key("countersign-trust-generate-github.1") && pages().contains_key("countersign.1"));

    let page = directory.join("countersign-token.1");
    let old = pages()["countersign-token.1"].replace("URL", "ADDRESS");
    fs::write(&page, &old).unwrap();
    fs::set_permissions(&page, PermissionsExt::from_mode(0o600)).unwrap();
    fs::write(directory.join("other.1"), "of somebody else").unwrap();
    let reader = fs::File::open(&page).unwrap();
    assert_eq!(write(&directory), (Some(0), String::new()));
    let mut expected = pages();
    expected.insert("other.1".to_owned(), "of somebody else".to_owned());
    assert_eq!(content(&directory), expected, "and nothing is left beside them");
    assert_eq!(fs::metadata(&page).unwrap().permissions().mode() & 0o777, 0o644);
    // Whoever had it open reads on in the old one: the new one was put in its place whole.
    assert_eq!(std::io::read_to_string(reader).unwrap(), old);
}

#[test]
fn nothing_is_replaced_that_this_command_did_not_make() {
    for make in [
        (|page| fs::write(page, ".TH COUNTERSIGN-VERIFY 1\n")) as fn(&Path) -> std::io::Result<()>,
        |page| fs::create_dir(page),
        |page| symlink("elsewhere", page),
    ] {
        let home = tempfile::tempdir().unwrap();
        let page = home.path().join("countersign-verify.1");
        make(&page).unwrap();
        let (code, said) = write(home.path());
        assert_eq!(code, Some(2));
        assert!(said.contains("countersign-verify.1: `countersign manual` did not make it: move it away"), "{said}");
        assert_eq!(fs::read_dir(home.path()).unwrap().count(), 1, "not one page was written");
    }
}

#[test]
fn a_directory_that_cannot_be_is_an_error() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("man1");
    fs::write(&file, "").unwrap();
    for directory in [file.clone(), file.join("below")] {
        let (code, said) = write(&directory);
        assert_eq!(code, Some(2));
        assert!(said.contains(&format!("cannot make {}: ", directory.display())), "{said}");
    }
    // Nobody, root included, may write there.
    let (code, said) = write(Path::new("/proc/self"));
    assert_eq!(code, Some(2));
    assert!(said.contains("cannot write /proc/self/countersign.1: "), "{said}");
}
