//! Many requests through one instance, and many instances at once.

use std::thread;
use std::time::Duration;

use testkit::lambda::{Function, Invocation};

use crate::world::{World, answered, ask, event};

#[test]
fn ten_thousand_requests_leave_nothing_behind() {
    let world = World::new();
    for (setup, name) in
        [(world.issuer("rest"), "rest/default-url.token.json"), (world.publisher("rest"), "rest/default-url.jwks.json")]
    {
        // Often refreshed, so that the clients run too.
        let function = setup.env("DANGEROUS_BOUNDS", r#"{"refresh":1}"#).start();
        let text = event(name);
        let run = |function: &Function, requests: usize| {
            for _ in 0..requests {
                assert_eq!(answered(function.invoke_with(Invocation::new(text.clone())))["statusCode"], 200);
            }
        };
        run(&function, 1000);
        let (memory, descriptors) = (function.resident_memory(), function.open_descriptors());
        run(&function, 9000);
        let (memory_after, descriptors_after) = (function.resident_memory(), function.open_descriptors());
        assert!(
            memory_after < memory + 1024 * 1024,
            "{name}: {memory} bytes after 1,000 requests, {memory_after} after 10,000"
        );
        assert!(
            descriptors_after <= descriptors + 1,
            "{name}: {descriptors} descriptors, {descriptors_after} at the end"
        );
    }
}

#[test]
fn a_hundred_instances_start_at_once_on_a_cold_source() {
    let world = World::new();
    let functions: Vec<Function> = (0..100).map(|_| world.issuer("rest").start()).collect();
    thread::scope(|scope| {
        let asked: Vec<_> = functions
            .iter()
            .map(|function| scope.spawn(move || ask(function, "rest/default-url.token.json")["statusCode"].clone()))
            .collect();
        for answer in asked {
            assert_eq!(answer.join().unwrap(), 200);
        }
    });
}

#[test]
fn a_function_that_was_frozen_goes_on() {
    let world = World::new();
    let function = world.issuer("rest").env("DANGEROUS_BOUNDS", r#"{"refresh":1,"last_good":1}"#).start();
    let name = "rest/default-url.token.json";
    assert_eq!(ask(&function, name)["statusCode"], 200);
    function.freeze();
    // Its copies are older than may be used when it wakes, and its connections were closed meanwhile.
    world.moto.gate().close();
    thread::sleep(Duration::from_secs(3));
    world.moto.gate().open();
    function.thaw();
    assert_eq!(ask(&function, name)["statusCode"], 200, "{}", function.stdout());
}
