//! Redirects, honest and hostile.

use stockade::runner::{ErrorClass, Finished};
use stockade::store::Verdict;

use crate::desk::{Desk, denials, nothing};
use crate::stage::{Stage, answer};

fn sending_to(status: &'static str, to: impl Fn(&str) -> String + Send + Sync + 'static) -> Stage {
    Stage::new(move |heard, connection| {
        let path = heard.line.split(' ').nth(1).unwrap();
        let bytes = match path {
            "/end" => answer("200 OK", "", "the end"),
            path => answer(status, &format!("location: {}\r\n", to(path)), ""),
        };
        let _ = connection.write_all(&bytes);
    })
}

/// A service at `stage` that may also reach `addresses`; its secret is in the repository's own README.
fn call(stage: &Stage, addresses: &[&Stage], operation: &str) -> Finished {
    let all = [&[stage], addresses].concat();
    let addresses: Vec<String> = all.iter().map(|stage| format!("\"{}\"", stage.address)).collect();
    let key = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(key.path(), "s3cr3t-key").unwrap();
    Desk::of_service(&format!(
        "base_url: {}\ntimeout: 5\nauth_type: bearer_token\nheaders: {{x-partner: mine}}\nauth: {{secret: 'file:{}'}}\n\
         security_policy: {{http: {{addresses: [{}], path_prefixes: [/]}}}}\noperations:\n  \
         read: {{method: GET, path: /start}}\n  write: {{method: POST, path: /start}}",
        stage.url(),
        key.path().display(),
        addresses.join(", "),
    ))
    .call(operation, nothing())
}

fn refused_by(finished: &Finished, layer: &str) {
    assert_eq!(
        (finished.verdict, finished.class),
        (Verdict::Failed, Some(ErrorClass::Permanent)),
        "{finished:?}"
    );
    assert_eq!(denials(finished)[0].0, layer, "{finished:?}");
}

#[test]
fn a_redirect_within_the_origin_is_followed_with_its_credentials() {
    let stage = sending_to("302 Found", |_| "/end".to_owned());
    let finished = call(&stage, &[], "read");
    assert_eq!((finished.verdict, &*finished.stdout.bytes), (Verdict::Completed, &b"the end"[..]));
    let target = finished.target.unwrap();
    assert_eq!(target["before"][0]["status"], 302);
    for heard in stage.heard() {
        assert_eq!(heard.field("authorization"), Some("Bearer s3cr3t-key"));
    }
}

#[test]
fn another_origin_is_not_told_whose_call_it_is() {
    let there = sending_to("302 Found", |_| "/end".to_owned());
    let to = format!("{}/end", there.url());
    let here = sending_to("307 Temporary Redirect", move |_| to.clone());
    assert_eq!(call(&here, &[&there], "write").verdict, Verdict::Completed);
    assert_eq!(here.heard()[0].field("authorization"), Some("Bearer s3cr3t-key"));
    let heard = &there.heard()[0];
    assert_eq!((heard.line.as_str(), heard.text()), ("POST /end HTTP/1.1", "{}"));
    assert_eq!(here.heard()[0].field("x-partner"), Some("mine"));
    assert_eq!((heard.field("authorization"), heard.field("x-partner")), (None, None));
    assert_eq!(heard.field("idempotency-key"), Some("order-7"));
}

#[test]
fn a_redirect_to_what_the_policy_does_not_name_is_refused() {
    let there = sending_to("302 Found", |_| "/end".to_owned());
    let port = there.address.port();
    for to in [
        format!("http://127.0.0.1:{port}/end"),
        format!("http://2130706433:{port}/end"),
        format!("http://0x7f.1:{port}/end"),
        format!("http://0177.0.0.1:{port}/end"),
        format!("http://[::ffff:127.0.0.1]:{port}/end"),
        format!("http://0.0.0.0:{port}/end"),
        format!("//127.0.0.1:{port}/end"),
        "http://169.254.169.254/latest/meta-data/iam/security-credentials/".to_owned(),
        "http://metadata.google.internal/computeMetadata/v1/".to_owned(),
        "http://[fd00:ec2::254]/latest/".to_owned(),
    ] {
        let shown = to.clone();
        let here = sending_to("302 Found", move |_| to.clone());
        refused_by(&call(&here, &[], "read"), "destination");
        assert!(there.heard().is_empty(), "{shown}");
    }
    // The positive control: the same redirect, named.
    let to = format!("http://127.0.0.1:{port}/end");
    let here = sending_to("302 Found", move |_| to.clone());
    assert_eq!(call(&here, &[&there], "read").verdict, Verdict::Completed);
}

#[test]
fn a_redirect_to_no_place_that_can_be_called_is_refused() {
    for to in [
        "file:///etc/passwd",
        "gopher://127.0.0.1/",
        "http://u:p@127.0.0.1/",
        "http://localhost/",
        "http://[",
        "/a%2f..%2fb",
    ] {
        let here = sending_to("302 Found", |_| to.to_owned());
        refused_by(&call(&here, &[], "read"), "redirects");
        assert_eq!(here.heard().len(), 1, "{to}");
    }
}

#[test]
fn a_loop_of_redirects_ends() {
    let stage = sending_to("302 Found", |path| format!("{path}x"));
    let finished = call(&stage, &[], "read");
    refused_by(&finished, "redirects");
    assert_eq!(stage.heard().len(), 6);
    assert!(finished.error.unwrap().contains("in a row"));
}

#[test]
fn a_post_does_not_become_another_request() {
    for status in ["301 Moved", "302 Found", "303 See Other"] {
        let stage = sending_to(status, |_| "/end".to_owned());
        let finished = call(&stage, &[], "write");
        assert_eq!((finished.verdict, finished.class), (Verdict::Failed, Some(ErrorClass::Permanent)));
        assert!(finished.error.unwrap().contains("another request"), "{status}");
        assert_eq!(stage.heard().len(), 1, "{status}");
    }
}

#[test]
fn a_redirect_out_of_the_paths_of_the_policy_is_refused() {
    let stage = sending_to("302 Found", |_| "/end".to_owned());
    let desk = |prefixes: &str| {
        Desk::of_service(&format!(
            "base_url: {}\nsecurity_policy: {{http: {{path_prefixes: [{prefixes}]}}}}\n\
             operations: {{read: {{method: GET, path: /start}}}}",
            stage.url()
        ))
        .call("read", nothing())
    };
    refused_by(&desk("/start"), "destination");
    assert_eq!(stage.heard().len(), 1);
    assert_eq!(desk("/start, /end").verdict, Verdict::Completed);
}

#[test]
fn a_redirect_to_a_path_that_its_server_could_read_as_another_is_not_followed() {
    let led = |to: &'static str| {
        let stage = sending_to("302 Found", move |_| to.to_owned());
        let finished = call(&stage, &[], "read");
        (finished, stage.heard().len())
    };
    for to in [
        "/a/..;/end",
        "/a/%2e%2e%3b/end",
        "/a/%252e%252e/end",
        "/a/%2fend",
        "/a//end",
        "/a/%00",
        "/a/%5c..%5cend",
    ] {
        let (finished, heard) = led(to);
        refused_by(&finished, "redirects");
        assert_eq!(heard, 1, "{to}");
        let error = finished.error.unwrap();
        assert!(error.contains("which servers read differently"), "{error}");
    }
    // The path that the URL itself means is the one that is compared and sent.
    for to in ["/a/../end", "/a/%2e%2e/end", "/a/..\\end"] {
        let (finished, heard) = led(to);
        assert_eq!((finished.verdict, heard), (Verdict::Completed, 2), "{to}: {finished:?}");
    }
}
