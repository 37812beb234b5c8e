//! What the serverless runner adds to a call: the same function at the same endpoint on loopback, called by the runner and
//! by AWS's SDK alone, turn by turn. `make bench`. Fails if the median of what is added is over its bound.
#![expect(clippy::expect_used, clippy::panic, reason = "a benchmark prints, and fails loudly")]

use std::process::ExitCode;
use std::time::Duration;

use aws_sdk_lambda::primitives::Blob;
use aws_sdk_lambda::types::LogType;
use serde_json::json;
use stockade::runner::RunnerRegistry;
use stockade::runner::serverless::aws::{Account, Key, Lambda, SignIn};
use stockade::runner::serverless::{Endpoints, ServerlessRunner};
use stockade_policies::{Environment, Library, Registry};
use stockade_tests::{Answer, Endpoint, Turns, run_once};

const CALLS: usize = 1_000;
const WARM_UP: usize = 100;
const BOUND: Duration = Duration::from_millis(5);
const FUNCTION: &str = "arn:aws:lambda:eu-west-1:123456789012:function:resize:7";

#[tokio::main]
async fn main() -> ExitCode {
    // A report of usage as AWS sends it, in base64: `REPORT RequestId: 1 Duration: 1 ms`.
    let known = [
        ("x-amzn-requestid", "1"),
        ("x-amz-executed-version", "7"),
        ("x-amz-log-result", "UkVQT1JUIFJlcXVlc3RJZDogMSBEdXJhdGlvbjogMSBtcwo="),
    ];
    let endpoint = Endpoint::start(move |_| Answer::whole(200, &known, b"{\"rows\": 3}"));
    let endpoints = Endpoints { lambda: Some(endpoint.url()), ..Endpoints::default() };
    let runners = RunnerRegistry::default().with(ServerlessRunner::new(endpoints)).expect("one runner");
    let registry = registry(&runners);
    let operation = registry.operation("images", "resize").expect("it is there");
    let runner = runners.runner(operation.execution_type()).expect("it is there");
    let sdk = sdk(&endpoint.url());
    let input = json!({"payload": {"rows": [1, 2, 3]}});
    let alone = async || call_alone(&sdk).await;
    let ours = async || run_once(runner.as_ref(), operation, &input).await;
    Turns::take(CALLS, WARM_UP, alone, ours).await.report(
        &format!("a function's job of {CALLS}, in turn with the SDK alone"),
        "the SDK's invoke alone",
        "the runner: validate, choose, call",
        BOUND,
    )
}

fn registry(runners: &RunnerRegistry) -> Registry {
    let text = format!(
        "services: {{images: {{execution_type: serverless, runner_config: {{auth: {{type: access_key, access_key_id: \
         'env:PATH', secret_access_key: 'env:PATH'}}, allowed_functions: ['{FUNCTION}']}}, security_policy: {{secrets: \
         ['env:PATH']}}, operations: {{resize: {{}}}}}}}}"
    );
    let library = Library::shipped().expect("the library");
    Registry::parse("services.yaml", &text, &library, Environment::Production, &runners.capabilities())
        .unwrap_or_else(|found| panic!("{found}"))
}

/// The SDK's own invoke, on the same connection settings.
fn sdk(url: &str) -> Lambda {
    let key = Key { id: "AKIATEST".to_owned(), secret: "secret".to_owned(), session_token: None };
    let (region, endpoint) = ("eu-west-1".to_owned(), Some(url.to_owned()));
    let account = Account { region, sign_in: SignIn::Key(key), endpoint };
    Lambda::new(&account, Duration::from_secs(20)).unwrap_or_else(|error| panic!("{error:?}"))
}

async fn call_alone(lambda: &Lambda) {
    let (function, version) = FUNCTION.rsplit_once(':').expect("a version");
    let invoke = lambda.sdk().invoke().function_name(function).qualifier(version).log_type(LogType::Tail);
    let answer = invoke.payload(Blob::new("{\"rows\": [1, 2, 3]}")).send().await;
    assert!(answer.is_ok(), "{answer:?}");
}
