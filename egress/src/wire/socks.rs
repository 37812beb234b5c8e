//! SOCKS version 5, RFC 1928: greeting and request.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::{Reader, Step};
use crate::destination::{Destination, Target};

/// The longest greeting or request.
pub const BYTES_MAX: usize = 2 + 255 + 5;
/// The version.
pub const VERSION: u8 = 5;

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Asked {
    /// A connection.
    Connect(Destination),
    /// A connection to what is no destination; the name as it came.
    Nowhere(Vec<u8>),
    /// Something else: listening, or datagrams.
    Other,
}

/// The greeting: whether one of its methods is to say nothing (0), the only one there is here.
pub fn greeting(bytes: &[u8]) -> Step<bool> {
    let mut reader = Reader(bytes);
    match reader.u8() {
        Some(VERSION) => {}
        Some(_) => return Step::Bad("it is another version of SOCKS than 5"),
        None => return Step::More,
    }
    match reader.run8() {
        Some(methods) => Step::Done(methods.contains(&0), bytes.len() - reader.0.len()),
        None => Step::More,
    }
}

/// The request behind the greeting. A name is bytes with a length: a NUL in it ends nothing.
pub fn request(bytes: &[u8]) -> Step<Asked> {
    let mut reader = Reader(bytes);
    match (reader.u8(), reader.u8(), reader.u8()) {
        (Some(VERSION), Some(command), Some(0)) => match address(&mut reader) {
            Step::Done(asked, _) => {
                let asked = if command == 1 { asked } else { Asked::Other };
                Step::Done(asked, bytes.len() - reader.0.len())
            }
            other => other,
        },
        (Some(VERSION) | None, _, Some(0) | None) => Step::More,
        _ => Step::Bad("the SOCKS request is malformed"),
    }
}

fn address(reader: &mut Reader<'_>) -> Step<Asked> {
    let Some(kind) = reader.u8() else { return Step::More };
    let host = match kind {
        1 => reader.take(4).and_then(|octets| <[u8; 4]>::try_from(octets).ok()).map(|octets| {
            let target = Target::Address(Ipv4Addr::from(octets).into());
            (Some(target), octets.to_vec())
        }),
        3 => reader.run8().map(|name| (Target::parse(name), name.to_vec())),
        4 => reader.take(16).and_then(|octets| <[u8; 16]>::try_from(octets).ok()).map(|octets| {
            let target = Target::Address(Ipv6Addr::from(octets).into());
            (Some(target), octets.to_vec())
        }),
        _ => return Step::Bad("the SOCKS request has an address of an unknown kind"),
    };
    match (host, reader.u16()) {
        (Some((Some(target), _)), Some(port)) if port != 0 => {
            Step::Done(Asked::Connect(Destination { target, port }), 0)
        }
        (Some((_, bytes)), Some(_)) => Step::Done(Asked::Nowhere(bytes), 0),
        _ => Step::More,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked_for(name: &[u8]) -> Vec<u8> {
        [&[5, 1, 0, 3, u8::try_from(name.len()).unwrap()][..], name, &[1, 187]].concat()
    }

    #[test]
    fn a_request_is_read_byte_by_byte_and_no_further() {
        assert_eq!(greeting(&[5, 2, 0, 2, 5]), Step::Done(true, 4));
        assert_eq!(greeting(&[5, 1, 2]), Step::Done(false, 3));
        let bytes = asked_for(b"A.example");
        for cut in 0..bytes.len() {
            assert_eq!(request(&bytes[..cut]), Step::More, "{cut}");
        }
        let destination = Destination::new(b"a.example", 443).unwrap();
        assert_eq!(
            request(&[&bytes[..], b"more"].concat()),
            Step::Done(Asked::Connect(destination), bytes.len())
        );
    }

    #[test]
    fn addresses_of_both_families_are_read() {
        let shown = |bytes: &[u8]| match request(bytes) {
            Step::Done(Asked::Connect(destination), _) => destination.to_string(),
            other => panic!("{other:?}"),
        };
        assert_eq!(shown(&[5, 1, 0, 1, 192, 0, 2, 7, 0, 80]), "192.0.2.7:80");
        let v6: Ipv6Addr = "2001:db8::7".parse().unwrap();
        assert_eq!(shown(&[&[5, 1, 0, 4][..], &v6.octets(), &[0, 80]].concat()), "[2001:db8::7]:80");
    }

    #[test]
    fn names_that_end_in_something_else_and_other_commands_lead_nowhere() {
        for name in
            [&b"allowed.example\0.evil.example"[..], b"", b"127.1", b"allowed.example.", b"a b", b"\xff"]
        {
            assert!(matches!(request(&asked_for(name)), Step::Done(Asked::Nowhere(_), _)), "{name:?}");
        }
        assert!(matches!(request(&[5, 1, 0, 1, 192, 0, 2, 7, 0, 0]), Step::Done(Asked::Nowhere(_), _)));
        for command in [0, 2, 3, 255] {
            assert!(matches!(request(&[5, command, 0, 1, 192, 0, 2, 7, 0, 80]), Step::Done(Asked::Other, _)));
        }
    }

    #[test]
    fn other_versions_are_refused() {
        assert!(matches!(greeting(&[4, 1]), Step::Bad(_)));
        assert!(matches!(request(&[4, 1, 0]), Step::Bad(_)));
        assert!(matches!(request(&[5, 1, 1]), Step::Bad(_)));
        assert!(matches!(request(&[5, 1, 0, 2]), Step::Bad(_)));
    }
}
