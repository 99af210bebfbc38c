//! The Lambda function `jwt-issuer`.

use std::process::ExitCode;

use countersign_aws::function;
use jwt_issuer::JwtIssuer;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    function::run(JwtIssuer::start).await
}
