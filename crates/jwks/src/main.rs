//! The Lambda function `jwks`.

use std::process::ExitCode;

use countersign_aws::function;
use jwks::PublicDocuments;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    function::run(PublicDocuments::start).await
}
