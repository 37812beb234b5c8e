//! Functions of Google Cloud: a real one, in Google's own framework, and tokens of an endpoint that checks what it signs.

use std::process::Stdio;
use std::sync::LazyLock;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use stockade::runner::serverless::Endpoints;
use stockade::runner::serverless::gcp::{CloudFunctions, Instead, ServiceKey, Source};
use stockade::runner::serverless::provider::{Answer as Answered, CallError, Class, Fault, Provider};
use stockade::runner::{Finished, JobFacts, JobRunner, Request, ServerlessRunner};
use stockade::store::{AttemptId, JobId, Retry, Verdict, WorkerId};
use stockade_policies::{Capabilities, Environment, JobProposal, Library, Registry};
use stockade_tests::{Answer, Asked, Endpoint, Program, eventually, free_port, packages, python};
use uuid::Uuid;

use crate::desk::{call, wait};

const FUNCTION: &str = "https://v7---resize-123456789012.europe-west1.run.app";

/// The real function's address.
static FRAMEWORK: LazyLock<(Program, String)> = LazyLock::new(|| {
    let port = free_port();
    let mut server = python(&packages(&["functions-framework==3.10.2"]));
    server.args(["-m", "functions_framework", "--target", "answer", "--host", "127.0.0.1"]);
    server.args(["--port", &port.to_string(), "--source"]);
    server.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/function/app.py"));
    let program = Program::start(&mut server);
    eventually("the framework listens", Duration::from_secs(60), || {
        std::net::TcpStream::connect(("127.0.0.1", port)).ok()
    });
    (program, format!("http://127.0.0.1:{port}"))
});

/// A token that is good for an hour, as far as it says itself; the same whenever it is asked for.
fn token(audience: &str) -> String {
    static UNTIL: LazyLock<u64> =
        LazyLock::new(|| SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() + 3600);
    token_until(audience, *UNTIL)
}

fn token_until(audience: &str, until: u64) -> String {
    let encoded = |value: Value| URL_SAFE_NO_PAD.encode(value.to_string());
    format!("{}.{}.x", encoded(json!({"alg": "none"})), encoded(json!({"aud": audience, "exp": until})))
}

/// A metadata service that gives tokens for the audience that is asked for.
fn metadata() -> Endpoint {
    Endpoint::start(|asked| {
        let flavored = asked.header("metadata-flavor") == "Google";
        let wanted =
            asked.target.contains("audience=https%3A%2F%2Fv7---resize-123456789012.europe-west1.run.app");
        match flavored && wanted {
            true => Answer::whole(200, &[("metadata-flavor", "Google")], token(FUNCTION).as_bytes()),
            false => Answer::whole(403, &[], b""),
        }
    })
}

fn client(source: Source, functions: &str, tokens: &Endpoint) -> CloudFunctions {
    let instead = Instead { functions: Some(functions.to_owned()), tokens: Some(tokens.url()) };
    CloudFunctions::new(source, &instead, Duration::from_secs(20)).unwrap()
}

fn invoke(client: &CloudFunctions, payload: &Value) -> Result<Answered, CallError> {
    let mut call = call(&payload.to_string());
    call.function = FUNCTION.to_owned();
    wait(client.call(&call))
}

#[test]
fn a_real_function_is_called_with_a_token_for_it_alone_and_the_token_is_kept() {
    let tokens = metadata();
    let client = client(Source::Metadata, &FRAMEWORK.1, &tokens);
    for _ in 0..2 {
        let answered = invoke(&client, &json!({"say": "hi"})).unwrap();
        let said: Value = serde_json::from_slice(&answered.payload).unwrap();
        assert_eq!((answered.fault, said["said"].as_str()), (None, Some("hi")));
        assert_eq!(said["headers"]["authorization"], format!("Bearer {}", token(FUNCTION)));
        assert_eq!(said["headers"]["stockade-job-id"], "11111111-2222-3333-4444-555555555555");
        assert_eq!(said["headers"]["idempotency-key"], "one-and-the-same");
        assert!(answered.metered.unknown.is_some(), "Google sends no usage, and none is made up");
    }
    assert_eq!(tokens.asked().len(), 1);
}

#[test]
fn a_real_function_that_throws_has_failed() {
    let client = client(Source::Metadata, &FRAMEWORK.1, &metadata());
    let answered = invoke(&client, &json!({"throw": "no rows"})).unwrap();
    assert!(matches!(answered.fault, Some(Fault::Threw(text)) if text.contains("500")));
}

/// An RSA key of the test's own, and its public half.
fn key_pair() -> (String, String) {
    let openssl = |arguments: &[&str], input: &[u8]| {
        use std::io::Write as _;
        let mut program = std::process::Command::new("/usr/bin/openssl")
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        program.stdin.take().unwrap().write_all(input).unwrap();
        String::from_utf8(program.wait_with_output().unwrap().stdout).unwrap()
    };
    let private = openssl(&["genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"], b"");
    let public = openssl(&["rsa", "-pubout"], private.as_bytes());
    (private, public)
}

/// Whether OpenSSL finds the signature good.
fn is_signed(assertion: &str, public: &str) -> bool {
    let directory = tempfile::tempdir().unwrap();
    let file = |name: &str, bytes: &[u8]| {
        let path = directory.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    };
    let (text, signature) = assertion.rsplit_once('.').unwrap();
    let status = std::process::Command::new("/usr/bin/openssl")
        .args(["dgst", "-sha256", "-verify"])
        .arg(file("public.pem", public.as_bytes()))
        .arg("-signature")
        .arg(file("signature", &URL_SAFE_NO_PAD.decode(signature).unwrap()))
        .arg(file("text", text.as_bytes()))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    status.unwrap().success()
}

fn service_key(private: &str) -> ServiceKey {
    let text = json!({
        "type": "service_account", "project_id": "some-project", "private_key_id": "k1", "private_key": private,
        "client_email": "worker@some-project.iam.gserviceaccount.com", "token_uri": "http://127.0.0.1:1/evil",
    });
    ServiceKey::parse(text.to_string().as_bytes()).unwrap()
}

fn assertion(asked: &Asked) -> String {
    let body = String::from_utf8(asked.body.clone()).unwrap();
    body.split("assertion=").nth(1).unwrap().to_owned()
}

#[test]
fn a_service_account_signs_for_a_token_and_its_file_does_not_say_to_whom() {
    let (private, public) = key_pair();
    let tokens = Endpoint::start(|_| {
        Answer::whole(200, &[], json!({"id_token": token(FUNCTION)}).to_string().as_bytes())
    });
    let client = client(Source::Key(Box::new(service_key(&private))), &FRAMEWORK.1, &tokens);
    assert!(invoke(&client, &json!({"say": 1})).is_ok());
    let asked = &tokens.asked()[0];
    let assertion = assertion(asked);
    assert!(is_signed(&assertion, &public));
    assert!(!is_signed(&assertion.replacen('.', "x.", 1), &public));
    let claims = URL_SAFE_NO_PAD.decode(assertion.split('.').nth(1).unwrap()).unwrap();
    let claims: Value = serde_json::from_slice(&claims).unwrap();
    assert_eq!(claims["target_audience"], FUNCTION);
    assert_eq!(claims["aud"], tokens.url());
    assert!(claims["exp"].as_u64() <= claims["iat"].as_u64().map(|now| now + 3600));
}

#[test]
fn without_a_token_nothing_is_sent() {
    for (status, body, class) in [
        (403, String::new(), Class::Permanent),
        (503, String::new(), Class::Retryable),
        (200, "garbage".to_owned(), Class::Permanent),
        (200, token("https://another.example"), Class::Permanent),
        (200, token_until(FUNCTION, u64::MAX), Class::Permanent),
        (200, "x".repeat(64 * 1024), Class::Retryable),
    ] {
        let (tokens, functions) = (
            Endpoint::start(move |_| Answer::whole(status, &[], body.as_bytes())),
            Endpoint::start(|_| Answer::whole(200, &[], b"{}")),
        );
        let error = invoke(&client(Source::Metadata, &functions.url(), &tokens), &json!({})).unwrap_err();
        assert_eq!(error.class, class, "{status}: {error:?}");
        assert!(functions.asked().is_empty());
    }
}

#[test]
fn answers_of_a_function_that_is_not_there_or_not_well_are_of_a_class() {
    for (status, class) in [
        (429, Class::Unknown),
        (403, Class::Permanent),
        (404, Class::Permanent),
        (400, Class::Permanent),
        (302, Class::Unknown),
        (503, Class::Unknown),
        (504, Class::Unknown),
    ] {
        let functions = Endpoint::start(move |_| {
            Answer::whole(status, &[("location", "http://127.0.0.1:1/"), ("retry-after", "5")], b"said")
        });
        let error = invoke(&client(Source::Metadata, &functions.url(), &metadata()), &json!({})).unwrap_err();
        assert_eq!(error.class, class, "{status}: {error:?}");
        assert_eq!(functions.asked().len(), 1);
    }
}

/// What becomes of a job's attempt whose function is at `functions`.
fn attempt(functions: &Endpoint) -> Finished {
    attempt_of("{}", functions)
}

/// Of a job of this operation.
fn attempt_of(operation: &str, functions: &Endpoint) -> Finished {
    let tokens = metadata();
    let gcp = Instead { functions: Some(functions.url()), tokens: Some(tokens.url()) };
    let runner = ServerlessRunner::new(Endpoints { gcp, ..Endpoints::default() });
    let capabilities = Capabilities::new().runner("serverless", runner.enforces());
    let text = format!(
        "services: {{cloud: {{execution_type: serverless, runner_config: {{provider: gcp, auth: {{type: \
         default_credentials}}, allowed_functions: ['{FUNCTION}']}}, operations: {{call: {operation}}}}}}}"
    );
    let library = Library::shipped().unwrap();
    let registry =
        Registry::parse("services.yaml", &text, &library, Environment::Development, &capabilities).unwrap();
    let operation = registry.operation("cloud", "call").unwrap();
    let id = AttemptId { job: JobId(Uuid::nil()), attempt: 1, worker: WorkerId(Uuid::nil()) };
    let (key, correlation_id) = (Some("a\r\nx-evil: 1"), Some("one order"));
    let job = JobFacts { id: id.job, tenant: None, idempotency_key: key, correlation_id };
    let request = Request { operation, input: &json!({}), proposal: JobProposal::default(), job };
    wait(runner.validate(&request).unwrap().execute(id))
}

#[test]
fn a_token_that_a_function_sends_back_is_not_kept_wherever_a_text_is_cut() {
    let token = token(FUNCTION);
    let start: String = token.chars().take(40).collect();
    for (status, before) in [(200, 0), (500, 0), (400, 0), (400, 1_930), (500, 1_940)] {
        let functions = Endpoint::start(move |asked| {
            let said = format!("{}{}", "x".repeat(before), asked.header("authorization"));
            Answer::whole(status, &[("function-execution-id", &said)], said.as_bytes())
        });
        let finished = attempt(&functions);
        let asked = &functions.asked()[0];
        assert!(asked.header("authorization").starts_with(&format!("Bearer {start}")));
        let kept = format!("{finished:?}{}", String::from_utf8_lossy(&finished.stdout.bytes));
        assert!(!kept.contains(&start), "{status} {before}: {kept}");
    }
}

#[test]
fn a_key_that_is_no_header_value_is_sent_as_its_digest_and_the_trace_is_the_correlations() {
    let functions = Endpoint::start(|_| Answer::whole(200, &[], b"{}"));
    assert_eq!(attempt(&functions).verdict, Verdict::Completed);
    let asked = &functions.asked()[0];
    assert_eq!(asked.header("idempotency-key").len(), 64);
    assert!(asked.header("x-evil").is_empty());
    let trace = asked.header("traceparent").split('-').nth(1).unwrap_or_default().to_owned();
    assert!(trace.len() == 32 && trace != Uuid::nil().simple().to_string(), "{trace}");
}

#[test]
fn nobody_is_asked_to_come_again_later_than_in_an_hour() {
    for (said, seconds) in [("2592000", 3_600), ("Fri, 01 Jan 2100 00:00:00 GMT", 3_600), ("5", 5)] {
        let functions = Endpoint::start(move |_| Answer::whole(429, &[("retry-after", said)], b""));
        // Whether it has run is not known: a function may say so as well as its platform.
        assert_eq!(attempt(&functions).retry, Retry::Never);
        let finished = attempt_of("{idempotent: true}", &functions);
        assert!(
            matches!(finished.retry, Retry::After(time) if time == Duration::from_secs(seconds)),
            "{said}: {:?}",
            finished.retry
        );
    }
}

#[test]
fn a_record_says_which_layers_a_development_endpoint_takes_away_and_why_a_figure_is_null() {
    let functions = Endpoint::start(|_| Answer::whole(200, &[], b"{}"));
    let finished = attempt(&functions);
    let layers = finished.enforcement.as_object().unwrap();
    let names: Vec<&str> = layers.keys().map(String::as_str).collect();
    assert_eq!(
        names,
        ["address", "answer_size", "destination", "isolation", "redirects", "tls", "wall_clock"]
    );
    assert_eq!((&layers["tls"]["state"], &layers["address"]["state"]), (&json!("absent"), &json!("absent")));
    let usage = finished.usage.unwrap();
    let usage = usage.as_object().unwrap();
    assert_eq!((&usage["request_body_bytes"], &usage["response_body_bytes"]), (&json!(2), &json!(2)));
    let null: Vec<&String> = usage.keys().filter(|key| usage[*key].is_null()).collect();
    let explained: Vec<&String> = usage["unknown"].as_object().unwrap().keys().collect();
    assert_eq!(null, explained);
}
