//! A document's blocks, run one after the other in one shell, as a reader would.
//!
//! The shell starts in a copy of the project (`crates/` is linked), in which `infrastructure/vars/policy.yaml` is there as
//! the set-up says. On `PATH` are the built `countersign`, also as `target/release/countersign`, and the Python of
//! `scripts/tools`. Its home is empty, and nothing says who the person is that runs the tests.
//!
//! Three things are rewritten in what a document says, so that documents can be run side by side: the port 8787 is a free
//! one, `countersign serve` is told of it, and `/tmp` is a folder of the document's own. `cargo build` of the command line
//! builds nothing, because the tests have built it.

use std::fmt::Write as _;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

use tempfile::TempDir;
use testkit::tools::{isolated, python, workspace_root};

use crate::output;
use crate::page::{Block, Kind, Page, is_not_ours};

/// How long a document may take, on a machine that runs other tests.
const PATIENCE: Duration = Duration::from_mins(2);

/// What the shell does before the first block. Whatever it started ends with it, and it ends with the test.
const BEFORE: &str = r#"
trap 'status=$?; trap "" TERM; kill -TERM -- -$$; wait; exit $status' EXIT
(while kill -0 "$TEST"; do sleep 1; done; kill -KILL -- -$$) >/dev/null 2>&1 &
"#;

/// Waits for what was started in the background, and takes over the lines that it says to copy.
const LISTENS: &str = r#"
until grep -q '^listening on ' "$SAID"; do kill -0 $!; sleep 0.05; done
eval "$(grep '^ *export ' "$SAID")"
"#;

/// The only thing that is built in a document.
const CARGO: &str = r#"#!/bin/sh
[ "$*" = "build --release --package countersign" ] || { echo "only the command line is built here, not: $*"; exit 1; }
"#;

/// A document that is being run.
pub(crate) struct Session<'a> {
    page: &'a Page,
    shell: Child,
    folder: TempDir,
    /// The one that stands for 8787.
    pub(crate) port: u16,
}

/// Runs a document, and says what of it is not as it says.
pub(crate) fn run(page: &Page) -> Vec<String> {
    Session::start(page).faults()
}

impl<'a> Session<'a> {
    pub(crate) fn start(page: &'a Page) -> Self {
        let folder = tempfile::Builder::new().prefix("countersign-document-").tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        for name in ["project", "tmp", "home", "said", "bin", "project/target/release"] {
            std::fs::create_dir_all(at(name)).unwrap();
        }
        copy(&workspace_root(), &at("project"));
        let vars = at("project/infrastructure/vars");
        std::fs::copy(vars.join("policy.yaml.example"), vars.join("policy.yaml")).unwrap();
        for link in ["bin/countersign", "project/target/release/countersign"] {
            symlink(env!("CARGO_BIN_EXE_countersign"), at(link)).unwrap();
        }
        std::fs::write(at("bin/cargo"), CARGO).unwrap();
        std::fs::set_permissions(at("bin/cargo"), PermissionsExt::from_mode(0o755)).unwrap();

        let port = free_port();
        let tmp = at("tmp");
        let rewritten = |text: &str| {
            text.replace("countersign serve", "countersign serve --listen 127.0.0.1:8787")
                .replace("127.0.0.1:8787", &format!("127.0.0.1:{port}"))
                .replace("/tmp/", &format!("{}/", tmp.display()))
        };
        std::fs::write(at("script"), script(page, rewritten)).unwrap();

        let mut path = vec![at("bin"), python().parent().unwrap().to_path_buf()];
        path.extend(std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()));
        let shell = isolated("bash", &at("home"))
            .args(["-euo", "pipefail"])
            .arg(at("script"))
            .current_dir(at("project"))
            .env("PATH", std::env::join_paths(path).unwrap())
            .env("TMPDIR", &tmp)
            .env("TEST", std::process::id().to_string())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(at("said/shell")).unwrap())
            .process_group(0)
            .spawn()
            .unwrap();
        Self { page, shell, folder, port }
    }

    /// Waits for its end, and says what is not as the document says.
    pub(crate) fn faults(mut self) -> Vec<String> {
        let began = Instant::now();
        let code = loop {
            if let Some(status) = self.shell.try_wait().unwrap() {
                break status.code().map_or("a signal".to_owned(), |code| code.to_string());
            }
            if began.elapsed() > PATIENCE {
                let _ = Command::new("kill").args(["-KILL", "--", &format!("-{}", self.shell.id())]).status();
                break format!("nothing, for {PATIENCE:?}");
            }
            std::thread::sleep(Duration::from_millis(10));
        };
        if code != "0" {
            // Before the first block is reached, bash has not understood one of them.
            let first = self.page.blocks.first().map_or(0, |block| block.line);
            let reached = self.text("reached").trim().parse().unwrap_or(first);
            let printed = self.printed(reached) + &self.text("shell");
            return vec![format!("{}:{reached}: ended with {code}, and printed\n{printed}", self.page.name)];
        }
        let (mut above, mut faults) = (None, Vec::new());
        for block in &self.page.blocks {
            if block.kind == Kind::Output {
                let printed = above.map(|above| self.output(above)).unwrap_or_default();
                let difference = output::difference(&block.text, &printed);
                faults
                    .extend(difference.map(|what| format!("{}:{}: the output\n  {what}", self.page.name, block.line)));
            } else {
                above = Some(block);
            }
        }
        faults
    }

    /// What a reader sees below a block: all of it, or what a server said until it listened.
    fn output(&self, block: &Block) -> String {
        let printed = self.printed(block.line);
        let Some((before, after)) = printed.split_once("listening on ").filter(|_| block.kind == Kind::Background)
        else {
            return printed;
        };
        format!("{before}listening on {}", after.lines().next().unwrap_or_default())
    }

    /// What the block of this line printed, in the document's own terms.
    fn printed(&self, line: usize) -> String {
        self.text(&line.to_string())
            .replace(&format!("{}/", self.folder.path().join("tmp").display()), "/tmp/")
            .replace(&format!("127.0.0.1:{}", self.port), "127.0.0.1:8787")
            .replace(env!("CARGO_BIN_EXE_countersign"), "./target/release/countersign")
    }

    /// A file that the shell wrote, if it did.
    fn text(&self, name: &str) -> String {
        let content = std::fs::read(self.folder.path().join("said").join(name)).unwrap_or_default();
        String::from_utf8_lossy(&content).into_owned()
    }
}

/// A free port below those that the system gives to whoever asks for any, which are the ones of other tests' servers: one of
/// those could be taken again before `serve` takes it.
fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let first = 20_000 + u16::try_from(std::process::id() % 187).unwrap() * 64;
    let mut ports = (0..64).map(|_| first + NEXT.fetch_add(1, Ordering::Relaxed) % 64);
    ports.find(|port| std::net::TcpListener::bind(("127.0.0.1", *port)).is_ok()).expect("a free port")
}

/// All that the shell is to do. What a block prints goes into `../said/LINE`.
fn script(page: &Page, rewritten: impl Fn(&str) -> String) -> String {
    let mut script = "said=\"$(cd ../said && pwd)\"\n".to_owned() + BEFORE;
    for Block { line, kind, text, .. } in &page.blocks {
        let text = rewritten(text);
        let begin = format!("SAID=\"$said/{line}\"; echo {line} >\"$said/reached\"\n");
        let _ = match kind {
            Kind::Run(0) => write!(script, "{begin}exec >\"$SAID\" 2>&1\n{text}"),
            Kind::Run(code) => write!(
                script,
                "{begin}set +e\n(set -e; exec >\"$SAID\" 2>&1\n{text})\nended=$?\nset -e\n\
                 [ $ended = {code} ] || {{ echo \"ended with $ended, not {code}\" >>\"$SAID\"; exit 1; }}\n"
            ),
            Kind::Background => write!(script, "{begin}(exec >\"$SAID.stdout\" 2>\"$SAID\"\n{text}) &\n{LISTENS}"),
            Kind::File(name) => {
                write!(
                    script,
                    "mkdir -p \"$(dirname {name})\"; cat >{name} <<'END OF THE FILE'\n{text}END OF THE FILE\n"
                )
            }
            Kind::Needs(_) | Kind::RunBy(_) | Kind::Output | Kind::Shown => Ok(()),
        };
    }
    script
}

/// Copies what is the project's own; its crates are most of the files, and no document writes into them.
fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().map(Result::unwrap) {
        let (kind, to) = (entry.file_type().unwrap(), to.join(entry.file_name()));
        if entry.path() == workspace_root().join("crates") {
            symlink(entry.path(), to).unwrap();
        } else if kind.is_dir() && !is_not_ours(&entry.file_name().to_string_lossy()) {
            copy(&entry.path(), &to);
        } else if kind.is_file() {
            std::fs::copy(entry.path(), to).unwrap();
        }
    }
}
