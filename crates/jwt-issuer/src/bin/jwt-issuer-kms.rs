//! The Lambda function `jwt-issuer`, built to sign with keys of AWS KMS as well. A binary of its own, so that both builds
//! lie side by side.

use std::process::ExitCode;

use countersign_aws::function;
use jwt_issuer::JwtIssuer;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    function::run(JwtIssuer::start).await
}
