//! A connection whose bytes pass through: what the job says first is read, so that it cannot ask the server behind the
//! allowed name for another host.

use std::net::IpAddr;
use std::sync::atomic::Ordering;

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::destination::{Destination, Target};
use crate::forward::forward;
use crate::head::Client;
use crate::ledger::{Open, Protocol};
use crate::relay::{IDLE, both};
use crate::stop::{Failure, Refusal, Stop, shown};
use crate::wire::Step;
use crate::wire::first::{First, first};
use crate::wire::hello::{self, Hello, hello};
use crate::wire::http::{self, Head};

/// The ports on which nothing else passes than what they are for.
const HTTP_PORT: u16 = 80;
const TLS_PORT: u16 = 443;

/// Passes on what the two say to each other, once what the job says first has been judged.
pub(crate) async fn tunnel(
    client: &mut Client,
    server: &mut TcpStream,
    destination: &Destination,
    open: &mut Open,
) -> Result<(), Stop> {
    match spoken(client, server, destination.port).await? {
        First::More => return Ok(()),
        First::Http => {
            open.speaks(Protocol::Http);
            let head = client.parse(http::HEAD_MAX, http::head).await?;
            let written = readdressed(&head, destination)?;
            return forward(client, server, &open.counts, &head, &written).await;
        }
        First::Tls => {
            open.speaks(Protocol::Tls);
            // The message goes to the server as it is: none of it is used up.
            let said = client.parse(hello::BYTES_MAX, |bytes| unused(hello(bytes))).await?;
            judge_hello(&said, destination)?;
        }
        First::Other => open.speaks(Protocol::Other),
    }
    let said = std::mem::take(&mut client.buffer);
    server.write_all(&said).await?;
    open.counts.sent.fetch_add(said.len() as u64, Ordering::Relaxed);
    Ok(both(&mut client.stream, server, &open.counts).await?)
}

fn unused<T>(step: Step<T>) -> Step<T> {
    match step {
        Step::Done(value, _) => Step::Done(value, 0),
        other => other,
    }
}

/// What the job speaks; [`First::More`] if it has left without a word. A server that speaks first speaks neither TLS nor
/// HTTP.
async fn spoken(client: &mut Client, server: &TcpStream, port: u16) -> Result<First, Stop> {
    let for_one_protocol = matches!(port, HTTP_PORT | TLS_PORT);
    loop {
        match (first(&client.buffer), port) {
            (First::More, TLS_PORT) if !client.buffer.is_empty() => return Err(Refusal::NotTls.into()),
            (First::More, _) => {}
            (First::Http | First::Other, TLS_PORT) => return Err(Refusal::NotTls.into()),
            (First::Tls | First::Other, HTTP_PORT) => return Err(Refusal::NotHttp.into()),
            (spoken, _) => return Ok(spoken),
        }
        let silent = client.buffer.is_empty();
        let read = async {
            tokio::select! {
                read = client.read() => read.map(Some),
                ready = server.readable(), if silent && !for_one_protocol => ready.map(|()| None),
            }
        };
        match timeout(IDLE, read).await {
            Err(_) => return Err(Failure::TooSlow(IDLE).into()),
            Ok(Ok(Some(true))) => {}
            Ok(Ok(Some(false))) if silent => return Ok(First::More),
            Ok(Ok(Some(false))) => {
                return Err(Refusal::Malformed("the job left in the middle of a word").into());
            }
            Ok(Ok(None)) => return Ok(First::Other),
            Ok(Err(error)) => return Err(error.into()),
        }
    }
}

/// For a host that is allowed by name, TLS has to ask for that name. Where the policy names an address, it is whoever
/// answers there that is allowed.
fn judge_hello(said: &Hello, destination: &Destination) -> Result<(), Refusal> {
    let Target::Name(allowed) = &destination.target else { return Ok(()) };
    match &said.server_name {
        _ if said.hidden => Err(Refusal::HiddenServerName),
        None => Err(Refusal::NoServerName),
        Some(name) if name.eq_ignore_ascii_case(allowed.as_str().as_bytes()) => Ok(()),
        Some(name) => Err(Refusal::OtherServerName(shown(name))),
    }
}

/// The request as it is sent to `destination`, if it is meant for it.
pub(crate) fn readdressed(head: &Head, destination: &Destination) -> Result<Vec<u8>, Refusal> {
    let default = Some(destination.port);
    let path = match head.absolute() {
        Some((authority, path)) => {
            let meant = Destination::parse(authority.as_bytes(), Some(HTTP_PORT));
            (meant.as_ref() == Some(destination))
                .then_some(path)
                .ok_or_else(|| Refusal::OtherHost(shown(authority.as_bytes())))?
        }
        None if head.method == "CONNECT" => {
            return Err(Refusal::Malformed("a proxy behind the proxy is asked for"));
        }
        None if head.target.starts_with('/') || head.target == "*" => head.target.clone(),
        None => return Err(Refusal::Malformed("the target of the request is no path")),
    };
    let mut host = destination.to_string();
    if let Some(default) = host.strip_suffix(":80") {
        host.truncate(default.len());
    }
    match (&head.host, &destination.target) {
        (None, _) => {}
        (Some(said), _) if Destination::parse(said, default).as_ref() == Some(destination) => {}
        (Some(said), Target::Address(_)) => match Destination::parse(said, default) {
            Some(named) => host = host_of(&named, default),
            None => return Err(Refusal::OtherHost(shown(said))),
        },
        (Some(said), Target::Name(_)) => return Err(Refusal::OtherHost(shown(said))),
    }
    Ok(head.written(&path, &host))
}

/// As a `Host` field has it, without the port that is meant anyhow.
fn host_of(named: &Destination, default: Option<u16>) -> String {
    match &named.target {
        _ if Some(named.port) != default => named.to_string(),
        Target::Name(name) => name.to_string(),
        Target::Address(IpAddr::V4(address)) => address.to_string(),
        Target::Address(IpAddr::V6(address)) => format!("[{address}]"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn to(host: &str, port: u16) -> Destination {
        Destination::new(host.as_bytes(), port).unwrap()
    }

    fn sent(text: &str, destination: &Destination) -> Result<String, Refusal> {
        let Step::Done(head, _) = http::head(text.as_bytes()) else { panic!("{text}") };
        readdressed(&head, destination).map(|bytes| String::from_utf8(bytes).unwrap())
    }

    #[test]
    fn a_request_is_sent_to_the_host_that_was_allowed_and_names_it() {
        let allowed = to("a.example", 80);
        let expected = "GET /x HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\n\r\n";
        for text in [
            "GET /x HTTP/1.1\r\nHost: a.example\r\n\r\n",
            "GET /x HTTP/1.1\r\nHost: A.Example:80\r\n\r\n",
            "GET http://a.example/x HTTP/1.1\r\nHost: a.example\r\n\r\n",
            "GET /x HTTP/1.0\r\n\r\n",
        ] {
            assert_eq!(sent(text, &allowed).unwrap(), expected, "{text}");
        }
        let other_port = sent("GET / HTTP/1.1\r\nHost: a.example\r\n\r\n", &to("a.example", 8080)).unwrap();
        assert!(other_port.contains("\r\nHost: a.example:8080\r\n"), "{other_port}");
    }

    #[test]
    fn a_request_for_another_host_goes_nowhere() {
        for text in [
            "GET /x HTTP/1.1\r\nHost: b.example\r\n\r\n",
            "GET /x HTTP/1.1\r\nHost: a.example:81\r\n\r\n",
            "GET /x HTTP/1.1\r\nHost: a.example.\r\n\r\n",
            "GET /x HTTP/1.1\r\nHost:\r\n\r\n",
            "GET /x HTTP/1.1\r\nHost: a.example, b.example\r\n\r\n",
            "GET http://b.example/x HTTP/1.1\r\nHost: a.example\r\n\r\n",
            "GET http://a.example/x HTTP/1.1\r\nHost: b.example\r\n\r\n",
            "GET http://a.example@b.example/x HTTP/1.1\r\n\r\n",
            "GET https://a.example/x HTTP/1.1\r\n\r\n",
            "GET x HTTP/1.1\r\n\r\n",
            "CONNECT b.example:443 HTTP/1.1\r\n\r\n",
        ] {
            assert!(sent(text, &to("a.example", 80)).is_err(), "{text}");
        }
    }

    #[test]
    fn whoever_answers_at_an_address_that_is_named_may_be_asked_for_any_host() {
        let named = sent("GET / HTTP/1.1\r\nHost: b.example\r\n\r\n", &to("192.0.2.7", 8080)).unwrap();
        assert!(named.contains("\r\nHost: b.example\r\n"), "{named}");
        let hello = Hello { server_name: Some(b"b.example".to_vec()), hidden: false };
        assert_eq!(judge_hello(&hello, &to("192.0.2.7", 443)), Ok(()));
    }

    #[test]
    fn tls_asks_for_the_host_that_was_allowed_or_goes_nowhere() {
        let judged = |name: Option<&[u8]>, hidden| {
            judge_hello(&Hello { server_name: name.map(<[u8]>::to_vec), hidden }, &to("a.example", 443))
        };
        assert_eq!(judged(Some(b"A.example"), false), Ok(()));
        assert_eq!(judged(None, false), Err(Refusal::NoServerName));
        assert_eq!(judged(Some(b"a.example"), true), Err(Refusal::HiddenServerName));
        for name in [&b"b.example"[..], b"a.example.", b"a.example\0", b"a.example\0.b.example"] {
            assert!(matches!(judged(Some(name), false), Err(Refusal::OtherServerName(_))), "{name:?}");
        }
    }
}
