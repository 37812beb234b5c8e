//! How far the network of a job reaches.

use std::fmt;
use std::num::NonZeroU16;

use serde::{Deserialize, Serialize};

use crate::List;

/// The most ports a sandbox may have listeners on: they are handed over in one message, which carries 253
/// descriptors at most (`SCM_MAX_FD`, unix(7)).
pub const LISTENERS_MAX: usize = 64;

/// The one interface that there is.
pub const LOOPBACK: &str = "lo";

/// What a job's network namespace holds. It is always one of its own, and never has an interface beside its
/// loopback.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Network {
    /// Nothing: the loopback is down.
    #[default]
    None,
    /// The loopback, with a socket that listens on each of these TCP ports, at every address of 127.0.0.0/8. Init
    /// makes the sockets while it can, and hands them to the supervisor; nobody in the sandbox keeps one.
    Listeners {
        /// Each once.
        ports: List<NonZeroU16, LISTENERS_MAX>,
    },
}

impl Network {
    /// The ports of its listeners, in order.
    pub fn ports(&self) -> &[NonZeroU16] {
        match self {
            Self::None => &[],
            Self::Listeners { ports } => ports,
        }
    }

    /// Whether what was found is that and nothing else.
    pub fn is_held_by(&self, found: Option<&NetworkFound>) -> bool {
        match (found, self) {
            (None, Self::None) => true,
            (Some(found), Self::Listeners { ports }) => {
                let mut ports: Vec<u16> = ports.iter().map(|port| port.get()).collect();
                ports.sort_unstable();
                found.interfaces.as_slice() == [LOOPBACK]
                    && found.loopback_up
                    && found.routes_elsewhere == 0
                    && found.listening.as_slice() == ports
            }
            (None, Self::Listeners { .. }) | (Some(_), Self::None) => false,
        }
    }
}

/// What a network namespace with listeners was found to hold, read in the job's own process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NetworkFound {
    /// Every interface; `/proc/self/net/dev`.
    pub interfaces: List<String, 16>,
    /// Whether 127.0.0.1 is an address of the namespace, which it is while the loopback is up;
    /// `/proc/self/net/fib_trie`.
    pub loopback_up: bool,
    /// Routes that lead elsewhere than to the loopback; `/proc/self/net/route` and `ipv6_route`.
    pub routes_elsewhere: u32,
    /// The ports that are listened on, sorted: as many as there are TCP sockets; `/proc/self/net/sockstat`.
    pub listening: List<u16, LISTENERS_MAX>,
}

impl fmt::Display for NetworkFound {
    /// As it is put on record.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ports: Vec<String> = self.listening.iter().map(u16::to_string).collect();
        write!(f, "only {}, up, and the supervisor listening on {}", self.interfaces, ports.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked() -> Network {
        let ports = [443, 80].map(|port| NonZeroU16::new(port).unwrap());
        Network::Listeners { ports: ports.to_vec().try_into().unwrap() }
    }

    fn as_asked() -> NetworkFound {
        NetworkFound {
            interfaces: vec!["lo".to_owned()].try_into().unwrap(),
            loopback_up: true,
            routes_elsewhere: 0,
            listening: vec![80, 443].try_into().unwrap(),
        }
    }

    #[test]
    fn anything_beside_the_loopback_and_its_listeners_is_a_difference() {
        assert!(asked().is_held_by(Some(&as_asked())));
        assert!(Network::None.is_held_by(None));
        let interfaces = vec!["lo".to_owned(), "eth0".to_owned()].try_into().unwrap();
        for found in [
            NetworkFound { interfaces, ..as_asked() },
            NetworkFound { loopback_up: false, ..as_asked() },
            NetworkFound { routes_elsewhere: 1, ..as_asked() },
            NetworkFound { listening: vec![80].try_into().unwrap(), ..as_asked() },
            NetworkFound { listening: vec![80, 443, 8080].try_into().unwrap(), ..as_asked() },
        ] {
            assert!(!asked().is_held_by(Some(&found)), "{found:?}");
        }
        assert!(!asked().is_held_by(None));
        assert!(!Network::None.is_held_by(Some(&as_asked())));
    }
}
