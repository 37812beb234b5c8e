//! Who a server has to show itself to be.

use std::path::Path;

use stockade::runner::{ErrorClass, Finished};
use stockade::store::Verdict;

use crate::certificates::Authority;
use crate::desk::{Desk, Names, nothing, service};
use crate::stage::{Stage, json};

fn call(stage: &Stage, authorities: Option<&Path>) -> Finished {
    let port = stage.address.port();
    let lines = format!(
        "base_url: https://api.example.com:{port}\ntimeout: 5\n\
         security_policy: {{http: {{addresses: [\"127.0.0.1:{port}\"]}}}}\noperations: {{write: {{method: POST, path: /}}}}"
    );
    Desk::with(&service(&lines), Names::answering(&[&["127.0.0.1"]]), authorities).call("write", nothing())
}

fn server(authority: &Authority, name: &str, until: i32) -> Stage {
    Stage::tls(authority.server(name, until), |_, connection| {
        let _ = connection.write_all(&json("200 OK", r#"{"ok": true}"#));
        let _ = connection.flush();
    })
}

#[test]
fn a_server_that_an_authority_vouches_for_is_called() {
    let authority = Authority::new();
    let stage = server(&authority, "api.example.com", 2090);
    let finished = call(&stage, Some(&authority.file()));
    assert_eq!((finished.verdict, finished.error), (Verdict::Completed, None));
    assert_eq!(finished.enforcement["tls"]["state"], "enforced");
    assert_eq!(finished.target.unwrap()["tls"], "TLSv1.3");
}

#[test]
fn a_server_that_cannot_show_who_it_is_is_sent_nothing() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    let wrong = server(&authority, "other.example.com", 2090);
    let expired = server(&authority, "api.example.com", 2024);
    let unknown = server(&stranger, "api.example.com", 2090);
    for (what, stage, says) in [
        ("wrong name", wrong, "api.example.com"),
        ("expired", expired, "expired"),
        ("unknown", unknown, "UnknownIssuer"),
    ] {
        let finished = call(&stage, Some(&authority.file()));
        assert_eq!(
            (finished.verdict, finished.class),
            (Verdict::Failed, Some(ErrorClass::Permanent)),
            "{what}"
        );
        let error = finished.error.unwrap();
        assert!(error.to_lowercase().contains(&says.to_lowercase()), "{what}: {error}");
        assert!(stage.heard().is_empty(), "{what}");
    }
    // Nor is one that the host's own authorities do not know.
    let stage = server(&authority, "api.example.com", 2090);
    assert_ne!(call(&stage, None).verdict, Verdict::Completed);
    assert!(stage.heard().is_empty());
}

#[test]
fn a_server_that_speaks_no_tls_is_sent_nothing() {
    let stage = Stage::saying(json("200 OK", "{}"));
    let finished = call(&stage, None);
    assert_eq!((finished.verdict, finished.class), (Verdict::Failed, Some(ErrorClass::Retryable)));
    assert!(stage.heard().is_empty());
}

#[test]
fn without_authorities_nobody_is_trusted() {
    let empty = tempfile::NamedTempFile::new().unwrap();
    let stage = server(&Authority::new(), "api.example.com", 2090);
    let finished = call(&stage, Some(empty.path()));
    assert_eq!(finished.verdict, Verdict::SetupFailed);
    assert!(finished.error.unwrap().contains("no certificate"));
}
