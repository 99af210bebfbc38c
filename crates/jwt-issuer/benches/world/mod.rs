//! What both benchmarks share: the ring, and how `jwt-issuer` is configured.

use countersign_aws::told;
use countersign_core::jwk::Algorithm;
use countersign_keys::Keyring;
use testkit::measure::workload::ORGANISATION;

/// The name that both functions are told: the dimension of their metrics.
pub(crate) const FUNCTION: &str = "countersign-jwt-issuer";

/// The issuer's URL.
pub(crate) const ISSUER: &str = "https://id.acme.com";

/// The secret's name.
pub(crate) const SECRET: &str = "countersign/keys";

/// A ring with a signing and an announced key of each lane, RSA with 2048 bits, and how it is stored.
pub(crate) fn ring(lanes: &[Algorithm]) -> anyhow::Result<(Keyring, String)> {
    let mut keyring = Keyring::empty();
    keyring.open_lanes(lanes.iter().copied(), told::now())?;
    let text = String::from_utf8(keyring.to_json().to_vec())?;
    Ok((keyring, text))
}

/// The configuration beside AWS's own variables. The API is that of `events/`.
pub(crate) fn configuration(secret_arn: &str, policy_source: &str) -> Vec<(String, String)> {
    let variables = [
        ("AWS_LAMBDA_FUNCTION_NAME", FUNCTION),
        ("JWT_ISSUER_URL", ISSUER),
        ("GATEWAY", "rest"),
        ("GATEWAY_API_ID", "a1b2c3d4e5"),
        ("ALLOWED_ORG_IDS", ORGANISATION),
        ("SIGNING_KEY_SECRET_ARN", secret_arn),
        ("POLICY_SOURCE", policy_source),
    ];
    variables.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec()
}
