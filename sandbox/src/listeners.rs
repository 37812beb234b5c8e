//! The sockets that listen in a job's network namespace, as its init hands them over.

use std::io::IoSliceMut;
use std::mem::MaybeUninit;
use std::net::TcpListener;
use std::os::fd::{BorrowedFd, OwnedFd};

use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};
use stockade_plan::{LISTENERS_MAX, Network};

use crate::RunError;

/// Takes them from the socket at whose other end init is. Init sent them before it reported that all is ready, so nothing is
/// waited for; what came is exactly what the plan names, or the sandbox is not used.
///
/// # Errors
/// [`RunError`] if it is not.
pub fn take(network: &Network, init: BorrowedFd<'_>) -> Result<Vec<TcpListener>, RunError> {
    let ports = network.ports();
    if *network == Network::None {
        return Ok(Vec::new());
    }
    let received = receive(init).map_err(|source| RunError::Io {
        what: "take the listeners of the sandbox's network",
        source: source.into(),
    })?;
    let listeners: Vec<TcpListener> = received.into_iter().map(TcpListener::from).collect();
    let found = listeners.iter().map(|listener| listener.local_addr().ok().map(|address| address.port()));
    if found.eq(ports.iter().map(|port| Some(port.get()))) {
        return Ok(listeners);
    }
    Err(RunError::Protocol(format!("{} listeners, not those of the plan's {}", listeners.len(), ports.len())))
}

fn receive(init: BorrowedFd<'_>) -> rustix::io::Result<Vec<OwnedFd>> {
    let mut byte = [0];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(LISTENERS_MAX))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let flags = RecvFlags::DONTWAIT | RecvFlags::CMSG_CLOEXEC;
    recvmsg(init, &mut [IoSliceMut::new(&mut byte)], &mut control, flags)?;
    let rights = control.drain().filter_map(|message| match message {
        RecvAncillaryMessage::ScmRights(fds) => Some(fds),
        _ => None,
    });
    Ok(rights.flatten().collect())
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU16;
    use std::os::fd::AsFd;

    use rustix::net::{
        AddressFamily, SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketFlags, SocketType,
    };

    use super::*;

    fn asked(ports: &[u16]) -> Network {
        let ports: Vec<NonZeroU16> = ports.iter().map(|port| NonZeroU16::new(*port).unwrap()).collect();
        Network::Listeners { ports: ports.try_into().unwrap() }
    }

    fn handed_over(listeners: &[TcpListener], network: &Network) -> Result<Vec<TcpListener>, RunError> {
        let (ours, theirs) =
            rustix::net::socketpair(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)
                .unwrap();
        let fds: Vec<BorrowedFd<'_>> = listeners.iter().map(AsFd::as_fd).collect();
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(LISTENERS_MAX))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        assert!(control.push(SendAncillaryMessage::ScmRights(&fds)));
        let byte = [std::io::IoSlice::new(b"n")];
        rustix::net::sendmsg(&theirs, &byte, &mut control, SendFlags::empty()).unwrap();
        take(network, ours.as_fd())
    }

    #[test]
    fn what_comes_is_what_the_plan_names_or_nothing_is_used() {
        let listeners = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
        let ports: Vec<u16> = listeners.iter().map(|one| one.local_addr().unwrap().port()).collect();
        assert_eq!(handed_over(&listeners, &asked(&ports)).unwrap().len(), 2);
        assert!(handed_over(&listeners, &asked(&ports[..1])).is_err());
        assert!(handed_over(&listeners[..1], &asked(&ports)).is_err());
        assert!(handed_over(&listeners, &asked(&[ports[1], ports[0]])).is_err());
    }

    #[test]
    fn a_sandbox_without_a_network_hands_nothing_over_and_none_is_waited_for() {
        let (ours, _theirs) =
            rustix::net::socketpair(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)
                .unwrap();
        assert!(take(&Network::None, ours.as_fd()).unwrap().is_empty());
        assert!(take(&asked(&[80]), ours.as_fd()).is_err());
    }
}
