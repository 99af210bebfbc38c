//! What is written, for whom, and what is left alone.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::process::{Command, Stdio};
use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;

use crate::running::{Files, Running, claims, mode, until};
use crate::world::{ROLE, SUBJECT, run};

const ALL: &str = "[daemon.deploy]\nwrite_token_file = 'RUN/token'\nwrite_credentials_file = 'RUN/credentials'\n\
                   write_env_file = 'RUN/env'\nwrite_json_file = 'RUN/json'\n";
const NAMES: [&str; 4] = ["credentials", "env", "json", "token"];

#[test]
fn each_file_is_what_its_readers_take_and_for_its_owner_alone_whatever_the_umask() {
    for umask in ["000", "777"] {
        let files = Files::new();
        files.tables(ALL);
        let daemon = Running::begin(&mut files.shell(&format!("umask {umask}; exec \"$@\"")));
        files.wait_until_good();
        assert_eq!(files.names(), NAMES);
        for path in NAMES.map(|name| files.at(name)).into_iter().chain([files.state()]) {
            assert_eq!(mode(&path), 0o600, "{umask} {}", path.display());
        }
        assert_eq!(mode(files.state().parent().unwrap()), 0o700);

        let key = files.key("env").unwrap();
        assert_eq!(files.sts.session(&key).unwrap().role, ROLE);
        let env = files.read("env").unwrap();
        assert!(env.lines().all(|line| line.starts_with("AWS_")) && env.lines().count() == 4, "no export, no quotes");
        let json: Value = serde_json::from_str(&files.read("json").unwrap()).unwrap();
        assert_eq!((json["AccessKeyId"].as_str(), files.key("credentials")), (Some(key.as_str()), Some(key.clone())));

        let token = files.read("token").unwrap();
        assert_eq!(
            (claims(&token)["sub"].as_str(), token.trim_end()),
            (Some(SUBJECT), token.as_str()),
            "no line's end"
        );
        let life = claims(&token)["exp"].as_i64().unwrap() - claims(&token)["iat"].as_i64().unwrap();
        assert_eq!(life, 600, "as long as the policy lets it last");
        assert_eq!(files.asked(), 1, "one session for three files");

        // Nothing of it is anywhere else.
        let (code, said) = daemon.stop();
        assert_eq!(code, Some(0), "{said}");
        let state = fs::read_to_string(files.state()).unwrap();
        let secret = json["SecretAccessKey"].as_str().unwrap();
        for text in [&said, &state, &run(&mut files.command(&["--status"])).stdout] {
            assert!(!text.contains(&token) && !text.contains(secret) && !text.contains(&key), "{text}");
        }
    }
}

#[test]
fn profiles_share_a_credentials_file_and_no_failure() {
    let files = Files::new();
    files.tables(
        "[daemon.deploy]\nwrite_credentials_file = 'RUN/credentials'\n\
         [daemon.github]\nwrite_credentials_file = 'RUN/credentials'\nwrite_credentials_section = 'jobs'\n",
    );
    files.github.fail(&[401; 1]);
    let daemon = Running::begin(&mut files.command(&[]));
    until("the first section", || files.key("credentials"));
    files.wait_until_good();
    let text = files.read("credentials").unwrap();
    let lines: Vec<&str> = text.lines().map(|line| line.split(" = ").next().unwrap()).collect();
    let section = ["aws_access_key_id", "aws_secret_access_key", "aws_session_token"];
    let expected = [&["", "[deploy]"][..], &section, &["", "[jobs]"], &section].concat();
    assert_eq!(lines[1..], expected, "{text}");
    assert!(lines[0].starts_with("# Written by `countersign daemon`"));
    assert!(daemon.said().contains("github: session not renewed"), "{}", daemon.said());
}

#[test]
fn what_it_did_not_write_is_left_alone_and_the_others_go_on() {
    let files = Files::new();
    files.tables(ALL);
    let (env, json, token) = (files.at("env"), files.at("json"), files.at("token"));
    fs::write(&env, "MINE=1\n").unwrap();
    symlink(files.at("elsewhere"), &json).unwrap();
    fs::create_dir(&token).unwrap();
    let daemon = Running::begin(&mut files.command(&[]));
    for (name, why) in [
        ("env", "it is not what `countersign daemon` wrote there, so it is left alone: move it away"),
        ("json", "it is a link, which is not followed"),
        ("token", "it is no file: move it away"),
    ] {
        let said = until(name, || files.failure(name));
        assert!(said.contains(why) && said.contains(files.at(name).to_str().unwrap()), "{said}");
        daemon.wait_until_said(why);
    }
    until("the fourth", || files.key("credentials"));
    assert_eq!((files.status().0, fs::read_to_string(&env).unwrap().as_str()), (Some(1), "MINE=1\n"));
    assert_eq!(fs::read_link(&json).unwrap(), files.at("elsewhere"));
    assert!(!files.at("elsewhere").exists());

    // Out of its way.
    fs::remove_file(&env).unwrap();
    fs::remove_file(&json).unwrap();
    fs::remove_dir(&token).unwrap();
    files.wait_until_good();
    assert_eq!(files.key("env"), files.key("credentials"));
}

#[test]
fn a_file_that_belongs_to_somebody_else_is_theirs_whatever_it_holds() {
    let files = Files::new();
    // Root gives one away, and everybody else takes one of root's.
    let theirs = if rustix::process::geteuid().is_root() {
        let path = files.at("theirs");
        fs::write(&path, "").unwrap();
        std::os::unix::fs::chown(&path, Some(65534), None).unwrap();
        path
    } else {
        "/etc/passwd".into()
    };
    files.tables(&format!("[daemon.deploy]\nwrite_env_file = '{}'\n", theirs.display()));
    let before = fs::read(&theirs).unwrap();
    let ran = run(&mut files.command(&["--once"]));
    assert!(ran.code == Some(2) && ran.stderr.contains("it belongs to somebody else, so it is left alone"), "{ran:?}");
    assert_eq!(fs::read(&theirs).unwrap(), before);
}

#[test]
fn a_file_that_somebody_else_replaces_is_theirs_from_then_on_even_when_it_would_end() {
    let files = Files::new();
    files.sts.lifetime(Duration::from_secs(8));
    files.tables("[daemon.deploy]\nwrite_env_file = 'RUN/env'\nwrite_json_file = 'RUN/json'\n");
    let daemon = files.start();
    fs::write(files.at("env.new"), "MINE=1\n").unwrap();
    fs::rename(files.at("env.new"), files.at("env")).unwrap();
    let first = files.key("json").unwrap();
    until("a renewal", || files.key("json").filter(|key| *key != first));
    until("why", || files.failure("env"));
    assert_eq!(files.read("env").as_deref(), Some("MINE=1\n"));
    // Nor is it taken away when nothing is held any more, at the next start, or when it is not named.
    files.sts.close();
    until("the end", || files.read("json").is_none().then_some(()));
    assert_eq!(files.read("env").as_deref(), Some("MINE=1\n"));
    daemon.kill();
    files.sts.open();
    files.tables("[daemon.deploy]\nwrite_json_file = 'RUN/json'\n");
    let daemon = files.start();
    daemon.wait_until_said("env: it is not what `countersign daemon` wrote there");
    until("it is forgotten", || (!fs::read_to_string(files.state()).unwrap().contains("run/env")).then_some(()));
    assert_eq!((files.names(), files.status().0), (vec!["env".to_owned(), "json".to_owned()], Some(0)));
}

#[test]
fn a_file_of_somebody_elses_is_not_good_because_one_of_ours_stood_there() {
    let files = Files::new();
    files.tables("[daemon.deploy]\nwrite_env_file = 'RUN/env'\n");
    let daemon = files.start();
    fs::write(files.at("env"), "MINE=1\n").unwrap();
    daemon.signal("HUP");
    daemon.wait_until_said("env: it is not what `countersign daemon` wrote there");
    until("the status", || (files.status().0 == Some(1)).then_some(()));
    assert_eq!(files.read("env").as_deref(), Some("MINE=1\n"));
}

#[test]
fn what_was_left_half_written_goes_with_a_file_that_is_no_longer_named() {
    let files = Files::new();
    files.tables("[daemon.deploy]\nwrite_env_file = 'RUN/env'\n");
    assert_eq!(run(&mut files.command(&["--once"])).code, Some(0));
    let id = files.state().file_stem().unwrap().to_str().unwrap().replace("daemon-", ".countersign-");
    fs::write(files.at(&format!("{id}-01234567-abcdef")), "AWS_SECRET").unwrap();
    // Of another configuration.
    fs::write(files.at(".countersign-0123456789abcdef-01234567-abcdef"), "").unwrap();
    files.tables(&format!("[daemon.deploy]\nwrite_env_file = '{}/env'\n", files.home().display()));
    assert_eq!(run(&mut files.command(&["--once"])).code, Some(0));
    assert_eq!(files.names(), [".countersign-0123456789abcdef-01234567-abcdef"]);
}

#[test]
fn a_folder_where_others_could_put_another_file_is_refused() {
    let files = Files::new();
    files.tables("[daemon.deploy]\nwrite_env_file = 'RUN/env'\nwrite_json_file = 'RUN/none/json'\n");
    let folder = files.home().join("run");
    for open in [0o777, 0o770] {
        fs::set_permissions(&folder, fs::Permissions::from_mode(open)).unwrap();
        let _daemon = Running::begin(&mut files.command(&[]));
        let mode = format!("(mode {open:o}, ");
        let said = until("why", || files.failure("env").filter(|said| said.contains(&mode)));
        assert!(said.contains(&format!("others may write to the folder {}", folder.display())), "{said}");
        assert!(said.contains("chmod go-w"), "{said}");
        let said = until("why", || files.failure("none/json"));
        assert!(said.contains(&format!("the folder {}: No such file", folder.join("none").display())), "{said}");
        assert!(files.names().is_empty());
    }
    // As /tmp is.
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o1777)).unwrap();
    let _daemon = Running::begin(&mut files.command(&[]));
    until("the file", || files.key("env"));
    fs::create_dir(folder.join("none")).unwrap();
    files.wait_until_good();
}

#[test]
fn good_files_outlive_the_daemon_and_a_start_without_anybody_to_ask_until_their_end() {
    let files = Files::new();
    files.sts.lifetime(Duration::from_secs(12));
    files.tables(
        "[daemon.deploy]\nwrite_credentials_file = 'RUN/credentials'\nwrite_json_file = 'RUN/json'\n\
         [daemon.github]\nwrite_credentials_file = 'RUN/credentials'\n",
    );
    let daemon = files.start();
    assert_eq!(daemon.stop().0, Some(0));
    let before = files.read("credentials");
    let keys = before.iter().flat_map(|text| text.lines().filter_map(|line| line.strip_prefix("aws_access_key_id = ")));
    let end = keys.map(|key| files.sts.session(key).unwrap().expires).min().expect("two sections");
    assert_eq!(files.status().0, Some(2), "nobody keeps them fresh");

    files.sts.close();
    let daemon = Running::begin(&mut files.command(&[]));
    until("an attempt", || files.failure("credentials"));
    let seen = (files.read("credentials"), files.status().0);
    // It was seen before now, and the last quarter of its life.
    if Timestamp::now().as_second() + 4 < end {
        assert_eq!(seen, (before, Some(0)), "{}", daemon.said());
    }
    until("the end", || {
        let there = ["credentials", "json"].map(|name| files.none_that_has_ended(name));
        (there == [None, None]).then_some(())
    });
    assert!(files.names().is_empty());
    daemon.wait_until_said("credentials removed: what stood in it has ended");
    daemon.wait_until_said("json removed: what stood in it has ended");
    assert_eq!(files.status().0, Some(1));
    files.sts.open();
    files.wait_until_good();
}

#[test]
fn what_ended_while_no_daemon_ran_is_taken_away_at_the_start() {
    let files = Files::new();
    files.sts.lifetime(Duration::from_secs(3));
    files.tables("[daemon.deploy]\nwrite_env_file = 'RUN/env'\n");
    let daemon = Running::begin(&mut files.command(&[]));
    let key = until("the file", || files.key("env"));
    daemon.kill();
    let end = files.sts.session(&key).unwrap().expires;
    until("its end", || (Timestamp::now().as_second() > end).then_some(()));
    if files.key("env").is_some() {
        files.sts.close();
        let daemon = Running::begin(&mut files.command(&[]));
        daemon.wait_until_said("env removed: what stood in it has ended");
        assert!(files.names().is_empty());
    }
}

#[test]
fn a_section_whose_profile_has_ended_goes_and_the_other_stays() {
    let files = Files::new();
    files.sts.lifetime(Duration::from_secs(8));
    files.tables(
        "[daemon.deploy]\nwrite_credentials_file = 'RUN/credentials'\n\
         [daemon.github]\nwrite_credentials_file = 'RUN/credentials'\n",
    );
    let daemon = files.start();
    files.github.fail(&[401; 1000]);
    daemon.wait_until_said("github: session ended, and nothing took its place");
    until("one section", || files.read("credentials").filter(|text| !text.contains("[github]")));
    until("a renewal", || {
        let text = files.read("credentials")?;
        (text.contains("[deploy]") && !text.contains("[github]")).then_some(())
    });
}

#[test]
fn two_daemons_of_one_configuration_do_not_run() {
    let files = Files::new();
    files.tables("[daemon.deploy]\nwrite_env_file = 'RUN/env'\n");
    let daemon = files.start();
    let key = files.key("env");
    for arguments in [&[][..], &["--once"]] {
        let second = run(&mut files.command(arguments));
        let expected = format!("process {} keeps the files of this configuration fresh already", daemon.id());
        assert!(second.code == Some(2) && second.stderr.contains(&expected), "{second:?}");
    }
    assert_eq!(files.key("env"), key);
    // Another configuration with the same file has another writer, and says so.
    let other = files.home().join("other.toml");
    fs::copy(files.config(), &other).unwrap();
    let ran = run(&mut files.command(&["--once", "--config", other.to_str().unwrap()]));
    assert!(ran.code == Some(2) && ran.stderr.contains("it is left alone"), "{ran:?}");
    // Whoever asks for the status does not keep one from starting.
    daemon.kill();
    let mut asking: Vec<_> = (0..4)
        .map(|_| files.command(&["--status"]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap())
        .collect();
    let daemon = files.start();
    for child in &mut asking {
        child.wait().unwrap();
    }
    drop(daemon);
}

#[test]
fn a_state_that_others_may_write_or_that_is_none_is_refused() {
    let files = Files::new();
    files.tables("[daemon.deploy]\nwrite_env_file = 'RUN/env'\n");
    let folder = files.home().join(".local/state/countersign");
    fs::create_dir_all(&folder).unwrap();
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o777)).unwrap();
    let ran = run(&mut files.command(&["--once"]));
    assert!(ran.code == Some(2) && ran.stderr.contains("others may write there (mode 777"), "{ran:?}");
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o700)).unwrap();
    assert_eq!(run(&mut files.command(&["--once"])).code, Some(0));
    for spoiled in ["{", "{\"version\": 2}"] {
        fs::write(files.state(), spoiled).unwrap();
        let ran = run(&mut files.command(&["--once"]));
        assert!(ran.code == Some(2) && ran.stderr.contains("move it away, and the files that it names"), "{ran:?}");
    }
    // One that another user left there, who would say what is taken away.
    if rustix::process::geteuid().is_root() {
        let planted = fs::read(files.state()).unwrap();
        std::os::unix::fs::chown(files.state(), Some(65534), None).unwrap();
        let ran = run(&mut files.command(&["--once"]));
        assert!(ran.code == Some(2) && ran.stderr.contains("it belongs to somebody else: remove "), "{ran:?}");
        assert_eq!(fs::read(files.state()).unwrap(), planted);
    }
    // systemd's place goes before the user's own.
    let unit = files.home().join("unit");
    fs::remove_file(files.at("env")).unwrap();
    assert_eq!(run(files.command(&["--once"]).env("STATE_DIRECTORY", &unit)).code, Some(0));
    assert_eq!(fs::read_dir(&unit).unwrap().count(), 2);
}

#[test]
fn the_table_says_what_is_good_and_what_comes_next() {
    let files = Files::new();
    files.tables(&(ALL.to_owned() + "hook = ['sh', '-c', 'exit 3']\n"));
    let ran = run(&mut files.command(&["--status"]));
    assert!(ran.code == Some(2) && ran.stderr.contains("no daemon has written anything"), "{ran:?}");
    let daemon: Running = files.start();
    daemon.wait_until_said("deploy: the hook failed: sh ended with exit status: 3");
    let ran = until("the hook in the status", || {
        Some(run(&mut files.command(&["--status"]))).filter(|ran| ran.stdout.contains("the hook failed"))
    });
    let lines: Vec<&str> = ran.stdout.lines().collect();
    assert!(lines[0].starts_with("NAME    WHAT") && lines[0].ends_with("NEXT RENEWAL"), "{ran:?}");
    for (line, name) in lines[1..].iter().zip(NAMES) {
        let words: Vec<&str> = line.split_whitespace().collect();
        assert_eq!(words[..4], ["deploy", files.at(name).to_str().unwrap(), "good", "in"], "{ran:?}");
    }
    let hook = lines.last().unwrap();
    assert!(hook.starts_with("deploy: the hook failed ") && hook.ends_with("sh ended with exit status: 3"), "{hook}");
    let (code, status) = files.status();
    assert_eq!((code, status["process"].as_u64()), (Some(0), Some(daemon.id().into())));
    assert_eq!(status["files"].as_array().unwrap().len(), 4);
    assert_eq!(status["hooks"]["deploy"]["why"], "sh ended with exit status: 3");
    // Whoever looks at it may be root, and the daemon another user.
    daemon.kill();
    let state = fs::read_to_string(files.state()).unwrap();
    fs::write(files.state(), state.replace("exit status: 3", "\\u001b[2J")).unwrap();
    let shown = run(&mut files.command(&["--status"]));
    assert!(shown.stdout.contains("\u{fffd}[2J") && !shown.stdout.contains('\u{1b}'), "{shown:?}");
    let lock = files.state().with_extension("lock");
    fs::remove_file(&lock).unwrap();
    assert!(Command::new("mkfifo").arg(&lock).status().unwrap().success());
    assert_eq!(run(&mut files.command(&["--status"])).code, Some(2), "nobody waits for a pipe");
}
