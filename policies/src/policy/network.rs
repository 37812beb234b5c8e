//! How far the network reaches.

use super::address::AddressRange;
use super::host_name::HostPattern;
use super::lists::distinct_of;
use super::{Clauses, NotTaken};
use crate::yaml::{Fields, Node, Reader, shorten};

/// How far the network reaches, from nothing upwards.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum NetworkMode {
    /// An empty network namespace.
    None,
    /// Its own loopback only.
    Loopback,
    /// Named hosts through the egress proxy.
    Allowlist,
}

impl NetworkMode {
    pub(crate) const WORDS: [(&'static str, Self); 3] =
        [("none", Self::None), ("loopback", Self::Loopback), ("allowlist", Self::Allowlist)];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Loopback => "loopback",
            Self::Allowlist => "allowlist",
        }
    }
}

/// Decodes `network`. A mode other than `allowlist` reaches no host, so it empties both lists.
pub(crate) fn network(reader: &Reader, node: &Node, clauses: &mut Clauses) -> Option<()> {
    reader.map(node, "a map such as `{mode: none}`")?;
    let mut fields = Fields::of(reader, node, "`network`")?;
    let mode = fields.required("mode");
    let (hosts, addresses) = (fields.optional("hosts"), fields.optional("addresses"));
    fields.finish();
    let mode = mode?;
    let word = reader.word(mode, "a network mode", &NetworkMode::WORDS)?;
    clauses.network = Some(reader.spanned(mode, word));
    match (word, hosts.or(addresses)) {
        (NetworkMode::Allowlist, None) => {
            let message = "`allowlist` needs `hosts` or `addresses`";
            let help = "name each destination: `hosts: [\"api.example.com:443\"]`";
            reader.report(reader.at(mode.span).error("missing-key", message).help(help));
        }
        (NetworkMode::Allowlist, Some(_)) | (_, None) => {}
        (_, Some(list)) => {
            let message = format!("mode `{}` reaches none of these", word.name());
            let help = "write `mode: allowlist`, or leave the list out";
            reader.report(reader.at(list.span).error("contradiction", message).help(help));
        }
    }
    let expected = "a list of `host:port`";
    clauses.hosts = hosts.map_or(Some(Vec::new()), |node| distinct_of(reader, node, expected, host_pattern));
    let expected = "a list of `address:port` or `network/prefix:port`";
    clauses.addresses =
        addresses.map_or(Some(Vec::new()), |node| distinct_of(reader, node, expected, address_range));
    Some(())
}

/// A destination by name.
pub(crate) fn host_pattern(reader: &Reader, node: &Node) -> Option<HostPattern> {
    taken(reader, node, "a destination such as `api.example.com:443`", HostPattern::parse)
}

pub(super) fn address_range(reader: &Reader, node: &Node) -> Option<AddressRange> {
    taken(reader, node, "a destination such as `192.0.2.7:443` or `192.0.2.0/24:443`", AddressRange::parse)
}

/// A text that `parse` takes, or what it says against it.
pub(crate) fn taken<T>(
    reader: &Reader,
    node: &Node,
    expected: &str,
    parse: impl FnOnce(&str) -> Result<T, NotTaken>,
) -> Option<T> {
    let text = reader.text(node, expected)?;
    match parse(text) {
        Ok(value) => Some(value),
        Err(NotTaken { reason, help }) => {
            let help = help.unwrap_or_else(|| format!("expected {expected}"));
            let message = format!("`{}` {reason}", shorten(text));
            reader.report(reader.at(node.span).error("bad-value", message).help(help));
            None
        }
    }
}
