//! A running daemon, and the user whose files it keeps fresh.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::ops::Deref;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::Value;
use testkit::github::{self, GitHub};

use crate::world::{ACCOUNT, AUDIENCE, ROLE, Ran, World, run};

/// How long something may take that has to happen, on a machine that does much else.
const PATIENCE: Duration = Duration::from_mins(2);
/// The role of GitHub's tokens.
pub(crate) const OF_GITHUB: &str = "arn:aws:iam::444455556666:role/github";

/// A world with a second profile, `github`, and a folder `run` for what is written.
pub(crate) struct Files {
    world: World,
    pub(crate) github: GitHub,
}

impl Deref for Files {
    type Target = World;

    fn deref(&self) -> &World {
        &self.world
    }
}

impl Files {
    pub(crate) fn new() -> Self {
        let (world, github) = (World::new(), GitHub::start());
        world.provider(ACCOUNT, github::ISSUER, AUDIENCE, &github.origin());
        let key = |claim: &str| format!("{}:{claim}", github::ISSUER.trim_start_matches("https://"));
        let condition = serde_json::json!({"StringEquals": {key("aud"): AUDIENCE, key("sub"): github::SUBJECT}});
        world.role(OF_GITHUB, github::ISSUER, &["AssumeRoleWithWebIdentity"], &condition);
        fs::create_dir(world.home().join("run")).unwrap();
        Self { world, github }
    }

    /// Where a file of this name is written.
    pub(crate) fn at(&self, name: &str) -> PathBuf {
        self.home().join("run").join(name)
    }

    /// The configuration: both profiles, and these tables, in which `RUN` is the folder.
    pub(crate) fn tables(&self, tables: &str) {
        self.tables_asking(self.issuer.origin(), tables);
    }

    /// The same with the issuer at this place.
    pub(crate) fn tables_asking(&self, issuer: &str, tables: &str) {
        let profiles = format!(
            "[profiles.deploy]\nurl = '{issuer}'\nrole_arn = '{ROLE}'\n\
             [profiles.github]\ngithub = true\nrole_arn = '{OF_GITHUB}'\n"
        );
        self.configure(&(profiles + &tables.replace("RUN", &self.home().join("run").display().to_string())));
    }

    /// The daemon with these arguments; a job of GitHub, too, finds what it needs.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.countersign(&[&["daemon"], arguments].concat());
        command.envs(self.github.environment());
        command
    }

    /// A shell that becomes the daemon after this; `"$@"` is its command line.
    pub(crate) fn shell(&self, script: &str) -> Command {
        let mut shell = self.program("bash");
        shell.args(["-c", script, "bash", env!("CARGO_BIN_EXE_countersign"), "daemon"]).envs(self.github.environment());
        shell
    }

    /// A daemon that has written all of its files.
    pub(crate) fn start(&self) -> Running {
        let daemon = Running::begin(&mut self.command(&[]));
        self.wait_until_good();
        daemon
    }

    /// `--status --json`, and its exit code.
    pub(crate) fn status(&self) -> (Option<i32>, Value) {
        let Ran { code, stdout, .. } = run(&mut self.command(&["--status", "--json"]));
        (code, serde_json::from_str(&stdout).unwrap_or_default())
    }

    /// Waits until every file is there and good.
    pub(crate) fn wait_until_good(&self) {
        until("all files are good", || (self.status().0 == Some(0)).then_some(()));
    }

    /// Why a file is not written or renewed.
    pub(crate) fn failure(&self, name: &str) -> Option<String> {
        let (_, status) = self.status();
        let path = self.at(name).display().to_string();
        let row = status["files"].as_array()?.iter().find(|row| row["what"] == path.as_str())?.clone();
        row["failure"]["why"].as_str().map(str::to_owned)
    }

    /// What a file holds, if it is there.
    pub(crate) fn read(&self, name: &str) -> Option<String> {
        fs::read_to_string(self.at(name)).ok()
    }

    /// The access key id of a file of any form but a token's.
    pub(crate) fn key(&self, name: &str) -> Option<String> {
        let text = self.read(name)?;
        let (_, rest) = text.split_once("ASIA")?;
        Some("ASIA".to_owned() + rest.split(|letter: char| !letter.is_ascii_alphanumeric()).next()?)
    }

    /// The same, of credentials that had not ended when the file was read.
    pub(crate) fn none_that_has_ended(&self, name: &str) -> Option<String> {
        let now = jiff::Timestamp::now().as_second();
        let key = self.key(name)?;
        let end = self.sts.session(&key).expect("STS gave it").expires;
        assert!(now < end, "read at {now}: {key} had ended at {end}");
        Some(key)
    }

    /// The names in the folder.
    pub(crate) fn names(&self) -> Vec<String> {
        let files = fs::read_dir(self.home().join("run")).unwrap();
        let mut names: Vec<String> = files.map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    /// The state's file.
    pub(crate) fn state(&self) -> PathBuf {
        let files = fs::read_dir(self.home().join(".local/state/countersign")).unwrap();
        files.map(|file| file.unwrap().path()).find(|path| path.extension().is_some_and(|end| end == "json")).unwrap()
    }
}

/// A daemon.
pub(crate) struct Running {
    child: Child,
    said: Arc<Mutex<String>>,
}

impl Running {
    /// One that has been started.
    pub(crate) fn begin(command: &mut Command) -> Self {
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("it starts");
        let (said, pipe) = (Arc::<Mutex<String>>::default(), child.stderr.take().unwrap());
        let sink = Arc::clone(&said);
        std::thread::spawn(move || {
            for line in BufReader::new(pipe).lines().map_while(Result::ok) {
                sink.lock().unwrap().push_str(&(line + "\n"));
            }
        });
        Self { child, said }
    }

    /// What it said so far.
    pub(crate) fn said(&self) -> String {
        self.said.lock().unwrap().clone()
    }

    pub(crate) fn wait_until_said(&self, what: &str) {
        until(what, || self.said().contains(what).then_some(()));
    }

    /// How often it said something.
    pub(crate) fn count(&self, what: &str) -> usize {
        self.said().matches(what).count()
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn signal(&self, name: &str) {
        let sent = Command::new("kill").args(["-s", name, &self.id().to_string()]).status().unwrap();
        assert!(sent.success());
    }

    /// Ends it, and says how it ended and what it had said.
    pub(crate) fn stop(self) -> (Option<i32>, String) {
        self.signal("TERM");
        self.end()
    }

    /// Waits for its end.
    pub(crate) fn end(mut self) -> (Option<i32>, String) {
        let code = self.child.wait().unwrap().code();
        until("its last line", || (Arc::strong_count(&self.said) == 1).then_some(()));
        (code, self.said())
    }

    /// kill -9
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the daemon said:\n{}", self.said());
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Waits for what has to happen.
pub(crate) fn until<T>(what: &str, mut happened: impl FnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(it) = happened() {
            return it;
        }
        assert!(began.elapsed() < PATIENCE, "not within {PATIENCE:?}: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

pub(crate) fn mode(path: &Path) -> u32 {
    path.metadata().unwrap().mode() & 0o7777
}

/// The claims of a token in a file.
pub(crate) fn claims(token: &str) -> Value {
    use base64::Engine as _;
    let payload = token.split('.').nth(1).unwrap_or_default();
    let json = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(payload).unwrap_or_default();
    serde_json::from_slice(&json).unwrap_or_default()
}

/// What waits for the ends of sessions does so side by side.
pub(crate) fn side_by_side(tests: &[(&str, fn())]) {
    std::thread::scope(|scope| {
        for (name, test) in tests {
            std::thread::Builder::new().name((*name).to_owned()).spawn_scoped(scope, test).unwrap();
        }
    });
}
