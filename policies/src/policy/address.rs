//! Destinations by address.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::NotTaken;
use super::host_name::parse_port;

/// Addresses that begin with the same bits, and a port.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct AddressRange {
    network: IpAddr,
    prefix: u8,
    port: u16,
}

impl AddressRange {
    /// `192.0.2.7:443`, `192.0.2.0/24:443`, `[2001:db8::7]:443` or `[2001:db8::]/32:443`.
    pub(crate) fn parse(text: &str) -> Result<Self, NotTaken> {
        let Some((range, port)) = text.rsplit_once(':').filter(|_| text.parse::<Ipv6Addr>().is_err()) else {
            return Err(NotTaken::new("has no port, or is not in brackets"));
        };
        let (address, prefix) = match range.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (range, None),
        };
        let network = parse_address(address)?;
        let port = parse_port(port)?;
        let bits = bits(network);
        let prefix = match prefix {
            None => bits,
            Some(text) => parse_prefix(text, bits)?,
        };
        let masked = masked(network, prefix);
        if masked != network {
            let meant = Self { network: masked, prefix, port }.to_string();
            return Err(NotTaken::meant(format!("has bits behind its first {prefix}"), meant));
        }
        if network.is_unspecified() || network.is_multicast() || network == IpAddr::V4(Ipv4Addr::BROADCAST) {
            return Err(NotTaken::new("is no address of a host"));
        }
        Ok(Self { network, prefix, port })
    }

    /// Whether it stands for that address, with that port.
    pub(crate) fn holds(&self, address: IpAddr, port: u16) -> bool {
        self.covers(&Self { network: address, prefix: bits(address), port })
    }

    pub(crate) fn covers(&self, asked: &Self) -> bool {
        self.port == asked.port
            && self.network.is_ipv4() == asked.network.is_ipv4()
            && self.prefix <= asked.prefix
            && masked(asked.network, self.prefix) == self.network
    }
}

impl fmt::Display for AddressRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.network {
            IpAddr::V4(address) => write!(f, "{address}")?,
            IpAddr::V6(address) => write!(f, "[{address}]")?,
        }
        if self.prefix != bits(self.network) {
            write!(f, "/{}", self.prefix)?;
        }
        write!(f, ":{}", self.port)
    }
}

fn parse_address(text: &str) -> Result<IpAddr, NotTaken> {
    let bracketed = text.strip_prefix('[').and_then(|text| text.strip_suffix(']'));
    let address = match bracketed {
        Some(text) => text.parse::<Ipv6Addr>().ok().map(IpAddr::V6),
        None => text.parse::<Ipv4Addr>().ok().map(IpAddr::V4),
    };
    match address {
        Some(IpAddr::V6(v6)) => match v6.to_ipv4_mapped() {
            // The same host under two names would be matched under one of them.
            Some(v4) => Err(NotTaken {
                reason: "is an IPv4 address in disguise".to_owned(),
                help: Some(format!("write `{v4}`")),
            }),
            None => Ok(IpAddr::V6(v6)),
        },
        Some(v4) => Ok(v4),
        None => Err(NotTaken {
            reason: "is not an address with a port".to_owned(),
            help: Some(
                "IPv4 in four decimal numbers, IPv6 in brackets; names belong under `hosts`".to_owned(),
            ),
        }),
    }
}

fn parse_prefix(text: &str, bits: u8) -> Result<u8, NotTaken> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    match text.parse::<u8>().ok().filter(|prefix| digits && *prefix <= bits) {
        Some(0) => Err(NotTaken::new("is every address there is")),
        Some(prefix) => Ok(prefix),
        None => Err(NotTaken::new(format!("has no prefix length from 1 to {bits} behind its `/`"))),
    }
}

const fn bits(address: IpAddr) -> u8 {
    match address {
        IpAddr::V4(_) => 32,
        IpAddr::V6(_) => 128,
    }
}

/// The first `prefix` bits of `address`.
fn masked(address: IpAddr, prefix: u8) -> IpAddr {
    let shift = u32::from(bits(address).saturating_sub(prefix));
    match address {
        IpAddr::V4(v4) => IpAddr::V4((v4.to_bits() & u32::MAX.checked_shl(shift).unwrap_or(0)).into()),
        IpAddr::V6(v6) => IpAddr::V6((v6.to_bits() & u128::MAX.checked_shl(shift).unwrap_or(0)).into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_and_networks_are_read_and_shown_in_one_form() {
        for (text, shown) in [
            ("192.0.2.7:443", "192.0.2.7:443"),
            ("192.0.2.7/32:443", "192.0.2.7:443"),
            ("192.0.2.0/24:443", "192.0.2.0/24:443"),
            ("[2001:DB8:0::7]:443", "[2001:db8::7]:443"),
            ("[2001:db8::]/32:1", "[2001:db8::]/32:1"),
            ("128.0.0.0/1:65535", "128.0.0.0/1:65535"),
        ] {
            assert_eq!(AddressRange::parse(text).unwrap().to_string(), shown, "{text}");
        }
    }

    #[test]
    fn edges_of_networks_are_errors() {
        for text in [
            "192.0.2.7/24:443",
            "192.0.2.0/33:443",
            "0.0.0.0/0:443",
            "[::]/0:443",
            "0.0.0.0:443",
            "192.0.2.0/:443",
            "192.0.2.0/-1:443",
            "192.0.2.0/024:443",
            "192.0.2.7",
            "192.0.2.7:0",
            "192.0.2.7:65536",
            "192.0.2:443",
            "192.0.2.07:443",
            "0x7f.0.0.1:443",
            "2001:db8::7:443",
            "2001:db8::7",
            "[2001:db8::7%eth0]:443",
            "[::ffff:192.0.2.7]:443",
            "[2001:db8::]/129:443",
            "[192.0.2.7]:443",
            "224.0.0.1:443",
            "255.255.255.255:443",
            "example.com:443",
            "",
            ":443",
            "[]:443",
            "[2001:db8::1]/32:443",
        ] {
            assert!(AddressRange::parse(text).is_err(), "{text}");
        }
        let help = AddressRange::parse("192.0.2.7/24:443").unwrap_err().help.unwrap();
        assert_eq!(help, "did you mean `192.0.2.0/24:443`?");
    }

    #[test]
    fn a_network_covers_what_lies_in_it_on_its_port() {
        let covers = |have: &str, asked: &str| {
            AddressRange::parse(have).unwrap().covers(&AddressRange::parse(asked).unwrap())
        };
        assert!(covers("192.0.2.0/24:443", "192.0.2.7:443"));
        assert!(covers("192.0.2.0/24:443", "192.0.2.128/25:443"));
        assert!(covers("[2001:db8::]/32:443", "[2001:db8:1::]/48:443"));
        for (have, asked) in [
            ("192.0.2.0/24:443", "192.0.3.7:443"),
            ("192.0.2.0/24:443", "192.0.2.7:80"),
            ("192.0.2.0/24:443", "192.0.2.0/23:443"),
            ("128.0.0.0/1:443", "[8000::]/1:443"),
        ] {
            assert!(
                !AddressRange::parse(asked)
                    .is_ok_and(|asked| AddressRange::parse(have).unwrap().covers(&asked)),
                "{asked}"
            );
        }
    }
}
