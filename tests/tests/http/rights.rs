//! What the policy says of a call beside where it goes.

use std::os::unix::fs::PermissionsExt as _;

use serde_json::json;
use stockade::store::Verdict;
use stockade_policies::JobProposal;

use crate::desk::{Desk, block_on, denials, load, nothing, service};
use crate::stage::{Stage, answer};

fn lines(stage: &Stage, http: &str) -> String {
    format!(
        "base_url: {}/v1\nsecurity_policy: {{http: {{{http}}}}}\noperations:\n  read: {{method: GET, path: '/{{id}}/x'}}\n  \
         write: {{method: POST, path: /w}}",
        stage.url()
    )
}

#[test]
fn a_method_that_the_policy_does_not_name_is_refused() {
    let stage = Stage::saying(answer("200 OK", "", ""));
    let desk = Desk::of_service(&lines(&stage, "methods: [GET]"));
    let refused = desk.call("write", nothing());
    assert_eq!(refused.verdict, Verdict::Refused);
    assert_eq!(denials(&refused)[0].1, "method");
    assert!(stage.heard().is_empty());
    assert_eq!(desk.call("read", json!({"id": 1})).verdict, Verdict::Completed);
}

#[test]
fn a_path_outside_of_the_policys_is_refused() {
    let stage = Stage::saying(answer("200 OK", "", ""));
    let desk = Desk::of_service(&lines(&stage, "path_prefixes: [/v1/a, /v1/w]"));
    let refused = desk.call("read", json!({"id": "b"}));
    assert_eq!((refused.verdict, denials(&refused)[0].1.as_str()), (Verdict::Refused, "path"));
    assert!(stage.heard().is_empty());
    assert_eq!(desk.call("read", json!({"id": "a"})).verdict, Verdict::Completed);
    for hostile in ["../../admin", "..", "a/../../b", "a\\b"] {
        let refused = desk.work("read", &json!({"id": hostile})).unwrap_err().to_string();
        assert!(refused.contains("cannot stand in a path"), "{hostile}: {refused}");
    }
}

#[test]
fn a_request_larger_than_the_policy_allows_is_refused() {
    let stage = Stage::saying(answer("200 OK", "", ""));
    let desk = Desk::of_service(&lines(&stage, "request_kb: 1"));
    let refused = desk.work("write", &json!({"a": "x".repeat(1024)})).unwrap_err().to_string();
    assert!(refused.contains("`http.request_kb`"), "{refused}");
    assert_eq!(desk.call("write", json!({"a": "x".repeat(1000)})).verdict, Verdict::Completed);
}

#[test]
fn a_row_can_give_rights_up_and_gains_none() {
    let stage = Stage::saying(answer("200 OK", "", "0123456789"));
    let desk = Desk::of_service(&lines(&stage, "methods: [GET, POST]"));
    let proposed = |context: serde_json::Value| {
        let proposal = JobProposal { security_context: Some(&context), ..JobProposal::default() };
        desk.work_proposed("write", &nothing(), proposal)
            .map(|work| block_on(work.execute(crate::desk::ATTEMPT)))
    };
    assert_eq!(proposed(json!({"http": {"methods": ["POST"]}})).unwrap().verdict, Verdict::Completed);
    assert_eq!(proposed(json!({"http": {"methods": ["GET"]}})).unwrap().verdict, Verdict::Refused);
    for wider in [
        json!({"http": {"methods": ["POST", "DELETE"]}}),
        json!({"http": {"hosts": ["evil.example.com:443"]}}),
        json!({"http": {"addresses": ["169.254.169.254:80"]}}),
        json!({"http": {"response_kb": 65536}}),
        json!({"secrets": ["env:HOME"]}),
    ] {
        assert!(proposed(wider.clone()).is_err(), "{wider}");
    }
    let url = json!({"base_url": "http://evil.example.com"});
    let proposal = JobProposal { runner_config: Some(&url), ..JobProposal::default() };
    assert!(desk.work_proposed("write", &nothing(), proposal).is_err());
}

#[test]
fn a_secret_that_a_row_gives_up_is_not_sent() {
    let stage = Stage::saying(answer("200 OK", "", ""));
    let key = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(key.path(), "s3cr3t-key").unwrap();
    std::fs::set_permissions(key.path(), std::fs::Permissions::from_mode(0o600)).unwrap();
    let secret = format!("file:{}", key.path().display());
    let desk = Desk::of_service(&format!(
        "base_url: {}\nauth_type: bearer_token\nauth: {{secret: '{secret}'}}\noperations: {{write: {{path: /}}}}",
        stage.url()
    ));
    let proposed = |context: serde_json::Value| {
        let proposal = JobProposal { security_context: Some(&context), ..JobProposal::default() };
        desk.work_proposed("write", &nothing(), proposal)
            .map(|work| block_on(work.execute(crate::desk::ATTEMPT)).verdict)
    };
    let refused = proposed(json!({"secrets": []})).unwrap_err().to_string();
    assert!(refused.contains("does not grant the secret") && stage.heard().is_empty(), "{refused}");
    assert_eq!(proposed(json!({"secrets": [secret]})).unwrap(), Verdict::Completed);
}

#[test]
fn a_policy_that_asks_for_what_no_call_has_is_refused_when_services_load() {
    let with = |clauses: &str| {
        load(&service(&format!(
            "base_url: https://api.example.com\nsecurity_policy: {{{clauses}}}\noperations: {{a: {{path: /}}}}"
        )))
    };
    assert!(with("resource_limits: {wall_seconds: 5}").is_ok());
    for (clauses, clause) in [
        ("resource_limits: {memory_mb: 64}", "`resource_limits.memory_mb`"),
        ("syscalls: {profile: strict}", "`syscalls.profile`"),
    ] {
        let found = with(clauses).map(|_| ()).expect_err(clauses).to_string();
        assert!(found.contains("cannot be enforced here") && found.contains(clause), "{found}");
    }
}

#[test]
fn a_parameter_that_a_server_could_read_as_a_path_is_refused() {
    let stage = Stage::saying(answer("200 OK", "", "{}"));
    let desk = Desk::of_service(&format!(
        "base_url: {}/v1\noperations: {{read: {{method: GET, path: '/users/{{id}}/profile'}}}}",
        stage.url()
    ));
    for id in ["..", "../admin", "..;", "..;a=b", "a/b", "a\\b", "%2e%2e", "a%2fb", "%252e%252e/x", "a\0b"] {
        let refused = desk.work("read", &json!({"id": id})).map(drop).unwrap_err().to_string();
        assert!(refused.contains("servers"), "{id}: {refused}");
    }
    assert!(stage.heard().is_empty());
    let finished = desk.call("read", json!({"id": "Jo Do;x=1 100%"}));
    assert_eq!(finished.verdict, Verdict::Completed, "{finished:?}");
    assert!(
        stage.heard()[0].line.contains(" /v1/users/Jo%20Do%3Bx%3D1%20100%25/profile "),
        "{:?}",
        stage.heard()[0].line
    );
}

#[test]
fn what_the_path_fixes_a_job_does_not_say_again() {
    let stage = Stage::saying(answer("200 OK", "", "{}"));
    let desk = Desk::of_service(&format!(
        "base_url: {}\noperations: {{read: {{method: GET, path: '/list?scope=own'}}}}",
        stage.url()
    ));
    let refused = desk.work("read", &json!({"scope": "all"})).map(drop).unwrap_err().to_string();
    assert!(refused.contains("`scope` of the input is fixed"), "{refused}");
    assert_eq!(desk.call("read", json!({"page": 2})).verdict, Verdict::Completed);
    assert!(stage.heard()[0].line.contains(" /list?scope=own&page=2 "), "{:?}", stage.heard()[0].line);
}
