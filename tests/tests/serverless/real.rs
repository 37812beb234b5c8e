//! Functions and platforms that are real: a function on AWS's own runtime behind cargo-lambda, and moto.
//!
//! What cargo-lambda emulates is the runtime's side: it hands events to the function and takes its answers. It knows
//! functions by the name of their program, not by ARN, and tells of a failed one by status 500 instead of by header; a
//! relay of the test's translates those two. It passes on no client context. moto is a whole Lambda but for running code.

use std::path::Path;
use std::process::Command;
use std::sync::LazyLock;
use std::time::Duration;

use serde_json::{Value, json};
use stockade::runner::serverless::provider::{Class, Fault};
use stockade_tests::{Answer, Asked, Endpoint, Program, eventually, free_port, packages, python, tools};

use crate::desk::invoke;

/// The address at which the real function can be called as Lambda would have it.
static FUNCTION: LazyLock<(Program, Endpoint)> = LazyLock::new(|| {
    let port = free_port();
    let function = Path::new(env!("CARGO_MANIFEST_DIR")).join("function");
    let emulator = packages(&["cargo-lambda==1.9.2"]).join("bin/cargo-lambda");
    let built = Command::new(env!("CARGO"))
        .args(["build", "--locked", "--quiet"])
        .current_dir(&function)
        .env("CARGO_TARGET_DIR", tools().join("function"))
        .status()
        .unwrap();
    assert!(built.success());
    let program = Program::start(
        Command::new(emulator)
            .args(["lambda", "watch", "--ignore-changes", "--invoke-address", "127.0.0.1"])
            .args(["--invoke-port", &port.to_string()])
            .current_dir(&function)
            .env("CARGO_TARGET_DIR", tools().join("function")),
    );
    eventually("cargo-lambda listens", Duration::from_secs(30), || {
        std::net::TcpStream::connect(("127.0.0.1", port)).ok()
    });
    (program, Endpoint::start(move |asked| relayed(port, asked)))
});

/// Passes a call on under the name of the function's program.
fn relayed(port: u16, asked: &Asked) -> Answer {
    use std::io::{Read as _, Write as _};
    let mut stream = std::net::TcpStream::connect(("127.0.0.1", port)).unwrap();
    let head = format!(
        "POST /2015-03-31/functions/stockade-test-function/invocations HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: \
         close\r\ncontent-length: {}\r\n\r\n",
        asked.body.len()
    );
    stream.write_all(&[head.as_bytes(), &asked.body].concat()).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    let end = answer.windows(4).position(|part| part == b"\r\n\r\n").unwrap() + 4;
    let (status, body) = (&answer[9..12], &answer[end..]);
    match status {
        b"200" => Answer::whole(200, &[], body),
        b"500" => Answer::whole(200, &[("x-amz-function-error", "Unhandled")], body),
        _ => Answer::whole(404, &[("x-amzn-errortype", "ResourceNotFoundException")], body),
    }
}

fn answer(payload: &Value) -> Value {
    let answered = invoke(&FUNCTION.1.url(), &payload.to_string()).unwrap();
    assert_eq!(answered.fault, None);
    serde_json::from_slice(&answered.payload).unwrap()
}

#[test]
fn a_real_function_gets_the_payload_and_answers() {
    let said = answer(&json!({"say": {"rows": [1, null, "ünïcode \u{0000}"]}}));
    assert_eq!(said["said"], json!({"rows": [1, null, "ünïcode \u{0000}"]}));
    assert!(said["request_id"].as_str().is_some_and(|id| id.len() == 36), "{said}");
}

#[test]
fn a_real_function_that_fails_says_so() {
    let answered = invoke(&FUNCTION.1.url(), r#"{"throw": "no rows"}"#).unwrap();
    assert!(matches!(answered.fault, Some(Fault::Threw(text)) if text.contains("no rows")));
    assert!(answered.metered.unknown.is_some(), "an emulator reports no usage, and none is made up");
}

#[test]
fn moto_refuses_a_function_that_is_not_there_as_lambda_does() {
    let port = free_port();
    let pinned = ["moto==5.2.5", "flask==3.1.3", "flask-cors==6.0.5", "docker==7.2.0"];
    let mut server = python(&packages(&pinned));
    server.args(["-m", "moto.server", "-H", "127.0.0.1", "-p", &port.to_string()]);
    let _moto = Program::start(&mut server);
    eventually("moto listens", Duration::from_secs(60), || {
        std::net::TcpStream::connect(("127.0.0.1", port)).ok()
    });
    let error = invoke(&format!("http://127.0.0.1:{port}"), "{}").unwrap_err();
    assert_eq!((error.class, error.reached.status), (Class::Permanent, Some(404)), "{error:?}");
    assert!(error.message.contains("`ResourceNotFoundException`"), "{error:?}");
}
