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
    #[error("its path has an encoded slash, which servers read differently")]
    EncodedSlash,
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
        let path = url.path().to_ascii_lowercase();
        if path.contains("%2f") || path.contains("%5c") {
            return Err(NoPlace::EncodedSlash);
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
            ("http://a.example/../%2F", "EncodedSlash"),
            ("https://a.example/v1%2f..%2fadmin", "EncodedSlash"),
            ("https://a.example/v1%5C..", "EncodedSlash"),
        ] {
            assert_eq!(shown(text), wrong, "{text}");
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
