//! What a connection speaks, by the first bytes of whoever made it.

/// `handshake` of TLS, RFC 8446, 5.1.
const TLS_HANDSHAKE: u8 = 0x16;
/// A request line is not longer; see [`super::http::HEAD_MAX`].
const LINE_MAX: usize = 8 * 1024;

/// What it speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum First {
    /// It cannot be told yet.
    More,
    /// TLS.
    Tls,
    /// HTTP, or something that a server might take for it.
    Http,
    /// Something else.
    Other,
}

/// Tells by the first line. What could be a line of HTTP to a lenient server counts as HTTP: empty lines before it,
/// any method, any bytes behind a word that could be one. It is then read strictly, and refused.
pub fn first(bytes: &[u8]) -> First {
    match bytes.first() {
        None => return First::More,
        Some(&TLS_HANDSHAKE) => return First::Tls,
        Some(_) => {}
    }
    let is_control = |byte: &u8| byte.is_ascii_control() && !matches!(byte, b'\r' | b'\n' | b'\t');
    let start = bytes.iter().position(|byte| !matches!(byte, b'\r' | b'\n' | b' ' | b'\t'));
    let line = start.and_then(|start| bytes.get(start..)).unwrap_or_default();
    let end = line.iter().position(|byte| *byte == b'\n');
    let line = end.and_then(|end| line.get(..end)).unwrap_or(line);
    match end {
        _ if !may_ask(line) && line.iter().any(is_control) => First::Other,
        Some(_) if names_http(line) => First::Http,
        Some(_) => First::Other,
        None if bytes.len() > LINE_MAX => First::Http,
        None => First::More,
    }
}

/// Whether it begins with a word that could be a method, and a blank: then controls in the rest tell nothing, for there are
/// servers that take them for a part of the path. Some take other controls for blanks as well, as Python's `str.split`.
fn may_ask(line: &[u8]) -> bool {
    let is_of_word = |byte: &u8| byte.is_ascii_alphabetic() || matches!(byte, b'-' | b'_');
    let end = line.iter().position(|byte| !is_of_word(byte));
    let blank = end.filter(|end| *end > 0).and_then(|end| line.get(end));
    blank.is_some_and(|byte| matches!(byte, b' ' | b'\t' | 0x0b | 0x0c | 0x1c..=0x1f))
}

fn names_http(line: &[u8]) -> bool {
    line.windows(5).any(|part| part.eq_ignore_ascii_case(b"http/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn protocols_are_told_by_their_first_line() {
        for (bytes, spoken) in [
            (&b""[..], First::More),
            (b"\x16\x03\x01", First::Tls),
            (b"GET / HTTP/1.1\r\nHost: a", First::Http),
            (b"GET / HTT", First::More),
            (b"SSH-2.0-OpenSSH_9.2p1 Debian\r\n", First::Other),
            (b"SSH-2.0-", First::More),
            (b"*1\r\n$4\r\nPING\r\n", First::Other),
            (b"\0\0\0\x08\x04\xd2\x16\x2f", First::Other),
            (b"\x80\x2e\x01\x03\x01", First::Other),
            (b"AMQP\0\0\x09\x01", First::Other),
            (b"0032git-upload-pack /a.git\0host=a.example\0", First::Other),
            (b"set key\x01 0 0 1\r\n", First::Other),
        ] {
            assert_eq!(first(bytes), spoken, "{}", bytes.escape_ascii());
        }
    }

    #[test]
    fn a_line_that_may_become_http_is_waited_for() {
        for bytes in [&b"GET /\x01"[..], b"GET /\0 HTTP/1.", b"x\x0c\x01"] {
            assert_eq!(first(bytes), First::More, "{}", bytes.escape_ascii());
        }
    }

    #[test]
    fn what_a_lenient_server_takes_for_http_counts_as_http() {
        for bytes in [
            &b"\r\n\r\nGET / HTTP/1.1\r\n"[..],
            b"\n \tGET / HTTP/1.1\n",
            b"anything-at_all /\xff HTTP/1.1\r\n",
            b"get /\thttp/1.1\n",
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
            b"GET /\x01 HTTP/1.1\r\nHost: b.example\r\n\r\n",
            b"GET /\0 HTTP/1.1\r\n",
            b"GET\x0b/\x1fHTTP/1.1\r\n",
            &[b'x'; LINE_MAX + 1],
        ] {
            assert_eq!(first(bytes), First::Http, "{}", bytes.escape_ascii());
        }
    }
}
