//! Reading what a call names from the memory of the process that makes it. A stranger's memory: every length is ours, and
//! what cannot be read is said to be unread.

use std::io::IoSliceMut;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use nix::libc;
use nix::sys::uio::{RemoteIoVec, process_vm_readv};
use nix::unistd::Pid;

/// `PATH_MAX`, linux/limits.h.
const PATH_MAX: usize = 4096;
/// `sizeof(struct sockaddr_storage)`, linux/socket.h.
const ADDRESS_MAX: usize = 128;
const PAGE: usize = 4096;
/// `UIO_MAXIOV`, linux/uio.h: no more messages are sent at once, sendmmsg(2).
const MESSAGES_MAX: u64 = 1024;
/// `sizeof(struct mmsghdr)`, linux/socket.h. It begins with a `struct msghdr`.
const MESSAGE_LEN: u64 = 64;

/// The C string at that address, cut at `PATH_MAX`.
pub(super) fn path(process: Pid, address: u64) -> Option<Vec<u8>> {
    let mut bytes = read(process, address, PATH_MAX)?;
    if let Some(end) = bytes.iter().position(|byte| *byte == 0) {
        bytes.truncate(end);
    } else if bytes.len() < PATH_MAX {
        return None;
    }
    Some(bytes)
}

/// What lies at the address that a call names as a socket's.
pub(super) enum Address {
    Internet(SocketAddr),
    /// One of a family that leads to no network.
    Other,
}

/// The socket address there.
pub(super) fn address(process: Pid, address: u64, len: u64) -> Option<Address> {
    let len = usize::try_from(len).unwrap_or(usize::MAX).min(ADDRESS_MAX);
    parse_address(&read(process, address, len)?)
}

/// Address and length of the socket address of each of so many messages; `None` for a message that cannot be read. One that goes
/// where its socket is connected has zero for either.
pub(super) fn destinations(process: Pid, first: u64, count: u64) -> impl Iterator<Item = Option<(u64, u64)>> {
    (0..count.min(MESSAGES_MAX)).map(move |number| {
        let message = read(process, first.checked_add(number * MESSAGE_LEN)?, 12)?;
        let (address, len) = message.split_first_chunk::<8>()?;
        Some((u64::from_ne_bytes(*address), u64::from(u32::from_ne_bytes(*len.first_chunk::<4>()?))))
    })
}

/// `struct sockaddr_in`, `struct sockaddr_in6`; ip(7), ipv6(7).
fn parse_address(bytes: &[u8]) -> Option<Address> {
    let (family, rest) = bytes.split_first_chunk::<2>()?;
    let family = i32::from(u16::from_ne_bytes(*family));
    if ![libc::AF_INET, libc::AF_INET6].contains(&family) {
        return Some(Address::Other);
    }
    let (port, rest) = rest.split_first_chunk::<2>()?;
    let port = u16::from_be_bytes(*port);
    let internet = if family == libc::AF_INET {
        SocketAddr::from((Ipv4Addr::from(*rest.first_chunk::<4>()?), port))
    } else {
        // The flow label lies between the port and the address.
        SocketAddr::from((Ipv6Addr::from(*rest.get(4..)?.first_chunk::<16>()?), port))
    };
    Some(Address::Internet(internet))
}

/// Up to `len` bytes. A part for each page: where one is missing what lies before it is read all the same,
/// process_vm_readv(2).
fn read(process: Pid, address: u64, len: usize) -> Option<Vec<u8>> {
    let base = usize::try_from(address).ok()?;
    let mut bytes = vec![0; len];
    let first = len.min(PAGE - base % PAGE);
    let parts =
        [RemoteIoVec { base, len: first }, RemoteIoVec { base: base.checked_add(first)?, len: len - first }];
    let read = process_vm_readv(process, &mut [IoSliceMut::new(&mut bytes)], &parts).ok()?;
    bytes.truncate(read);
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(bytes: &[u8]) -> Option<String> {
        match parse_address(bytes)? {
            Address::Internet(address) => Some(address.to_string()),
            Address::Other => Some("other".to_owned()),
        }
    }

    #[test]
    fn addresses_are_those_of_the_kernels_structures() {
        assert_eq!(parsed(&[2, 0, 0, 80, 192, 0, 2, 1, 0, 0]).unwrap(), "192.0.2.1:80");
        let mut six = vec![10, 0, 1, 187, 9, 9, 9, 9];
        six.extend(Ipv6Addr::LOCALHOST.octets());
        assert_eq!(parsed(&six).unwrap(), "[::1]:443");
        assert_eq!(parsed(&[1, 0, b'/']).unwrap(), "other");
        for cut in [&[][..], &[2], &[2, 0, 0], &[2, 0, 0, 80, 1, 2, 3], &six[..23]] {
            assert_eq!(parsed(cut), None, "{cut:?}");
        }
    }

    #[test]
    fn destinations_are_those_of_the_kernels_message_headers() {
        let address = [7_u8; 16];
        let mut bytes = [0_u8; 2 * 64];
        let at = address.as_ptr() as u64;
        bytes[64..72].copy_from_slice(&at.to_ne_bytes());
        bytes[72..76].copy_from_slice(&16_u32.to_ne_bytes());
        let found: Vec<_> = destinations(Pid::this(), bytes.as_ptr() as u64, 2).collect();
        assert_eq!(found, [Some((0, 0)), Some((at, 16))]);
        assert_eq!(destinations(Pid::this(), 8, 1).collect::<Vec<_>>(), [None]);
        assert_eq!(destinations(Pid::this(), u64::MAX, u64::MAX).count(), 1024);
        assert_eq!((size_of::<libc::msghdr>(), size_of::<libc::mmsghdr>()), (56, 64));
        assert_eq!(std::mem::offset_of!(libc::msghdr, msg_namelen), 8);
    }

    #[test]
    fn a_string_is_read_to_its_end_and_never_beyond_its_bound() {
        let own = Pid::this();
        let text = std::ffi::CString::new("/usr/bin/id").unwrap();
        assert_eq!(path(own, text.as_ptr() as u64).unwrap(), b"/usr/bin/id");
        let long = vec![b'x'; 3 * PATH_MAX];
        assert_eq!(path(own, long.as_ptr() as u64).unwrap().len(), PATH_MAX);
        assert_eq!(path(own, 8), None);
        assert_eq!(path(own, u64::MAX), None);
    }
}
