//! Text for people, made of text from strangers.

use std::borrow::Cow;
use std::fmt::Write as _;

/// `text` with every character that could steer a terminal, forge a line or turn the reading direction written as
/// its code (`\u001b`): what a job printed is shown, never obeyed.
pub fn visible(text: &str) -> Cow<'_, str> {
    if !text.contains(is_steering) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        if is_steering(character) {
            push_code(&mut shown, character);
        } else {
            shown.push(character);
        }
    }
    Cow::Owned(shown)
}

/// The same for bytes that may not be text; what is not UTF-8 shows as U+FFFD.
pub fn visible_bytes(bytes: &[u8]) -> String {
    visible(&String::from_utf8_lossy(bytes)).into_owned()
}

/// `text`, visible, and at most `width` characters of it; an ellipsis stands for the rest.
pub fn shortened(text: &str, width: usize) -> String {
    let shown = visible(text);
    if shown.chars().count() <= width {
        return shown.into_owned();
    }
    let mut short: String = shown.chars().take(width.saturating_sub(1)).collect();
    short.push('…');
    short
}

/// Control characters (C0, DEL, C1), the separators U+2028 and U+2029, and the characters that override the reading
/// direction (Unicode Standard Annex 9).
fn is_steering(character: char) -> bool {
    character.is_control() || matches!(character, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// JSON's way of writing it, so that it can be done inside a JSON string too. Every such character is in the basic
/// plane.
fn push_code(shown: &mut String, character: char) {
    // Writing to a string cannot fail.
    let _ = write!(shown, "\\u{:04x}", u32::from(character));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escape_sequences_are_shown_and_not_obeyed() {
        assert_eq!(visible("\u{1b}[2Jall clear\r\n"), "\\u001b[2Jall clear\\u000d\\u000a");
        assert_eq!(visible("\u{9b}31m\u{7f}"), "\\u009b31m\\u007f");
        assert_eq!(visible("\u{202e}gpj.exe"), "\\u202egpj.exe");
    }

    #[test]
    fn ordinary_text_is_left_alone() {
        assert!(matches!(visible("déjà vu, 日本語 \\ \""), Cow::Borrowed(_)));
    }

    #[test]
    fn what_is_not_utf8_is_shown_as_such() {
        assert_eq!(visible_bytes(b"a\xff\0b"), "a\u{fffd}\\u0000b");
    }

    #[test]
    fn long_text_is_cut_by_characters() {
        assert_eq!(shortened("äöüß", 4), "äöüß");
        assert_eq!(shortened("äöüß!", 4), "äöü…");
    }
}
