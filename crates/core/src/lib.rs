//! The decision: who is calling, what the policy grants them, and what their token says.
//!
//! ```text
//! IAM-signed request -> Caller -> Grant -> Claims -> SigningInput -> Token -> response
//! ```
//!
//! Each arrow is one module, and that module is the only code able to build the type on its right:
//! [`caller`], [`grant`], [`claims`], [`jws`]. A token without claims, claims without a grant and a grant without a
//! caller do not compile. [`issue`] walks the arrows; Lambda, local server and command line all call it, so they
//! cannot disagree.
//!
//! The core has no AWS, no HTTP, no runtime, no clock, no randomness, no environment and no private key: it is told
//! `now` and ids, and hands out what is to be signed.

pub mod audit;
pub mod bounds;
pub mod caller;
pub mod claims;
pub mod grant;
pub mod issue;
pub mod jwk;
pub mod jws;
pub mod plan;
pub mod policy;
pub mod request;
pub mod response;
pub mod ring;
pub mod schedule;
pub mod status;
pub mod url;
pub mod well_known;

/// Seconds since 1970-01-01T00:00:00Z, as in a JWT's `NumericDate` (RFC 7519 section 2), whole.
pub type UnixSeconds = i64;
