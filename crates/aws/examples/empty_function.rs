//! A Lambda function that does nothing, on the runtime that ours are on: what their start is measured against.

use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use serde_json::value::RawValue;
use serde_json::{Value, json};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    run(service_fn(async |_: LambdaEvent<Box<RawValue>>| Ok::<Value, Error>(json!({ "statusCode": 200 })))).await
}
