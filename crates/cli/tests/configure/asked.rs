//! The questions, through a pseudo-terminal.

use std::fs;
use std::process::Stdio;

use serde_json::{Value, json};
use testkit::tools::python;

use crate::world::write;
use crate::{ROLE, User, text};

/// Answers what is asked: waits for a text, then types. The last may be a key that ends it.
const TYPING: &str = r#"
import json, os, pty, select, sys
steps, command = json.loads(sys.argv[1]), sys.argv[2:]
pid, terminal = pty.fork()
if pid == 0:
    os.execv(command[0], command)
said, looked_at = b"", 0
def read():
    global said
    if not select.select([terminal], [], [], 60)[0]:
        sys.exit(f"nothing came for a minute:\n{said.decode()}")
    try:
        more = os.read(terminal, 4096)
    except OSError:
        more = b""
    said += more
    return more
for expected, answer in steps:
    while expected.encode() not in said[looked_at:]:
        if not read():
            sys.exit(f"{expected!r} was not asked:\n{said.decode()}")
    looked_at = said.index(expected.encode(), looked_at) + len(expected.encode())
    os.write(terminal, answer.encode())
while read():
    pass
status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
print(json.dumps({"status": status, "said": said.decode().replace("\r\n", "\n")}))
"#;

impl User {
    /// Runs `configure` in a terminal, in which these texts come and are answered.
    fn typing(&self, flags: &[&str], steps: &[(&str, &str)]) -> (i64, String) {
        let mut command = self.program(python());
        command.args(["-c", TYPING, &json!(steps).to_string(), env!("CARGO_BIN_EXE_countersign"), "configure"]);
        let output = command.args(flags).stderr(Stdio::piped()).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        let ended: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{said}"));
        (ended["status"].as_i64().unwrap(), ended["said"].as_str().unwrap().to_owned())
    }
}

#[test]
fn what_flags_do_not_say_is_asked_and_a_wrong_answer_is_explained_and_asked_again() {
    let user = User::new();
    write(&user.aws(), "[profile taken]\nrole_arn = x\n");
    let (status, said) = user.typing(
        &["--duration-seconds", "900"],
        &[
            ("Name of the profile:", "my profile\n"),
            ("letters, digits and", ""),
            ("Name of the profile:", "deploy\n"),
            ("Name of the profile in the AWS configuration [deploy]:", "taken\n"),
            ("by role_arn: take that out", ""),
            ("Name of the profile in the AWS configuration [deploy]:", "\n"),
            ("Where the token comes from (issuer, file, github, oauth):", "aws\n"),
            ("say one of issuer, file, github and oauth", "issuer\n"),
            ("Issuer URL:", "\n"),
            ("this has to be said", "http://id.acme.com\n"),
            ("must be https", ""),
            ("Issuer URL:", "https://id.acme.com\n"),
            ("Audience of the issuer's policy; empty: its default:", "\n"),
            ("Profile of the AWS configuration that signs; empty: the default credential chain:", "base\n"),
            ("Role, arn:aws:iam::ACCOUNT:role/NAME:", "deploy\n"),
            ("a name alone does not tell the account", ""),
            ("Role, arn:aws:iam::ACCOUNT:role/NAME:", &format!("{ROLE}\n")),
            ("Region; empty: none:", "cn-north-1\n"),
            ("of the partition aws-cn", ""),
            ("Region; empty: none:", "eu-central-1\n"),
            ("+url = \"https://id.acme.com\"", ""),
            ("Write this? Type `yes`:", "yes\n"),
        ],
    );
    assert_eq!(status, 0, "{said}");
    let expected = format!(
        "[profiles.deploy]\nurl = \"https://id.acme.com\"\naws_profile = \"base\"\nrole_arn = \"{ROLE}\"\nduration_seconds = 900\n\
         region = \"eu-central-1\"\n"
    );
    assert_eq!(text(&user.own()), expected);
    assert!(text(&user.aws()).ends_with(&format!("\n[profile deploy]\nregion = eu-central-1\n{}", user.process())));

    // What is there is the default; another source asks for its own.
    let secret = user.at("secret");
    fs::write(&secret, "s").unwrap();
    let (status, said) = user.typing(
        &[],
        &[
            ("Name of the profile [deploy]:", "\n"),
            ("in the AWS configuration [deploy]:", "\n"),
            ("(issuer, file, github, oauth) [issuer]:", "oauth\n"),
            ("Issuer URL of the identity provider:", "https://idp.acme.com/\n"),
            ("Id of the client:", "build\n"),
            ("File with the client's secret", "hunter2-is-the-secret\n"),
            ("there is no such file; the secret itself is not written", ""),
            ("File with the client's secret", &format!("{}\n", secret.display())),
            ("Audience to ask for; empty: none:", "\n"),
            ("Scope to ask for; empty: none:", "\n"),
            (&format!("role/NAME [{ROLE}]:"), "\n"),
            ("Region; empty: none [eu-central-1]:", "\n"),
            ("-aws_profile = \"base\"", ""),
            ("Write this? Type `yes`:", "yes\n"),
        ],
    );
    assert_eq!(status, 0, "{said}");
    let expected = format!(
        "[profiles.deploy]\nrole_arn = \"{ROLE}\"\nduration_seconds = 900\nregion = \"eu-central-1\"\noauth_issuer = \
         \"https://idp.acme.com/\"\noauth_client_id = \"build\"\noauth_client_secret_file = {secret:?}\n"
    );
    assert_eq!(text(&user.own()), expected);

    // With all of it kept, there is nothing to write.
    let keep: Vec<(&str, &str)> =
        ["profile [deploy]", "configuration [deploy]", "[oauth]", "idp.acme.com/]", "[build]"]
            .into_iter()
            .chain(["/secret]", "Audience to ask", "Scope to ask", "[arn:", "[eu-central-1]"])
            .map(|question| (question, "\n"))
            .collect();
    let (status, said) = user.typing(&[], &keep);
    assert!(status == 0 && said.ends_with("nothing to change: the profile deploy is written already\n"), "{said}");
    assert_eq!(text(&user.own()), expected);
}

#[test]
fn whoever_does_not_say_yes_or_leaves_changes_nothing() {
    let user = User::new();
    write(&user.aws(), "# mine\n");
    let flags = [
        "--profile",
        "deploy",
        "--aws-profile-name",
        "deploy",
        "--github",
        "--role-arn",
        ROLE,
        "--region",
        "eu-west-1",
    ];
    let confirm = "Write this? Type `yes`:";
    // Control-C ends the process as it ends any, by signal 2; control-D is the end of what is typed.
    for (flags, steps, ends) in [
        (&flags[..], vec![(confirm, "y\n")], 2),
        (&flags, vec![(confirm, "\n")], 2),
        (&flags, vec![(confirm, "\u{4}")], 2),
        (&flags, vec![(confirm, "\u{3}")], -2),
        (&[], vec![("Name of the profile:", "\u{3}")], -2),
        (&[], vec![("Name of the profile:", "\u{4}")], 2),
        (&[], vec![("Name of the profile:", "deploy\n"), ("AWS configuration [deploy]:", "\u{3}")], -2),
        // In a terminal too, --yes and --dry-run do what they say.
        (&["--yes"], vec![("say --profile NAME", "")], 2),
        (&[&flags[..], &["--dry-run"]].concat(), vec![("+[profile deploy]", "")], 0),
    ] {
        let (status, said) = user.typing(flags, &steps);
        assert_eq!(status, ends, "{steps:?}: {said}");
        assert!(ends != 2 || flags == ["--yes"] || said.contains("nothing was written"), "{said}");
        assert!(!user.own().exists() && text(&user.aws()) == "# mine\n", "{steps:?}");
    }
    let (status, said) = user.typing(&[&flags[..], &["--yes"]].concat(), &[("written. Try it", "")]);
    assert!(status == 0 && user.own().exists(), "{said}");

    // What a terminal would act upon is shown as it is written.
    write(&user.own(), "[profiles.deploy]\nurl = \"https://id.acme.com\"\naudience = \"a\\u001b[31m\"\n");
    let steps = [("(issuer", "\n"), ("Issuer URL", "\n"), ("[a\\u{1b}[31m]:", "\u{3}")];
    assert_eq!(user.typing(&["--profile", "deploy", "--aws-profile-name", "deploy"], &steps).0, -2);
}
