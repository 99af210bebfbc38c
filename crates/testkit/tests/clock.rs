//! The clock, seen by processes that share no line with it.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde_json::json;
use testkit::aws::Moto;
use testkit::clock::Clock;
use testkit::lambda::{Invocation, Setup};
use testkit::tools;

const DAY: Duration = Duration::from_hours(24);

/// What a new Python process says.
fn python(clock: &Clock, program: &str) -> String {
    let mut python = tools::isolated(tools::python(), &std::env::temp_dir());
    let output = python.args(["-c", program]).envs(clock.environment()).output().expect("Python starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("it prints text").trim().to_owned()
}

/// Fails unless `look` gives the clock's time of somewhen during its call.
fn assert_seen(clock: &Clock, look: impl FnOnce() -> f64) {
    let before = clock.now();
    let seen = look();
    // The clock tells whole seconds.
    assert!(seconds(before) <= seen && seen < seconds(clock.now() + 1), "{seen} is not {before} or a little later");
}

fn seconds(time: i64) -> f64 {
    f64::from(u32::try_from(time).expect("a time before 2106"))
}

/// This very test as a program of its own: `name` is one of the tests that are ignored.
fn this_program(name: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().expect("a program has a path"));
    command.args(["--ignored", "--exact", "--nocapture", name]).stdin(Stdio::null());
    command
}

#[test]
fn a_process_lives_in_its_time_and_time_goes_on() {
    let clock = Clock::start();
    let look = || python(&clock, "import time; print(time.time())").parse().unwrap();
    assert_seen(&clock, look);
    let before = clock.now();
    clock.advance(40 * DAY);
    clock.advance(Duration::from_millis(1500));
    assert!((40 * 86_400 + 1..41 * 86_400).contains(&(clock.now() - before)));
    assert_seen(&clock, look);
    clock.retreat(20 * DAY);
    assert!((20 * 86_400 + 1..21 * 86_400).contains(&(clock.now() - before)));
    assert_seen(&clock, look);
    // Time is real time but for the offset, and the monotonic clock is the machine's.
    let program = "import time; a = time.time(), time.monotonic(); time.sleep(0.4); \
                   print(time.time() - a[0], time.monotonic() - a[1], time.monotonic())";
    let shown: Vec<f64> = python(&clock, program).split(' ').map(|text| text.parse().unwrap()).collect();
    assert!(shown[..2].iter().all(|passed| (0.4..3600.0).contains(passed)), "{shown:?}");
    let uptime = std::fs::read_to_string("/proc/uptime").unwrap();
    let uptime: f64 = uptime.split(' ').next().unwrap().parse().unwrap();
    assert!((uptime - shown[2]).abs() < 3600.0, "{shown:?} {uptime}");
}

#[test]
fn a_running_function_sees_each_step_and_deadlines_in_its_time() {
    let clock = Clock::start();
    let script = tools::workspace_root().join("crates/testkit/tests/function.py");
    let setup = Setup::new(tools::python()).arg(script.display().to_string()).clock(&clock);
    let function = setup.start();
    let pid = function.pid();
    for _ in 0..3 {
        let event = Invocation::new(r#"{"do": "headers"}"#).timeout(Duration::from_secs(7));
        let (before, headers) = (clock.now(), function.invoke_with(event).result.unwrap());
        assert_seen(&clock, || function.invoke(&json!({"do": "headers"})).result.unwrap()["now"].as_f64().unwrap());
        let deadline = headers["lambda-runtime-deadline-ms"].as_str().unwrap().parse::<f64>().unwrap() / 1000.0;
        assert!((seconds(before + 7)..seconds(clock.now() + 8)).contains(&deadline), "{deadline}");
        clock.advance(DAY);
    }
    // What the library keeps for a process goes with it, though it was killed.
    let kept = || std::fs::exists(format!("/dev/shm/faketime_shm_{pid}")).unwrap();
    assert!(kept());
    drop(function);
    assert!(!kept());
}

#[test]
fn a_program_in_rust_sees_it_and_its_timers_do_not() {
    let clock = Clock::start();
    clock.advance(DAY);
    let before = clock.now();
    let output = this_program("prints_the_time").envs(clock.environment()).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let shown = text.lines().find_map(|line| line.split_once("now=")).unwrap_or_else(|| panic!("{text}")).1;
    assert!((before..=clock.now()).contains(&shown.parse().unwrap()), "{shown}");
}

#[test]
#[ignore = "it is the program of another test"]
fn prints_the_time() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let began = Instant::now();
    runtime.block_on(async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        tokio::time::timeout(Duration::from_millis(200), std::future::pending::<()>()).await.unwrap_err();
    });
    // Conditions are awaited by the monotonic clock too.
    let (lock, condition) = (std::sync::Mutex::new(()), std::sync::Condvar::new());
    let (guard, waited) = condition.wait_timeout(lock.lock().unwrap(), Duration::from_millis(200)).unwrap();
    assert!(waited.timed_out());
    drop(guard);
    let took = began.elapsed();
    assert!(took >= Duration::from_millis(600) && took < Duration::from_hours(1), "{took:?}");
    println!("\nnow={}", SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs());
}

#[test]
fn moto_dates_what_is_put_by_the_clock() {
    let clock = Clock::start();
    let moto = Moto::start_with(&clock);
    let newest = || {
        let history = moto.cli(&["ssm", "get-parameter-history", "--name", "/a"]);
        let versions = history["Parameters"].as_array().unwrap();
        versions.last().unwrap()["LastModifiedDate"].as_f64().unwrap()
    };
    for text in ["today", "in a month"] {
        assert_seen(&clock, || {
            moto.put_parameter("/a", text);
            newest()
        });
        clock.advance(30 * DAY);
    }
}

#[test]
fn without_the_library_there_is_no_clock() {
    let folder = tempfile::tempdir().unwrap();
    let output = this_program("starts_a_clock").env("COUNTERSIGN_TOOLS", folder.path()).output().unwrap();
    assert!(!output.status.success());
    let text = String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout);
    assert!(text.contains("is not there: run scripts/tools"), "{text}");
    // The venv of a time before the library was needed.
    std::fs::create_dir_all(folder.path().join("venv/lib/python3.11")).unwrap();
    let output = this_program("starts_a_clock").env("COUNTERSIGN_TOOLS", folder.path()).output().unwrap();
    let text = String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout);
    assert!(text.contains("libfaketime.so.1 is not there: run scripts/tools"), "{text}");
}

#[test]
#[ignore = "it is the program of another test"]
fn starts_a_clock() {
    Clock::start();
}
