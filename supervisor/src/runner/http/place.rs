//! Where a request goes: a URL, read in one way only.

use std::fmt;

use reqwest::Url;
use stockade_egress::Destination;

/// A URL of a host that is written in the one spelling every program reads alike.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    url: Url,
    destination: Destination,
}

/// Why a text is no place that a request may go to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum NoPlace {
    #[error("it is no URL")]
    NoUrl,
    #[error("only `http` and `https` are spoken")]
    Scheme,
    #[error(
        "a URL with a user or password in it would show them wherever it is shown; keep them in a secret"
    )]
    UserInfo,
    #[error("its host is no host name and no address, or none that every program reads alike")]
    Host,
    #[error("its path has {0}, which servers read differently")]
    Path(&'static str),
}

impl Place {
    /// Reads an absolute URL. Other spellings of an address (`2130706433`, `0x7f.1`) are the address by then
    /// (WHATWG URL, 3.5), and are judged as it.
    pub(super) fn parse(text: &str) -> Result<Self, NoPlace> {
        Self::new(Url::parse(text).map_err(|_| NoPlace::NoUrl)?)
    }

    /// What `reference` means here; RFC 3986, 5.
    pub(super) fn join(&self, reference: &str) -> Result<Self, NoPlace> {
        Self::new(self.url.join(reference).map_err(|_| NoPlace::NoUrl)?)
    }

    fn new(mut url: Url) -> Result<Self, NoPlace> {
        if !matches!(url.scheme(), "http" | "https") {
            return Err(NoPlace::Scheme);
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(NoPlace::UserInfo);
        }
        let host = url.host_str().ok_or(NoPlace::Host)?;
        let port = url.port_or_known_default().ok_or(NoPlace::Host)?;
        let destination = Destination::new(host.as_bytes(), port).ok_or(NoPlace::Host)?;
        if let Some(what) = ambiguous(url.path()) {
            return Err(NoPlace::Path(what));
        }
        url.set_fragment(None);
        Ok(Self { url, destination })
    }

    /// The URL.
    pub(super) const fn url(&self) -> &Url {
        &self.url
    }

    /// Host and port.
    pub(super) const fn destination(&self) -> &Destination {
        &self.destination
    }

    pub(super) fn is_tls(&self) -> bool {
        self.url.scheme() == "https"
    }

    /// Scheme, host and port are the same; RFC 6454, 4.
    pub(super) fn same_origin(&self, other: &Self) -> bool {
        self.url.origin() == other.url.origin()
    }
}

/// What there is in a path that one server takes for text and another for syntax. A policy names paths as they are
/// written: one that a server could read as another one is none that it names.
fn ambiguous(path: &str) -> Option<&'static str> {
    let mut parts = path.split('/').skip(1).peekable();
    while let Some(part) = parts.next() {
        if part.is_empty() && parts.peek().is_some() {
            return Some("an empty component");
        }
        let Some(read) = decoded(part) else { return Some("a `%` that encodes no byte") };
        if let Some(found) = syntax(&read) {
            return Some(found);
        }
        // A server behind a server decodes again.
        let again = str::from_utf8(&read).ok().and_then(decoded);
        if again.is_some_and(|again| again != read && syntax(&again).is_some()) {
            return Some("a byte that is encoded twice");
        }
    }
    None
}

/// What a component has in it, decoded, that is more than text to some.
fn syntax(read: &[u8]) -> Option<&'static str> {
    // What stands behind a `;` some take for parameters of the component, and look at what is left.
    let name = read.split(|byte| *byte == b';').next().unwrap_or_default();
    match () {
        () if read.iter().any(|byte| b"/\\".contains(byte)) => Some("an encoded slash"),
        () if read.iter().any(u8::is_ascii_control) => Some("an encoded control character"),
        () if matches!(name, b"." | b"..") => Some("an encoded `.` or `..`"),
        () if str::from_utf8(read).is_err() => Some("encoded bytes that are no UTF-8"),
        () => None,
    }
}

/// The bytes that a component stands for; RFC 3986, 2.1.
fn decoded(part: &str) -> Option<Vec<u8>> {
    let mut pieces = part.split('%');
    let mut bytes = pieces.next().unwrap_or_default().as_bytes().to_vec();
    for piece in pieces {
        bytes.push(hexadecimal(piece.get(..2)?)?);
        bytes.extend_from_slice(piece.get(2..)?.as_bytes());
    }
    Some(bytes)
}

fn hexadecimal(digits: &str) -> Option<u8> {
    let all = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    all.then(|| u8::from_str_radix(digits, 16).ok()).flatten()
}

/// Without its query: what is looked for may be nobody's business, and a signed link is a secret.
impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let query = if self.url.query().is_some() { "?…" } else { "" };
        write!(f, "{}://{}{}{query}", self.url.scheme(), self.destination, self.url.path())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> String {
        Place::parse(text).map_or_else(|wrong| format!("{wrong:?}"), |place| place.to_string())
    }

    #[test]
    fn addresses_in_disguise_are_the_addresses_they_mean() {
        for host in ["2130706433", "0x7f.1", "0177.0.0.1", "127.1", "127.0.0.1", "0x7f000001", "①27.0.0.1"]
        {
            assert_eq!(shown(&format!("http://{host}/a")), "http://127.0.0.1:80/a", "{host}");
        }
        assert_eq!(shown("http://[0:0:0:0:0:FFFF:7F00:1]:8080/"), "http://[::ffff:127.0.0.1]:8080/");
    }

    #[test]
    fn what_programs_read_differently_is_no_place() {
        for (text, wrong) in [
            ("/a", "NoUrl"),
            ("ftp://a.example/", "Scheme"),
            ("file:///etc/passwd", "Scheme"),
            ("http://user@a.example/", "UserInfo"),
            ("https://a.example:b@c.example/", "UserInfo"),
            ("http://localhost/", "Host"),
            ("http://a.example./", "Host"),
        ] {
            assert_eq!(shown(text), wrong, "{text}");
        }
    }

    #[test]
    fn a_path_that_servers_could_read_as_another_is_no_place() {
        for path in [
            "/v1/%2F",
            "/v1%2f..%2fadmin",
            "/v1%5C..",
            "/v1/..;/admin",
            "/v1/..;a=b/admin",
            "/v1/..%3B/admin",
            "/v1/%2e%2e%3b/admin",
            "/v1/%252e%252e/admin",
            "/v1/%252fadmin",
            "/v1/%25%32%65%252e/admin",
            "/v1/%00/admin",
            "/v1/a%0d%0ab",
            "/v1//admin",
            "//admin",
            "/v1/%c0%ae%c0%ae/admin",
            "/v1/%u002e/admin",
            "/v1/100%",
        ] {
            let found = shown(&format!("https://a.example{path}"));
            assert!(found.starts_with("Path("), "{path}: {found}");
        }
        // What the URL itself means is the path that is compared; the rest is text to everybody.
        for (path, read) in [
            ("/v1/%2e%2e/admin", "/admin"),
            ("/v1/..\\admin", "/admin"),
            ("/v1/a/", "/v1/a/"),
            ("/v1/x;y=1/%c3%a4", "/v1/x;y=1/%c3%a4"),
            ("/v1/100%25", "/v1/100%25"),
            ("/v1/%2541", "/v1/%2541"),
            ("/v1/...", "/v1/..."),
            ("", "/"),
        ] {
            assert_eq!(shown(&format!("https://a.example{path}")), format!("https://a.example:443{read}"));
        }
    }

    #[test]
    fn a_query_is_not_shown_and_a_fragment_not_sent() {
        let place = Place::parse("https://a.example/b?token=x#c").unwrap();
        assert_eq!(place.to_string(), "https://a.example:443/b?…");
        assert_eq!(place.url().as_str(), "https://a.example/b?token=x");
    }

    #[test]
    fn an_origin_has_scheme_host_and_port() {
        let here = Place::parse("https://a.example/b").unwrap();
        assert!(here.same_origin(&Place::parse("https://A.example:443/c").unwrap()));
        for other in ["http://a.example/b", "https://a.example:8443/b", "https://b.a.example/b"] {
            assert!(!here.same_origin(&Place::parse(other).unwrap()), "{other}");
        }
    }
}
