//! What is sent to Lambda, and what is made of its answers.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value, json};
use stockade::runner::serverless::provider::{Class, CutOff, Fault, Provider};
use stockade_tests::{Answer, Endpoint};

use crate::desk::{FUNCTION, call, invoke, lambda, some_key, wait};

const ID: &str = "8f507cfc-0000-4697-b07a-ac58fc914c95";

/// An answer of a function with a tail of its log.
fn answer(headers: &[(&str, &str)], log: &str, body: &str) -> Answer {
    let log = STANDARD.encode(log);
    let mut all = vec![("x-amzn-requestid", ID), ("x-amz-executed-version", "7"), ("x-amz-log-result", &log)];
    all.extend(headers);
    Answer::whole(200, &all, body.as_bytes())
}

fn report(id: &str, used: u32) -> String {
    format!(
        "REPORT RequestId: {id}\tDuration: 3.14 ms\tBilled Duration: 4 ms\tMemory Size: 128 MB\tMax Memory Used: {used} MB\t\n"
    )
}

#[test]
fn a_call_names_version_job_and_attempt_and_asks_for_the_log() {
    let endpoint = Endpoint::start(|_| answer(&[], &report(ID, 36), r#"{"rows": 3}"#));
    let answered = invoke(&endpoint.url(), r#"{"say": "hi"}"#).unwrap();
    assert_eq!(answered.payload, br#"{"rows": 3}"#);
    assert_eq!(answered.fault, None);
    assert_eq!(answered.reached.executed_version.as_deref(), Some("7"));
    assert_eq!(answered.reached.request_id.as_deref(), Some(ID));
    assert!(answered.reached.peer.unwrap().ip().is_loopback());
    assert_eq!(answered.metered.billed_ms, Some(4.0));
    assert_eq!(answered.metered.peak_memory_mb, Some(36.0));

    let asked = endpoint.asked();
    assert_eq!(asked.len(), 1);
    let name = FUNCTION.strip_suffix(":7").unwrap().replace(':', "%3A");
    assert_eq!(asked[0].target, format!("/2015-03-31/functions/{name}/invocations?Qualifier=7"));
    assert_eq!(asked[0].header("x-amz-invocation-type"), "RequestResponse");
    assert_eq!(asked[0].header("x-amz-log-type"), "Tail");
    assert_eq!(asked[0].body, br#"{"say": "hi"}"#);
    assert!(asked[0].header("authorization").contains("/eu-west-1/lambda/aws4_request"));
    let context = STANDARD.decode(asked[0].header("x-amz-client-context")).unwrap();
    let context: Value = serde_json::from_slice(&context).unwrap();
    assert_eq!(
        context["custom"],
        json!({
            "stockade_job_id": "11111111-2222-3333-4444-555555555555",
            "stockade_attempt": "2",
            "traceparent": "00-11111111222233334444555555555555-0123456789abcdef-01",
            "idempotency_key": "one-and-the-same",
        })
    );
}

#[test]
fn a_call_that_is_handed_over_brings_no_result_and_no_figures() {
    let endpoint = Endpoint::start(|_| Answer::whole(202, &[("x-amzn-requestid", ID)], b""));
    let mut handed = call("{}");
    handed.waits = false;
    let answered = wait(lambda(&endpoint.url(), some_key()).call(&handed)).unwrap();
    assert_eq!((answered.payload.len(), answered.reached.status), (0, Some(202)));
    assert!(answered.metered.unknown.unwrap().contains("handed over"));
    assert_eq!(endpoint.asked()[0].header("x-amz-invocation-type"), "Event");
    assert_eq!(endpoint.asked()[0].header("x-amz-client-context"), "");
}

#[test]
fn a_function_that_failed_is_told_from_a_platform_that_did() {
    let threw = r#"{"errorType": "ValueError", "errorMessage": "no rows"}"#;
    let endpoint = Endpoint::start(move |_| answer(&[("x-amz-function-error", "Unhandled")], "", threw));
    let answered = invoke(&endpoint.url(), "{}").unwrap();
    assert!(matches!(answered.fault, Some(Fault::Threw(text)) if text.contains("no rows")));

    let late = r#"{"errorMessage": "2026-01-01T00:00:00Z x Task timed out after 3.00 seconds"}"#;
    let endpoint = Endpoint::start(move |_| answer(&[("x-amz-function-error", "Unhandled")], "", late));
    let answered = invoke(&endpoint.url(), "{}").unwrap();
    assert!(matches!(answered.fault, Some(Fault::CutOff(CutOff::Timeout, _))));
}

#[test]
fn a_report_that_the_function_prints_is_not_believed() {
    let log = format!("{}{}{}", report(ID, 1), report(ID, 36), report("00000000", 2));
    let endpoint = Endpoint::start(move |_| answer(&[], &log, "{}"));
    assert_eq!(invoke(&endpoint.url(), "{}").unwrap().metered.peak_memory_mb, Some(36.0));
    let endpoint = Endpoint::start(|_| answer(&[], &report("00000000", 2), "{}"));
    let metered = invoke(&endpoint.url(), "{}").unwrap().metered;
    assert_eq!(metered.peak_memory_mb, None);
    assert!(metered.unknown.is_some());
}

#[test]
fn every_refusal_of_the_platform_is_of_a_class() {
    for (status, code, class) in [
        (429, "TooManyRequestsException", Class::Retryable),
        (500, "ServiceException", Class::Retryable),
        (502, "EC2ThrottledException", Class::Retryable),
        (409, "ResourceConflictException", Class::Retryable),
        (404, "ResourceNotFoundException", Class::Permanent),
        (403, "AccessDeniedException", Class::Permanent),
        (413, "RequestTooLargeException", Class::Permanent),
        (502, "KMSDisabledException", Class::Permanent),
        (400, "SomethingNewException", Class::Permanent),
        (500, "SomethingNewException", Class::Unknown),
        (599, "", Class::Unknown),
    ] {
        let endpoint = Endpoint::start(move |_| {
            let headers = [("x-amzn-errortype", code), ("retry-after", "17"), ("x-amzn-requestid", ID)];
            let skip = usize::from(code.is_empty());
            Answer::whole(status, &headers[skip..], br#"{"message": "because"}"#)
        });
        let error = invoke(&endpoint.url(), "{}").unwrap_err();
        assert_eq!(error.class, class, "{code}: {error:?}");
        assert!(error.message.contains("because") || code.is_empty(), "{error:?}");
        assert_eq!(error.reached.status, Some(status));
        assert_eq!(error.retry_after.map(|pause| pause.as_secs()), Some(17));
        assert_eq!(endpoint.asked().len(), 1, "{code}: one attempt, whatever comes");
    }
}
