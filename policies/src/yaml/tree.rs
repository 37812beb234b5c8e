//! A parsed text: values that know where they stand.

use serde_json::Value as Json;

use super::source::Span;

/// A value and its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Node {
    pub(crate) value: Value,
    pub(crate) span: Span,
}

impl Node {
    /// The value of a key, if this is a map that has it.
    pub(crate) fn get(&self, key: &str) -> Option<&Self> {
        let Value::Map(entries) = &self.value else { return None };
        entries.iter().find(|(name, _)| name.text == key).map(|(_, node)| node)
    }

    /// The same value without its places. A number in a form that is not taken stays the text it is.
    pub(crate) fn to_json(&self) -> Json {
        match &self.value {
            Value::List(items) => Json::Array(items.iter().map(Self::to_json).collect()),
            Value::Map(entries) => {
                Json::Object(entries.iter().map(|(key, value)| (key.text.clone(), value.to_json())).collect())
            }
            Value::Scalar(scalar) => match scalar.kind() {
                Kind::Null => Json::Null,
                Kind::Bool(value) => Json::Bool(value),
                Kind::Integer | Kind::Decimal => {
                    serde_json::from_str(&scalar.text).unwrap_or_else(|_| Json::String(scalar.text.clone()))
                }
                Kind::OddNumber | Kind::Text => Json::String(scalar.text.clone()),
            },
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Value {
    Scalar(Scalar),
    List(Vec<Node>),
    Map(Vec<(Key, Node)>),
}

/// The name of an entry of a map.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Key {
    pub(crate) text: String,
    pub(crate) span: Span,
}

/// A single value as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Scalar {
    pub(crate) text: String,
    /// Written without quotes, so that its text decides its type.
    pub(crate) plain: bool,
}

/// What a scalar is: the core schema of YAML 1.2 (10.3.2), less what invites mistakes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Null,
    Bool(bool),
    Integer,
    Decimal,
    /// A number in a form that is not taken: exponent, hexadecimal, octal, infinity, not-a-number.
    OddNumber,
    Text,
}

impl Scalar {
    pub(crate) fn kind(&self) -> Kind {
        if self.plain { plain_kind(&self.text) } else { Kind::Text }
    }
}

fn plain_kind(text: &str) -> Kind {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => Kind::Null,
        "true" | "True" | "TRUE" => Kind::Bool(true),
        "false" | "False" | "FALSE" => Kind::Bool(false),
        _ => number_kind(text),
    }
}

fn number_kind(text: &str) -> Kind {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    let decimal = |part: &str| match part.split_once('.') {
        Some((whole, fraction)) => {
            (digits(whole) || whole.is_empty()) && (digits(fraction) || fraction.is_empty()) && part.len() > 1
        }
        None => digits(part),
    };
    if digits(unsigned) {
        Kind::Integer
    } else if decimal(unsigned) {
        Kind::Decimal
    } else if is_odd(unsigned, decimal) {
        Kind::OddNumber
    } else {
        Kind::Text
    }
}

fn is_odd(unsigned: &str, decimal: impl Fn(&str) -> bool) -> bool {
    if matches!(unsigned.to_ascii_lowercase().as_str(), ".inf" | ".nan") {
        return true;
    }
    if unsigned.starts_with("0x") || unsigned.starts_with("0o") {
        return unsigned.len() > 2 && unsigned.bytes().skip(2).all(|byte| byte.is_ascii_hexdigit());
    }
    unsigned.split_once(['e', 'E']).is_some_and(|(mantissa, exponent)| {
        let exponent = exponent.strip_prefix(['-', '+']).unwrap_or(exponent);
        decimal(mantissa) && !exponent.is_empty() && exponent.bytes().all(|byte| byte.is_ascii_digit())
    })
}

impl Value {
    /// What it is, in words for a message.
    pub(crate) fn describe(&self) -> String {
        match self {
            Self::List(_) => "a list".to_owned(),
            Self::Map(_) => "a map".to_owned(),
            Self::Scalar(scalar) => match scalar.kind() {
                Kind::Null => "nothing".to_owned(),
                Kind::Bool(_) => format!("the boolean `{}`", scalar.text),
                Kind::Integer | Kind::Decimal | Kind::OddNumber => {
                    format!("the number `{}`", shorten(&scalar.text))
                }
                Kind::Text => format!("the text `{}`", shorten(&scalar.text)),
            },
        }
    }
}

/// A text short enough for a message, without what would move a cursor.
pub(crate) fn shorten(text: &str) -> String {
    let shown: String = text.chars().take(60).map(visible).collect();
    if text.chars().nth(60).is_some() { format!("{shown}…") } else { shown }
}

/// `c`, or a replacement for what a reader does not see or what moves a cursor.
pub(crate) fn visible(c: char) -> char {
    if is_steering(c) { '\u{fffd}' } else { c }
}

/// Whether `c` moves a cursor or is not seen: no text of a policy has one.
pub(crate) fn is_steering(c: char) -> bool {
    c.is_control() || is_invisible(c)
}

/// Characters that are shown as nothing, or as a blank that is none, and those that change the order in which a line is
/// shown (UAX #9): `Default_Ignorable_Code_Point` of Unicode's DerivedCoreProperties.txt, the blanks but U+0020 (`Zs`), the
/// separators of lines (`Zl`, `Zp`) and the marks of annotations.
pub(crate) const fn is_invisible(c: char) -> bool {
    matches!(
        c,
        '\u{a0}'
            | '\u{ad}'
            | '\u{34f}'
            | '\u{61c}'
            | '\u{115f}'
            | '\u{1160}'
            | '\u{1680}'
            | '\u{17b4}'
            | '\u{17b5}'
    ) || matches!(c, '\u{180b}'..='\u{180f}' | '\u{2000}'..='\u{200f}' | '\u{2028}'..='\u{202f}' | '\u{205f}'..='\u{206f}')
        || matches!(c, '\u{3000}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}')
        || matches!(c, '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_seen_is_steering_and_what_people_write_is_not() {
        let unseen = "\u{a0}\u{ad}\u{34f}\u{115f}\u{180e}\u{2009}\u{200b}\u{202e}\u{2064}\u{3000}\u{3164}\u{fe0f}\u{feff}\u{fff9}\u{e0041}";
        for c in unseen.chars() {
            assert!(is_steering(c), "U+{:04X}", u32::from(c));
        }
        assert!(!"a ~é中한ж\u{5d0}\u{1f600}…→".chars().any(is_steering));
    }

    #[test]
    fn plain_scalars_have_the_types_of_the_core_schema() {
        for (text, kind) in [
            ("", Kind::Null),
            ("~", Kind::Null),
            ("true", Kind::Bool(true)),
            ("512", Kind::Integer),
            ("-1", Kind::Integer),
            ("1.5", Kind::Decimal),
            (".5", Kind::Decimal),
            ("1e999", Kind::OddNumber),
            ("0x10", Kind::OddNumber),
            (".inf", Kind::OddNumber),
            ("-.INF", Kind::OddNumber),
            ("yes", Kind::Text),
            ("1_000", Kind::Text),
            (".", Kind::Text),
            ("e5", Kind::Text),
            ("/usr/bin/python3", Kind::Text),
        ] {
            assert_eq!(Scalar { text: text.to_owned(), plain: true }.kind(), kind, "{text}");
            assert_eq!(Scalar { text: text.to_owned(), plain: false }.kind(), Kind::Text, "{text}");
        }
    }
}
