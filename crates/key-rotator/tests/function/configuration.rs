//! What the function says of a configuration that is wrong: all of it at once, at start.

use testkit::lambda::{self, Setup};

use crate::world::World;

#[test]
fn every_fault_of_the_rotation_s_configuration_is_reported_at_once() {
    let world = World::new();
    let report = Setup::new(lambda::function("key-rotator"))
        .envs(world.moto.environment())
        .env("SIGNING_KEY_SECRET_ARN", "countersign/keys")
        .env("KEY_LANES", "ES256,HS256")
        .env("ANNOUNCE_FOR", "1h")
        .env("RETIRE_FOR", "8399s")
        .env("KEY_STORE", "kms")
        .env("PUBLIC_JWKS_URL", "http://id.acme.com/jwks.json")
        .env("RESTART_FUNCTIONS", "a,,b")
        .start()
        .init_error();
    let message = report["errorMessage"].as_str().unwrap();
    for part in [
        "SIGNING_KEY_SECRET_ARN: not the ARN of a secret",
        "JWKS_SSM_PARAM: is not set",
        "KEY_LANES: \"ES256,HS256\" must be lanes",
        "ANNOUNCE_FOR: announce_for is 3600 s and must be at least 8400 s: refresh 300 + last good 3600 + max-age 300 + relying party 3600 + margin 600",
        "RETIRE_FOR: retire_for is 8399 s and must be at least 8400 s",
        "KEY_STORE: this build has no KMS support",
        "PUBLIC_JWKS_URL: \"http://id.acme.com/jwks.json\" must be https",
        "RESTART_FUNCTIONS: \"a,,b\" is no list of functions",
    ] {
        assert!(message.contains(part), "{part}: {message}");
    }
}

#[test]
fn rotation_needs_the_lane_that_everybody_understands() {
    let world = World::new();
    let place = world.place("lanes");
    let report = place.setup("key-rotator").env("KEY_LANES", "ES256").env("KEY_STORE", "hsm").start().init_error();
    let message = report["errorMessage"].as_str().unwrap();
    for part in ["KEY_LANES: the lanes must hold RS256", "KEY_STORE: must be `secret` or `kms`, and is \"hsm\""] {
        assert!(message.contains(part), "{part}: {message}");
    }
}
