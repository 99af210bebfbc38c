//! The command of `credential_process`.
//!
//! botocore splits it as Python's `shlex`, the SDKs for Rust, Go and JavaScript give it to `sh -c`, Go and Rust take what
//! follows a `#` or `;` for a comment, and Go takes quotes around the whole away. So it is a path of plain characters, in double
//! quotes if it has a space, and words that need none, as AWS demands:
//! <https://docs.aws.amazon.com/sdkref/latest/guide/feature-process-credentials.html>.

use std::env;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};

/// What it is called.
const PROGRAM: &str = "countersign";

/// The command for this profile. Its path is absolute, as services, cron and desktop programs have another `PATH`; of several
/// names for the running program it is the one on `PATH`, as that outlives an update. Somebody who wrote the bare name meant it.
pub(super) fn command(profile: &str, before: Option<&str>) -> anyhow::Result<String> {
    let running = env::current_exe().context("cannot tell where this program is")?;
    let on_path = on_path().filter(|found| same(found, &running));
    let bare = format!("{PROGRAM} credentials --profile {profile}");
    if on_path.is_some() && before == Some(&bare) {
        return Ok(bare);
    }
    Ok(format!("{} credentials --profile {profile}", word(&on_path.unwrap_or(running))?))
}

/// The profile that a command of ours asks for: an empty text if it names none.
pub(super) fn of_ours(command: &str) -> Option<&str> {
    let command = command.trim();
    let (program, rest) = match command.strip_prefix('"') {
        Some(quoted) => quoted.split_once('"')?,
        None => command.split_once(' ')?,
    };
    let mut words = rest.split_whitespace();
    if Path::new(program).file_name()? != PROGRAM || words.next() != Some("credentials") {
        return None;
    }
    let named = words.clone().find_map(|word| word.strip_prefix("--profile="));
    Some(named.or_else(|| words.find(|word| *word == "--profile").and_then(|_| words.next())).unwrap_or_default())
}

/// A path as one word to all who read it.
fn word(path: &Path) -> anyhow::Result<String> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./+,@%:= ".contains(c);
    match path.to_str() {
        Some(text) if text.contains(' ') && text.chars().all(is_plain) => Ok(format!("\"{text}\"")),
        Some(text) if text.chars().all(is_plain) => Ok(text.to_owned()),
        _ => bail!(
            "{}: AWS's tools do not all start a program whose path has other characters than letters, digits, spaces and \
             -_./+,@%:= ; put a link to it into a folder of PATH that has none",
            path.display()
        ),
    }
}

/// The first `countersign` on `PATH`.
fn on_path() -> Option<PathBuf> {
    let folders = env::var_os("PATH")?;
    let runs = |path: &PathBuf| path.metadata().is_ok_and(|it| it.is_file() && it.permissions().mode() & 0o111 != 0);
    env::split_paths(&folders).map(|folder| folder.join(PROGRAM)).find(runs).filter(|path| path.is_absolute())
}

fn same(one: &Path, other: &Path) -> bool {
    matches!((one.canonicalize(), other.canonicalize()), (Ok(one), Ok(other)) if one == other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_one_word_or_refused() {
        for (path, expected) in [
            ("/usr/local/bin/countersign", "/usr/local/bin/countersign"),
            ("/home/ann@corp.example/bin/countersign", "/home/ann@corp.example/bin/countersign"),
            ("/opt/my tools/countersign", "\"/opt/my tools/countersign\""),
        ] {
            assert_eq!(word(Path::new(path)).unwrap(), expected);
        }
        for path in [
            "/a#b/c", "/a;b", "/a'b", "/a\"b", "/a$b", "/a\\b", "/a`b", "/a&b", "/a\nb", "/jörg/c", "/a*", "/~a",
            "/a(b",
        ] {
            assert!(word(Path::new(path)).unwrap_err().to_string().contains("put a link to it"), "{path}");
        }
    }

    #[test]
    fn ours_is_told_from_others() {
        for (command, expected) in [
            ("countersign credentials --profile deploy", Some("deploy")),
            ("/usr/bin/countersign credentials --profile=a --renew", Some("a")),
            ("\"/opt/my tools/countersign\" credentials --renew --profile b", Some("b")),
            ("countersign credentials", Some("")),
            ("countersign exec -- x", None),
            ("/opt/countersign/other credentials", None),
            ("countersign", None),
            ("\"countersign", None),
            ("", None),
        ] {
            assert_eq!(of_ours(command), expected, "{command}");
        }
    }
}
