//! What a command reads and how it ends, beside its flags. Whoever adds a variable or a file adds a row here; the tests in
//! `tests/manual.rs` ask whether the code has each of them, and whether each of the code's own stands here.
//!
//! A row for `keys` holds for `keys status` and its like too.

/// Variables, or files, of which the same is to be said.
#[derive(Debug)]
pub struct Row {
    /// As they are written.
    pub names: &'static [&'static str],
    /// What they do there.
    pub says: &'static str,
    /// The commands that read or write them.
    pub commands: &'static [&'static str],
}

/// The commands that look for AWS credentials, as every AWS SDK does.
const SIGN: &[&str] = &["token", "credentials", "exec", "agent", "daemon", "doctor", "probe", "keys"];
/// The commands that ask another machine.
const ASK: &[&str] = &["token", "verify", "credentials", "exec", "agent", "daemon", "doctor", "probe", "keys"];
/// The commands that trade a token for AWS credentials.
const TRADE: &[&str] = &["credentials", "exec", "agent", "daemon", "doctor"];
/// Those of them that keep what they got.
const KEEP: &[&str] = &["credentials", "exec"];

/// The commands that read the files of the AWS configuration.
const READ: &[&str] = &["token", "credentials", "exec", "agent", "daemon", "configure", "doctor", "probe", "keys"];
/// The commands that read profiles of ours.
const PROFILES: &[&str] = &["credentials", "exec", "agent", "daemon", "configure", "doctor"];
/// The commands that are about one profile, whom flags and variables tell too.
const ONE: &[&str] = &["credentials", "exec", "agent", "doctor"];

/// Variables of the environment.
pub const VARIABLES: &[Row] = &[
    Row {
        names: &["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"],
        says: "AWS credentials. They come before all others.",
        commands: SIGN,
    },
    Row {
        names: &["AWS_PROFILE"],
        says: "The profile of the AWS configuration to take credentials and region from.",
        commands: SIGN,
    },
    Row {
        names: &["AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"],
        says: "The files of the AWS configuration, in place of ~/.aws/config and ~/.aws/credentials.",
        commands: READ,
    },
    Row {
        names: &["AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_ROLE_ARN", "AWS_ROLE_SESSION_NAME"],
        says: "A token in a file, and the role and session to trade it for, as Kubernetes sets them.",
        commands: SIGN,
    },
    Row {
        names: &["AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_CONTAINER_CREDENTIALS_FULL_URI"],
        says: "Where a container gets its credentials, as ECS and EKS set them.",
        commands: SIGN,
    },
    Row {
        names: &["AWS_CONTAINER_AUTHORIZATION_TOKEN", "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"],
        says: "What a container shows for them, itself or in a file.",
        commands: SIGN,
    },
    Row {
        names: &["AWS_EC2_METADATA_DISABLED"],
        says: "With true, the metadata service of a virtual machine is not asked.",
        commands: SIGN,
    },
    Row { names: &["AWS_EC2_METADATA_SERVICE_ENDPOINT"], says: "Another place for that service.", commands: SIGN },
    Row {
        names: &["AWS_CREDENTIAL_EXPIRATION"],
        says: "Set for the command: when its credentials end.",
        commands: &["exec"],
    },
    Row {
        names: &["AWS_ACCOUNT_ID"],
        says: "The account of other credentials: taken out of the command's environment.",
        commands: &["exec"],
    },
    Row {
        names: &["AWS_DEFAULT_PROFILE", "AWS_SECURITY_TOKEN", "AWS_BEARER_TOKEN_BEDROCK"],
        says: "Other ways to credentials are taken out of the command's environment, these three among them.",
        commands: &["exec"],
    },
    Row {
        names: &["AWS_REGION", "AWS_DEFAULT_REGION"],
        says: "The region, where no flag and no host name says it. The former comes first.",
        commands: SIGN,
    },
    Row {
        names: &["AWS_MAX_ATTEMPTS", "AWS_RETRY_MODE"],
        says: "How often AWS is asked again, and whether adaptive. What is no number or mode does not count; nor does the profile.",
        commands: SIGN,
    },
    Row {
        names: &["AWS_CA_BUNDLE"],
        says: "A file of certificates in PEM, trusted beside the system's.",
        commands: ASK,
    },
    Row {
        names: &["HTTPS_PROXY", "NO_PROXY"],
        says: "The proxy for https, and the hosts that are asked without it. On loopback there is none.",
        commands: ASK,
    },
    Row {
        names: &["AWS_ENDPOINT_URL_STS", "AWS_ENDPOINT_URL", "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS"],
        says: "Another STS than the region's own, and whether one that is configured counts.",
        commands: TRADE,
    },
    Row {
        names: &["COUNTERSIGN_PROFILE"],
        says: "The profile, in place of --profile. Each other setting has a variable too, named as its flag is: \
               COUNTERSIGN_ROLE_ARN for --role-arn, COUNTERSIGN_POLICY_ARNS with several ARNs for --policy-arn.",
        commands: ONE,
    },
    Row {
        names: &["COUNTERSIGN_OAUTH_CLIENT_SECRET"],
        says: "The secret of the OAuth client, unless a file or another variable has it.",
        commands: TRADE,
    },
    Row {
        names: &["ACTIONS_ID_TOKEN_REQUEST_URL", "ACTIONS_ID_TOKEN_REQUEST_TOKEN"],
        says: "Where a job of GitHub Actions gets a token, and by what. The runner sets them.",
        commands: TRADE,
    },
    Row { names: &["XDG_CONFIG_HOME"], says: "The folder of profiles, in place of ~/.config.", commands: PROFILES },
    Row { names: &["XDG_CACHE_HOME"], says: "The folder of kept credentials, in place of ~/.cache.", commands: KEEP },
    Row {
        names: &["XDG_RUNTIME_DIR", "RUNTIME_DIRECTORY"],
        says: "Folders in memory, of a user who is logged in and of a service of systemd's: the authorization token lies in the \
               first that is there, else in that of kept credentials.",
        commands: &["agent"],
    },
    Row {
        names: &["STATE_DIRECTORY", "XDG_STATE_HOME"],
        says: "Where it stands which files were written: $STATE_DIRECTORY, as systemd sets it, else $XDG_STATE_HOME/countersign, in place of ~/.local/state/countersign.",
        commands: &["daemon"],
    },
    Row {
        names: &["NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"],
        says: "Where and how often systemd wants to be told that the service is ready and alive. It sets them.",
        commands: &["agent", "daemon"],
    },
    Row {
        names: &[
            "COUNTERSIGN_WRITE_TOKEN_FILE",
            "COUNTERSIGN_WRITE_CREDENTIALS_FILE",
            "COUNTERSIGN_WRITE_ENV_FILE",
            "COUNTERSIGN_WRITE_JSON_FILE",
        ],
        says: "Set for a hook, beside COUNTERSIGN_PROFILE: where the profile's files are.",
        commands: &["daemon"],
    },
    Row {
        names: &["XDG_DATA_HOME", "HOME"],
        says: "Without --data-dir, the data directory is $XDG_DATA_HOME/countersign, or $HOME/.local/share/countersign.",
        commands: &["serve"],
    },
    Row { names: &["SHELL"], says: "The shell, where none is named.", commands: &["completions"] },
];

/// Files. DIR is the data directory.
pub const FILES: &[Row] = &[
    Row { names: &["~/.aws/config", "~/.aws/credentials"], says: "The AWS configuration.", commands: READ },
    Row { names: &["~/.config/countersign/config.toml"], says: "Profiles: settings under a name.", commands: PROFILES },
    Row { names: &["~/.cache/countersign"], says: "Credentials that are kept, for this user alone.", commands: KEEP },
    Row {
        names: &["$XDG_RUNTIME_DIR/countersign"],
        says: "The authorization token of an agent on a port, for this user alone: agent-PORT.token. It goes with the agent.",
        commands: &["agent"],
    },
    Row {
        names: &["~/.local/state/countersign"],
        says: "What was written, and how it goes, for this user alone.",
        commands: &["daemon"],
    },
    Row {
        names: &["DIR/keyring.json"],
        says: "The key ring with its private keys, in the data directory. Refused if others can read it.",
        commands: &["serve", "keys"],
    },
    Row { names: &["DIR/policy.yaml"], says: "The policy, unless --policy names another.", commands: &["serve"] },
    Row {
        names: &["DIR/credentials.yaml"],
        says: "Who a signature with which access key stands for. Refused if others can read it.",
        commands: &["serve"],
    },
    Row {
        names: &["DIR/aws-credentials"],
        says: "The same access keys as profiles for AWS SDKs: AWS_SHARED_CREDENTIALS_FILE may name it.",
        commands: &["serve"],
    },
];

/// What exit code 1 means where something more exact can be said than for all.
const REFUSED: &[(&str, &str)] = &[
    ("probe", "At least one probe is not as expected; with --check, the file does not load."),
    ("daemon", "With --once, somebody said no; with --status, not every file is good."),
    (
        "exec",
        "The token or the session is refused. With credentials, the command's own exit code; 126 or 127 if it cannot be run.",
    ),
    ("agent", "With --status: at least one role has no credentials."),
    ("doctor", "Somebody says no, or something is wrong: a token, a document, a clock."),
    ("trust diff", "Somebody gains access."),
    (
        "configure",
        "AWS's tools would find other credentials under that name, or these would sign for themselves: nothing is written.",
    ),
];

/// The exit codes, with what they mean for this command.
pub fn exit_codes(path: &str) -> impl Iterator<Item = (&'static str, &'static str)> {
    let refused = REFUSED
        .iter()
        .find(|(command, _)| *command == path)
        .map_or("The token, policy, caller, key or request is refused or invalid.", |(_, says)| says);
    let unclear = "Could not tell: a bad flag or value, a file or network that cannot be read, a question that nobody is \
                   there to answer.";
    [("0", "Done, warnings included."), ("1", refused), ("2", unclear)].into_iter()
}
