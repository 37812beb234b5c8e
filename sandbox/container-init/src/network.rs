//! The network of a container that has one: sockets that listen on its loopback for the supervisor.
//!
//! A sandbox's init inherits the socket at which it hands them over. Here it is a file that the supervisor has had mounted: it
//! takes one connection, and is closed before the job starts.

use std::os::fd::AsFd as _;
use std::os::unix::net::UnixStream;

use nix::errno::Errno;
use stockade_inside::{listen, listeners_found};
use stockade_plan::{Network, NetworkFound};

use crate::job::Fault;

/// Makes what is asked for, and tells what there is.
pub(crate) fn open(network: &Network) -> Result<Option<NetworkFound>, Fault> {
    if let Network::Listeners { ports } = network {
        let socket = std::env::args().nth(1);
        let socket = socket.ok_or_else(|| Fault::new("find the supervisor's socket", Errno::EDESTADDRREQ))?;
        let supervisor = UnixStream::connect(&socket)
            .map_err(|error| Fault::io(format!("connect to the supervisor at `{socket}`"), &error))?;
        listen(ports, supervisor.as_fd())?;
    }
    Ok(listeners_found(network)?)
}
