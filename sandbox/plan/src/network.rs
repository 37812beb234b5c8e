//! How far the network of a job reaches.

use std::num::NonZeroU16;

use serde::{Deserialize, Serialize};

use crate::List;

/// The most ports a sandbox may have listeners on: they are handed over in one message, which carries 253
/// descriptors at most (`SCM_MAX_FD`, unix(7)).
pub const LISTENERS_MAX: usize = 64;

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
    /// The ports that are listened on, sorted; `/proc/self/net/tcp` and `tcp6`.
    pub listening: List<u16, LISTENERS_MAX>,
}
