//! Many processes at once, and processes that are killed.

use std::collections::BTreeSet;
use std::process::{Child, Stdio};
use std::thread::sleep;
use std::time::Duration;

use testkit::sts::Fault;

use crate::world::{Ran, World, key_of, key_of_warned, ran, run};

/// As many as the contract says.
const MANY: usize = 200;

fn start(world: &World) -> Child {
    world.credentials(&[]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts")
}

fn all(world: &World) -> Vec<Ran> {
    let children: Vec<Child> = (0..MANY).map(|_| start(world)).collect();
    children.into_iter().map(|child| ran(child.wait_with_output().expect("it ends"))).collect()
}

#[test]
fn two_hundred_processes_on_a_cold_cache_make_one_call_and_all_succeed() {
    let world = World::new();
    world.sts.fail(Fault::Slow(Duration::from_secs(2)));
    let keys: BTreeSet<String> = all(&world).iter().map(key_of_warned).collect();
    assert_eq!((keys.len(), world.asked()), (1, 1));
    assert_eq!(world.issuer.audit().len(), 1, "one token");
}

#[test]
fn two_hundred_processes_that_wait_for_a_failure_share_it() {
    let world = World::new();
    world.trust("ci:somebody-else");
    world.sts.fail(Fault::Slow(Duration::from_secs(2)));
    let ended = all(&world);
    assert!(ended.iter().all(|ran| ran.code == Some(1) && ran.stderr.contains("AccessDenied")), "{:?}", ended.first());
    // One that starts after the failure asks for itself: how many do is the machine's to say.
    assert!(world.asked() < MANY / 2, "{}", world.asked());
}

#[test]
fn killed_at_any_moment_it_leaves_no_half_file_and_no_lock() {
    let world = World::new();
    let mut kept = 0;
    for moment in 0..40 {
        let mut child = world.credentials(&["--renew"]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        sleep(Duration::from_millis(moment * 4));
        child.kill().unwrap();
        child.wait().unwrap();
        for path in world.cached("json") {
            kept += 1;
            let text = std::fs::read_to_string(path).unwrap();
            serde_json::from_str::<serde_json::Value>(&text).expect("it is whole");
        }
    }
    let asked = world.asked();
    // Nobody holds the lock any more: otherwise this would wait.
    key_of(&run(&mut world.credentials(&["--renew"])));
    assert_eq!(world.asked(), asked + 1, "{kept} were kept");
}
