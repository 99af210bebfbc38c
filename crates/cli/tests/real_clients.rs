//! The running `countersign serve` and the programs that people use with it: curl, awscurl, botocore and our own command
//! line sign and ask; `PyJWT`, jose, `jsonwebtoken` and a stand-in for Snowflake verify. No line of theirs is ours.
//!
//! **Owns** the proof that the contract of `POST /token` holds on the wire: every answer, the order of the checks, and
//! that a refusal tells nothing. What a rule means is the core's to test; here it only has to arrive.
//!
//! Each test starts a server of its own on a free port of the loopback, so they run side by side. The foreign programs
//! come from `scripts/tools`.

#[path = "clients/audit.rs"]
mod audit;
#[path = "clients/errors.rs"]
mod errors;
#[path = "clients/gateway.rs"]
mod gateway;
#[path = "snowflake/parsed.rs"]
mod parsed;
#[path = "clients/relying_parties.rs"]
mod relying_parties;
#[path = "clients/snowflake_sql.rs"]
mod snowflake_sql;
#[path = "clients/tokens.rs"]
mod tokens;
#[path = "clients/world.rs"]
mod world;
