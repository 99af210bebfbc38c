//! The functions that run: each as its configuration says at this moment, in a process of its own, behind its own door.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hyper::body::Bytes;
use serde_json::Value;

use super::Shared;
use super::door::Door;
use super::holdings::Target;
use super::judge::{Identity, Invoker};
use crate::aws::{ACCESS_KEY_ID, ACCOUNT, SECRET_ACCESS_KEY, SESSION_TOKEN};
use crate::iam::Decision;
use crate::lambda::{Function, Invocation, Setup};
use crate::loopback::wait;

/// Lambda sets these itself and accepts them from nobody (Lambda Developer Guide, `configuration-envvars`, "Defined runtime
/// environment variables").
const RESERVED: [&str; 12] = [
    "AWS_REGION",
    "AWS_DEFAULT_REGION",
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_LAMBDA_FUNCTION_NAME",
    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
    "AWS_LAMBDA_FUNCTION_VERSION",
    "AWS_LAMBDA_LOG_GROUP_NAME",
    "AWS_LAMBDA_RUNTIME_API",
    "_HANDLER",
    "LAMBDA_TASK_ROOT",
];

/// The most that all variables of a function may take, in bytes.
const LARGEST_ENVIRONMENT: usize = 4096;

/// One instance for each function and alias. AWS has as many as there are requests at once; here they wait for one another.
#[derive(Default)]
pub(crate) struct Instances {
    running: Mutex<BTreeMap<Target, Arc<Instance>>>,
    /// What those wrote that have ended.
    logs: Mutex<Vec<(String, String)>>,
    started: AtomicUsize,
}

struct Instance {
    configuration: Value,
    function: Function,
    timeout: Duration,
    busy: AtomicUsize,
    // Closed after the function has ended, as it is dropped after it.
    _door: Door,
}

/// What an invocation comes to.
#[derive(Debug)]
pub(crate) enum Invoked {
    /// A payload, and whether it is an error of the function.
    Answered { payload: Bytes, failed: bool, version: String },
    /// There is no such function.
    Absent,
    /// All the instances that it may have are at work.
    Throttled,
}

impl Instances {
    /// Ends all instances of a function, or of all. The next event starts a new one, as Lambda may do at any time.
    pub(crate) fn end(&self, name: Option<&str>) {
        let ended: BTreeMap<_, _> = {
            let mut running = lock(&self.running);
            let (gone, kept) = std::mem::take(&mut *running)
                .into_iter()
                .partition(|(target, _)| name.is_none_or(|name| name == target.name));
            *running = kept;
            gone
        };
        for (target, instance) in ended {
            self.retire(&target, &instance);
        }
    }

    fn retire(&self, target: &Target, instance: &Instance) {
        instance.function.kill();
        lock(&self.logs).push((target.name.clone(), instance.function.lines().join("\n")));
    }

    /// What all instances wrote so far, by function.
    pub(crate) fn logs(&self) -> Vec<(String, String)> {
        let running = lock(&self.running);
        let running = running.iter().map(|(target, one)| (target.name.clone(), one.function.lines().join("\n")));
        let mut logs = lock(&self.logs).clone();
        logs.extend(running);
        logs
    }

    /// How many processes were started.
    pub(crate) fn started(&self) -> usize {
        self.started.load(Ordering::Relaxed)
    }
}

impl Shared {
    /// Sends an event to a function and waits for its answer. Blocks: never from within a server.
    pub(crate) fn invoke(self: &Arc<Self>, target: &Target, event: &str) -> Result<Invoked, String> {
        let Some(configuration) = wait(self.wire.function(target))? else { return Ok(Invoked::Absent) };
        let reserved = wait(self.wire.reserved_concurrency(&target.name))?;
        let instance = self.instance(target, configuration)?;
        let busy = instance.busy.fetch_add(1, Ordering::SeqCst);
        let _working = Working(&instance.busy);
        if reserved.is_some_and(|most| busy as u64 >= most) {
            return Ok(Invoked::Throttled);
        }
        let invocation = Invocation::new(event).timeout(instance.timeout);
        let began = std::time::Instant::now();
        let (payload, failed) = instance.function.respond(invocation);
        let took = began.elapsed();
        if took > instance.timeout {
            self.ledger.violate(format!("{target} took {took:.1?}, and its time-out is {:?}", instance.timeout));
        }
        let version = instance.configuration["Version"].as_str().unwrap_or("$LATEST").to_owned();
        Ok(Invoked::Answered { payload, failed, version })
    }

    /// The same for a service that invokes it: only if the function's policy lets it.
    pub(crate) fn invoke_for(
        self: &Arc<Self>,
        invoker: &Invoker,
        target: &Target,
        event: &str,
    ) -> Result<Invoked, String> {
        match wait(self.judge_invocation(invoker, target))? {
            Decision::Allowed(_) => self.invoke(target, event),
            Decision::Denied(why) => Err(format!("{} may not invoke {target}: {why}", invoker.service)),
        }
    }

    /// The instance that runs with this configuration. One with another is ended.
    fn instance(self: &Arc<Self>, target: &Target, configuration: Value) -> Result<Arc<Instance>, String> {
        // Held while one starts, so that two requests do not start two.
        let mut running = lock(&self.instances.running);
        if let Some(instance) = running.get(target) {
            if instance.configuration == configuration && instance.function.exit_status().is_none() {
                return Ok(Arc::clone(instance));
            }
            let ended = running.remove(target);
            if let Some(ended) = ended {
                self.instances.retire(target, &ended);
            }
        }
        let started = self.start(target, configuration).map_err(|why| format!("{target} cannot be started: {why}"));
        let instance = Arc::new(started.inspect_err(|why| self.ledger.violate(why.clone()))?);
        self.instances.started.fetch_add(1, Ordering::Relaxed);
        running.insert(target.clone(), Arc::clone(&instance));
        Ok(instance)
    }

    fn start(self: &Arc<Self>, target: &Target, configuration: Value) -> Result<Instance, String> {
        let text = |field: &str| {
            let found = configuration[field].as_str();
            found.map(str::to_owned).ok_or_else(|| format!("its configuration has no {field}: {configuration}"))
        };
        let log_group = configuration["LoggingConfig"]["LogGroup"].as_str().map(str::to_owned);
        let log_group = log_group.unwrap_or_else(|| format!("/aws/lambda/{}", target.name));
        let arn = format!("arn:aws:lambda:{}:{ACCOUNT}:function:{target}", self.wire.region());
        let who = Identity { function: target.name.clone(), function_arn: arn.clone(), role: text("Role")? };
        let is_traced = configuration["TracingConfig"]["Mode"] == "Active";
        wait(self.judge_start(&who, &log_group, is_traced))?;

        let door = Door::open(self, who)?;
        let mut setup = Setup::new(self.program(&configuration)?).arn(arn);
        if let Some(clock) = &self.clock {
            setup = setup.clock(clock);
        }
        let set = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let mut environment = vec![
            set("AWS_LAMBDA_FUNCTION_NAME", &target.name),
            set("AWS_LAMBDA_FUNCTION_VERSION", &text("Version")?),
            set("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", &configuration["MemorySize"].to_string()),
            set("AWS_LAMBDA_LOG_GROUP_NAME", &log_group),
            set("_HANDLER", &text("Handler")?),
            set("AWS_REGION", self.wire.region()),
            set("AWS_DEFAULT_REGION", self.wire.region()),
            set("AWS_ACCESS_KEY_ID", ACCESS_KEY_ID),
            set("AWS_SECRET_ACCESS_KEY", SECRET_ACCESS_KEY),
            set("AWS_SESSION_TOKEN", SESSION_TOKEN),
            // The one that Lambda does not set.
            set("AWS_ENDPOINT_URL", &door.endpoint()),
        ];
        if configuration["LoggingConfig"]["LogFormat"] == "JSON" {
            let level = configuration["LoggingConfig"]["ApplicationLogLevel"].as_str().unwrap_or("INFO");
            environment.extend([set("AWS_LAMBDA_LOG_FORMAT", "JSON"), set("AWS_LAMBDA_LOG_LEVEL", level)]);
        }
        let function = setup.envs(environment).envs(variables(&configuration)?).start();
        let timeout = Duration::from_secs(configuration["Timeout"].as_u64().ok_or("its configuration has no Timeout")?);
        Ok(Instance { configuration, function, timeout, busy: AtomicUsize::new(0), _door: door })
    }

    fn program(&self, configuration: &Value) -> Result<PathBuf, String> {
        let runs = &configuration["Architectures"][0];
        // Lambda calls it as Rust does, but for one.
        let here = if std::env::consts::ARCH == "aarch64" { "arm64" } else { std::env::consts::ARCH };
        if runs != here {
            return Err(format!("it is built for {runs}, and this machine is {here}"));
        }
        let digest = configuration["CodeSha256"].as_str().unwrap_or_default();
        self.packages.program(digest)
    }
}

/// One invocation less, when it is over.
struct Working<'a>(&'a AtomicUsize);

impl Drop for Working<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

/// The deployed variables, and nothing but these.
fn variables(configuration: &Value) -> Result<Vec<(String, String)>, String> {
    let variables = configuration["Environment"]["Variables"].as_object().cloned().unwrap_or_default();
    let variables: Vec<(String, String)> = variables
        .into_iter()
        .map(|(name, value)| (name, value.as_str().map_or_else(|| value.to_string(), str::to_owned)))
        .collect();
    if let Some((name, _)) = variables.iter().find(|(name, _)| RESERVED.contains(&name.as_str())) {
        return Err(format!("the variable {name} is Lambda's, which accepts it from nobody"));
    }
    if let Some((name, _)) = variables.iter().find(|(name, _)| name.starts_with("AWS_ENDPOINT_URL")) {
        return Err(format!("the variable {name} would lead past the judge"));
    }
    let size: usize = variables.iter().map(|(name, value)| name.len() + value.len()).sum();
    if size > LARGEST_ENVIRONMENT {
        return Err(format!("its variables take {size} bytes, and {LARGEST_ENVIRONMENT} is the most"));
    }
    Ok(variables)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
