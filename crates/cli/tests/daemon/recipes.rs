//! Lines of `docs/daemon.md`, as they stand there.

use std::fs;
use std::process::Stdio;

use testkit::tools::workspace_root;

use crate::running::Files;
use crate::world::{run, write};

#[test]
fn every_sdk_takes_the_json_file_by_a_credential_process_and_a_shell_the_env_file() {
    let files = Files::new();
    files.tables("[daemon.deploy]\nwrite_json_file = 'RUN/deploy.json'\nwrite_env_file = 'RUN/deploy.env'\n");
    assert_eq!(run(&mut files.command(&["--once"])).code, Some(0));
    let page = fs::read_to_string(workspace_root().join("docs/daemon.md")).unwrap();
    let profile = page.split("```ini\n").nth(1).and_then(|block| block.split("```").next()).expect("it is there");
    let folder = files.home().join("run").display().to_string();
    write(&files.home().join(".aws/config"), &profile.replace("/run/countersign-app", &folder));
    let bare = |mut command: std::process::Command| {
        command.env_remove("AWS_ACCESS_KEY_ID").env_remove("AWS_SECRET_ACCESS_KEY").stdin(Stdio::null());
        run(&mut command)
    };
    let mut by_process = files.consumer("aws");
    by_process.args(["sts", "get-caller-identity", "--profile", "deploy"]);
    let mut by_env = files.consumer("sh");
    by_env.env("AWS_DEFAULT_REGION", "eu-central-1");
    by_env.args(["-c", "exec env $(cat \"$0\") aws sts get-caller-identity"]).arg(files.at("deploy.env"));
    for command in [by_process, by_env] {
        let ran = bare(command);
        assert!(ran.code == Some(0) && ran.stdout.contains("assumed-role/deploy/"), "{ran:?}");
    }
    let key = files.key("deploy.json").unwrap();
    assert!(files.sts.consumed().iter().all(|call| call.access_key_id == key && call.refused.is_none()));
    assert_eq!(files.sts.consumed().len(), 2);
}
