//! What a job says to the proxy that is its network.

use std::fmt::Debug;

use stockade_egress::wire::Step;
use stockade_egress::wire::first::{First, first};
use stockade_egress::wire::hello::hello;
use stockade_egress::wire::http::{Head, chunk, head};
use stockade_egress::wire::socks::{Asked, greeting, request};
use stockade_egress::{Destination, Target};

/// Bytes to each parser of the proxy, as if it were what a connection begins with.
pub fn egress(data: &[u8]) {
    settled(data, greeting);
    settled(data, chunk);
    if let Some(Asked::Connect(destination)) = settled(data, request) {
        one_spelling(&destination);
    }
    if let Some(destination) = Destination::parse(data, Some(80)) {
        one_spelling(&destination);
    }
    if let Some(head) = settled(data, head) {
        written_once(&head);
        // What is read as a request has to be told as one, or it would pass unread.
        assert_eq!(first(data), First::Http);
    }
    if let Step::Done(said, _) = hello(data) {
        assert_eq!(first(data), First::Tls);
        assert!(said.server_name.is_none_or(|name| !name.is_empty() && name.len() < data.len()));
    }
}

/// What is done does not change with what follows, and is not done any sooner.
fn settled<T: Debug + PartialEq>(data: &[u8], parse: fn(&[u8]) -> Step<T>) -> Option<T> {
    let Step::Done(value, len) = parse(data) else { return None };
    let used = data.get(..len).unwrap_or_else(|| panic!("{len} bytes were used of {}", data.len()));
    assert_eq!(parse(used), Step::Done(value, len), "what follows changed what was read");
    if let Some(less) = len.checked_sub(1).and_then(|less| data.get(..less)) {
        assert!(!matches!(parse(less), Step::Done(..)), "it was done before its end");
    }
    match parse(used) {
        Step::Done(value, _) => Some(value),
        _ => None,
    }
}

/// A destination is shown in the one spelling that is read as itself.
fn one_spelling(destination: &Destination) {
    let shown = destination.to_string();
    if let Target::Name(name) = &destination.target {
        let good = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b".-".contains(&byte);
        assert!(name.as_str().bytes().all(good), "{shown:?}");
        assert!(!name.as_str().ends_with('.') && name.as_str().parse::<std::net::IpAddr>().is_err());
    }
    assert_eq!(Destination::parse(shown.as_bytes(), None).as_ref(), Some(destination));
}

/// A request that is written anew is one request, framed as it was read, with one host and nothing behind it.
fn written_once(asked: &Head) {
    let bytes = asked.written("/path", "a.example");
    let Step::Done(again, len) = head(&bytes) else {
        panic!("what was written is not read: {}", bytes.escape_ascii())
    };
    assert_eq!(len, bytes.len(), "something follows the head");
    assert_eq!((&again.method, again.body), (&asked.method, asked.body));
    assert_eq!(again.host.as_deref(), Some(&b"a.example"[..]));
    assert_eq!(again.fields, asked.fields);
}
