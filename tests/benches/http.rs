//! What the HTTP runner adds to a call: the same request to the same server on loopback, made by the runner and by
//! reqwest alone, turn by turn. `make bench`. Fails if the median of what is added is over its bound.
#![expect(clippy::expect_used, clippy::panic, reason = "a benchmark prints, and fails loudly")]

use std::process::ExitCode;
use std::time::Duration;

use serde_json::json;
use stockade::runner::RunnerRegistry;
use stockade::runner::http::{Authorities, HttpRunner, OfHost};
use stockade_policies::{Environment, Library, Registry};
use stockade_tests::{Turns, run_once};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

const CALLS: usize = 2_000;
const WARM_UP: usize = 200;
const BOUND: Duration = Duration::from_millis(5);
const ANSWER: &[u8] =
    b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 11\r\n\r\n{\"id\": \"a\"}";

#[tokio::main]
async fn main() -> ExitCode {
    // reqwest alone wants to know which cryptography to use, though it uses none here.
    rustls::crypto::ring::default_provider().install_default().expect("nobody has chosen");
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}/v1", listener.local_addr().expect("an address"));
    tokio::spawn(serve(listener));
    let runners =
        RunnerRegistry::default().with(HttpRunner::new(OfHost, Authorities::read(None))).expect("one runner");
    let registry = registry(&url, &runners);
    let operation = registry.operation("api", "create").expect("it is there");
    let runner = runners.runner(operation.execution_type()).expect("it is there");
    // Each call has a connection of its own, on both sides.
    let client = reqwest::Client::builder().no_proxy().pool_max_idle_per_host(0).build().expect("a client");
    let input = json!({"id": "a", "amount": 100});
    let alone = async || call_alone(&client, &url).await;
    let ours = async || run_once(runner.as_ref(), operation, &input).await;
    Turns::take(CALLS, WARM_UP, alone, ours).await.report(
        &format!("an HTTP job of {CALLS}, in turn with reqwest alone"),
        "reqwest alone",
        "the runner: validate, judge, call",
        BOUND,
    )
}

fn registry(url: &str, runners: &RunnerRegistry) -> Registry {
    let text = format!(
        "services: {{api: {{base_url: '{url}', operations: {{create: {{method: POST, path: '/things/{{id}}', \
         input_schema: {{id: text, amount: integer}}}}}}}}}}"
    );
    let library = Library::shipped().expect("the library");
    Registry::parse("services.yaml", &text, &library, Environment::Production, &runners.capabilities())
        .unwrap_or_else(|found| panic!("{found}"))
}

async fn call_alone(client: &reqwest::Client, url: &str) {
    let request = client
        .post(format!("{url}/things/a"))
        .header("content-type", "application/json")
        .body(json!({"amount": 100}).to_string());
    let response = request.send().await.expect("it answers");
    assert!(response.status().is_success());
    response.bytes().await.expect("a body");
}

async fn serve(listener: TcpListener) {
    while let Ok((stream, _)) = listener.accept().await {
        tokio::spawn(answer(stream));
    }
}

/// Answers one request, whose body comes with its head or right behind it.
async fn answer(mut stream: TcpStream) {
    let mut heard = Vec::new();
    while !heard.ends_with(b"}") {
        if stream.read_buf(&mut heard).await.is_ok_and(|read| read > 0) {
            continue;
        }
        return;
    }
    // Whoever called reads it or has gone.
    let _ = stream.write_all(ANSWER).await;
}
