//! Addresses that no name may lead to, unless the policy names the address itself.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What an address is, if it is not one of a host on the public internet; RFC 6890 and the registries behind it.
pub(crate) fn special(address: IpAddr) -> Option<&'static str> {
    match address {
        IpAddr::V4(address) => special_v4(address),
        IpAddr::V6(address) => special_v6(address),
    }
}

fn special_v4(address: Ipv4Addr) -> Option<&'static str> {
    let kind = match address.octets() {
        [0, ..] => "of this network",
        [10, ..] | [192, 168, ..] => "private",
        [172, second, ..] if second & 0xf0 == 16 => "private",
        [100, second, ..] if second & 0xc0 == 64 => "behind a carrier's translation",
        [127, ..] => "loopback",
        [169, 254, 169, 254] | [168, 63, 129, 16] => "the cloud's metadata service",
        [169, 254, ..] => "link-local",
        [192, 0, 0, _] => "of the protocol's own",
        [192, 88, 99, _] => "a relay of 6to4",
        [198, 18 | 19, ..] => "for benchmarks",
        [first, ..] if first & 0xf0 == 224 => "multicast",
        [first, ..] if first & 0xf0 == 240 => "reserved",
        _ => return None,
    };
    Some(kind)
}

/// Networks whose addresses have an IPv4 address in them are judged by that one.
fn special_v6(address: Ipv6Addr) -> Option<&'static str> {
    let embedded = |high: u16, low: u16| {
        let [a, b] = high.to_be_bytes();
        let [c, d] = low.to_be_bytes();
        special_v4(Ipv4Addr::new(a, b, c, d))
    };
    match address.segments() {
        [0, 0, 0, 0, 0, 0, 0, 0] => Some("of no host"),
        [0, 0, 0, 0, 0, 0, 0, 1] => Some("loopback"),
        // The same host under two names would be judged under one of them.
        [0, 0, 0, 0, 0 | 0xffff, 0 | 0xffff, ..] => Some("an IPv4 address in disguise"),
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => embedded(high, low),
        [0x64, 0xff9b, 1, ..] => Some("of a local translation"),
        [0x100, 0, 0, 0, ..] => Some("discarded"),
        [0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254] => Some("the cloud's metadata service"),
        [first, ..] if first & 0xfe00 == 0xfc00 => Some("private"),
        [first, ..] if first & 0xffc0 == 0xfe80 => Some("link-local"),
        [first, ..] if first & 0xffc0 == 0xfec0 => Some("site-local"),
        [first, ..] if first & 0xff00 == 0xff00 => Some("multicast"),
        // Nothing else is given to hosts; RFC 4291, 2.4.
        [first, ..] if first & 0xe000 != 0x2000 => Some("given to nobody"),
        [0x2001, 0, ..] => Some("a tunnel's"),
        // Benchmarks and identifiers that are no addresses are among them.
        [0x2001, second, ..] if second & 0xfe00 == 0 => Some("of the protocol's own"),
        [0x2002, high, low, ..] => embedded(high, low),
        [0x3fff, second, ..] if second & 0xf000 == 0 => Some("for documentation"),
        [_, _, _, _, 0 | 0x200, 0x5efe, high, low] => embedded(high, low),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_host_of_the_internet_is_told_in_every_form() {
        for text in [
            "0.0.0.0",
            "0.1.2.3",
            "10.0.0.1",
            "100.64.0.1",
            "100.127.255.255",
            "127.0.0.1",
            "127.255.255.254",
            "169.254.1.1",
            "169.254.169.254",
            "168.63.129.16",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.192",
            "192.168.0.1",
            "198.18.0.1",
            "198.19.255.255",
            "224.0.0.1",
            "239.255.255.255",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::7f00:1",
            "::ffff:127.0.0.1",
            "::ffff:8.8.8.8",
            "::ffff:0:127.0.0.1",
            "64:ff9b::127.0.0.1",
            "64:ff9b::a9fe:a9fe",
            "64:ff9b:1::1",
            "100::1",
            "2001::1",
            "2002:7f00:1::",
            "2002:a9fe:a9fe::1",
            "2001:db8::5efe:10.0.0.1",
            "2001:db8::200:5efe:a9fe:a9fe",
            "fc00::1",
            "fd00:ec2::254",
            "fdff::1",
            "fe80::1",
            "febf::1",
            "fec0::1",
            "ff02::1",
            "fd00::5efe:808:808",
            "fe80::200:5efe:808:808",
            "fec0::5efe:808:808",
            "ff0e::5efe:808:808",
            "2001:2::1",
            "2001:10::1",
            "2001:20::1",
            "2001:1ff::1",
            "3fff::1",
            "3fff:fff::1",
            "5f00::1",
            "4000::1",
            "1fff::1",
        ] {
            assert!(special(text.parse().unwrap()).is_some(), "{text}");
        }
    }

    #[test]
    fn hosts_of_the_internet_are_not_special() {
        for text in [
            "1.1.1.1",
            "9.255.255.255",
            "11.0.0.0",
            "100.63.255.255",
            "100.128.0.0",
            "126.255.255.255",
            "128.0.0.0",
            "169.253.255.255",
            "172.15.255.255",
            "172.32.0.0",
            "192.167.255.255",
            "203.0.113.10",
            "223.255.255.255",
            "2001:db8::1",
            "2606:4700::1111",
            "64:ff9b::8.8.8.8",
            "2002:808:808::1",
            "2001:200::1",
            "3ffe:ffff::1",
            "3fff:1000::1",
            "2606:4700::5efe:808:808",
        ] {
            assert_eq!(special(text.parse().unwrap()), None, "{text}");
        }
    }
}
