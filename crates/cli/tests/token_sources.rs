//! Where tokens for AWS come from: `serve`, files, GitHub's stand-in and an identity provider that is not ours.
//!
//! Sources read the environment, and this process cannot change its own (that is unsafe code). So each is asked in a process
//! of its own: the ignored test `child`, which does nothing else.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "token_sources/asked.rs"]
mod asked;
#[path = "token_sources/file.rs"]
mod file;
#[path = "token_sources/github.rs"]
mod github;
#[path = "token_sources/issuer.rs"]
mod issuer;
#[path = "token_sources/oauth.rs"]
mod oauth;
#[path = "token_sources/secret.rs"]
mod secret;
