//! The head of an HTTP/1 request, RFC 9112. The grammar is httparse's; what a request may be is decided here.

use httparse::{EMPTY_HEADER, Header, Request, Status};

use super::Step;

/// A longer head is not read.
pub const HEAD_MAX: usize = 32 * 1024;
const HEADERS_MAX: usize = 100;
/// `Host`, the framing and `Connection` are written anew: what is passed on must be no longer than what would be read.
const WRITTEN_ANEW: usize = 3;

/// A request, so that it can be written anew: nothing of its head is passed on as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// Its method, a token.
    pub method: String,
    /// Its target.
    pub target: String,
    /// Its `Host`, if it has one.
    pub host: Option<Vec<u8>>,
    /// How long its body is.
    pub body: Body,
    /// All other fields that are meant for the server, in order.
    pub fields: Vec<(String, Vec<u8>)>,
}

/// How long a body is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Body {
    /// So many bytes; none if nothing is said.
    Length(u64),
    /// In chunks, up to the last.
    Chunked,
}

/// Fields that are for the next hop only (RFC 9110, 7.6.1), or that are written anew.
const NOT_PASSED_ON: [&str; 12] = [
    "connection",
    "content-length",
    "host",
    "http2-settings",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// Reads a head. What two servers could frame differently is refused (RFC 9112, 6.3): two lengths, a length and
/// chunks, other codings, more than one host.
pub fn head(bytes: &[u8]) -> Step<Head> {
    if bytes.first().is_some_and(|byte| matches!(byte, b'\r' | b'\n')) {
        return Step::Bad("the request begins with an empty line");
    }
    let mut headers = [EMPTY_HEADER; HEADERS_MAX];
    let mut request = Request::new(&mut headers);
    let len = match request.parse(bytes) {
        Ok(Status::Complete(len)) => len,
        Ok(Status::Partial) => return Step::More,
        Err(httparse::Error::Version) => return Step::Bad("the request is of another version than HTTP/1"),
        Err(httparse::Error::TooManyHeaders) => return Step::Bad("the request has more than 100 fields"),
        Err(_) => return Step::Bad("the head of the request is malformed"),
    };
    match taken(&request) {
        Ok(head) => Step::Done(head, len),
        Err(why) => Step::Bad(why),
    }
}

fn taken(request: &Request<'_, '_>) -> Result<Head, &'static str> {
    let headers: &[Header<'_>] = request.headers;
    let hop_by_hop = listed(headers);
    let passed_on = |header: &&Header<'_>| {
        let is = |name: &&str| header.name.eq_ignore_ascii_case(name);
        !NOT_PASSED_ON.iter().any(is) && !hop_by_hop.iter().any(|name| is(&name.as_str()))
    };
    let fields: Vec<_> = headers
        .iter()
        .filter(passed_on)
        .map(|header| (header.name.to_owned(), header.value.to_vec()))
        .collect();
    if fields.len() > HEADERS_MAX - WRITTEN_ANEW {
        return Err("the request has more than 97 fields to be passed on");
    }
    Ok(Head {
        method: request.method.unwrap_or_default().to_owned(),
        target: request.path.unwrap_or_default().to_owned(),
        host: only(headers, "host").map_err(|()| "the request has more than one `Host`")?.map(<[u8]>::to_vec),
        body: body(headers, request.version)?,
        fields,
    })
}

/// The fields that `Connection` names.
fn listed(headers: &[Header<'_>]) -> Vec<String> {
    let values = headers.iter().filter(|header| header.name.eq_ignore_ascii_case("connection"));
    let names = values.flat_map(|header| header.value.split(|byte| *byte == b','));
    names.map(|name| String::from_utf8_lossy(name.trim_ascii()).into_owned()).collect()
}

fn body(headers: &[Header<'_>], version: Option<u8>) -> Result<Body, &'static str> {
    let length =
        only(headers, "content-length").map_err(|()| "the request has more than one `Content-Length`")?;
    let coding = only(headers, "transfer-encoding")
        .map_err(|()| "the request has more than one `Transfer-Encoding`")?;
    match (length, coding) {
        (None, None) => Ok(Body::Length(0)),
        (Some(_), Some(_)) => Err("the request has both `Content-Length` and `Transfer-Encoding`"),
        (None, Some(coding)) if coding.eq_ignore_ascii_case(b"chunked") && version == Some(1) => {
            Ok(Body::Chunked)
        }
        (None, Some(_)) => Err("the request has a `Transfer-Encoding` other than `chunked`"),
        (Some(length), None) => digits(length).map(Body::Length).ok_or("the `Content-Length` is no number"),
    }
}

/// The value of a field that may be there once.
fn only<'h>(headers: &[Header<'h>], name: &str) -> Result<Option<&'h [u8]>, ()> {
    let mut values = headers.iter().filter(|header| header.name.eq_ignore_ascii_case(name));
    let value = values.next().map(|header| header.value);
    if values.next().is_some() { Err(()) } else { Ok(value) }
}

fn digits(value: &[u8]) -> Option<u64> {
    let good = !value.is_empty() && value.iter().all(u8::is_ascii_digit);
    good.then(|| str::from_utf8(value).ok()?.parse().ok())?
}

impl Head {
    /// The head as the server gets it: asked for `path` of `host`, and to close when it has answered. One connection,
    /// one request: whatever a server makes of it, there is none behind it.
    pub fn written(&self, path: &str, host: &str) -> Vec<u8> {
        let mut bytes = format!("{} {path} HTTP/1.1\r\nHost: {host}\r\n", self.method).into_bytes();
        let framing = match self.body {
            Body::Chunked => Some("Transfer-Encoding: chunked\r\n".to_owned()),
            Body::Length(0) if !matches!(self.method.as_str(), "POST" | "PUT" | "PATCH") => None,
            Body::Length(length) => Some(format!("Content-Length: {length}\r\n")),
        };
        bytes.extend_from_slice(framing.unwrap_or_default().as_bytes());
        for (name, value) in &self.fields {
            bytes.extend_from_slice(name.as_bytes());
            bytes.extend_from_slice(b": ");
            bytes.extend_from_slice(value);
            bytes.extend_from_slice(b"\r\n");
        }
        bytes.extend_from_slice(b"Connection: close\r\n\r\n");
        bytes
    }

    /// Authority and path of a target in absolute form, RFC 9112, 3.2.2, if it is one of plain HTTP.
    pub fn absolute(&self) -> Option<(&str, String)> {
        let (scheme, rest) = self.target.split_once("://")?;
        scheme.eq_ignore_ascii_case("http").then_some(())?;
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at_checked(end)?;
        let path = path.split('#').next().unwrap_or_default();
        let root = if path.starts_with('/') { "" } else { "/" };
        Some((authority, format!("{root}{path}")))
    }
}

/// The size of the next chunk, in the line before it; the line's extensions are dropped.
pub fn chunk(bytes: &[u8]) -> Step<u64> {
    /// A size has at most 16 digits.
    const LINE_MAX: usize = 256;
    // httparse takes a line without any digit for zero.
    if bytes.first().is_some_and(|byte| !byte.is_ascii_hexdigit()) {
        return Step::Bad("the size of a chunk is malformed");
    }
    match httparse::parse_chunk_size(bytes) {
        Ok(Status::Complete((len, size))) => Step::Done(size, len),
        Ok(Status::Partial) if bytes.len() <= LINE_MAX => Step::More,
        _ => Step::Bad("the size of a chunk is malformed"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_passed_on_has_no_more_fields_than_are_read() {
        let asked = |fields| format!("POST / HTTP/1.1\r\n{}\r\n", "X: y\r\n".repeat(fields));
        let passed_on = read(&asked(97)).written("/", "a.example");
        assert!(matches!(head(&passed_on), Step::Done(..)));
        assert!(matches!(head(asked(98).as_bytes()), Step::Bad(_)));
    }

    fn read(text: &str) -> Head {
        match head(text.as_bytes()) {
            Step::Done(head, len) => {
                assert_eq!(len, text.len());
                head
            }
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn a_head_is_written_anew_without_what_is_for_the_next_hop() {
        let head = read(
            "POST http://a.example/x?y HTTP/1.1\r\nHost: a.example\r\nAccept: */*\r\nConnection: keep-alive, X-Own\r\n\
             X-Own: 1\r\nProxy-Authorization: Basic eA==\r\nKeep-Alive: 5\r\nUpgrade: h2c\r\nHTTP2-Settings: AA\r\n\
             TE: trailers\r\nContent-Length: 3\r\nX-Kept: \u{e9}\r\n\r\n",
        );
        assert_eq!(head.absolute(), Some(("a.example", "/x?y".to_owned())));
        let written = head.written("/x?y", "a.example");
        assert_eq!(
            String::from_utf8_lossy(&written),
            "POST /x?y HTTP/1.1\r\nHost: a.example\r\nContent-Length: 3\r\nAccept: */*\r\nX-Kept: \u{e9}\r\n\
             Connection: close\r\n\r\n"
        );
    }

    #[test]
    fn what_two_servers_could_frame_differently_is_refused() {
        for fields in [
            "Content-Length: 1\r\nContent-Length: 1\r\n",
            "Content-Length: 1\r\ncontent-length: 2\r\n",
            "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n",
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n",
            "Transfer-Encoding: identity\r\n",
            "Transfer-Encoding: gzip, chunked\r\n",
            "Transfer-Encoding: xchunked\r\n",
            "Transfer-Encoding:\x0bchunked\r\n",
            "Content-Length: +1\r\n",
            "Content-Length: 1, 1\r\n",
            "Content-Length: 0x1\r\n",
            "Content-Length:\r\n",
            "Content-Length: 99999999999999999999\r\n",
            "Content-Length : 1\r\n",
            "Host: b.example\r\n",
            "X: a\r\n folded\r\n",
            "X: a\0b\r\n",
            "X\0: a\r\n",
            "no colon\r\n",
        ] {
            let text = format!("GET / HTTP/1.1\r\nHost: a.example\r\n{fields}\r\n");
            assert!(matches!(head(text.as_bytes()), Step::Bad(_)), "{fields:?}");
        }
        let old = "GET / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n";
        assert!(matches!(head(old.as_bytes()), Step::Bad(_)));
        for text in
            ["\r\nGET / HTTP/1.1\r\n\r\n", "PRI * HTTP/2.0\r\n\r\n", "GET / HTTP/1.1 x\r\n\r\n", "GET /\r\n"]
        {
            assert!(matches!(head(text.as_bytes()), Step::Bad(_)), "{text:?}");
        }
    }

    #[test]
    fn only_plain_http_in_absolute_form_names_a_destination() {
        let absolute = |target: &str| {
            let head = read(&format!("GET {target} HTTP/1.1\r\n\r\n"));
            head.absolute().map(|(authority, path)| (authority.to_owned(), path))
        };
        let is = |authority: &str, path: &str| Some((authority.to_owned(), path.to_owned()));
        assert_eq!(absolute("http://a.example"), is("a.example", "/"));
        assert_eq!(absolute("HTTP://a.example:81?q"), is("a.example:81", "/?q"));
        assert_eq!(absolute("http://a.example@b.example/"), is("a.example@b.example", "/"));
        assert_eq!(absolute("http://a.example#@b.example/"), is("a.example", "/"));
        assert_eq!(absolute("https://a.example/"), None);
        assert_eq!(absolute("/x"), None);
        assert_eq!(absolute("*"), None);
    }

    #[test]
    fn the_size_of_a_chunk_is_a_line() {
        assert_eq!(chunk(b"1f\r\n"), Step::Done(31, 4));
        assert_eq!(chunk(b"0;name=value\r\n"), Step::Done(0, 14));
        assert_eq!(chunk(b"1f\r"), Step::More);
        for bytes in [&b"g\r\n"[..], b"-1\r\n", b"\r\n", b"11111111111111111\r\n", b"1 1\r\n"] {
            assert!(matches!(chunk(bytes), Step::Bad(_)), "{}", bytes.escape_ascii());
        }
    }
}
