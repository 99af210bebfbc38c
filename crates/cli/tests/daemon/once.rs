//! `--once`: what a script learns.

use std::fs;

use crate::running::Files;
use crate::world::run;

#[test]
fn it_writes_everything_and_ends_and_says_how_it_went() {
    let files = Files::new();
    let mark = files.home().join("mark");
    let hook = format!("hook = ['sh', '-c', 'cat \"$COUNTERSIGN_WRITE_ENV_FILE\" >{}']\n", mark.display());
    let table = "[daemon.deploy]\nwrite_token_file = 'RUN/token'\nwrite_env_file = 'RUN/env'\n".to_owned();
    files.tables(&(table.clone() + &hook));
    let once = || run(&mut files.command(&["--once"]));
    let ran = once();
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(0), ""), "{ran:?}");
    assert!(ran.stderr.ends_with("countersign: 2 of 2 are good\n"), "{ran:?}");
    let key = files.key("env");
    assert!(key.is_some() && fs::read_to_string(&mark).unwrap() == files.read("env").unwrap());

    // Again, with everything new.
    assert_eq!(once().code, Some(0));
    assert_ne!(files.key("env"), key);

    // A no, a silence, a hook that fails, a file of somebody else's. What is good stays.
    let (key, token) = (files.key("env"), files.read("token"));
    files.trust("ci:nightly");
    let ran = once();
    assert!(ran.code == Some(1) && ran.stderr.contains("AccessDenied"), "{ran:?}");
    assert!(files.key("env") == key && files.read("token") != token, "each for itself");
    files.trust(crate::world::SUBJECT);
    files.sts.close();
    let ran = once();
    assert!(ran.code == Some(2) && ran.stderr.contains("not renewed"), "{ran:?}");
    assert_eq!(files.key("env"), key);
    files.sts.open();
    files.tables(&(table + "hook = ['no-such-command']\n"));
    let ran = once();
    assert!(ran.code == Some(2) && ran.stderr.contains("the hook failed: no-such-command cannot be run"), "{ran:?}");
    fs::write(files.at("env"), "MINE=1\n").unwrap();
    let ran = once();
    assert!(ran.code == Some(2) && ran.stderr.contains("it is left alone"), "{ran:?}");
}

#[test]
fn a_configuration_that_is_none_is_said_before_anything_is_written() {
    let files = Files::new();
    for (tables, expected) in [
        ("", "names nothing to keep fresh"),
        ("[daemon.deploy]\nwrite_env_file = 'RUN/env'\nhooks = []\n", "config.toml:9: unknown field `hooks`"),
        ("[daemon.nobody]\nwrite_env_file = 'RUN/env'\n", "there is no profile nobody"),
    ] {
        files.tables(tables);
        let ran = run(&mut files.command(&["--once"]));
        assert!(ran.code == Some(2) && ran.stderr.contains(expected), "{ran:?}");
    }
    let ran = run(&mut files.command(&["--config", "/no/such/file"]));
    assert!(ran.code == Some(2) && ran.stderr.contains("cannot read /no/such/file"), "{ran:?}");
    assert!(files.names().is_empty() && !files.home().join(".local").exists());
}
