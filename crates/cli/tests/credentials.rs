//! `countersign credentials` and `exec`, the built command line, with a real issuer and a stand-in of STS that verifies its
//! tokens.
//!
//! **Owns** what a user and a program of theirs see: forms, exit codes, what is kept, how often STS is asked, and what a
//! failure or a kill leaves behind. What STS refuses is `assume_role`'s, where tokens come from is `token_sources`'.

#[path = "credentials/attack_sources.rs"]
mod attack_sources;
#[path = "credentials/exec.rs"]
mod exec;
#[path = "credentials/kept.rs"]
mod kept;
#[path = "credentials/printed.rs"]
mod printed;
#[path = "credentials/storm.rs"]
mod storm;
#[path = "credentials/world.rs"]
mod world;
