//! Where a job asks to be connected to, parsed from raw bytes.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use stockade_policies::HostName;

/// A host by its name or by its address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// By name.
    Name(HostName),
    /// By address.
    Address(IpAddr),
}

impl Target {
    /// What these bytes name: a host name, an IPv4 address of four decimal numbers, or an IPv6 address in brackets.
    /// `None` for all else, other spellings of addresses among it.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        if let Some(inner) = bytes.strip_prefix(b"[") {
            let text = str::from_utf8(inner.strip_suffix(b"]")?).ok()?;
            return text.parse::<Ipv6Addr>().ok().map(|address| Self::Address(address.into()));
        }
        let v4 = str::from_utf8(bytes).ok().and_then(|text| text.parse::<Ipv4Addr>().ok());
        v4.map(|address| Self::Address(address.into())).or_else(|| HostName::parse(bytes).map(Self::Name))
    }
}

/// A host and a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Destination {
    /// The host.
    pub target: Target,
    /// The port, not zero.
    pub port: u16,
}

impl Destination {
    /// A host and a port; `None` if either is none.
    pub fn new(host: &[u8], port: u16) -> Option<Self> {
        (port != 0).then_some(())?;
        Some(Self { target: Target::parse(host)?, port })
    }

    /// `host:port`, or `host` if there is a port that is meant then; RFC 9110, 4.2. No user, no other spelling.
    pub fn parse(authority: &[u8], default_port: Option<u16>) -> Option<Self> {
        let bracket = authority.iter().rposition(|byte| *byte == b']').map_or(0, |at| at + 1);
        let colon = authority.iter().rposition(|byte| *byte == b':').filter(|at| *at >= bracket);
        match colon {
            None => Self::new(authority, default_port?),
            Some(at) => {
                let (host, port) = (authority.get(..at)?, authority.get(at + 1..)?);
                Self::new(host, parse_port(port)?)
            }
        }
    }
}

/// A port in digits, without a sign or a leading zero.
fn parse_port(bytes: &[u8]) -> Option<u16> {
    let good = !bytes.starts_with(b"0") && bytes.iter().all(u8::is_ascii_digit);
    good.then(|| str::from_utf8(bytes).ok()?.parse().ok())?
}

impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.target {
            Target::Name(name) => write!(f, "{name}:{}", self.port),
            Target::Address(IpAddr::V4(address)) => write!(f, "{address}:{}", self.port),
            Target::Address(IpAddr::V6(address)) => write!(f, "[{address}]:{}", self.port),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &[u8]) -> Option<String> {
        Destination::parse(text, Some(80)).map(|destination| destination.to_string())
    }

    #[test]
    fn names_and_addresses_are_read_in_one_spelling() {
        for (text, shown) in [
            (&b"a.example:443"[..], "a.example:443"),
            (b"A.EXAMPLE", "a.example:80"),
            (b"192.0.2.7:1", "192.0.2.7:1"),
            (b"[2001:db8::7]:443", "[2001:db8::7]:443"),
            (b"[2001:DB8:0::7]", "[2001:db8::7]:80"),
        ] {
            assert_eq!(parsed(text).as_deref(), Some(shown));
        }
    }

    #[test]
    fn all_else_is_no_destination() {
        for text in [
            &b""[..],
            b":80",
            b"a.example:",
            b"a.example:0",
            b"a.example:080",
            b"a.example:+80",
            b"a.example:65536",
            b"a.example:80:80",
            b"a.example.:80",
            b"allowed.example\0.evil.example:80",
            b"allowed.example@evil.example:80",
            b"allowed.example:80@evil.example:80",
            b"evil.example#allowed.example:80",
            b"a.example :80",
            b"2130706433:80",
            b"017700000001:80",
            b"0x7f.1:80",
            b"127.1:80",
            b"127.0.0.01:80",
            b"2001:db8::7",
            b"2001:db8::7:443",
            b"[2001:db8::7",
            b"[2001:db8::7%eth0]:443",
            b"[::1].example:443",
            b"[192.0.2.7]:443",
        ] {
            assert_eq!(parsed(text), None, "{}", text.escape_ascii());
        }
        assert_eq!(Destination::parse(b"a.example", None), None);
    }
}
