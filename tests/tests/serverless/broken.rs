//! Connections that fail, and servers that do what none should.

use std::time::{Duration, Instant};

use stockade::runner::serverless::provider::{Class, Provider};
use stockade_tests::{Answer, Endpoint, eventually};

use crate::desk::{call, invoke, lambda, some_key, wait};

#[test]
fn what_never_left_may_be_sent_again_and_what_may_have_arrived_is_not_known() {
    let closed = format!("http://127.0.0.1:{}", stockade_tests::free_port());
    let error = invoke(&closed, "{}").unwrap_err();
    assert_eq!(error.class, Class::Retryable, "{error:?}");

    let head = "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf";
    for answer in [
        Answer::Reset(Vec::new()),
        Answer::Reset(head.into()),
        Answer::Last(Vec::new()),
        Answer::Last(head.into()),
        Answer::Last("garbage\r\n\r\n".into()),
        Answer::Last("HTTP/1.1 200 OK\r\ncontent-length: -7\r\n\r\n".into()),
        Answer::Last("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n".into()),
        Answer::Last(format!("HTTP/1.1 200 OK\r\n{}\r\n", "x-a: b\r\n".repeat(10_000)).into_bytes()),
    ] {
        let said = answer.clone();
        let endpoint = Endpoint::start(move |_| said.clone());
        let error = invoke(&endpoint.url(), "{}").unwrap_err();
        assert_eq!(error.class, Class::Unknown, "{answer:?}: {error:?}");
        assert!(error.message.contains("is not known"), "{error:?}");
        assert_eq!(endpoint.asked().len(), 1, "nothing below the queue tries again");
    }
}

#[test]
fn an_answer_that_is_too_large_is_not_taken() {
    let fits = Endpoint::start(|_| Answer::whole(200, &[], &vec![b'1'; 1024 * 1024]));
    assert_eq!(invoke(&fits.url(), "{}").unwrap().payload.len(), 1024 * 1024);

    // With its length, and without.
    let body = vec![b'1'; 1024 * 1024 + 1];
    let unmeasured = [b"HTTP/1.1 200 OK\r\n\r\n".as_slice(), &body].concat();
    for answer in [Answer::whole(200, &[], &body), Answer::Last(unmeasured)] {
        let endpoint = Endpoint::start(move |_| answer.clone());
        let error = invoke(&endpoint.url(), "{}").unwrap_err();
        assert!(error.too_large && error.class == Class::Permanent, "{error:?}");
    }
}

#[test]
fn a_redirect_leads_nowhere() {
    let endpoint = Endpoint::start(|_| Answer::whole(307, &[("location", "http://169.254.169.254/")], b""));
    let error = invoke(&endpoint.url(), "{}").unwrap_err();
    assert_eq!((error.class, error.reached.status), (Class::Unknown, Some(307)));
    assert_eq!(endpoint.asked().len(), 1);
}

#[test]
fn to_drop_a_call_closes_its_connection_at_once() {
    for answer in [Answer::Silence, Answer::Trickle(vec![b'H'; 1000], Duration::from_millis(50))] {
        let endpoint = Endpoint::start(move |_| answer.clone());
        let client = lambda(&endpoint.url(), some_key());
        let dropped = wait(async {
            let call = call("{}");
            let mut running = client.call(&call);
            assert!(tokio::time::timeout(Duration::from_millis(500), &mut running).await.is_err());
            drop(running);
            Instant::now()
        });
        let seen = eventually("the other side sees it", Duration::from_secs(10), || endpoint.left(|_| true));
        assert!(seen.saturating_duration_since(dropped) < Duration::from_secs(1));
    }
}
