//! STS that is down, slow, or says what it says on a bad day.

use std::time::{Duration, Instant};

use serde_json::json;
use testkit::sts::{Fault, Outcome};

use crate::world::{World, post, try_post};

#[test]
fn sts_says_what_a_test_has_it_say_until_it_is_healed() {
    let world = World::start();
    for (fault, expected) in [
        (Fault::Throttled, "400 Throttling: Rate exceeded"),
        (Fault::ServerError, "500 InternalFailure: "),
        (Fault::IdpUnreachable, "400 IDPCommunicationError: The request could not be fulfilled because"),
        (Fault::IdpRejectedClaim, "403 IDPRejectedClaim: The identity provider (IdP) reported"),
        (
            Fault::RegionDisabled,
            "403 RegionDisabledException: STS is not activated in this region for account:444455556666. Your",
        ),
    ] {
        world.sts.fail(fault);
        let reply = world.call(&[]);
        assert!(reply.told().starts_with(expected), "{fault:?}: {reply:?}");
        let whose = if fault == Fault::ServerError { "Receiver" } else { "Sender" };
        assert_eq!(reply.element("Type"), Some(whose), "{fault:?}");
        assert_eq!(Some(world.refusal().0.as_str()), reply.element("Code"));
    }
    world.sts.fail(Fault::Nonsense);
    let reply = world.call(&[]);
    assert_eq!((reply.status, reply.element("RequestId")), (200, None));
    assert_eq!(world.sts.calls().last().unwrap().outcome, Outcome::Unanswered);
    world.sts.heal();
    assert_eq!(world.call(&[]).told(), "200");
}

#[test]
fn sts_that_is_slow_silent_or_gone() {
    let world = World::start();
    let token = world.token(&json!({}));
    let call = [
        ("Action", "AssumeRoleWithWebIdentity"),
        ("Version", "2011-06-15"),
        ("RoleArn", crate::world::DEPLOY),
        ("RoleSessionName", "app"),
        ("WebIdentityToken", &token),
    ];
    let delay = Duration::from_millis(300);
    world.sts.fail(Fault::Slow(delay));
    let began = Instant::now();
    assert_eq!(post(&world.sts, &call).told(), "200");
    assert!(began.elapsed() >= delay);

    world.sts.fail(Fault::Cut);
    try_post(&world.sts, &call).unwrap_err();
    // `GetCallerIdentity` is another service's part.
    let who = post(&world.sts, &[("Action", "GetCallerIdentity"), ("Version", "2011-06-15")]);
    assert_eq!(who.told(), "403 MissingAuthenticationToken: Request is missing Authentication Token");

    world.sts.fail(Fault::Silent);
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| try_post(&world.sts, &call));
        let began = Instant::now();
        while world.sts.calls().len() < 3 {
            assert!(began.elapsed() < Duration::from_secs(30));
            std::thread::sleep(Duration::from_millis(10));
        }
        std::thread::sleep(delay);
        assert!(!waiting.is_finished());
        // Only this ends its wait.
        world.sts.close();
        waiting.join().unwrap().unwrap_err();
    });
    let refused = try_post(&world.sts, &call).unwrap_err();
    assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);
    world.sts.open();
    world.sts.heal();
    assert_eq!(post(&world.sts, &call).told(), "200");
    let outcomes: Vec<_> = world.sts.calls().into_iter().map(|call| call.outcome).collect();
    assert!(matches!(outcomes[..], [Outcome::Given(_), Outcome::Unanswered, Outcome::Unanswered, Outcome::Given(_)]));
}
