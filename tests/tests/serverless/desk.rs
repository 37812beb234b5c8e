//! What these tests share: a client and a call.

use std::sync::LazyLock;
use std::time::Duration;

use stockade::runner::serverless::aws::{Account, Key, Lambda, SignIn};
use stockade::runner::serverless::provider::{Answer, Call, CallError, Origin, Provider, Sent};
use tokio::runtime::Runtime;

pub(crate) const FUNCTION: &str = "arn:aws:lambda:eu-west-1:123456789012:function:stockade-test-function:7";

static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| Runtime::new().unwrap());

/// Waits for a future.
pub(crate) fn wait<T>(future: impl Future<Output = T>) -> T {
    RUNTIME.block_on(future)
}

/// A call that gives `payload`, and takes a megabyte.
pub(crate) fn call(payload: &str) -> Call {
    Call {
        function: FUNCTION.to_owned(),
        payload: payload.as_bytes().to_vec(),
        waits: true,
        origin: Origin {
            job: "11111111-2222-3333-4444-555555555555".to_owned(),
            attempt: 2,
            traceparent: "00-11111111222233334444555555555555-0123456789abcdef-01".to_owned(),
            idempotency_key: "one-and-the-same".to_owned(),
        },
        answer_bytes: 1024 * 1024,
        sent: Sent::default(),
    }
}

/// An access key that nobody checks.
pub(crate) fn some_key() -> SignIn {
    SignIn::Key(Key { id: "AKIATEST".to_owned(), secret: "secret".to_owned(), session_token: None })
}

/// A client of the Lambda at `url`.
pub(crate) fn lambda(url: &str, sign_in: SignIn) -> Lambda {
    let account = Account { region: "eu-west-1".to_owned(), sign_in, endpoint: Some(url.to_owned()) };
    Lambda::new(&account, Duration::from_secs(20)).unwrap()
}

/// Calls the function at `url`.
pub(crate) fn invoke(url: &str, payload: &str) -> Result<Answer, CallError> {
    wait(lambda(url, some_key()).call(&call(payload)))
}
