//! A Lambda function as Lambda runs it: its real binary in a process of its own, and the Runtime API around it.
//!
//! **Owns** what the service does around a function: the environment, the events, the deadline, the log streams, the end.
//! **Refuses** to know what a function does. Nothing is linked, and what the service enforces is not: no memory limit,
//! no kill at the deadline, no limit of size.
//!
//! The endpoints and headers are those of <https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html>, the
//! environment that of <https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html>. What is read from
//! `/proc` needs Linux, as Lambda does.

mod binary;
mod invocation;
mod invoke_api;
mod process;
mod runtime_api;
mod sandbox;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::ExitStatus;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hyper::body::Bytes;
use serde_json::Value;

pub use self::binary::function;
pub use self::invocation::{Answer, Invocation};
pub use self::invoke_api::InvokeApi;
pub(crate) use self::invoke_api::{document, event, refused, set};
use self::process::Process;
use self::runtime_api::RuntimeApi;
use self::sandbox::Sandbox;
use crate::clock::Clock;
use crate::loopback::Server;

/// How long a start, or an invocation beyond its own time-out, may take. A hundred may run on a machine at once.
const PATIENCE: Duration = Duration::from_mins(1);

/// How often a process is asked whether it is still there, while something else is awaited.
const LOOK: Duration = Duration::from_millis(20);

/// The name that a function has for Lambda if it has no other, and its ARN.
const NAME: &str = "function-under-test";
const ARN: &str = "arn:aws:lambda:us-east-1:123456789012:function:function-under-test";

/// A function that has not been started.
pub struct Setup {
    binary: PathBuf,
    arguments: Vec<String>,
    environment: Vec<(String, String)>,
    clock: Option<Clock>,
    arn: String,
}

/// A function that runs. Dropping it kills the process, as Lambda does, and prints its output if the test has failed.
pub struct Function {
    sandbox: Arc<Sandbox>,
    _server: Server,
    started: Instant,
}

impl Setup {
    /// A function whose program is `binary`; [`function`] finds those of this workspace.
    pub fn new(binary: impl Into<PathBuf>) -> Self {
        let arn = ARN.to_owned();
        Self { binary: binary.into(), arguments: Vec::new(), environment: Vec::new(), clock: None, arn }
    }

    /// Adds an argument. Lambda gives none: this is for a program that is run by an interpreter.
    #[must_use]
    pub fn arg(mut self, argument: impl Into<String>) -> Self {
        self.arguments.push(argument.into());
        self
    }

    /// Sets an environment variable, over whatever Lambda sets.
    #[must_use]
    pub fn env(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.environment.push((name.into(), value.into()));
        self
    }

    /// Sets several, such as [`crate::aws::Moto::environment`].
    #[must_use]
    pub fn envs(mut self, variables: impl IntoIterator<Item = (String, String)>) -> Self {
        self.environment.extend(variables);
        self
    }

    /// The ARN that it is told to be invoked by.
    #[must_use]
    pub fn arn(mut self, arn: impl Into<String>) -> Self {
        self.arn = arn.into();
        self
    }

    /// Lets it live in the time of `clock`, and tells it deadlines in that time.
    #[must_use]
    pub fn clock(mut self, clock: &Clock) -> Self {
        self.clock = Some(clock.clone());
        self.envs(clock.environment())
    }

    /// Starts it and does not wait: an event that is sent now is its first.
    ///
    /// # Panics
    /// If the program cannot be run at all.
    pub fn start(self) -> Function {
        let api = Arc::new(RuntimeApi::new(self.clock, self.arn));
        let handler = Arc::clone(&api);
        let server = Server::start(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), move |request| {
            let api = Arc::clone(&handler);
            async move { api.answer(request).await }
        })
        .unwrap_or_else(|error| panic!("the Runtime API cannot listen: {error}"));

        // Lambda unpacks a function into the folder that it then starts it in.
        let root = self.binary.parent().map_or_else(|| PathBuf::from("/"), PathBuf::from);
        let mut command = crate::tools::bare(&self.binary);
        command
            .args(&self.arguments)
            .current_dir(&root)
            .env("LAMBDA_TASK_ROOT", &root)
            .env("AWS_LAMBDA_RUNTIME_API", server.address().to_string())
            .envs([
                ("AWS_LAMBDA_FUNCTION_NAME", NAME),
                ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST"),
                ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128"),
                ("AWS_LAMBDA_LOG_GROUP_NAME", "/aws/lambda/function-under-test"),
                ("AWS_LAMBDA_LOG_STREAM_NAME", "2026/01/01/[$LATEST]00000000000000000000000000000000"),
                ("AWS_LAMBDA_INITIALIZATION_TYPE", "on-demand"),
                ("AWS_REGION", "us-east-1"),
                ("AWS_DEFAULT_REGION", "us-east-1"),
                ("LAMBDA_RUNTIME_DIR", "/var/runtime"),
                ("TZ", ":UTC"),
                ("_HANDLER", "bootstrap"),
            ])
            .envs(self.environment);
        let started = Instant::now();
        let process = Process::start(command);
        Function { sandbox: Arc::new(Sandbox { process, api }), _server: server, started }
    }
}

impl Function {
    /// Sends an event and waits for what the function makes of it.
    ///
    /// Several threads may do so at once: a function takes one event after the other.
    ///
    /// # Panics
    /// If the function ends, fails to initialize, or does not answer in time, with its output.
    pub fn invoke(&self, event: &Value) -> Answer {
        self.invoke_with(Invocation::new(event.to_string()))
    }

    /// The same with an event as raw text, and with the caller's own ids and time-out.
    ///
    /// # Panics
    /// As [`Self::invoke`]; in time is a minute more than the time-out that the function was told.
    pub fn invoke_with(&self, invocation: Invocation) -> Answer {
        match self.sandbox.invoke(invocation) {
            Ok(posted) => Answer::read(&posted).unwrap_or_else(|why| self.fail(&why)),
            Err(failure) => self.fail(&failure.to_string()),
        }
    }

    /// What Lambda hands to whoever invokes it: a payload, and whether it is the function's error, or Lambda's about it.
    pub(crate) fn respond(&self, invocation: Invocation) -> (Bytes, bool) {
        invoke_api::invoke(&self.sandbox, invocation)
    }

    /// Waits until the function asks for an event, for the first time, and gives the moment of that.
    ///
    /// # Panics
    /// If it ends first, or takes longer than a minute, with its output.
    pub fn wait_until_ready(&self) -> Instant {
        let began = Instant::now();
        loop {
            if let Some(at) = self.sandbox.api.ready(LOOK) {
                return at;
            }
            if let Some(status) = self.sandbox.process.exit_status() {
                self.fail(&format!("the function ended before it asked for an event ({status})"));
            }
            if began.elapsed() > PATIENCE {
                self.fail(&format!("the function did not ask for an event in {PATIENCE:?}"));
            }
        }
    }

    /// Waits until the function has reported that it cannot initialize and its process has ended; gives the report.
    ///
    /// # Panics
    /// If it becomes ready instead, or ends without a report, or takes longer than a minute, with its output.
    pub fn init_error(&self) -> Value {
        let began = Instant::now();
        loop {
            let ended = self.sandbox.process.exit_status();
            if self.sandbox.api.ready(LOOK).is_some() {
                self.fail("the function asked for an event, and should have failed to initialize");
            }
            if let Some(status) = ended {
                let report = self.sandbox.api.init_error();
                return report.unwrap_or_else(|| self.fail(&format!("the function ended without a report ({status})")));
            }
            if began.elapsed() > PATIENCE {
                self.fail(&format!("the function neither asked for an event nor ended in {PATIENCE:?}"));
            }
        }
    }

    /// How the process ended; nothing while it runs.
    pub fn exit_status(&self) -> Option<ExitStatus> {
        self.sandbox.process.exit_status()
    }

    /// The moment just before the process was started.
    pub fn started(&self) -> Instant {
        self.started
    }

    /// What it wrote to stdout so far.
    pub fn stdout(&self) -> String {
        self.sandbox.process.stdout()
    }

    /// What it wrote to stderr so far.
    pub fn stderr(&self) -> String {
        self.sandbox.process.stderr()
    }

    /// The lines of both streams so far, those of stdout first. Lambda sends both to the log group.
    pub fn lines(&self) -> Vec<String> {
        let (stdout, stderr) = (self.stdout(), self.stderr());
        stdout.lines().chain(stderr.lines()).map(str::to_owned).collect()
    }

    /// The lines as soon as `done` is satisfied with them: what is written just before an answer may be read after it.
    ///
    /// # Panics
    /// If that takes more than 5 s, with the output.
    pub fn lines_until(&self, done: impl Fn(&[String]) -> bool) -> Vec<String> {
        let began = Instant::now();
        loop {
            let lines = self.lines();
            if done(&lines) {
                return lines;
            }
            if began.elapsed() > Duration::from_secs(5) {
                self.fail("the lines of the function are not as awaited");
            }
            std::thread::sleep(LOOK);
        }
    }

    /// The process id.
    pub fn pid(&self) -> u32 {
        self.sandbox.process.pid()
    }

    /// The most memory that was ever resident, in bytes (`VmHWM`). Without swap, it is what Lambda bills as used.
    pub fn peak_memory(&self) -> u64 {
        self.sandbox.process.memory("VmHWM:")
    }

    /// The memory that is resident now, in bytes (`VmRSS`).
    pub fn resident_memory(&self) -> u64 {
        self.sandbox.process.memory("VmRSS:")
    }

    /// How many file descriptors are open.
    pub fn open_descriptors(&self) -> usize {
        self.sandbox.process.open_descriptors()
    }

    /// The time on a processor of all threads that live, in nanoseconds' precision. A thread that ends takes its time
    /// with it.
    pub fn cpu_time(&self) -> Duration {
        self.sandbox.process.cpu_time()
    }

    /// Stops the process where it stands, as Lambda does between two events. Returns when it stands.
    pub fn freeze(&self) {
        self.sandbox.process.freeze();
    }

    /// Lets it go on.
    pub fn thaw(&self) {
        self.sandbox.process.thaw();
    }

    /// Ends the process at once (SIGKILL), wherever it is, and returns when it has ended. Its output can still be read.
    pub fn kill(&self) {
        self.sandbox.process.kill();
    }

    fn fail(&self, what: &str) -> ! {
        // Drop prints the output too; this one stands in the message, where `should_panic` can look for it.
        panic!("{what}\n{}", self.sandbox.process.report())
    }
}

impl Drop for Function {
    fn drop(&mut self) {
        // Before the server goes: who is killed first does not complain about a Runtime API that has gone.
        self.kill();
        if std::thread::panicking() {
            eprintln!("a function of this test:\n{}", self.sandbox.process.report());
        }
    }
}
