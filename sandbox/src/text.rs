//! Bytes of a stranger's as text that forges nothing.

use std::fmt::Write;

/// At most `max` of the bytes, as text on one line. Whatever is not a plain character is escaped, as Rust does it.
pub(crate) fn printable(bytes: &[u8], max: usize) -> String {
    let shown = bytes.get(..max).unwrap_or(bytes);
    let mut text = String::with_capacity(shown.len());
    for chunk in shown.utf8_chunks() {
        text.extend(chunk.valid().chars().flat_map(escaped));
        for byte in chunk.invalid() {
            // Writing to a String cannot fail.
            let _infallible = write!(text, "\\x{byte:02x}");
        }
    }
    if shown.len() < bytes.len() {
        text.push('…');
    }
    text
}

/// The character; escaped if it is not seen, or if an escape could be mistaken for it.
fn escaped(character: char) -> impl Iterator<Item = char> {
    let plain =
        character != '\\' && (character == '\'' || character == '"' || character.escape_debug().len() == 1);
    let (plain, escape) = match plain {
        true => (Some(character), None),
        false => (None, Some(character.escape_debug())),
    };
    plain.into_iter().chain(escape.into_iter().flatten())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_a_plain_character_is_escaped() {
        assert_eq!(printable("/usr/bin/ä b".as_bytes(), 64), "/usr/bin/ä b");
        assert_eq!(printable(b"a\n\x1b[0m\0\xff\xc3\\", 64), "a\\n\\u{1b}[0m\\0\\xff\\xc3\\\\");
        assert_eq!(printable("\u{202e}x\u{200b}".as_bytes(), 64), "\\u{202e}x\\u{200b}");
        assert_eq!(printable(b"abcd", 2), "ab…");
    }
}
