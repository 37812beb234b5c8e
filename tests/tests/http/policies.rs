//! The shipped policies of HTTP calls at work: each lets honest calls through and stops others.

use serde_json::json;
use stockade::runner::Finished;
use stockade::store::Verdict;

use crate::desk::{Desk, Names, denials, nothing, service};
use crate::stage::{Stage, answer};

fn refused(finished: &Finished, what: &str) {
    assert_eq!(finished.verdict, Verdict::Refused, "{finished:?}");
    assert_eq!(denials(finished)[0].1, what);
}

#[test]
fn under_http_call_a_service_reaches_what_its_base_url_names_and_nothing_else() {
    let (stage, other) = (Stage::saying(answer("200 OK", "", "")), Stage::saying(answer("200 OK", "", "")));
    let desk = |base: &str| {
        Desk::of_service(&format!(
            "base_url: {base}\nsecurity_policy: {{use: http-call}}\noperations:\n  read: {{method: GET, path: /a}}\n  \
             write: {{method: PUT, path: /a}}"
        ))
    };
    let here = desk(&format!("{}/v1", stage.url()));
    for operation in ["read", "write"] {
        assert_eq!(here.call(operation, nothing()).verdict, Verdict::Completed);
    }
    let to = other.url();
    let away = Stage::new(move |_, connection| {
        let _ = connection.write_all(&answer("307 Away", &format!("location: {to}/v1/a\r\n"), ""));
    });
    let finished = desk(&format!("{}/v1", away.url())).call("read", nothing());
    assert_eq!(denials(&finished)[0].2, other.address.to_string());
    assert!(other.heard().is_empty());
}

#[test]
fn under_http_webhook_one_small_post_is_made_and_nothing_else() {
    let stage = Stage::saying(answer("202 Accepted", "", vec![b'x'; 64 * 1024]));
    let policy = format!(
        "policy: mine\nextends: http-webhook\nhttp: {{addresses: [\"{}\"], path_prefixes: [/hooks]}}\n",
        stage.address
    );
    let lines = format!(
        "base_url: {}\nsecurity_policy: {{use: mine}}\noperations:\n  tell: {{method: POST, path: /hooks/a}}\n  \
         ask: {{method: GET, path: /hooks/a}}\n  elsewhere: {{method: POST, path: /admin}}",
        stage.url()
    );
    let desk = Desk::under(&policy, &service(&lines), Names::default(), None);
    let told = desk.call("tell", json!({"event": "x".repeat(60 * 1024)}));
    assert_eq!(told.verdict, Verdict::Completed, "{told:?}");
    refused(&desk.call("ask", nothing()), "method");
    refused(&desk.call("elsewhere", nothing()), "path");
    assert!(desk.work("tell", &json!({"event": "x".repeat(64 * 1024)})).is_err());
    assert_eq!(stage.heard().len(), 1);
    let large = Stage::saying(answer("200 OK", "", vec![b'x'; 64 * 1024 + 1]));
    let policy = policy.replace(&stage.address.to_string(), &large.address.to_string());
    let lines = lines.replace(&stage.url(), &large.url());
    let desk = Desk::under(&policy, &service(&lines), Names::default(), None);
    assert_eq!(desk.call("tell", nothing()).verdict, Verdict::LimitExceeded);
}
