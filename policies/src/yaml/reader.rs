//! Nodes to typed values. A failure is reported and the reading goes on, so that all of them come at once.

use std::cell::RefCell;
use std::fmt::Display;
use std::ops::RangeInclusive;
use std::sync::Arc;

use super::load::{FOUND_MAX, load, too_many};
use super::source::{At, Source, Span};
use super::tree::{Key, Kind, Node, Scalar, Value, shorten};
use crate::diagnostic::{Diagnostic, Diagnostics, did_you_mean};

/// A value and where it was said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Spanned<T> {
    pub(crate) value: T,
    pub(crate) at: At,
}

/// Parses `source` and decodes its document with `decode`; a value comes out only if nothing is wrong.
pub(crate) fn parse<T>(
    source: &Arc<Source>,
    decode: impl FnOnce(&Reader, &Node) -> Option<T>,
) -> Result<(T, Diagnostics), Diagnostics> {
    let (value, found) = parse_in_part(source, decode);
    found.unless_errors(value)
}

/// As [`parse`], but what could be decoded comes out whatever is wrong with the rest.
pub(crate) fn parse_in_part<T>(
    source: &Arc<Source>,
    decode: impl FnOnce(&Reader, &Node) -> Option<T>,
) -> (Option<T>, Diagnostics) {
    let (root, found) = load(source);
    let reader = Reader { source: Arc::clone(source), found: RefCell::new(found) };
    let value = root.and_then(|root| decode(&reader, &root));
    (value, reader.into_diagnostics())
}

/// What decodes one file.
pub(crate) struct Reader {
    source: Arc<Source>,
    found: RefCell<Vec<Diagnostic>>,
}

impl Reader {
    pub(crate) fn source(&self) -> &Arc<Source> {
        &self.source
    }

    pub(crate) fn at(&self, span: Span) -> At {
        At { source: Arc::clone(&self.source), span }
    }

    /// Keeps a finding. Of a text that is wrong all over, the first ones are enough.
    pub(crate) fn report(&self, found: Diagnostic) {
        let mut all = self.found.borrow_mut();
        match all.len() {
            FOUND_MAX => all.push(too_many(&self.source.name)),
            count if count < FOUND_MAX => all.push(found),
            _ => {}
        }
    }

    /// Whether nothing more is kept.
    pub(crate) fn is_full(&self) -> bool {
        self.found.borrow().len() > FOUND_MAX
    }

    fn into_diagnostics(self) -> Diagnostics {
        self.found.into_inner().into_iter().collect()
    }

    pub(crate) fn spanned<T>(&self, node: &Node, value: T) -> Spanned<T> {
        Spanned { value, at: self.at(node.span) }
    }

    /// Reports that `node` is not what it should be.
    pub(crate) fn wrong(&self, node: &Node, expected: &str) -> Diagnostic {
        let message = format!("expected {expected}, found {}", node.value.describe());
        self.at(node.span).error("wrong-type", message)
    }

    fn scalar<'n>(&self, node: &'n Node, expected: &str) -> Option<&'n Scalar> {
        match &node.value {
            Value::Scalar(scalar) => Some(scalar),
            Value::List(_) | Value::Map(_) => {
                self.report(self.wrong(node, expected));
                None
            }
        }
    }

    /// A text. One that looks like a number or boolean must be quoted: nobody should have to guess. Nor may it go on
    /// in the next line without quotes: that is how YAML reads a list whose second `-` is indented too far.
    pub(crate) fn text<'n>(&self, node: &'n Node, expected: &str) -> Option<&'n str> {
        let text = self.prose(node, expected)?;
        if is_plain(node) && node.span.end_line > node.span.line {
            let message = format!("this goes on in the next line, as one text: `{}`", shorten(text));
            let help = "is the next line indented too far? a text of several lines needs quotes";
            self.report(self.at(node.span).error("several-lines", message).help(help));
            return None;
        }
        Some(text)
    }

    /// A text for people.
    pub(crate) fn prose<'n>(&self, node: &'n Node, expected: &str) -> Option<&'n str> {
        let scalar = self.scalar(node, expected)?;
        if scalar.kind() == Kind::Text {
            return Some(&scalar.text);
        }
        let help = match scalar.kind() {
            Kind::Null => None,
            _ => Some(format!("if the text is meant, quote it: \"{}\"", shorten(&scalar.text))),
        };
        self.report(self.wrong(node, expected).maybe_help(help));
        None
    }

    /// A text that `parse` takes.
    pub(crate) fn parsed<T, E: Display>(
        &self,
        node: &Node,
        expected: &str,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<T> {
        let text = self.text(node, expected)?;
        match parse(text) {
            Ok(value) => Some(value),
            Err(error) => {
                let message = format!("`{}` {error}", shorten(text));
                self.report(
                    self.at(node.span).error("bad-value", message).help(format!("expected {expected}")),
                );
                None
            }
        }
    }

    /// One of a few words.
    pub(crate) fn word<T: Copy>(
        &self,
        node: &Node,
        expected: &str,
        words: &[(&'static str, T)],
    ) -> Option<T> {
        let text = self.text(node, expected)?;
        if let Some((_, value)) = words.iter().find(|(word, _)| *word == text) {
            return Some(*value);
        }
        let known: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
        let help = match did_you_mean(text, known.iter().copied()) {
            Some(word) => format!("did you mean `{word}`?"),
            None => format!("expected {}", one_of(&known)),
        };
        let message = format!("`{}` is not {expected}", shorten(text));
        self.report(self.at(node.span).error("unknown-word", message).help(help));
        None
    }

    pub(crate) fn boolean(&self, node: &Node) -> Option<bool> {
        let scalar = self.scalar(node, "`true` or `false`")?;
        match scalar.kind() {
            Kind::Bool(value) => Some(value),
            _ => {
                let help = match scalar.text.to_ascii_lowercase().as_str() {
                    "yes" | "y" | "on" | "1" => Some("did you mean `true`?".to_owned()),
                    "no" | "n" | "off" | "0" => Some("did you mean `false`?".to_owned()),
                    _ => None,
                };
                self.report(self.wrong(node, "`true` or `false`").maybe_help(help));
                None
            }
        }
    }

    /// A whole number within `range`, of the unit that the key names.
    pub(crate) fn integer(&self, node: &Node, range: RangeInclusive<u64>) -> Option<u64> {
        let expected = format!("a whole number from {} to {}", range.start(), range.end());
        let scalar = self.scalar(node, &expected)?;
        if scalar.kind() != Kind::Integer {
            self.report(self.wrong(node, &expected).maybe_help(digits(scalar)));
            return None;
        }
        let value = scalar.text.strip_prefix('+').unwrap_or(&scalar.text).parse().ok();
        self.within(node, value, &range, &expected)
    }

    /// A number with up to three decimal places within `range`, in thousandths.
    pub(crate) fn thousandths(&self, node: &Node, range: RangeInclusive<u64>) -> Option<u64> {
        let [start, end] = [range.start(), range.end()].map(|bound| show_thousandths(*bound));
        let expected = format!("a number from {start} to {end}, with at most three decimal places");
        let scalar = self.scalar(node, &expected)?;
        if !matches!(scalar.kind(), Kind::Integer | Kind::Decimal) {
            self.report(self.wrong(node, &expected).maybe_help(digits(scalar)));
            return None;
        }
        self.within(node, parse_thousandths(&scalar.text), &range, &expected)
    }

    fn within(
        &self,
        node: &Node,
        value: Option<u64>,
        range: &RangeInclusive<u64>,
        expected: &str,
    ) -> Option<u64> {
        let value = value.filter(|value| range.contains(value));
        if value.is_none() {
            let found = self
                .at(node.span)
                .error("out-of-range", format!("{} is out of range", node.value.describe()));
            self.report(found.help(format!("expected {expected}")));
        }
        value
    }

    pub(crate) fn list<'n>(&self, node: &'n Node, expected: &str) -> Option<&'n [Node]> {
        match &node.value {
            Value::List(items) => Some(items),
            Value::Scalar(scalar) => {
                let one = Some(shorten(&scalar.text)).filter(|text| !text.is_empty());
                let help = one.map(|text| format!("a list of one is written `[{text}]`"));
                self.report(self.wrong(node, expected).maybe_help(help));
                None
            }
            Value::Map(_) => {
                self.report(self.wrong(node, expected));
                None
            }
        }
    }

    /// Every element that `decode` takes; the ones it does not take are reported.
    pub(crate) fn list_of<T>(
        &self,
        node: &Node,
        expected: &str,
        decode: impl Fn(&Self, &Node) -> Option<T>,
    ) -> Option<Vec<Spanned<T>>> {
        let items = self.list(node, expected)?.iter();
        Some(items.filter_map(|item| decode(self, item).map(|value| self.spanned(item, value))).collect())
    }

    pub(crate) fn map<'n>(&self, node: &'n Node, expected: &str) -> Option<&'n [(Key, Node)]> {
        match &node.value {
            Value::Map(entries) => Some(entries),
            Value::Scalar(scalar) => {
                self.report(self.wrong(node, expected).maybe_help(no_blank(scalar)));
                None
            }
            Value::List(_) => {
                self.report(self.wrong(node, expected));
                None
            }
        }
    }
}

fn is_plain(node: &Node) -> bool {
    matches!(&node.value, Value::Scalar(scalar) if scalar.plain)
}

/// What to do about `key:value`, which is a text.
fn no_blank(scalar: &Scalar) -> Option<String> {
    let (key, value) = scalar.text.split_once(':').filter(|_| scalar.plain)?;
    let is_key = !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
    is_key.then(|| format!("a colon needs a blank behind it: `{key}: {}`", shorten(value)))
}

/// What to do about a number in another form.
fn digits(scalar: &Scalar) -> Option<String> {
    let unquoted = Scalar { text: scalar.text.clone(), plain: true }.kind();
    match (scalar.kind(), unquoted) {
        (Kind::OddNumber, _) => Some("write it out in decimal digits".to_owned()),
        (Kind::Text, Kind::Integer | Kind::Decimal) => Some("leave the quotes out".to_owned()),
        (Kind::Text, _) if has_unit(&scalar.text) => {
            Some("no unit is written here: the key says what the number counts".to_owned())
        }
        _ => None,
    }
}

/// Whether it is like `30s` or `3 times`.
fn has_unit(text: &str) -> bool {
    let number = text.bytes().take_while(u8::is_ascii_digit).count();
    let unit = text.bytes().skip(number).all(|byte| byte.is_ascii_alphabetic() || byte == b' ');
    number > 0 && unit
}

/// "`a`, `b` or `c`".
pub(crate) fn one_of(words: &[&str]) -> String {
    let quoted: Vec<String> = words.iter().map(|word| format!("`{word}`")).collect();
    match quoted.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} or {last}", rest.join(", ")),
        _ => quoted.concat(),
    }
}

fn parse_thousandths(text: &str) -> Option<u64> {
    let text = text.strip_prefix('+').unwrap_or(text);
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let fraction = fraction.trim_end_matches('0');
    if fraction.len() > 3 {
        return None;
    }
    let whole: u64 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
    whole.checked_mul(1000)?.checked_add(format!("{fraction:0<3}").parse().ok()?)
}

/// Thousandths as a decimal number.
pub(crate) fn show_thousandths(value: u64) -> String {
    let text = format!("{}.{:03}", value / 1000, value % 1000);
    let text = text.trim_end_matches('0');
    if text.ends_with('.') { format!("{text}0") } else { text.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousandths_are_exact_and_never_rounded() {
        for (text, value) in
            [("1", 1000), ("1.0", 1000), ("0.5", 500), (".25", 250), ("2.125", 2125), ("+3", 3000)]
        {
            assert_eq!(parse_thousandths(text), Some(value), "{text}");
        }
        for text in ["0.0001", "-1", "99999999999999999999"] {
            assert_eq!(parse_thousandths(text), None, "{text}");
        }
    }

    #[test]
    fn thousandths_are_shown_as_people_write_them() {
        assert_eq!([1000, 500, 2125, 0].map(show_thousandths), ["1.0", "0.5", "2.125", "0.0"]);
    }
}
