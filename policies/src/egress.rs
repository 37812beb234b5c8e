//! Where jobs under a policy may connect to, as the egress proxy asks it and as a sandbox shows it.
//!
//! A program that knows of proxies names its destination to the proxy. One that does not is met half way: every name
//! that the policy lists in full has a loopback address of its own in the job's `/etc/hosts`, and connecting to that
//! says which name is meant.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Write};
use std::net::{IpAddr, Ipv4Addr};
use std::num::NonZeroU16;

use stockade_plan::{LISTENERS_MAX, Network};

use crate::compile::{CompileError, bounded};
use crate::effective::{EffectivePolicy, members};
use crate::policy::{AddressRange, HostPattern, NetworkMode};

/// Where a job finds the proxy: 127.0.0.1 and this port.
pub const PROXY_PORT: NonZeroU16 = NonZeroU16::MIN.saturating_add(3127);
/// The first of the loopback addresses that stand for names; the one before it stands for none.
const NAMED: Ipv4Addr = Ipv4Addr::new(127, 64, 0, 0);
/// The most names that stand for themselves: `/etc/hosts` of a sandbox is a small file.
const NAMES_MAX: usize = 48;

/// The variables by which programs find a proxy. curl(1) reads `http_proxy` in lower case only, others in upper case
/// only.
const VARIABLES: [&str; 6] =
    ["http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"];
/// Node's own fetch looks at those only when told so; nothing is exempt.
const MORE: [(&str, &str); 3] = [("NODE_USE_ENV_PROXY", "1"), ("no_proxy", ""), ("NO_PROXY", "")];

/// A host name in the one spelling that policies use.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HostName(String);

impl HostName {
    /// The name that these bytes are, letters of either case. Nothing else is mended: what two programs might read
    /// differently (a NUL, a dot at the end, letters outside ASCII, a number at the end) is no name.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let text = str::from_utf8(bytes).ok().filter(|text| text.is_ascii())?.to_ascii_lowercase();
        HostPattern::is_name(&text).then_some(Self(text))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for HostName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The destinations of a policy.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Egress {
    hosts: Vec<HostPattern>,
    addresses: Vec<AddressRange>,
    /// Those that are named in full, with the address that stands for each.
    named: BTreeMap<Ipv4Addr, HostName>,
}

impl Egress {
    /// Those of jobs under `policy`, if its network reaches any.
    pub fn of(policy: &EffectivePolicy) -> Option<Self> {
        let rights = policy.rights();
        let mode = rights.network.as_ref().map(|network| network.value);
        if mode != Some(NetworkMode::Allowlist) {
            return None;
        }
        let hosts: Vec<HostPattern> = members(&rights.hosts).map(|(host, _)| host.clone()).collect();
        let names: BTreeSet<&str> = hosts.iter().filter_map(HostPattern::exact).collect();
        let named = (NAMED.to_bits() + 1..)
            .map(Ipv4Addr::from_bits)
            .zip(names.into_iter().map(|name| HostName(name.to_owned())));
        Some(Self {
            named: named.collect(),
            addresses: members(&rights.addresses).map(|(range, _)| range.clone()).collect(),
            hosts,
        })
    }

    /// Whether the policy names that host, with that port.
    pub fn permits(&self, name: &HostName, port: u16) -> bool {
        self.hosts.iter().any(|host| host.is_met_by(name.as_str(), port))
    }

    /// Whether the policy names that very address, or a network around it, with that port.
    pub fn names(&self, address: IpAddr, port: u16) -> bool {
        self.addresses.iter().any(|range| range.holds(address, port))
    }

    /// The name that an address of the job's loopback stands for.
    pub fn standing_for(&self, address: Ipv4Addr) -> Option<&HostName> {
        self.named.get(&address)
    }

    /// What the network of a sandbox or a container needs: the proxy's port, and each port of a host that is named in full.
    pub(crate) fn network(&self) -> Result<Network, CompileError> {
        if self.named.len() > NAMES_MAX {
            let (what, count) = ("hosts in `network.hosts` that are named in full", self.named.len());
            return Err(CompileError::TooMany { what, count, max: NAMES_MAX });
        }
        let of_hosts = self.hosts.iter().filter(|host| host.exact().is_some()).map(HostPattern::port);
        let ports: BTreeSet<NonZeroU16> = of_hosts.filter_map(NonZeroU16::new).chain([PROXY_PORT]).collect();
        let ports = bounded::<_, LISTENERS_MAX>("ports in `network.hosts`", ports.into_iter().collect())?;
        Ok(Network::Listeners { ports })
    }

    /// Lines of the job's `/etc/hosts`.
    pub(crate) fn hosts_file(&self) -> String {
        self.named.iter().fold(String::new(), |mut lines, (address, name)| {
            // Writing to a String cannot fail.
            let _infallible = writeln!(lines, "{address} {name}");
            lines
        })
    }

    /// Variables that lead programs to the proxy.
    pub(crate) fn environment() -> impl Iterator<Item = (&'static str, String)> {
        let proxy = format!("http://127.0.0.1:{PROXY_PORT}");
        let more = MORE.into_iter().map(|(name, value)| (name, value.to_owned()));
        VARIABLES.into_iter().map(move |name| (name, proxy.clone())).chain(more)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Environment, Library};

    fn egress(network: &str) -> Option<Egress> {
        let text = format!("policy: test\ncommands: [/bin/sh]\nnetwork: {network}\n");
        let (library, name) = Library::shipped().unwrap().with_text("test.yaml", &text).unwrap();
        Egress::of(&library.effective(name.as_str(), Environment::Development).unwrap())
    }

    fn name(text: &str) -> HostName {
        HostName::parse(text.as_bytes()).unwrap()
    }

    #[test]
    fn what_two_programs_could_read_differently_is_no_name() {
        assert_eq!(HostName::parse(b"API.Example.com").unwrap().as_str(), "api.example.com");
        for bytes in [
            &b""[..],
            b".",
            b"allowed.com\0.evil.com",
            b"allowed.com\0",
            b"allowed.com.",
            b"allowed.com\n",
            b"allowed.com ",
            b"allowed.com:443",
            b"user@allowed.com",
            b"allowed.com/x",
            b"allowed.com\\x",
            b"*.allowed.com",
            b"allowed..com",
            b"-a.com",
            "\u{430}llowed.com".as_bytes(),
            "allowed\u{3002}com".as_bytes(),
            b"\xff.com",
            b"127.0.0.1",
            b"127.1",
            b"2130706433",
            b"0x7f000001",
            b"0177.0.0.1",
            b"a.0x1",
            b"[::1]",
            b"::1",
            b"localhost",
            b"a.localhost",
            b"%61llowed.com",
        ] {
            assert_eq!(HostName::parse(bytes), None, "{}", String::from_utf8_lossy(bytes));
        }
        assert_eq!(HostName::parse(&[b'a'; 64]), None);
    }

    #[test]
    fn a_host_is_met_with_its_port_and_a_wildcard_for_one_label() {
        let egress = egress("{mode: allowlist, hosts: [\"a.example:443\", \"*.b.example:80\"]}").unwrap();
        assert!(egress.permits(&name("a.example"), 443));
        assert!(egress.permits(&name("x.b.example"), 80));
        for (asked, port) in [
            ("a.example", 80),
            ("x.a.example", 443),
            ("b.example", 80),
            ("x.y.b.example", 80),
            ("x.b.example", 443),
            ("xa.example", 443),
            ("a.example.evil", 443),
        ] {
            assert!(!egress.permits(&name(asked), port), "{asked}:{port}");
        }
    }

    #[test]
    fn an_address_is_named_by_itself_or_by_a_network_around_it() {
        let egress =
            egress("{mode: allowlist, addresses: [\"10.0.0.0/8:5432\", \"[fd00::7]:443\"]}").unwrap();
        let names = |address: &str, port| egress.names(address.parse().unwrap(), port);
        assert!(names("10.1.2.3", 5432) && names("fd00::7", 443));
        assert!(!names("10.1.2.3", 80) && !names("11.0.0.1", 5432) && !names("fd00::8", 443));
        assert!(!names("::ffff:10.1.2.3", 5432));
    }

    #[test]
    fn names_in_full_stand_for_themselves_and_wildcards_do_not() {
        let hosts = "[\"b.example:443\", \"a.example:443\", \"a.example:80\", \"*.c.example:8443\"]";
        let egress = egress(&format!("{{mode: allowlist, hosts: {hosts}}}")).unwrap();
        assert_eq!(egress.hosts_file(), "127.64.0.1 a.example\n127.64.0.2 b.example\n");
        assert_eq!(egress.standing_for(Ipv4Addr::new(127, 64, 0, 2)), Some(&name("b.example")));
        assert_eq!(egress.standing_for(Ipv4Addr::new(127, 64, 0, 3)), None);
        assert_eq!(egress.standing_for(Ipv4Addr::LOCALHOST), None);
        let ports: Vec<u16> = egress.network().unwrap().ports().iter().map(|port| port.get()).collect();
        assert_eq!(ports, [80, 443, 3128]);
    }

    #[test]
    fn more_ports_than_a_sandbox_can_listen_on_are_an_error() {
        let hosts: Vec<String> = (1..=64).map(|port| format!("\"a.example:{port}\"")).collect();
        let egress = egress(&format!("{{mode: allowlist, hosts: [{}]}}", hosts.join(", "))).unwrap();
        let error = egress.network().unwrap_err().to_string();
        assert_eq!(error, "ports in `network.hosts`: 65, at most 64 are allowed");
    }

    #[test]
    fn a_policy_without_an_allowlist_reaches_nothing() {
        assert_eq!(egress("{mode: none}"), None);
    }
}
