//! Where the binary of a function is, and whether it is the one that its sources make.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// The binary `name` of this workspace as it is shipped, of the profile `function`, or of `rotator` for the one that makes
/// keys. The package has its name, but for `-kms`.
///
/// # Panics
/// If it has not been built, or not since one of its sources was changed: a test must speak of what is in the tree.
pub fn function(name: &str) -> PathBuf {
    let root = crate::tools::workspace_root();
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| PathBuf::from("target"), PathBuf::from);
    // A test runs in the folder of its package, and Cargo was started at the root.
    let (package, features) = name.strip_suffix("-kms").map_or((name, ""), |package| (package, " --features kms"));
    let (profile, variable) = match package {
        "key-rotator" => ("rotator", "AWS_LC_SYS_NO_JITTER_ENTROPY=0 "),
        _ => ("function", ""),
    };
    current(&root.join(target).join(profile), name).unwrap_or_else(|why| {
        let build = format!("cargo build --profile {profile} --locked -p {package}{features}");
        panic!("{why}: run scripts/test, or `{variable}{build} --bin {name}`");
    })
}

/// `name` in `folder`, if it is newer than all that the file beside it says it was made from.
fn current(folder: &Path, name: &str) -> Result<PathBuf, String> {
    let binary = folder.join(name);
    let Ok(built) = modified(&binary) else { return Err(format!("{} is not there", binary.display())) };
    let sources = folder.join(format!("{name}.d"));
    let text = std::fs::read_to_string(&sources).map_err(|error| {
        format!("{}, which lists the sources of {name}, cannot be read ({error})", sources.display())
    })?;
    let sources = inputs(&text);
    if sources.is_empty() {
        return Err(format!("it is not known what {} was made from", binary.display()));
    }
    for source in sources {
        match modified(&source) {
            Err(_) => return Err(format!("{} was made from {}, which is gone", binary.display(), source.display())),
            Ok(changed) if changed > built => {
                return Err(format!("{} is older than {}", binary.display(), source.display()));
            }
            Ok(_) => {}
        }
    }
    Ok(binary)
}

fn modified(path: &Path) -> std::io::Result<SystemTime> {
    std::fs::metadata(path)?.modified()
}

/// The inputs of a Makefile's rules `out: in1 in2 ..`, in which a backslash makes a space part of a name.
fn inputs(text: &str) -> Vec<PathBuf> {
    let rules = text.lines().filter_map(|line| line.split_once(": "));
    rules.flat_map(|(_, inputs)| names(inputs)).collect()
}

fn names(list: &str) -> Vec<PathBuf> {
    let mut names = vec![String::new()];
    let mut characters = list.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '\\' if characters.peek() == Some(&' ') => {
                characters.next();
                names.last_mut().expect("there is one from the start").push(' ');
            }
            ' ' => names.push(String::new()),
            other => names.last_mut().expect("there is one from the start").push(other),
        }
    }
    names.into_iter().filter(|name| !name.is_empty()).map(PathBuf::from).collect()
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_inputs_of_a_rule_are_found_whatever_their_names() {
        let text = "/t/function/f: /a/b.rs /with\\ space/c.rs /d\\e.rs\n\n/a/b.rs:\n";
        let expected: Vec<PathBuf> = ["/a/b.rs", "/with space/c.rs", "/d\\e.rs"].map(PathBuf::from).to_vec();
        assert_eq!(inputs(text), expected);
    }

    /// A folder with the binary `f` of a source that is `age` older than it.
    fn built(age: i64) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let now = SystemTime::now();
        for (name, content, at) in [
            ("f", String::new(), now),
            ("a b.rs", String::new(), now - Duration::from_mins(10)),
            ("f.d", format!("f: {0}/a\\ b.rs {0}/c.rs\n", folder.path().display()), now),
            ("c.rs", String::new(), if age < 0 { now + Duration::from_secs(1) } else { now }),
        ] {
            std::fs::write(folder.path().join(name), content).unwrap();
            File::options().write(true).open(folder.path().join(name)).unwrap().set_modified(at).unwrap();
        }
        folder
    }

    #[test]
    fn a_binary_that_is_as_new_as_its_sources_is_taken() {
        let folder = built(0);
        assert_eq!(current(folder.path(), "f"), Ok(folder.path().join("f")));
    }

    #[test]
    fn a_binary_that_is_missing_or_stale_or_of_unknown_sources_is_not() {
        let why = |folder: &tempfile::TempDir| current(folder.path(), "f").expect_err("it must not be tested");
        assert!(why(&built(-1)).ends_with("/c.rs"), "{}", why(&built(-1)));

        let folder = built(0);
        std::fs::remove_file(folder.path().join("a b.rs")).unwrap();
        assert!(why(&folder).ends_with("a b.rs, which is gone"), "{}", why(&folder));
        std::fs::write(folder.path().join("f.d"), "f:\n").unwrap();
        assert!(why(&folder).starts_with("it is not known"), "{}", why(&folder));
        std::fs::remove_file(folder.path().join("f.d")).unwrap();
        assert!(why(&folder).contains("cannot be read"), "{}", why(&folder));
        std::fs::remove_file(folder.path().join("f")).unwrap();
        assert!(why(&folder).ends_with("f is not there"), "{}", why(&folder));
    }

    #[test]
    #[should_panic(expected = "`cargo build --profile function --locked -p no-such-function --bin no-such-function`")]
    fn a_function_that_is_not_there_comes_with_the_command_that_makes_it() {
        function("no-such-function");
    }
}
