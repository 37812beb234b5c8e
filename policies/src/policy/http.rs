//! What an HTTP call may be.

use std::collections::BTreeMap;
use std::fmt;

use super::limits::{amount, twice};
use super::lists::distinct_of;
use super::network::{address_range, host_pattern, taken};
use super::units::Unit;
use super::{Clauses, NotTaken};
use crate::yaml::{Fields, Node, Reader, Spanned};

/// A method of RFC 9110, 9.3, and PATCH of RFC 5789. Not CONNECT and TRACE: they reach further than one host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Method(&'static str);

const METHODS: [(&str, Method); 7] = [
    ("GET", Method("GET")),
    ("HEAD", Method("HEAD")),
    ("POST", Method("POST")),
    ("PUT", Method("PUT")),
    ("PATCH", Method("PATCH")),
    ("DELETE", Method("DELETE")),
    ("OPTIONS", Method("OPTIONS")),
];

impl Method {
    pub(crate) const fn as_str(self) -> &'static str {
        self.0
    }
}

/// Every method.
pub(crate) fn method_names() -> impl Iterator<Item = &'static str> {
    METHODS.into_iter().map(|(name, _)| name)
}

/// A path and all beneath it, without a slash at its end but for `/` itself.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct PathPrefix(String);

impl PathPrefix {
    fn parse(text: &str) -> Result<Self, NotTaken> {
        if !text.starts_with('/') {
            return Err(NotTaken::meant("does not start with `/`", format!("/{text}")));
        }
        if text.contains(['%', '\\', '?', '#', '*', ';']) || !text.bytes().all(|byte| byte.is_ascii_graphic())
        {
            return Err(NotTaken::new(
                "has a character that servers read differently; a prefix is plain path components",
            ));
        }
        let whole = text.strip_suffix('/').unwrap_or(text);
        if whole.split('/').skip(1).any(|part| matches!(part, "" | "." | "..")) {
            return Err(NotTaken::new("has a `.`, `..` or empty component"));
        }
        Ok(Self(if whole.is_empty() { "/".to_owned() } else { whole.to_owned() }))
    }

    /// The prefix of a whole path, as a URL writes it.
    pub(crate) fn of(path: &str) -> Option<Self> {
        Self::parse(path).ok()
    }

    pub(crate) fn covers(&self, asked: &Self) -> bool {
        self.holds(&asked.0)
    }

    /// Whether a path is this one or lies beneath it.
    pub(crate) fn holds(&self, path: &str) -> bool {
        let rest = path.strip_prefix(&self.0);
        self.0 == "/" || rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }
}

/// The name of a header field, in lower case; RFC 9110, 5.1.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct HeaderName(String);

/// Fields that frame a message or steer a connection: whoever sets them decides where a request ends and whom it
/// reaches (RFC 9112, 11.2).
const FRAMING: [&str; 12] = [
    "connection",
    "content-length",
    "expect",
    "forwarded",
    "host",
    "http2-settings",
    "keep-alive",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "via",
];

impl HeaderName {
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    pub(crate) fn parse(text: &str) -> Result<Self, NotTaken> {
        let token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
        if text.is_empty() || text.len() > 128 || !text.bytes().all(token) {
            return Err(NotTaken::new("is not the name of a header field"));
        }
        let lower = text.to_ascii_lowercase();
        if lower != text {
            return Err(NotTaken::meant("has upper-case letters", lower));
        }
        if FRAMING.contains(&text) || text.starts_with("proxy-") {
            return Err(NotTaken {
                reason: "frames the message or steers the connection".to_owned(),
                help: Some("the runner sets it; leave it out".to_owned()),
            });
        }
        Ok(Self(lower))
    }
}

/// How large a message may be, kibibytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum HttpCap {
    RequestKb,
    ResponseKb,
}

impl HttpCap {
    pub(crate) const ALL: [Self; 2] = [Self::RequestKb, Self::ResponseKb];
    /// Kibibytes.
    pub(crate) const RANGE: std::ops::RangeInclusive<u64> = 1..=64 * 1024;

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::RequestKb => "request_kb",
            Self::ResponseKb => "response_kb",
        }
    }

    pub(crate) const fn with_unit(self) -> &'static str {
        match self {
            Self::RequestKb => "request",
            Self::ResponseKb => "response",
        }
    }

    /// Where no policy says anything.
    pub(crate) const fn closed(self) -> u64 {
        match self {
            Self::RequestKb => 64,
            Self::ResponseKb => 1024,
        }
    }

    fn stated(self, fields: &mut Fields<'_, '_>) -> Option<Spanned<u64>> {
        let reader = fields.reader();
        let (node, value) = match (fields.optional(self.name()), fields.optional(self.with_unit())) {
            (Some(plain), Some(other)) => {
                twice(reader, (self.name(), plain), (self.with_unit(), other));
                return None;
            }
            (Some(node), None) => (node, reader.integer(node, Self::RANGE)),
            (None, Some(node)) => (node, amount(reader, node, Unit::Kibibytes, Self::RANGE)),
            (None, None) => return None,
        };
        value.map(|value| reader.spanned(node, value))
    }
}

/// Decodes `http`.
pub(crate) fn http(reader: &Reader, node: &Node, clauses: &mut Clauses) {
    let Some(mut fields) = Fields::of(reader, node, "`http`") else { return };
    if let Some(node) = fields.optional("hosts") {
        clauses.http_hosts = distinct_of(reader, node, "a list of `host:port`", host_pattern);
    }
    if let Some(node) = fields.optional("addresses") {
        let expected = "a list of `address:port` or `network/prefix:port`";
        clauses.http_addresses = distinct_of(reader, node, expected, address_range);
    }
    if let Some(node) = fields.optional("methods") {
        let method = |reader: &Reader, node: &Node| reader.word(node, "an HTTP method", &METHODS);
        clauses.methods = distinct_of(reader, node, "a list of HTTP methods", method);
    }
    if let Some(node) = fields.optional("path_prefixes") {
        let prefix = |reader: &Reader, node: &Node| {
            taken(reader, node, "the start of a path, such as `/v1/charges`", PathPrefix::parse)
        };
        clauses.prefixes = distinct_of(reader, node, "a list of paths", prefix);
    }
    if let Some(node) = fields.optional("headers") {
        let header = |reader: &Reader, node: &Node| {
            taken(reader, node, "the name of a header field in lower case", HeaderName::parse)
        };
        clauses.headers = distinct_of(reader, node, "a list of names of header fields", header);
    }
    let caps = HttpCap::ALL.into_iter().filter_map(|cap| Some((cap, cap.stated(&mut fields)?)));
    clauses.http_caps = caps.collect::<BTreeMap<_, _>>();
    fields.finish();
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl fmt::Display for PathPrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for HeaderName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_covers_whole_components() {
        let covers = |have: &str, asked: &str| {
            PathPrefix::parse(have).unwrap().covers(&PathPrefix::parse(asked).unwrap())
        };
        assert!(
            covers("/v1", "/v1")
                && covers("/v1/", "/v1")
                && covers("/v1", "/v1/charges")
                && covers("/", "/x")
        );
        assert!(!covers("/v1", "/v10") && !covers("/v1/a", "/v1") && !covers("/x", "/"));
    }

    #[test]
    fn a_prefix_that_servers_read_differently_is_refused() {
        for text in [
            "", "v1", "/a/../b", "/a//b", "/./a", "/a%2fb", "/a?b", "/a#b", "/a\\b", "/a b", "/é", "/*",
            "/a;b",
        ] {
            assert!(PathPrefix::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn header_names_are_lower_case_tokens_and_frame_nothing() {
        for text in ["accept", "x-request-id", "content-type"] {
            assert!(HeaderName::parse(text).is_ok(), "{text}");
        }
        for text in [
            "",
            "Accept",
            "a b",
            "a:",
            "a\r\nb",
            "host",
            "transfer-encoding",
            "content-length",
            "proxy-authorization",
        ] {
            assert!(HeaderName::parse(text).is_err(), "{text}");
        }
    }
}
