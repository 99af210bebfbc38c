//! Private keys that protect nothing (`fixtures/README.md`): types, sizes and formats that the program does not make.

/// RSA, 1024 bits: too short.
pub const RSA_1024: &str = include_str!("../fixtures/rsa-1024.pkcs8.test.pem");
/// RSA, 2048 bits, PKCS#8.
pub const RSA_2048: &str = include_str!("../fixtures/rsa-2048.pkcs8.test.pem");
/// The same key, PKCS#1.
pub const RSA_2048_PKCS1: &str = include_str!("../fixtures/rsa-2048.pkcs1.test.pem");
/// RSA, 3072 bits, PKCS#8.
pub const RSA_3072: &str = include_str!("../fixtures/rsa-3072.pkcs8.test.pem");
/// RSA, 4096 bits, PKCS#8.
pub const RSA_4096: &str = include_str!("../fixtures/rsa-4096.pkcs8.test.pem");
/// The same key, PKCS#1: what the Go service makes by default.
pub const RSA_4096_PKCS1: &str = include_str!("../fixtures/rsa-4096.pkcs1.test.pem");
/// P-256, PKCS#8.
pub const P256: &str = include_str!("../fixtures/p256.pkcs8.test.pem");
/// The same key, SEC 1: not a format that is read.
pub const P256_SEC1: &str = include_str!("../fixtures/p256.sec1.test.pem");
/// P-384, PKCS#8.
pub const P384: &str = include_str!("../fixtures/p384.pkcs8.test.pem");
/// P-521, PKCS#8: no lane.
pub const P521: &str = include_str!("../fixtures/p521.pkcs8.test.pem");
/// Ed25519, PKCS#8: no lane.
pub const ED25519: &str = include_str!("../fixtures/ed25519.pkcs8.test.pem");
