//! What shells complete, and what a release packs.

use std::fs;
use std::path::Path;
use std::process::Command;

use testkit::tools::{isolated, workspace_root};

/// What bash completes the last of the words to, by the function that the script registers, as readline calls it.
fn completed(script: &Path, words: &[&str]) -> Vec<String> {
    const READLINE: &str = r#"
        source "$1"; shift
        registered=($(complete -p countersign))
        while [ "${registered[0]}" != -F ]; do registered=("${registered[@]:1}"); done
        COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)) COMP_LINE="$*"
        COMP_POINT=${#COMP_LINE}
        set +e
        "${registered[1]}" countersign "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
        printf '%s\n' "${COMPREPLY[@]}"
    "#;
    let bash = Command::new("bash").args(["--norc", "-ec", READLINE, "bash"]).arg(script).args(words).output().unwrap();
    assert!(bash.status.success(), "{words:?}: {}", super::text(&bash.stderr));
    super::text(&bash.stdout).lines().map(str::to_owned).collect()
}

#[test]
fn bash_completes_every_command_and_flag() {
    let folder = tempfile::tempdir().unwrap();
    let script = folder.path().join("countersign");
    fs::write(&script, super::run(&["completions", "bash"], &[]).stdout).unwrap();
    assert!(Command::new("bash").arg("-n").arg(&script).status().unwrap().success());

    assert_eq!(completed(&script, &["countersign", "tok"]), ["token"]);
    assert_eq!(completed(&script, &["countersign", "token", "--aud"]), ["--audience"]);
    assert_eq!(completed(&script, &["countersign", "trust", "generate", "git"]), ["github", "gitlab"]);
    assert_eq!(completed(&script, &["countersign", "snowflake-sql", "--form", "w"]), ["wif"]);
    assert_eq!(completed(&script, &["countersign", "tokn"]), [""]);
    for (words, command) in super::commands() {
        let typed = |last: &str| -> Vec<String> {
            let typed = ["countersign"].into_iter().chain(words.iter().map(String::as_str)).chain([last]);
            completed(&script, &typed.collect::<Vec<_>>())
        };
        let offered = typed("");
        let flags = command.get_arguments().filter_map(|argument| Some(format!("--{}", argument.get_long()?)));
        for name in flags.chain(command.get_subcommands().map(|below| below.get_name().to_owned())) {
            assert!(offered.contains(&name), "{words:?}: {name} is not among {offered:?}");
        }
    }
}

/// `scripts/release-share`, by the program that the tests have built.
#[test]
fn what_is_packed_beside_the_program_is_what_the_program_prints() {
    let folder = tempfile::tempdir().unwrap();
    let share = folder.path().join("share");
    let made = isolated(workspace_root().join("scripts/release-share"), folder.path())
        .args([Path::new(super::COUNTERSIGN), &share])
        .output()
        .unwrap();
    assert!(made.status.success() && made.stdout.is_empty(), "{}", super::text(&made.stderr));
    assert_eq!(fs::read_dir(share.join("man/man1")).unwrap().count(), super::made().len());
    for (shell, file) in [
        ("bash", "bash-completion/completions/countersign"),
        ("fish", "fish/vendor_completions.d/countersign.fish"),
        ("zsh", "zsh/site-functions/_countersign"),
    ] {
        assert_eq!(fs::read(share.join(file)).unwrap(), super::run(&["completions", shell], &[]).stdout, "{file}");
    }
    // compinit reads the first line of a file that it finds.
    assert!(
        fs::read_to_string(share.join("zsh/site-functions/_countersign"))
            .unwrap()
            .starts_with("#compdef countersign\n")
    );
}
