//! Does what its event says: `{"say": …}` is answered, `{"throw": …}` is an error, `{"sleep_ms": …}` waits first, `{"grow": …}`
//! answers with so many bytes. Every answer has what the function knows of its call.
#![forbid(unsafe_code)]

use std::time::Duration;

use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use serde_json::{Value, json};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    run(service_fn(answer)).await
}

async fn answer(event: LambdaEvent<Value>) -> Result<Value, Error> {
    let (given, context) = event.into_parts();
    if let Some(pause) = given["sleep_ms"].as_u64() {
        tokio::time::sleep(Duration::from_millis(pause)).await;
    }
    if let Some(reason) = given["throw"].as_str() {
        return Err(reason.into());
    }
    let grown = "x".repeat(given["grow"].as_u64().and_then(|size| usize::try_from(size).ok()).unwrap_or(0));
    Ok(json!({"said": given["say"], "request_id": context.request_id, "grown": grown}))
}
