//! What settings of every execution type are decoded with.

use crate::diagnostic::Diagnostic;
use crate::policy::{NotTaken, SecretRef};
use crate::yaml::{Node, Reader, Spanned, Value, shorten};

/// A week, in seconds: longer timeouts are slips of the unit.
pub(crate) const TIMEOUT_MAX: u64 = 7 * 86_400;

/// Seconds at `node`.
pub(crate) fn seconds(reader: &Reader, node: Option<&Node>) -> Option<u64> {
    node.and_then(|node| reader.integer(node, 1..=TIMEOUT_MAX))
}

pub(super) fn secret(reader: &Reader, node: &Node) -> Option<SecretRef> {
    let text = reader.text(node, "a reference to a secret")?;
    let found = SecretRef::parse(text);
    if found.is_none() {
        // Not the text itself: it might be the secret.
        let help = "write `env:NAME`, `file:/PATH` or `credential:NAME`";
        let message = "this is no reference to a secret";
        reader.report(reader.at(node.span).error("bad-value", message).help(help));
    }
    found
}

pub(super) fn text(reader: &Reader, node: Option<&Node>, what: &str) -> Option<String> {
    node.and_then(|node| reader.text(node, what)).map(str::to_owned)
}

pub(super) fn texts(reader: &Reader, node: Option<&Node>, what: &str) -> Vec<String> {
    let decode = |reader: &Reader, node: &Node| reader.text(node, "a text").map(str::to_owned);
    let items = node.and_then(|node| reader.list_of(node, what, decode)).unwrap_or_default();
    items.into_iter().map(|item| item.value).collect()
}

pub(super) fn word(
    reader: &Reader,
    node: Option<&Node>,
    what: &str,
    words: &[(&'static str, &'static str)],
) -> Option<String> {
    node.and_then(|node| reader.word(node, what, words)).map(str::to_owned)
}

/// Every element of a list of names that `parse` takes; what it does not take is reported as `judge` says. What is no
/// list of texts is reported by who decodes the settings.
pub(super) fn named<T>(
    reader: &Reader,
    node: &Node,
    judge: &impl Fn(Diagnostic) -> Diagnostic,
    parse: impl Fn(&str) -> Result<T, NotTaken>,
) -> Vec<Spanned<T>> {
    let Value::List(items) = &node.value else { return Vec::new() };
    let mut taken = Vec::new();
    for item in items {
        let Value::Scalar(scalar) = &item.value else { continue };
        match parse(&scalar.text) {
            Ok(value) => taken.push(reader.spanned(item, value)),
            Err(not_taken) => {
                let message = format!("`{}` {}", shorten(&scalar.text), not_taken.reason);
                let found = reader.at(item.span).error("bad-value", message);
                reader.report(judge(match not_taken.help {
                    Some(help) => found.help(help),
                    None => found,
                }));
            }
        }
    }
    taken
}
