//! Bytes of a stranger's as text that forges nothing.

use std::str::Utf8Chunk;

/// What a denial shows of a path or a name, bytes of escaped text.
pub(crate) const SHOWN_MAX: usize = 1024;

/// The bytes as text on one line, cut at `max` bytes of that text. Whatever is not a plain character is escaped, as Rust does it:
/// that makes it longer, up to ten times, and a record must not be flooded by what a job calls its files.
pub(crate) fn printable(bytes: &[u8], max: usize) -> String {
    let mut text = String::new();
    for piece in bytes.utf8_chunks().flat_map(pieces) {
        if text.len() + piece.len() > max {
            text.push('…');
            break;
        }
        text.push_str(&piece);
    }
    text
}

fn pieces(chunk: Utf8Chunk<'_>) -> impl Iterator<Item = String> {
    let characters = chunk.valid().chars().map(|character| escaped(character).collect());
    characters.chain(chunk.invalid().iter().map(|byte| format!("\\x{byte:02x}")))
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
        assert_eq!(printable(b"abcd", 4), "abcd");
        assert_eq!(printable(b"a\n\n", 4), "a\\n…");
        assert_eq!(printable(b"\xff\xff", 7), "\\xff…");
        assert!(printable(&[0x7f; 4096], 1024).len() <= 1024 + "…".len());
    }
}
