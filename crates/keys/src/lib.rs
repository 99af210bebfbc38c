//! The private half: keys that sign, made or read from PEM, and the ring that holds them.
//!
//! What no other package may do is done here: a private key is parsed once, lives in memory that is wiped, and is
//! never printed. The function that publishes the JWKS does not link this package.

pub mod file;
#[cfg(feature = "kms")]
pub mod kms;
pub mod local;
pub mod ring;
#[cfg(feature = "secrets-manager")]
pub mod secret;

pub use file::KeyringFile;
pub use local::LocalKey;
pub use ring::Keyring;
