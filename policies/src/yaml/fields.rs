//! A map with known keys.

use super::reader::{Reader, one_of};
use super::source::Span;
use super::tree::{Node, Value, shorten};
use crate::diagnostic::did_you_mean;

/// Reads a map key by key, and in the end reports the keys that nobody asked for.
pub(crate) struct Fields<'r, 'n> {
    reader: &'r Reader,
    node: &'n Node,
    what: &'static str,
    known: Vec<&'static str>,
}

impl<'r, 'n> Fields<'r, 'n> {
    /// Of `node`, which is `what` ("a policy"); reports it if it is no map.
    pub(crate) fn of(reader: &'r Reader, node: &'n Node, what: &'static str) -> Option<Self> {
        reader.map(node, &format!("{what} as a map"))?;
        Some(Self { reader, node, what, known: Vec::new() })
    }

    pub(crate) fn reader(&self) -> &'r Reader {
        self.reader
    }

    fn find(&self, key: &str) -> Option<(Span, &'n Node)> {
        match &self.node.value {
            Value::Map(entries) => {
                entries.iter().find(|(name, _)| name.text == key).map(|(name, node)| (name.span, node))
            }
            Value::Scalar(_) | Value::List(_) => None,
        }
    }

    /// The value of `key`, if it is there.
    pub(crate) fn optional(&mut self, key: &'static str) -> Option<&'n Node> {
        self.known.push(key);
        self.find(key).map(|(_, node)| node)
    }

    /// The value of `key`; its absence is reported.
    pub(crate) fn required(&mut self, key: &'static str) -> Option<&'n Node> {
        let found = self.optional(key);
        if found.is_none() {
            let message = format!("{} needs the key `{key}`", self.what);
            self.reader.report(self.reader.at(self.start()).error("missing-key", message));
        }
        found
    }

    /// The start of the map: its first key.
    fn start(&self) -> Span {
        match &self.node.value {
            Value::Map(entries) => entries.first().map_or(self.node.span, |(key, _)| key.span),
            Value::Scalar(_) | Value::List(_) => self.node.span,
        }
    }

    /// Reports every key that was not asked for.
    pub(crate) fn finish(self) {
        let Value::Map(entries) = &self.node.value else { return };
        for (key, _) in entries.iter().filter(|(key, _)| !self.known.contains(&key.text.as_str())) {
            if self.reader.is_full() {
                return;
            }
            let help = match did_you_mean(&key.text, self.known.iter().copied()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("the keys are {}", one_of(&self.known)),
            };
            let message = format!("`{}` is not a key of {}", shorten(&key.text), self.what);
            self.reader.report(self.reader.at(key.span).error("unknown-key", message).help(help));
        }
    }
}
