//! Secrets: where they go, and where they do not.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::sleep;
use std::time::Duration;

use serde_json::json;
use stockade::rules::{Loader, Rulebook, Rules};
use stockade::runner::http::{Authorities, HttpRunner, OfHost};
use stockade::runner::{ErrorClass, Finished, JobRunner as _, RunnerRegistry};
use stockade::store::Verdict;
use stockade_policies::Environment;
use tempfile::NamedTempFile;

use crate::desk::{Desk, block_on, load, nothing, service};
use crate::stage::{Stage, answer};

const SECRET: &str = "s3cr3t-key/with+signs";

fn file(secret: &str) -> NamedTempFile {
    let file = NamedTempFile::new().unwrap();
    fs::write(file.path(), format!("{secret}\n")).unwrap();
    fs::set_permissions(file.path(), fs::Permissions::from_mode(0o600)).unwrap();
    file
}

/// Sends back what it is sent.
fn echo() -> Stage {
    Stage::new(|heard, connection| {
        let fields: serde_json::Map<String, serde_json::Value> =
            heard.fields.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
        let body = json!({"fields": fields, "line": heard.line}).to_string();
        let _ = connection.write_all(&answer("200 OK", "", body));
    })
}

fn call(stage: &Stage, kind: &str, more: &str) -> Finished {
    let file = file(SECRET);
    Desk::of_service(&format!(
        "base_url: {}\nauth_type: {kind}\nauth: {{secret: 'file:{}'{more}}}\noperations: {{write: {{method: POST, path: /a}}}}",
        stage.url(),
        file.path().display()
    ))
    .call("write", nothing())
}

fn nowhere(finished: &Finished) {
    let all = format!("{finished:?} {}", String::from_utf8_lossy(&finished.stdout.bytes));
    assert!(!all.contains("s3cr3t") && !all.contains("czNjcjN0"), "{all}");
}

#[test]
fn each_kind_of_credentials_reaches_the_server_and_nothing_that_is_kept() {
    let basic = "Basic dXNlcjpzM2NyM3Qta2V5L3dpdGgrc2lnbnM=";
    for (kind, more, field, value) in [
        ("bearer_token", "", "authorization", format!("Bearer {SECRET}")),
        ("api_key", "", "x-api-key", SECRET.to_owned()),
        ("api_key", ", header: x-token", "x-token", SECRET.to_owned()),
        ("basic", ", user: user", "authorization", basic.to_owned()),
    ] {
        let stage = echo();
        let finished = call(&stage, kind, more);
        assert_eq!(finished.verdict, Verdict::Completed, "{finished:?}");
        assert_eq!(stage.heard()[0].field(field), Some(value.as_str()), "{kind}");
        nowhere(&finished);
        assert!(finished.result.unwrap()["fields"][field].as_str().unwrap().contains("***"), "{kind}");
    }
}

#[test]
fn each_half_of_basic_credentials_is_taken_out() {
    let stage = Stage::saying(answer("200 OK", "", r#"{"a": "somebody", "b": "pa55word", "c": "other"}"#));
    let kept = file("somebody:pa55word");
    let finished = Desk::of_service(&format!(
        "base_url: {}\nauth_type: basic\nauth: {{secret: 'file:{}'}}\noperations: {{write: {{path: /a}}}}",
        stage.url(),
        kept.path().display()
    ))
    .call("write", nothing());
    assert_eq!(finished.result, Some(json!({"a": "***", "b": "***", "c": "other"})));
    assert_eq!(finished.stdout.bytes, br#"{"a": "***", "b": "***", "c": "other"}"#);
}

#[test]
fn a_cut_through_a_secret_leaves_nothing_of_it() {
    let kept = |stage: &Stage, limits: &str| {
        let file = file(SECRET);
        let lines = format!(
            "base_url: {}\nauth_type: bearer_token\nauth: {{secret: 'file:{}'}}\n\
             security_policy: {{{limits}}}\noperations: {{write: {{path: /a}}}}",
            stage.url(),
            file.path().display()
        );
        let stdout = Desk::of_service(&lines).call("write", nothing()).stdout;
        assert!(stdout.truncated);
        String::from_utf8(stdout.bytes).unwrap()
    };
    for shown in 1..SECRET.len() {
        let body = format!("{}{SECRET}{}", "x".repeat(1024 - shown), "y".repeat(4096));
        let text = kept(&Stage::saying(answer("200 OK", "", &body)), "resource_limits: {output_kb: 1}");
        assert_eq!(text.trim_start_matches('x').trim_end_matches('y').replace('*', ""), "", "{shown}");
        // What comes in one piece is taken or not: the bound lies between the two.
        let cut = 1024;
        let slow = Stage::new(move |_, connection| {
            let _ = connection.write_all(b"HTTP/1.1 200 OK\r\n\r\n");
            let _ = connection.write_all(&body.as_bytes()[..cut]);
            sleep(Duration::from_millis(50));
            let _ = connection.write_all(&body.as_bytes()[cut..]);
        });
        assert_eq!(kept(&slow, "http: {response_kb: 1}").trim_start_matches('x'), "", "{shown}");
    }
}

#[test]
fn a_signed_request_can_be_checked_by_its_server() {
    let stage = echo();
    nowhere(&call(&stage, "hmac", ""));
    let heard = &stage.heard()[0];
    let time = heard.field("x-timestamp").unwrap();
    let signature = heard.field("x-signature").unwrap();
    let said = format!("{time}\nPOST\n/a\n{{}}");
    let mut openssl = openssl(&["dgst", "-sha256", "-hmac", SECRET]);
    openssl.stdin.take().unwrap().write_all(said.as_bytes()).unwrap();
    let output = openssl.wait_with_output().unwrap();
    assert!(String::from_utf8(output.stdout).unwrap().trim().ends_with(signature), "{signature}");
}

#[expect(clippy::disallowed_methods, reason = "another program than ours says what the signature is")]
fn openssl(arguments: &[&str]) -> Child {
    Command::new("openssl").args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap()
}

#[test]
fn a_worker_that_lacks_a_secret_does_not_start_and_says_what_to_add() {
    let open = |auth: &str| {
        let file = NamedTempFile::new().unwrap();
        let lines = format!("base_url: https://api.example.com\n{auth}\noperations: {{a: {{path: /}}}}");
        fs::write(file.path(), service(&lines)).unwrap();
        let runners =
            RunnerRegistry::default().with(HttpRunner::new(OfHost, Authorities::read(None))).unwrap();
        let (services, policies) = (file.path().to_owned(), None);
        let rules = Rules { services, policies, environment: Environment::Production };
        block_on(async { Rulebook::open(Loader::new(rules, runners.capabilities())).map(drop) })
    };
    let found = open("auth_type: bearer_token").unwrap_err().to_string();
    for says in [":4:", "service `api`", "env:API_TOKEN", "set the variable", "say there where else"] {
        assert!(found.contains(says), "{says}: {found}");
    }
    let there = file(SECRET);
    assert!(
        open(&format!("auth_type: bearer_token\nauth: {{secret: 'file:{}'}}", there.path().display()))
            .is_ok()
    );
}

#[test]
fn a_token_is_asked_for_first() {
    let tokens = Stage::new(|heard, connection| {
        let known = heard.field("authorization") == Some("Basic bWU6czNjcjN0LWtleSUyRndpdGglMkJzaWducw==");
        let bytes = match known && heard.text() == "grant_type=client_credentials&scope=read%20write" {
            true => {
                answer("200 OK", "", r#"{"access_token": "t0ken", "token_type": "bearer", "expires_in": 60}"#)
            }
            false => answer("401 Unauthorized", "", r#"{"error": "invalid_client"}"#),
        };
        let _ = connection.write_all(&bytes);
    });
    let stage = echo();
    let more = |id: &str| {
        format!(", client_id: {id}, token_url: 'http://{}/oauth/token', scope: read write", tokens.address)
    };
    let finished = call(&stage, "oauth2", &more("me"));
    assert_eq!(finished.verdict, Verdict::Completed, "{finished:?}");
    assert_eq!(stage.heard()[0].field("authorization"), Some("Bearer t0ken"));
    nowhere(&finished);
    let kept = format!("{finished:?} {}", String::from_utf8_lossy(&finished.stdout.bytes));
    assert!(!kept.contains("t0ken") && kept.contains("Bearer ***"), "{kept}");
    let refused = call(&stage, "oauth2", &more("somebody"));
    assert_eq!((refused.verdict, refused.class), (Verdict::Failed, Some(ErrorClass::Permanent)));
    assert!(refused.error.unwrap().contains("asking for a token at"));
    assert_eq!(stage.heard().len(), 1, "without a token nothing is called");
}

/// Hands out one token after the other, `t0ken-1` first, each good for so long.
fn hands_out(expires: &'static str) -> Stage {
    let count = AtomicUsize::new(0);
    Stage::new(move |_, connection| {
        let number = count.fetch_add(1, Ordering::SeqCst) + 1;
        let _ = connection.write_all(&answer(
            "200 OK",
            "",
            format!(r#"{{"access_token": "t0ken-{number}", "token_type": "bearer"{expires}}}"#),
        ));
    })
}

/// A service of that name which asks `tokens` for its own.
fn with_tokens(name: &str, stage: &Stage, tokens: &Stage, id: &str, key: &NamedTempFile) -> String {
    format!(
        "  {name}:\n    base_url: {}\n    auth_type: oauth2\n    auth: {{secret: 'file:{}', client_id: {id}, token_url: \
         'http://{}/token'}}\n    security_policy: {{http: {{addresses: ['{}', '{}']}}}}\n    operations: {{write: {{method: POST, path: /a}}}}\n",
        stage.url(),
        key.path().display(),
        tokens.address,
        tokens.address,
        stage.address,
    )
}

#[test]
fn a_token_is_kept_for_its_service_and_credentials_until_shortly_before_it_ends() {
    let key = file(SECRET);
    for (expires, asked) in [(r#", "expires_in": 3600"#, 1), (r#", "expires_in": 20"#, 3), ("", 3)] {
        let (stage, tokens) = (echo(), hands_out(expires));
        let desk = Desk::new(&format!("services:\n{}", with_tokens("api", &stage, &tokens, "me", &key)));
        for _ in 0..3 {
            let finished = desk.call("write", nothing());
            assert_eq!(finished.verdict, Verdict::Completed, "{finished:?}");
            let kept = format!("{finished:?} {}", String::from_utf8_lossy(&finished.stdout.bytes));
            assert!(!kept.contains("t0ken") && kept.contains("Bearer ***"), "{kept}");
        }
        assert_eq!((stage.heard().len(), tokens.heard().len()), (3, asked), "{expires}");
        let last = format!("Bearer t0ken-{asked}");
        assert_eq!(stage.heard()[2].field("authorization"), Some(last.as_str()));
    }
    // Another service, and other credentials, are somebody else.
    let (stage, tokens) = (echo(), hands_out(r#", "expires_in": 3600"#));
    let services = ["api", "second", "third"].iter().zip(["me", "me", "you"]);
    let services: String = services.map(|(name, id)| with_tokens(name, &stage, &tokens, id, &key)).collect();
    let desk = Desk::new(&format!("services:\n{services}"));
    for service in ["api", "second", "third", "api", "second", "third"] {
        assert_eq!(desk.call_of(service, "write", nothing()).verdict, Verdict::Completed);
    }
    let shown: Vec<String> =
        stage.heard().iter().map(|heard| heard.field("authorization").unwrap().to_owned()).collect();
    assert_eq!(shown[..3], shown[3..]);
    assert_eq!((shown[0].as_str(), tokens.heard().len()), ("Bearer t0ken-1", 3));
    // Under other rules, every one is asked for again.
    desk.runner.rules_changed();
    desk.call("write", nothing());
    assert_eq!(tokens.heard().len(), 4);
}

#[test]
fn a_kept_token_that_lets_nobody_in_is_asked_for_anew_once() {
    let key = file(SECRET);
    let tokens = hands_out(r#", "expires_in": 3600"#);
    // Takes back the first one when it has been used; and in the end lets nobody in.
    let stage = Stage::new(|heard, connection| {
        static USED: AtomicUsize = AtomicUsize::new(0);
        let shown = heard.field("authorization");
        let lets_in = match USED.fetch_add(1, Ordering::SeqCst) {
            0 => true,
            1..=2 => shown == Some("Bearer t0ken-2"),
            _ => false,
        };
        let status = if lets_in { "200 OK" } else { "401 Unauthorized" };
        let _ = connection.write_all(&answer(status, "", "{}"));
    });
    let desk = Desk::new(&format!("services:\n{}", with_tokens("api", &stage, &tokens, "me", &key)));
    assert_eq!(desk.call("write", nothing()).verdict, Verdict::Completed);
    let again = desk.call("write", nothing());
    assert_eq!((again.verdict, stage.heard().len()), (Verdict::Completed, 3), "{again:?}");
    let refused = desk.call("write", nothing());
    assert_eq!((refused.verdict, refused.class), (Verdict::Failed, Some(ErrorClass::Permanent)));
    assert_eq!((stage.heard().len(), tokens.heard().len()), (5, 3), "asked for once more, and no more");
}

#[test]
fn a_secret_that_is_not_there_stops_the_call_and_says_where_it_should_be() {
    let stage = echo();
    let lines = format!(
        "base_url: {}\nauth_type: bearer_token\noperations: {{write: {{method: POST, path: /a}}}}",
        stage.url()
    );
    let finished = Desk::of_service(&lines).call("write", nothing());
    assert_eq!((finished.verdict, finished.class), (Verdict::SetupFailed, Some(ErrorClass::Permanent)));
    let error = finished.error.unwrap();
    assert!(error.contains("env:API_TOKEN") && error.contains("set the variable"), "{error}");
    assert!(stage.heard().is_empty());
}

#[test]
fn what_auth_needs_and_what_it_does_not_is_said_when_services_load() {
    let found = |lines: &str| {
        let text =
            service(&format!("base_url: https://api.example.com\n{lines}\noperations: {{a: {{path: /}}}}"));
        load(&text).map(|_| ()).expect_err(lines).to_string()
    };
    for (lines, says) in [
        ("auth_type: oauth2", "needs `token_url` and `client_id`"),
        ("auth_type: hmac\nauth: {secret: 'env:A', user: me}", "`user` is not used with `auth_type: hmac`"),
        ("auth: {secret: 'env:A'}", "without an `auth_type`"),
        ("auth_type: basic\nauth: {secret: hunter2}", "does not say where the secret is kept"),
        ("headers: {authorization: x}", "`authorization` is the runner's to set"),
        ("headers: {host: x}", "steers the connection"),
        ("headers: {x-a: \"a\\r\\nb: c\"}", "no value of a header field"),
    ] {
        let found = found(lines);
        assert!(found.contains(says) && !found.contains("hunter2\""), "{lines}: {found}");
    }
    assert!(
        load(&service("base_url: https://api.example.com\nauth_type: none\noperations: {a: {path: /}}"))
            .is_ok()
    );
}
