//! Servers that do not answer as they should.

use std::io::Write as _;
use std::thread::sleep;
use std::time::{Duration, Instant};

use flate2::Compression;
use flate2::write::GzEncoder;
use stockade::runner::{ErrorClass, Finished};
use stockade::store::Verdict;

use crate::desk::{Desk, denials, nothing};
use crate::stage::{Stage, answer};

const TICK: Duration = Duration::from_millis(50);

pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// Reads from a server with two seconds, and 64 KiB of answer.
fn read(stage: &Stage) -> Finished {
    Desk::of_service(&format!(
        "base_url: {}\ntimeout: 2\nsecurity_policy: {{http: {{response_kb: 64}}}}\noperations: {{read: {{method: GET, path: /}}}}",
        stage.url()
    ))
    .call("read", nothing())
}

fn ended(finished: &Finished) -> (Verdict, Option<ErrorClass>) {
    (finished.verdict, finished.class)
}

#[test]
fn an_answer_below_every_bound_is_taken() {
    let finished = read(&Stage::saying(answer("200 OK", "", vec![b'x'; 64 * 1024])));
    assert_eq!(ended(&finished), (Verdict::Completed, None));
    assert_eq!((finished.stdout.bytes.len(), finished.stdout.truncated), (64 * 1024, false));
}

#[test]
fn more_than_the_policy_takes_is_not_read() {
    let claimed = Stage::saying(answer("200 OK", "", vec![b'x'; 64 * 1024 + 1]));
    let endless = Stage::new(|_, connection| {
        let _ = connection.write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n");
        while connection.write_all(b"1000\r\n").is_ok() && connection.write_all(&[b'x'; 0x1000]).is_ok() {
            if connection.write_all(b"\r\n").is_err() {
                break;
            }
        }
    });
    for stage in [claimed, endless] {
        let finished = read(&stage);
        assert_eq!(ended(&finished), (Verdict::LimitExceeded, Some(ErrorClass::Permanent)));
        assert!(finished.stdout.truncated && finished.stdout.bytes.len() <= 64 * 1024);
        assert_eq!(denials(&finished)[0].0, "answer_size");
        assert!(finished.error.unwrap().contains("`http.response_kb`"));
        stage.closed();
    }
}

#[test]
fn a_gzip_bomb_goes_off_at_the_bound() {
    let packed = gzip(&vec![0; 20 << 20]);
    assert!(packed.len() < 64 * 1024);
    let finished = read(&Stage::saying(answer("200 OK", "content-encoding: gzip\r\n", packed)));
    assert_eq!(ended(&finished), (Verdict::LimitExceeded, Some(ErrorClass::Permanent)));
    assert!(finished.error.unwrap().contains("when decompressed"));
    assert_eq!(finished.stdout.bytes.len(), 64 * 1024);
}

#[test]
fn members_of_a_gzip_file_are_one_text_and_bounded_together() {
    let members = |texts: &[&[u8]]| texts.iter().flat_map(|text| gzip(text)).collect::<Vec<_>>();
    let unpacked = |body: Vec<u8>| read(&Stage::saying(answer("200 OK", "content-encoding: gzip\r\n", body)));
    let whole = unpacked(members(&[b"one, ", b"", b"two"]));
    assert_eq!((whole.verdict, &*whole.stdout.bytes), (Verdict::Completed, &b"one, two"[..]));
    let half = vec![0; 40 << 10];
    let bomb = unpacked(members(&[&half, &half]));
    assert_eq!(ended(&bomb), (Verdict::LimitExceeded, Some(ErrorClass::Permanent)));
    assert!(bomb.error.unwrap().contains("when decompressed"));
    let mut trailing = members(&[b"one"]);
    trailing.extend(b"and no member");
    assert_eq!(ended(&unpacked(trailing)), (Verdict::Failed, Some(ErrorClass::Unknown)));
}

#[test]
fn an_answer_that_does_not_unpack_is_broken() {
    let mut cut = gzip(b"hello, hello, hello");
    cut.truncate(cut.len() - 6);
    for (encoding, body) in [("gzip", cut), ("gzip", b"plain".to_vec()), ("br", b"x".to_vec())] {
        let fields = format!("content-encoding: {encoding}\r\n");
        let finished = read(&Stage::saying(answer("200 OK", &fields, &body)));
        assert_eq!(ended(&finished), (Verdict::Failed, Some(ErrorClass::Unknown)), "{encoding}");
    }
}

#[test]
fn a_slow_trickle_ends_with_the_time() {
    let head = Stage::new(|_, connection| {
        for byte in b"HTTP/1.1 200 OK\r\nx-slow: ".iter().chain(std::iter::repeat_n(&b'x', 10_000)) {
            if connection.write_all(&[*byte]).is_err() {
                break;
            }
            sleep(TICK);
        }
    });
    let body = Stage::new(|_, connection| {
        let _ = connection.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 10000\r\n\r\n");
        while connection.write_all(b"x").is_ok() {
            sleep(TICK);
        }
    });
    let silent = Stage::silent();
    for stage in [head, body, silent] {
        let began = Instant::now();
        let finished = read(&stage);
        assert_eq!(ended(&finished), (Verdict::TimedOut, Some(ErrorClass::Unknown)));
        assert!(began.elapsed() < Duration::from_secs(4), "{:?}", began.elapsed());
        assert!(finished.error.unwrap().contains("in 2 s"));
    }
}

#[test]
fn an_endless_head_is_given_up() {
    let one = Stage::new(|_, connection| {
        let _ = connection.write_all(b"HTTP/1.1 200 OK\r\nx: ");
        while connection.write_all(&[b'x'; 4096]).is_ok() {}
    });
    let many = Stage::new(|_, connection| {
        let _ = connection.write_all(b"HTTP/1.1 200 OK\r\n");
        while connection.write_all(b"x: y\r\n").is_ok() {}
    });
    let large = Stage::saying(answer("200 OK", &format!("x: {}\r\n", "y".repeat(100 * 1024)), ""));
    for (what, stage) in [("one field", one), ("many fields", many), ("too large", large)] {
        let began = Instant::now();
        let finished = read(&stage);
        assert!(matches!(finished.verdict, Verdict::Failed | Verdict::LimitExceeded), "{what}: {finished:?}");
        assert!(began.elapsed() < Duration::from_secs(2), "{what}: {:?}", began.elapsed());
    }
}

#[test]
fn an_answer_of_another_length_than_it_says_is_not_whole() {
    let short = read(&Stage::saying("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nshort"));
    assert_eq!(ended(&short), (Verdict::Failed, Some(ErrorClass::Unknown)));
    assert!(short.error.unwrap().contains("broke off"));
    assert_eq!(short.stdout.bytes, b"short");
    // What follows an answer is no part of it.
    let long = read(&Stage::saying("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nokHTTP/1.1 200 OK\r\n"));
    assert_eq!((long.verdict, long.stdout.bytes), (Verdict::Completed, b"ok".to_vec()));
    for fields in
        ["content-length: 2\r\ncontent-length: 3\r\n", "content-length: -1\r\n", "content-length: x\r\n"]
    {
        let wrong = read(&Stage::saying(format!("HTTP/1.1 200 OK\r\n{fields}\r\nok")));
        assert_eq!(wrong.verdict, Verdict::Failed, "{fields}");
    }
}

#[test]
fn what_is_no_http_is_no_answer() {
    for garbage in [
        &b"\x15\x03\x03\0\x02\x02\x16"[..],
        b"SSH-2.0-OpenSSH\r\n",
        b"HTTP/1.1 abc\r\n\r\n",
        b"\r\n\r\n\0\0",
        b"",
    ] {
        let finished = read(&Stage::saying(garbage));
        assert_eq!(ended(&finished), (Verdict::Failed, Some(ErrorClass::Unknown)), "{garbage:?}");
        assert!(finished.error.unwrap().contains("the answer did not come"));
    }
}
