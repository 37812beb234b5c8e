//! Services as SpecQL's users have them.

use serde_json::json;
use stockade::store::Verdict;

use crate::desk::{Desk, nothing};
use crate::stage::{Stage, answer, json as json_answer};

fn payments(url: &str) -> Desk {
    Desk::of_service(&format!(
        "base_url: {url}/v1
timeout: 5
headers: {{x-api-version: \"2\"}}
retry_policy: {{max_attempts: 3, backoff: exponential}}
operations:
  create_charge: {{method: POST, path: /charges, input_schema: {{amount: integer, currency: string}}, output_schema: {{charge_id: string}}}}
  get_charge: {{method: GET, path: '/charges/{{charge_id}}', input_schema: {{charge_id: string, expand: text?}}}}
  refund: {{method: POST, path: '/charges/{{charge_id}}/refund', body: form}}
  drop: {{method: DELETE, path: '/charges/{{charge_id}}'}}"
    ))
}

#[test]
fn a_service_of_today_is_called_as_its_registry_says() {
    let stage = Stage::saying(json_answer("201 Created", r#"{"charge_id": "ch_1"}"#));
    let desk = payments(&stage.url());
    let finished = desk.call("create_charge", json!({"amount": 100, "currency": "EUR"}));
    assert_eq!((finished.verdict, finished.error), (Verdict::Completed, None));
    assert_eq!(finished.result, Some(json!({"charge_id": "ch_1"})));
    assert_eq!(finished.stdout.bytes, br#"{"charge_id": "ch_1"}"#);
    desk.call("get_charge", json!({"charge_id": "ch 1?x", "expand": "a&b"}));
    desk.call("refund", json!({"charge_id": "ch_1", "reason": "a b&c"}));
    desk.call("drop", json!({"charge_id": "ch_1"}));
    let heard = stage.heard();
    let lines: Vec<&str> = heard.iter().map(|heard| heard.line.as_str()).collect();
    assert_eq!(
        lines,
        [
            "POST /v1/charges HTTP/1.1",
            "GET /v1/charges/ch%201%3Fx?expand=a%26b HTTP/1.1",
            "POST /v1/charges/ch_1/refund HTTP/1.1",
            "DELETE /v1/charges/ch_1 HTTP/1.1",
        ]
    );
    assert_eq!(heard[0].text(), r#"{"amount":100,"currency":"EUR"}"#);
    assert_eq!(heard[0].field("content-type"), Some("application/json"));
    assert_eq!(heard[1].text(), "");
    assert_eq!(heard[2].text(), "reason=a%20b%26c");
    assert_eq!(heard[2].field("content-type"), Some("application/x-www-form-urlencoded"));
    assert_eq!(heard[2].field("x-api-version"), Some("2"));
}

#[test]
fn every_call_has_a_key_a_trace_and_a_name() {
    let stage = Stage::saying(json_answer("200 OK", "{}"));
    payments(&stage.url()).call("create_charge", json!({"amount": 1, "currency": "EUR"}));
    let heard = &stage.heard()[0];
    assert_eq!(heard.field("idempotency-key"), Some("order-7"));
    assert!(heard.field("user-agent").unwrap().starts_with("stockade/"));
    let trace = heard.field("traceparent").unwrap();
    assert!(trace.starts_with("00-00000000000000000000000000000007-") && trace.ends_with("-01"), "{trace}");
    assert_eq!(heard.field("authorization"), None);
}

#[test]
fn what_was_called_and_what_it_took_is_told() {
    let stage = Stage::saying(json_answer("200 OK", r#"{"a": 1}"#));
    let finished = payments(&stage.url()).call("create_charge", json!({"amount": 1, "currency": "EUR"}));
    let target = finished.target.unwrap();
    assert_eq!(
        target,
        json!({
            "method": "POST", "url": format!("{}/v1/charges", stage.url()), "address": stage.address.to_string(),
            "tls": null, "status": 200,
        })
    );
    let usage = finished.usage.unwrap();
    assert_eq!((&usage["request_body_bytes"], &usage["response_body_bytes"]), (&json!(29), &json!(8)));
    let (first, wall) =
        (usage["time_to_first_byte_ms"].as_f64().unwrap(), usage["wall_ms"].as_f64().unwrap());
    assert!(0.0 < first && first <= wall && wall < 5000.0, "{first} {wall}");
    for unknown in ["cpu_usage_percent", "peak_memory_mb", "request_head_bytes"] {
        assert!(usage[unknown].is_null() && usage["unknown"][unknown].is_string(), "{unknown}");
    }
    for (layer, state) in
        [("destination", "enforced"), ("address", "enforced"), ("answer_size", "enforced"), ("tls", "absent")]
    {
        assert_eq!(finished.enforcement[layer]["state"], state, "{layer}");
    }
}

#[test]
fn bytes_of_an_answer_stay_bytes() {
    let body = b"a\0b\xff\xfe";
    let stage = Stage::saying(answer("200 OK", "content-type: text/plain; charset=utf-16\r\n", body));
    let finished = payments(&stage.url()).call("create_charge", json!({"amount": 1, "currency": "EUR"}));
    assert_eq!((finished.verdict, finished.result), (Verdict::Completed, None));
    assert_eq!(finished.stdout.bytes, body);
}

#[test]
fn a_compressed_answer_is_decompressed_and_counted_both_ways() {
    let text = format!("{{\"a\": \"{}\"}}", "x".repeat(10_000));
    let packed = crate::answers::gzip(text.as_bytes());
    let length = packed.len();
    let stage = Stage::saying(answer("200 OK", "content-encoding: gzip\r\n", packed));
    let finished = payments(&stage.url()).call("create_charge", json!({"amount": 1, "currency": "EUR"}));
    assert_eq!(finished.stdout.bytes, text.as_bytes());
    let usage = finished.usage.unwrap();
    assert_eq!(usage["response_body_bytes"], length);
    assert_eq!(usage["response_decoded_bytes"], text.len());
}

#[test]
fn a_service_without_a_url_is_read_and_its_jobs_are_told_what_to_add() {
    let desk = Desk::of_service("type: email\noperations: {send_email: {timeout: 30}}");
    let refused = desk.work("send_email", &nothing()).unwrap_err().to_string();
    assert!(refused.contains("`base_url`"), "{refused}");
}
