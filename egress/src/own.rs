//! Whether an address is one of this host's own, whatever interface has it.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, UdpSocket};

/// Services of this host trust who comes from its own address. The kernel tells: to reach itself, a host takes the
/// address itself as the source; connect(2) on a datagram socket looks up the route and sends nothing.
///
/// # Errors
/// It cannot be told: nothing leads there, or there is no descriptor for the socket.
pub(crate) fn is_own(address: IpAddr) -> io::Result<bool> {
    /// Any port but zero will do.
    const PORT: u16 = 9;
    let any: IpAddr = match address {
        IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let socket = UdpSocket::bind((any, 0))?;
    socket.connect((address, PORT))?;
    Ok(socket.local_addr()?.ip() == address)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_knows_its_own_address() {
        assert!(is_own(Ipv4Addr::LOCALHOST.into()).unwrap());
        // Where nothing leads there it cannot be told, and is not taken for a stranger's.
        assert!(!is_own(Ipv4Addr::new(203, 0, 113, 200).into()).is_ok_and(|own| own));
    }
}
