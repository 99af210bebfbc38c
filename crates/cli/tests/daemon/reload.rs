//! SIGHUP, and hooks.

use std::fs;

use crate::running::{Files, Running, until};

#[test]
fn a_changed_configuration_is_followed_and_what_did_not_change_is_held() {
    let files = Files::new();
    files.tables("[daemon.deploy]\nwrite_env_file = 'RUN/env'\nwrite_json_file = 'RUN/json'\n");
    let daemon = files.start();
    let (key, asked) = (files.key("env").unwrap(), files.asked());

    files.tables(
        "[daemon.deploy]\nwrite_env_file = 'RUN/env'\nwrite_credentials_file = 'RUN/credentials'\n\
         [daemon.github]\nwrite_env_file = 'RUN/github'\n",
    );
    daemon.signal("HUP");
    daemon.wait_until_said("config.toml was read again");
    daemon.wait_until_said("json removed: the configuration does not name it any more");
    until("the new files", || (files.names() == ["credentials", "env", "github"]).then_some(()));
    assert_eq!((files.key("env"), files.key("credentials")), (Some(key.clone()), Some(key.clone())));
    assert_eq!(files.asked(), asked + 1, "for the new profile alone");

    // Another request for the same file: what stands there stays until there is an answer.
    files.sts.close();
    let changed = fs::read_to_string(files.config()).unwrap();
    let changed = changed.replacen("role_arn", "duration_seconds = 1800\nrole_arn", 1);
    files.configure(&changed);
    daemon.signal("HUP");
    until("another time", || (daemon.count("was read again") == 2).then_some(()));
    until("an attempt", || files.failure("env"));
    assert_eq!(files.key("env"), Some(key.clone()));
    files.sts.open();
    until("the new one", || files.key("env").filter(|other| *other != key));

    // One that is taken away is not there at the next start either.
    daemon.kill();
    files.tables("[daemon.deploy]\nwrite_env_file = 'RUN/env'\n");
    let daemon = files.start();
    daemon.wait_until_said("credentials removed: the configuration does not name it any more");
    until("one file", || (files.names() == ["env"]).then_some(()));
}

#[test]
fn a_file_of_another_role_or_source_goes_at_once_and_a_section_beside_it_stays() {
    let files = Files::new();
    let tables = "[daemon.deploy]\nwrite_env_file = 'RUN/env'\nwrite_credentials_file = 'RUN/credentials'\n\
                  write_token_file = 'RUN/token'\n[daemon.github]\nwrite_credentials_file = 'RUN/credentials'\n";
    files.tables(tables);
    let daemon = files.start();
    // Nobody gives the new ones.
    files.sts.close();
    let changed = fs::read_to_string(files.config()).unwrap();
    let changed = changed.replace("role/deploy'", "role/reader'").replacen("url =", "audience = 'other'\nurl =", 1);
    assert!(changed.contains("role/reader'"), "{changed}");
    files.configure(&changed);
    daemon.signal("HUP");
    until("one section", || (files.names() == ["credentials"]).then_some(()));
    until("of the other", || files.read("credentials").filter(|text| !text.contains("[deploy]")));
    assert!(files.read("credentials").unwrap().contains("[github]"));
    assert_eq!(files.status().0, Some(1), "they are not there");
    // Nor does a start take them for its own.
    files.sts.open();
    files.tables(tables);
    daemon.signal("HUP");
    files.wait_until_good();
    daemon.kill();
    files.sts.close();
    files.configure(&changed);
    let daemon = Running::begin(&mut files.command(&[]));
    daemon.wait_until_said("env removed: what stood in it has ended, or was meant for another role or receiver");
    daemon.wait_until_said("token removed: ");
}

#[test]
fn a_bad_configuration_is_told_and_changes_nothing() {
    let files = Files::new();
    files.tables("[daemon.deploy]\nwrite_env_file = 'RUN/env'\n");
    let daemon = files.start();
    let key = files.key("env");
    for (text, why) in [
        ("[daemon.deploy\n", "config.toml:1: "),
        ("[daemon.deploy]\nwrite_env_file = '/x'\n", "there is no profile deploy"),
        ("", "names nothing to keep fresh"),
    ] {
        files.configure(text);
        daemon.signal("HUP");
        daemon.wait_until_said(why);
    }
    assert_eq!(daemon.count("the configuration stays as it was"), 3, "{}", daemon.said());
    assert_eq!((files.key("env"), files.status().0), (key, Some(0)));
    // A file that somebody took away comes back when it is asked for.
    files.tables("[daemon.deploy]\nwrite_env_file = 'RUN/env'\n");
    fs::remove_file(files.at("env")).unwrap();
    daemon.signal("HUP");
    until("the file", || files.key("env"));
    assert_eq!(daemon.stop().0, Some(0));
}

#[test]
fn a_hook_runs_when_all_files_of_its_profile_are_there_and_learns_no_secret() {
    let files = Files::new();
    let seen = files.home().join("seen");
    let script = "cat - $COUNTERSIGN_WRITE_TOKEN_FILE $COUNTERSIGN_WRITE_CREDENTIALS_FILE $COUNTERSIGN_WRITE_ENV_FILE \
                  $COUNTERSIGN_WRITE_JSON_FILE >/dev/null && echo of the hook && \
                  umask >>SEEN && env >>SEEN && echo done >>SEEN";
    let table = |hook: &str| {
        files.tables(&format!(
            "[daemon.deploy]\nwrite_token_file = 'RUN/token'\nwrite_credentials_file = 'RUN/credentials'\n\
             write_env_file = 'RUN/env'\nwrite_json_file = 'RUN/json'\nhook = ['sh', '-c', '{hook}']\n"
        ));
    };
    table(&script.replace("SEEN", &seen.display().to_string()));
    let mut command = files.command(&[]);
    command.env("COUNTERSIGN_OAUTH_CLIENT_SECRET", "s3cret").env("NOTIFY_SOCKET", "/nowhere");
    command.env("AWS_CONTAINER_AUTHORIZATION_TOKEN", "s3cret");
    let daemon = Running::begin(&mut command);
    let text = until("the hook", || fs::read_to_string(&seen).ok().filter(|text| text.contains("done\n")));
    let variables: Vec<&str> = text.lines().filter_map(|line| line.split_once('=')).map(|(name, _)| name).collect();
    for name in [
        "COUNTERSIGN_OAUTH_CLIENT_SECRET",
        "NOTIFY_SOCKET",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_ACCESS_KEY_ID",
        "AWS_CONTAINER_AUTHORIZATION_TOKEN",
        "ACTIONS_ID_TOKEN_REQUEST_TOKEN",
    ] {
        assert!(!variables.contains(&name), "{name} is in {text}");
    }
    assert!(
        text.contains("COUNTERSIGN_PROFILE=deploy\n") && text.contains("PATH=") && text.contains("0077\n"),
        "{text}"
    );
    let json = format!("COUNTERSIGN_WRITE_JSON_FILE={}\n", files.at("json").display());
    assert!(text.contains(&json), "{text}");
    // What it prints is in the log.
    daemon.wait_until_said("of the hook");
    assert_eq!(files.status().1["hooks"], serde_json::json!({}));

    // One that runs goes with the daemon.
    let number = files.home().join("number");
    table(&format!("echo $$ >{}; exec sleep 1000", number.display()));
    daemon.signal("HUP");
    daemon.wait_until_said("was read again");
    fs::remove_file(files.at("env")).unwrap();
    daemon.signal("HUP");
    let number = until("the hook", || fs::read_to_string(&number).ok().filter(|text| text.ends_with('\n')));
    assert_eq!(daemon.stop().0, Some(0));
    until("its end", || (!fs::exists(format!("/proc/{}", number.trim())).unwrap()).then_some(()));
}

#[test]
fn a_secret_stays_one_and_a_hook_has_no_status_when_its_profile_is_not_named_any_more() {
    let files = Files::new();
    let (begun, seen) = (files.home().join("begun"), files.home().join("seen"));
    let other = "[daemon.github]\nwrite_env_file = 'RUN/github'\nhook = ['sh', '-c', 'touch BEGUN; sleep 3; exit 3']\n\
                 [daemon.other]\nwrite_token_file = 'RUN/other'\n\
                 [profiles.other]\noauth_token_url = 'http://127.0.0.1:1/'\noauth_client_id = 'o'\n\
                 oauth_client_secret_env = 'OF_OTHER'\n";
    files.tables(&other.replace("BEGUN", &begun.display().to_string()));
    let daemon = Running::begin(files.command(&[]).env("OF_OTHER", "s3cret"));
    until("the hook", || begun.exists().then_some(()));
    files.tables(
        &"[daemon.deploy]\nwrite_env_file = 'RUN/env'\nhook = ['sh', '-c', 'env >SEEN; echo done >>SEEN']\n"
            .replace("SEEN", &seen.display().to_string()),
    );
    daemon.signal("HUP");
    let text = until("the hook", || fs::read_to_string(&seen).ok().filter(|text| text.ends_with("done\n")));
    assert!(!text.contains("OF_OTHER"), "{text}");
    daemon.wait_until_said("github: the hook failed");
    files.wait_until_good();
    assert_eq!(files.status().1["hooks"], serde_json::json!({}));
}
