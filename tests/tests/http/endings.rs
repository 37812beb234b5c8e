//! What the end of a call means for another attempt; and calls that are ended.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use stockade::runner::{ErrorClass, Finished, JobRunner as _};
use stockade::store::{Retry, Verdict};

use crate::desk::{ATTEMPT, Desk, block_on, nothing};
use crate::stage::{Stage, answer};

fn service(url: &str) -> Desk {
    Desk::of_service(&format!(
        "base_url: {url}\ntimeout: 2\noperations:\n  read: {{method: GET, path: /}}\n  \
         write: {{method: POST, path: /}}\n  again: {{method: POST, path: /, idempotent: true}}"
    ))
}

fn answered(status: &str, fields: &str) -> Finished {
    service(&Stage::saying(answer(status, fields, "why")).url()).call("write", nothing())
}

#[test]
fn an_answer_says_whether_another_attempt_makes_sense() {
    for status in ["408", "425", "429", "503"] {
        let finished = answered(&format!("{status} No"), "");
        assert_eq!(
            (finished.verdict, finished.class),
            (Verdict::Failed, Some(ErrorClass::Retryable)),
            "{status}"
        );
        assert_eq!((finished.retry, &*finished.stdout.bytes), (Retry::Default, &b"why"[..]), "{status}");
    }
    for status in ["300", "304", "400", "401", "403", "404", "409", "422", "501", "505", "999"] {
        let finished = answered(&format!("{status} No"), "");
        assert_eq!(
            (finished.verdict, finished.class),
            (Verdict::Failed, Some(ErrorClass::Permanent)),
            "{status}"
        );
        assert_eq!(finished.retry, Retry::Never, "{status}");
        assert!(finished.error.unwrap().contains(status), "{status}");
    }
    assert_eq!(answered("204 No Content", "").verdict, Verdict::Completed);
}

#[test]
fn a_server_says_when_to_come_again_and_not_for_how_long_to_wait_for_it() {
    let retry = |status, field: &str| answered(status, &format!("retry-after: {field}\r\n")).retry;
    assert_eq!(retry("503 No", "7"), Retry::After(Duration::from_secs(7)));
    assert_eq!(retry("429 No", "999999999"), Retry::After(Duration::from_secs(3600)));
    assert_eq!(retry("429 No", "Sun, 06 Nov 1994 08:49:37 GMT"), Retry::After(Duration::ZERO));
    assert_eq!(retry("503 No", "soon"), Retry::Default);
    assert_eq!(retry("408 No", "7"), Retry::Default);
}

#[test]
fn what_may_have_been_done_is_not_done_again_unless_that_is_harmless() {
    let failed = |status: &str| Stage::saying(answer(status, "", "why"));
    let reset = Stage::new(|_, _| {});
    let silent = Stage::silent();
    let cut = Stage::new(|_, connection| {
        let _ = connection.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n");
    });
    for (what, stage) in [
        ("reset", reset),
        ("silent", silent),
        ("cut", cut),
        ("500", failed("500 No")),
        ("502", failed("502 No")),
        ("504", failed("504 No")),
    ] {
        let desk = service(&stage.url());
        let ended = |operation| {
            let finished = desk.call(operation, nothing());
            (finished.class, finished.retry)
        };
        for (operation, retry) in
            [("write", Retry::Never), ("read", Retry::Default), ("again", Retry::Default)]
        {
            assert_eq!(ended(operation), (Some(ErrorClass::Unknown), retry), "{what} {operation}");
        }
    }
}

#[test]
fn a_server_that_is_not_there_has_done_nothing() {
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let finished = service(&format!("http://{address}")).call("write", nothing());
    assert_eq!((finished.verdict, finished.class), (Verdict::Failed, Some(ErrorClass::Retryable)));
    let error = finished.error.unwrap();
    assert!(error.contains(&address.to_string()) && error.contains("refused"), "{error}");
    assert!(finished.usage.unwrap()["time_to_first_byte_ms"].is_null());
}

#[test]
fn a_call_that_is_cancelled_before_anything_is_sent_has_done_nothing() {
    let stage = Stage::saying(answer("200 OK", "", ""));
    let desk = service(&stage.url());
    let work = desk.work("write", &nothing()).unwrap();
    let finished = block_on(async {
        let running = work.execute(ATTEMPT);
        desk.runner.cancel(&ATTEMPT);
        running.await
    });
    assert_eq!((finished.verdict, finished.class), (Verdict::Cancelled, None));
    assert_eq!((finished.retry, stage.heard().len()), (Retry::Default, 0));
}

#[test]
fn a_cancelled_call_is_over_for_its_server_within_a_second() {
    let trickle = Stage::new(|_, connection| {
        let _ = connection.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nx");
        let _ = connection.read(&mut [0; 1]);
    });
    for stage in [Stage::silent(), trickle] {
        let desk = service(&stage.url());
        let work = desk.work("write", &nothing()).unwrap();
        let (finished, cancelled) = block_on(async {
            let runner = desk.runner.clone();
            let running = tokio::spawn(work.execute(ATTEMPT));
            while stage.heard().is_empty() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            let cancelled = Instant::now();
            runner.cancel(&ATTEMPT);
            (running.await.unwrap(), cancelled)
        });
        assert_eq!(finished.verdict, Verdict::Cancelled);
        assert_eq!((finished.class, finished.retry), (Some(ErrorClass::Unknown), Retry::Never));
        let took = stage.closed().saturating_duration_since(cancelled);
        assert!(took < Duration::from_secs(1), "{took:?}");
    }
}
