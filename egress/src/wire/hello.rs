//! The server name in the first message of a TLS client; RFC 8446, RFC 6066.

use super::{Reader, Step};

/// The largest record that a client may send unencrypted, RFC 8446, 5.1.
const RECORD_MAX: usize = 16 * 1024;
/// A longer first message is not read. Those of today are below 2 KiB, with keys of a quantum-safe exchange.
const HELLO_MAX: usize = 16 * 1024;
/// And with the headers of the records that it may be cut into.
pub const BYTES_MAX: usize = 2 * HELLO_MAX;

/// Extensions, IANA's TLS ExtensionType registry: `server_name`, and the two that hide it.
const SERVER_NAME: u16 = 0;
const ENCRYPTED_CLIENT_HELLO: u16 = 0xfe0d;
const ENCRYPTED_SERVER_NAME: u16 = 0xffce;

/// What the message says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Hello {
    /// The name of the server that is asked for.
    pub server_name: Option<Vec<u8>>,
    /// Whether a name is hidden in it, which may be another.
    pub hidden: bool,
}

/// Reads the message. The bytes are not used up: they go to the server as they are.
pub fn hello(bytes: &[u8]) -> Step<Hello> {
    let message = match message(bytes) {
        Step::Done(message, _) => message,
        Step::More => return Step::More,
        Step::Bad(why) => return Step::Bad(why),
    };
    match body(&message) {
        Some(hello) => Step::Done(hello, 0),
        None => Step::Bad("the first message of TLS is malformed"),
    }
}

/// The body of the handshake message, put together from its records.
fn message(bytes: &[u8]) -> Step<Vec<u8>> {
    let mut records = Reader(bytes);
    let mut message = Vec::new();
    loop {
        match length(&message) {
            Some(Err(why)) => return Step::Bad(why),
            Some(Ok(len)) if message.len() >= len => {
                // A client sends nothing behind it before the server has answered, but early data, as other records.
                return match message.len() > len {
                    true => Step::Bad("something else follows in the first message of TLS"),
                    false => Step::Done(message.split_off(4), bytes.len() - records.0.len()),
                };
            }
            Some(Ok(_)) | None => {}
        }
        let header = (records.u8(), records.u8(), records.u8(), records.u16());
        match header {
            (Some(0x16), Some(3), Some(_), Some(len)) if (1..=RECORD_MAX).contains(&usize::from(len)) => {
                let Some(part) = records.take(usize::from(len)) else { return Step::More };
                message.extend_from_slice(part);
            }
            (Some(0x16) | None, Some(3) | None, _, None) => return Step::More,
            _ => return Step::Bad("the connection does not begin with a handshake of TLS"),
        }
    }
}

/// How long the handshake message is, its own header of four bytes included, as soon as that can be told.
fn length(message: &[u8]) -> Option<Result<usize, &'static str>> {
    /// `client_hello`.
    const CLIENT_HELLO: u8 = 1;
    let [kind, high, middle, low] = *message.first_chunk()?;
    let len = usize::from(high) << 16 | usize::from(middle) << 8 | usize::from(low);
    Some(match kind {
        CLIENT_HELLO if len <= HELLO_MAX => Ok(len + 4),
        CLIENT_HELLO => Err("the first message of TLS is too long"),
        _ => Err("TLS does not begin with a client's hello"),
    })
}

/// `None` if it is malformed, or says the same thing twice.
fn body(message: &[u8]) -> Option<Hello> {
    let mut message = Reader(message);
    let _version_and_random = message.take(2 + 32)?;
    let _session = message.run8()?;
    let _cipher_suites = message.run16()?;
    let _compression = message.run8()?;
    let mut found = Hello::default();
    if message.0.is_empty() {
        return Some(found);
    }
    let mut extensions = Reader(message.run16()?);
    message.0.is_empty().then_some(())?;
    while !extensions.0.is_empty() {
        let (kind, data) = (extensions.u16()?, extensions.run16()?);
        match kind {
            SERVER_NAME if found.server_name.is_some() => return None,
            SERVER_NAME => found.server_name = Some(server_name(data)?.to_vec()),
            ENCRYPTED_CLIENT_HELLO | ENCRYPTED_SERVER_NAME => found.hidden = true,
            _ => {}
        }
    }
    Some(found)
}

/// The one name of the list: there is but one kind of name, and one of each kind (RFC 6066, 3).
fn server_name(data: &[u8]) -> Option<&[u8]> {
    /// `host_name`.
    const HOST_NAME: u8 = 0;
    let mut data = Reader(data);
    let mut list = Reader(data.run16()?);
    let (kind, name) = (list.u8()?, list.run16()?);
    let alone = data.0.is_empty() && list.0.is_empty() && kind == HOST_NAME && !name.is_empty();
    alone.then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run16(bytes: &[u8]) -> Vec<u8> {
        [&u16::try_from(bytes.len()).unwrap().to_be_bytes(), bytes].concat()
    }

    fn extension(kind: u16, data: &[u8]) -> Vec<u8> {
        [&kind.to_be_bytes()[..], &run16(data)].concat()
    }

    fn names(names: &[&[u8]]) -> Vec<u8> {
        let list: Vec<u8> = names.iter().flat_map(|name| [&[0][..], &run16(name)].concat()).collect();
        extension(SERVER_NAME, &run16(&list))
    }

    fn handshake(extensions: &[Vec<u8>]) -> Vec<u8> {
        let body = [&[3, 3][..], &[7; 32], &[0], &[0, 2, 0x13, 0x01], &[1, 0], &run16(&extensions.concat())];
        let body = body.concat();
        [&[1, 0][..], &run16(&body)].concat()
    }

    fn records(message: &[u8], size: usize) -> Vec<u8> {
        message.chunks(size).flat_map(|part| [&[0x16, 3, 1][..], &run16(part)].concat()).collect()
    }

    fn found(bytes: &[u8]) -> Hello {
        match hello(bytes) {
            Step::Done(found, 0) => found,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_name_is_found_however_the_message_is_cut() {
        let named = Hello { server_name: Some(b"a.example".to_vec()), hidden: false };
        let message =
            handshake(&[extension(43, &[2, 3, 4]), names(&[b"a.example"]), extension(51, &[0; 1200])]);
        for size in [1, 5, 100, RECORD_MAX] {
            let bytes = records(&message, size);
            assert_eq!(found(&bytes), named);
            for cut in 0..bytes.len() {
                assert_eq!(hello(&bytes[..cut]), Step::More, "{size} {cut}");
            }
        }
    }

    #[test]
    fn a_message_without_a_name_or_with_a_hidden_one_says_so() {
        assert_eq!(found(&records(&handshake(&[]), 99)), Hello::default());
        let hidden = handshake(&[names(&[b"front.example"]), extension(ENCRYPTED_CLIENT_HELLO, &[0; 9])]);
        assert!(found(&records(&hidden, 99)).hidden);
        let body = [&[3, 3][..], &[7; 32], &[0], &[0, 2, 0x13, 0x01], &[1, 0]].concat();
        let old = [&[1, 0][..], &run16(&body)].concat();
        assert_eq!(found(&records(&old, 99)), Hello::default());
    }

    #[test]
    fn names_that_could_be_read_in_two_ways_are_malformed() {
        for extensions in [
            vec![names(&[b"a.example"]), names(&[b"b.example"])],
            vec![names(&[b"a.example", b"b.example"])],
            vec![names(&[b""])],
            vec![extension(SERVER_NAME, &[])],
            vec![extension(SERVER_NAME, &run16(&[1, 0, 1, b'a']))],
            vec![extension(SERVER_NAME, &[&run16(&[0, 0, 1, b'a'])[..], &[0]].concat())],
            vec![vec![0, 0, 0, 9, 1]],
        ] {
            assert!(matches!(hello(&records(&handshake(&extensions), 999)), Step::Bad(_)), "{extensions:?}");
        }
    }

    #[test]
    fn what_is_no_hello_is_refused_at_once() {
        for bytes in [
            &b"GET / HTTP/1.1"[..],
            &[0x16, 2, 0],
            &[0x16, 3, 1, 0, 0],
            &[0x16, 3, 1, 0x40, 1],
            &[0x16, 3, 1, 0, 4, 2, 0, 0, 0],
            &[0x16, 3, 1, 0, 4, 1, 1, 0, 0],
            &[0x80, 0x2e, 1, 3, 1],
            &[&records(&handshake(&[]), 999)[..47], &[0x15, 3, 1, 0, 2, 1, 0]].concat()[..52],
        ] {
            let read = hello(bytes);
            assert!(matches!(read, Step::Bad(_) | Step::Done(..)), "{bytes:?} {read:?}");
        }
        let trailing = [handshake(&[]), vec![1, 2]].concat();
        assert!(matches!(hello(&records(&trailing, 999)), Step::Bad(_)));
    }
}
