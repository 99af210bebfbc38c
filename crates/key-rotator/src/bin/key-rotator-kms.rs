//! The Lambda function `key-rotator` with support for AWS KMS.

use std::process::ExitCode;

use countersign_aws::function;
use key_rotator::KeyRotator;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    function::run_worker(async |settings| KeyRotator::start(settings)).await
}
