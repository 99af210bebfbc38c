//! The programs of `examples/`, run as their heading comments say, against `countersign serve` as it starts with an empty
//! data directory: its own policy, its two development callers, and the profiles that it writes for them.
//!
//! **Owns** that what we tell people to copy works, and that it fails as it says. The Go example is not run here, since no
//! registry of the tests has its modules: its test is ignored, and runs where Go and its module proxy are.

#[path = "examples/go.rs"]
mod go;
#[path = "examples/programs.rs"]
mod programs;
#[path = "examples/relying_party.rs"]
mod relying_party;
#[path = "examples/snowflake.rs"]
mod snowflake;
#[path = "examples/world.rs"]
mod world;
