//! Host names with a port, as a policy may name destinations: one spelling for each, and none that two programs
//! read differently.

use std::fmt;
use std::net::Ipv4Addr;

use super::NotTaken;
use super::punycode::to_ascii;

/// A host, or every host one label below it, and a port.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct HostPattern {
    host: String,
    wildcard: bool,
    port: u16,
}

/// The longest host name, RFC 1035, 2.3.4, less the root's own label.
const NAME_MAX: usize = 253;
/// The longest label of it.
const LABEL_MAX: usize = 63;

impl HostPattern {
    pub(crate) fn parse(text: &str) -> Result<Self, NotTaken> {
        refuse_other_forms(text)?;
        let Some((name, port)) = text.rsplit_once(':') else {
            return Err(NotTaken::meant("has no port", format!("{text}:443")));
        };
        let port = parse_port(port)?;
        let (wildcard, host) = match name.strip_prefix("*.") {
            Some(host) => (true, host),
            None => (false, name),
        };
        let tidy = tidied(host);
        if tidy != host {
            let star = if wildcard { "*." } else { "" };
            return Err(NotTaken::meant(untidy(host), format!("{star}{tidy}:{port}")));
        }
        check_name(host)?;
        if wildcard && !host.contains('.') {
            return Err(NotTaken::new("reaches a whole top-level domain"));
        }
        Ok(Self { host: host.to_owned(), wildcard, port })
    }

    /// Whether `text` is a name that could stand in a policy.
    pub(crate) fn is_name(text: &str) -> bool {
        check_name(text).is_ok() && tidied(text) == text
    }

    /// The name, if it stands for one host only.
    pub(crate) fn exact(&self) -> Option<&str> {
        (!self.wildcard).then_some(self.host.as_str())
    }

    pub(crate) const fn port(&self) -> u16 {
        self.port
    }

    /// Whether it stands for the host of that name, with that port.
    pub(crate) fn is_met_by(&self, name: &str, port: u16) -> bool {
        self.covers(&Self { host: name.to_owned(), wildcard: false, port })
    }

    /// Whether every destination of `asked` is one of this. A `*` stands for exactly one label, as in a
    /// certificate (RFC 6125, 6.4.3).
    pub(crate) fn covers(&self, asked: &Self) -> bool {
        let below =
            || asked.host.strip_suffix(&self.host)?.strip_suffix('.').map(|label| !label.contains('.'));
        self.port == asked.port
            && match (self.wildcard, asked.wildcard) {
                (false, true) => false,
                (true, false) => below().unwrap_or(false),
                (true, true) | (false, false) => self.host == asked.host,
            }
    }
}

impl fmt::Display for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}:{}", if self.wildcard { "*." } else { "" }, self.host, self.port)
    }
}

/// What is no `host:port` at all.
fn refuse_other_forms(text: &str) -> Result<(), NotTaken> {
    if text.chars().any(|c| c.is_control() || c.is_whitespace()) {
        return Err(NotTaken::new("has a blank or a control character"));
    }
    if let Some((scheme, rest)) = text.split_once("://") {
        let host = rest.split(['/', '?', '#']).next().unwrap_or("");
        let host = host.rsplit('@').next().unwrap_or("");
        let port = if scheme.eq_ignore_ascii_case("http") { 80 } else { 443 };
        let meant = if host.contains(':') { host.to_owned() } else { format!("{host}:{port}") };
        return Err(NotTaken::meant("is a URL, not a host and a port", meant));
    }
    if let Some((_, host)) = text.rsplit_once('@') {
        return Err(NotTaken::meant("names a user before the host", host.to_owned()));
    }
    let first = text.rsplit_once(':').map_or(text, |(name, _)| name);
    let numeric = text.starts_with('[') || first.contains(':') || first.parse::<Ipv4Addr>().is_ok();
    let range = text.split_once('/').is_some_and(|(address, _)| address.parse::<std::net::IpAddr>().is_ok());
    if numeric || range {
        return Err(NotTaken {
            reason: "is an address and not a name".to_owned(),
            help: Some("list it under `addresses`".to_owned()),
        });
    }
    match text.contains(['/', '?', '#', '\\']) {
        true => Err(NotTaken::new("has more than a host and a port")),
        false => Ok(()),
    }
}

/// A port, from 1: 0 stands for any.
pub(crate) fn parse_port(text: &str) -> Result<u16, NotTaken> {
    let digits = !text.is_empty() && !text.starts_with('0') && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| digits).ok_or_else(|| NotTaken {
        reason: "has no port from 1 to 65535 behind its last `:`".to_owned(),
        help: Some("write the port in digits, without a leading zero".to_owned()),
    })
}

/// The one spelling of a name: lower case, in ASCII, without the root's dot.
fn tidied(host: &str) -> String {
    let host = host.trim_end_matches('.').to_lowercase();
    host.split('.').map(to_ascii).collect::<Vec<_>>().join(".")
}

fn untidy(host: &str) -> &'static str {
    if !host.is_ascii() {
        "has letters outside ASCII, which look like others; name hosts in their ASCII form"
    } else if host.ends_with('.') {
        "ends in a dot"
    } else {
        "has upper-case letters"
    }
}

fn check_name(host: &str) -> Result<(), NotTaken> {
    if host.contains('*') {
        let reason = "has a `*` that is not the whole first label";
        return Err(NotTaken {
            reason: reason.to_owned(),
            help: Some("write `*.example.com:443` for every host one label below".to_owned()),
        });
    }
    if host.is_empty() || host.len() > NAME_MAX {
        return Err(NotTaken::new("has no host name of 1 to 253 characters"));
    }
    for label in host.split('.') {
        let good = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        let edges = label.starts_with('-') || label.ends_with('-');
        if label.is_empty() || label.len() > LABEL_MAX || edges || !label.bytes().all(good) {
            return Err(NotTaken::new(
                "has a label that is not 1 to 63 letters, digits and inner hyphens (RFC 1123)",
            ));
        }
    }
    let last = host.rsplit('.').next().unwrap_or("");
    // Some programs read `127.1`, `0x7f000001` and `2130706433` as addresses (inet_aton(3)).
    let hexadecimal =
        last.strip_prefix("0x").is_some_and(|rest| rest.bytes().all(|byte| byte.is_ascii_hexdigit()));
    if hexadecimal || last.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(NotTaken::new("ends in a number, so that some programs read it as an address"));
    }
    if last == "localhost" {
        return Err(NotTaken {
            reason: "is the job's own loopback".to_owned(),
            help: Some("a job with `mode: loopback` or `allowlist` has one; leave it out".to_owned()),
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn covers(have: &str, asked: &str) -> bool {
        HostPattern::parse(have).unwrap().covers(&HostPattern::parse(asked).unwrap())
    }

    #[test]
    fn a_wildcard_is_exactly_one_label() {
        assert!(covers("*.example.com:443", "api.example.com:443"));
        assert!(covers("*.example.com:443", "*.example.com:443"));
        for asked in [
            "example.com:443",
            "a.b.example.com:443",
            "*.a.example.com:443",
            "api.example.com:80",
            "badexample.com:443",
        ] {
            assert!(!covers("*.example.com:443", asked), "{asked}");
        }
        assert!(!covers("api.example.com:443", "*.example.com:443"));
        assert!(covers("api.example.com:443", "api.example.com:443"));
    }

    #[test]
    fn every_name_has_one_spelling_and_others_lead_to_it() {
        for (text, meant) in [
            ("API.Example.com:443", "api.example.com:443"),
            ("example.com.:443", "example.com:443"),
            ("bücher.example:443", "xn--bcher-kva.example:443"),
            ("*.BÜCHER.example.:443", "*.xn--bcher-kva.example:443"),
            ("example.com", "example.com:443"),
            ("https://example.com/path", "example.com:443"),
            ("http://user:pw@example.com", "example.com:80"),
            ("user@example.com:443", "example.com:443"),
        ] {
            let help = HostPattern::parse(text).unwrap_err().help.unwrap();
            assert_eq!(help, format!("did you mean `{meant}`?"), "{text}");
            assert!(HostPattern::parse(meant).is_ok(), "{meant}");
        }
    }

    #[test]
    fn what_is_read_differently_by_different_programs_is_refused() {
        for text in [
            "",
            ":443",
            "*:443",
            "*.com:443",
            "a*.example.com:443",
            "a.*.com:443",
            "*.*.example.com:443",
            "127.1:80",
            "2130706433:80",
            "0x7f000001:80",
            "a.0x1f:80",
            "127.0.0.1:80",
            "[::1]:80",
            "::1:80",
            "10.0.0.0/8:80",
            "10.0.0.0/8",
            "a..b:80",
            "-a.example:80",
            "a-.example:80",
            "a_b.example:80",
            "a.example:0",
            "a.example:65536",
            "a.example:+80",
            "a.example:080",
            "a.example:",
            "a b.example:80",
            "a.example/x:80",
            "a.example\u{0}.b:80",
            "localhost:80",
            "x.localhost:80",
            "a\\b.example:80",
            ".:80",
            "*.:80",
        ] {
            assert!(HostPattern::parse(text).is_err(), "{text}");
        }
        assert!(HostPattern::parse(&format!("{}.example:80", "a".repeat(64))).is_err());
        assert!(HostPattern::parse(&format!("{}.example:80", "a".repeat(63))).is_ok());
    }
}
