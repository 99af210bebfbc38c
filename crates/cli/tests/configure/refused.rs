//! What is refused, with which exit code, and that nothing is written then.

use crate::world::{run, write};
use crate::{ROLE, User, text};

/// Ends with this code and these words, and neither file is what it was not.
fn assert_refused(user: &User, flags: &[&str], code: i32, expected: &str) {
    let before = [user.own(), user.aws()].map(|path| std::fs::read(path).ok());
    let ran = user.configure(flags);
    assert!(ran.code == Some(code) && ran.stderr.contains(expected) && ran.stdout.is_empty(), "{flags:?}: {ran:?}");
    assert_eq!([user.own(), user.aws()].map(|path| std::fs::read(path).ok()), before);
}

const DEPLOY: [&str; 6] = ["--profile", "deploy", "--github", "--role-arn", ROLE, "--yes"];

#[test]
fn with_nobody_to_ask_all_that_is_missing_is_named_and_nothing_is_written_without_consent() {
    let user = User::new();
    let all = "say --profile NAME, one of --url, --web-identity-token-file, --github, --oauth-issuer and --oauth-token-url, \
               --role-arn ARN; or run it in a terminal without --yes to be asked";
    assert_refused(&user, &[], 2, all);
    assert_refused(&user, &["--yes", "--profile", "a", "--github"], 2, "say --role-arn ARN; or");
    assert_refused(&user, &DEPLOY[..5], 2, "nothing was written: say --yes, or run it in a terminal to be asked");
    assert_refused(&user, &["--dry-run", "--yes"], 2, "cannot be used with");
    for name in ["my profile", "-x", "", "a\"b", "jörg"] {
        let flag = format!("--profile={name}");
        assert_refused(&user, &[&flag], 2, "the name of a profile has letters, digits");
    }
    let more = |more: &[&'static str]| [&DEPLOY[..], more].concat();
    assert_refused(&user, &more(&["--url", "https://a.b"]), 2, "a token comes from one place");
    assert_refused(&user, &more(&["--scope", "x"]), 2, "scope does nothing for a token that comes from github");
    assert_refused(&user, &more(&["--region", "cn-north-1"]), 2, "the region cn-north-1 is of the partition aws-cn");
    let oauth = ["--profile", "a", "--oauth-issuer", "https://a.b", "--role-arn", ROLE, "--yes"];
    assert_refused(&user, &oauth, 2, "which client? Say --oauth-client-id");
    let token_url = ["--oauth-token-url", "https://a:sEcReT@b.c/t", "--oauth-client-id", "c"];
    let oauth = [&["--profile", "a", "--role-arn", ROLE, "--yes"][..], &token_url].concat();
    assert_refused(&user, &oauth, 2, "the token URL has a user name or password");
    assert!(!user.at(".aws").exists() && !user.at(".config").exists());
}

#[test]
fn other_credentials_under_that_name_are_refused() {
    let user = User::new();
    for setting in [
        "aws_access_key_id",
        "aws_secret_access_key",
        "aws_session_token",
        "credential_source",
        "login_session",
        "role_arn",
        "source_profile",
        "sso_session",
        "sso_account_id",
        "Web_Identity_Token_File",
    ] {
        write(&user.aws(), &format!("[profile deploy]\n{setting} = sEcReT\n"));
        let expected = format!(
            "{}: AWS's tools find other credentials for the profile deploy, by {}: take that out, or choose another name \
             (--aws-profile-name)",
            user.aws().display(),
            setting.to_lowercase(),
        );
        assert_refused(&user, &DEPLOY, 1, &expected);
        assert!(!user.configure(&DEPLOY).stderr.contains("sEcReT"));
        write(&user.aws(), &format!("[DEFAULT]\n{setting} = x\n"));
        assert_refused(&user, &DEPLOY, 1, &setting.to_lowercase());
        write(&user.aws(), "");
        for setting in [setting, "credential_process"] {
            write(&user.at(".aws/credentials"), &format!("[deploy]\n{setting} = x\n"));
            let expected = format!("{}: AWS's tools find other", user.at(".aws/credentials").display());
            assert_refused(&user, &[&DEPLOY[..], &["--replace-process"]].concat(), 1, &expected);
        }
        std::fs::remove_file(user.at(".aws/credentials")).unwrap();
    }
    // What is of another profile, or no credential, is nobody's business.
    write(&user.aws(), "[profile other]\nrole_arn = x\n[profile deploy]\noutput = json\nrole_session_name = x\n");
    write(&user.at(".aws/credentials"), "[other]\naws_access_key_id = x\n[deploy]\nregion = x\n");
    assert_eq!(user.configure(&DEPLOY).code, Some(0));
}

#[test]
fn the_process_of_another_program_goes_only_if_that_is_said() {
    let user = User::new();
    write(&user.aws(), "[profile deploy]\ncredential_process = /usr/bin/other --password sEcReT\n");
    assert_refused(
        &user,
        &DEPLOY,
        1,
        "by credential_process: say --replace-process to replace it, or choose another name",
    );
    let ran = user.configure(&[&DEPLOY[..], &["--replace-process"]].concat());
    assert!(ran.code == Some(0) && ran.stderr.contains("-credential_process = (not shown)"), "{ran:?}");
    assert!(!ran.stderr.contains("sEcReT"));
    assert_eq!(text(&user.aws()), format!("[profile deploy]\n{}", user.process()));
    // One of ours that is somewhere else now, or asks for another profile, is.
    write(&user.aws(), "[profile deploy]\ncredential_process = /gone/countersign credentials --profile old\n");
    assert_eq!(user.configure(&DEPLOY).code, Some(0));
    assert_eq!(text(&user.aws()), format!("[profile deploy]\n{}", user.process()));
}

#[test]
fn credentials_that_would_sign_for_themselves_are_refused() {
    let user = User::new();
    let expected = "would need its own credentials to sign the request for them";
    let flags = |name: &'static str, more: &[&'static str]| {
        [&["--profile", name, "--url", "https://id.acme.com", "--role-arn", ROLE, "--yes"], more].concat()
    };
    assert_refused(&user, &flags("a", &["--aws-profile", "a"]), 1, expected);
    // Nobody is named: the default chain looks at this one.
    assert_refused(&user, &flags("a", &["--aws-profile-name", "default"]), 1, expected);
    // Over a role, and over another profile of ours.
    write(&user.aws(), "[profile b]\nrole_arn = x\nsource_profile = a\n");
    assert_refused(&user, &flags("a", &["--aws-profile", "b"]), 1, expected);
    write(&user.aws(), "[profile b]\ncredential_process = countersign credentials --profile c\n");
    write(&user.own(), "[profiles.c]\nurl = \"https://id.acme.com\"\naws_profile = \"a\"\n");
    assert_refused(&user, &flags("a", &["--aws-profile", "b"]), 1, expected);
    write(&user.aws(), "");
    write(&user.at(".aws/credentials"), "[b]\nrole_arn = x\nsource_profile = a\n");
    assert_refused(&user, &flags("a", &["--aws-profile", "b"]), 1, expected);
    write(&user.at(".aws/credentials"), "");
    // A chain that ends is none.
    write(&user.aws(), "[profile b]\nrole_arn = x\nsource_profile = b\n");
    assert_eq!(user.configure(&flags("a", &["--aws-profile", "b"])).code, Some(0));
}

#[test]
fn a_file_that_cannot_be_read_or_changed_is_left_alone() {
    let user = User::new();
    let path = |path: std::path::PathBuf, line: usize| format!("{}: line {line}: ", path.display());
    write(&user.aws(), "[default]\n[default]\n");
    assert_refused(&user, &DEPLOY, 2, &path(user.aws(), 2));
    assert_refused(&user, &DEPLOY, 2, "AWS's tools would not all read the AWS configuration, so it is not changed");
    std::fs::write(user.aws(), b"[default]\na = \xe9\n").unwrap();
    assert_refused(&user, &DEPLOY, 2, "it is no text (UTF-8)");
    write(&user.aws(), "[profile \"deploy\"]\n");
    assert_refused(&user, &DEPLOY, 1, "write it as [profile deploy]");
    write(&user.aws(), "");
    write(&user.at(".aws/credentials"), "x\n");
    assert_refused(&user, &DEPLOY, 2, &path(user.at(".aws/credentials"), 1));
    write(&user.at(".aws/credentials"), "[ deploy ]\n");
    assert_refused(&user, &DEPLOY, 1, "write it as [deploy]");
    write(&user.at(".aws/credentials"), "");
    write(&user.own(), "[profiles.deploy]\nrole = 'x'\n");
    assert_refused(&user, &DEPLOY, 2, "config.toml:2: unknown field `role`");
    write(&user.own(), "# a\r\n# b\n");
    assert_refused(&user, &DEPLOY, 2, "config.toml is written in a way that cannot be changed here: change it by hand");
    let mut configure = user.program(env!("CARGO_BIN_EXE_countersign"));
    let ran = run(configure.arg("configure").args(DEPLOY).env("AWS_CONFIG_FILE", "/dev/null"));
    assert!(ran.code == Some(2) && ran.stderr.contains("cannot read /dev/null: it is no file"), "{ran:?}");
    write(&user.own(), "# mine\n");
    for (name, expected) in [
        ("", "and nothing was changed: AWS_CONFIG_FILE names no file"),
        ("new/", "and nothing was changed: AWS_CONFIG_FILE names no file"),
        ("~ann/config", "AWS's tools do not all take ~ann/config for the same file: write an absolute path"),
        ("$HOME/config", "AWS's tools do not all take $HOME/config for the same file: write an absolute path"),
    ] {
        let mut configure = user.program(env!("CARGO_BIN_EXE_countersign"));
        configure.arg("configure").args(DEPLOY).current_dir(user.at("bin"));
        let ran = run(configure.env("AWS_CONFIG_FILE", name));
        assert!(ran.code == Some(2) && ran.stderr.contains(expected) && text(&user.own()) == "# mine\n", "{ran:?}");
        assert_eq!(std::fs::read_dir(user.at("bin")).unwrap().count(), 1, "{name}");
    }
}

#[test]
fn a_program_that_not_every_tool_could_start_is_not_written_down() {
    let user = User::new();
    let program = user.at("it's/countersign");
    std::fs::create_dir(program.parent().unwrap()).unwrap();
    std::fs::copy(env!("CARGO_BIN_EXE_countersign"), &program).unwrap();
    let ran = run(user.program(&program).arg("configure").args(DEPLOY));
    assert!(ran.code == Some(2) && ran.stderr.contains("put a link to it into a folder of PATH"), "{ran:?}");
    std::fs::remove_file(user.at("bin/countersign")).unwrap();
    std::os::unix::fs::symlink(&program, user.at("bin/countersign")).unwrap();
    assert_eq!(run(user.program(&program).arg("configure").args(DEPLOY)).code, Some(0));
    assert_eq!(text(&user.aws()), format!("[profile deploy]\n{}", user.process()));
}
