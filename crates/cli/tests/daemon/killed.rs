//! kill -9, at many moments.

use std::time::Duration;

use testkit::sts::Fault;

use crate::running::{Files, Running, until};

#[test]
fn killed_at_any_moment_it_leaves_whole_files_that_it_knows_again_and_nothing_beside_them() {
    let files = Files::new();
    files.tables(
        "[daemon.deploy]\nwrite_token_file = 'RUN/token'\nwrite_credentials_file = 'RUN/credentials'\n\
         write_env_file = 'RUN/env'\nwrite_json_file = 'RUN/json'\n\
         [daemon.github]\nwrite_credentials_file = 'RUN/credentials'\n",
    );
    let mut seen = 0;
    let whole = || {
        let all = ["token", "credentials", "env", "json"].map(|name| files.read(name));
        let [token, credentials, env, json] = &all;
        assert!(token.as_ref().is_none_or(|text| crate::running::claims(text).is_object()), "{token:?}");
        let sections = |text: &String| text.matches("aws_session_token = ").count() == text.matches("\n[").count();
        assert!(credentials.as_ref().is_none_or(|text| sections(text) && text.ends_with('\n')), "{credentials:?}");
        assert!(env.as_ref().is_none_or(|text| text.lines().count() == 4 && text.ends_with("Z\n")), "{env:?}");
        assert!(json.as_ref().is_none_or(|text| serde_json::from_str::<serde_json::Value>(text).is_ok()), "{json:?}");
        all.iter().flatten().count()
    };
    for moment in 0..40_u64 {
        // In the middle of a write half of the time, which begins with an answer.
        let before = files.asked();
        let daemon = Running::begin(&mut files.command(&[]));
        until("an answer", || (files.asked() > before).then_some(()));
        std::thread::sleep(Duration::from_millis(moment % 20 * 3));
        daemon.kill();
        seen += whole();
    }
    assert!(seen > 40, "only {seen} files were ever there");
    // Nothing is foreign, with nobody to ask, and nothing is left over.
    files.sts.fail(Fault::Silent);
    files.github.fail(&[503; 1000]);
    let daemon = Running::begin(&mut files.command(&[]));
    until("all looked at", || (files.status().0 == Some(0)).then_some(()));
    files.sts.heal();
    let (_, said) = daemon.stop();
    assert!(!said.contains("left alone"), "{said}");
    assert_eq!(files.names(), ["credentials", "env", "json", "token"]);
    let state = std::fs::read_dir(files.state().parent().unwrap()).unwrap();
    assert_eq!(state.count(), 2, "the state and its lock");
}
