//! The dialects of JSON Schema that are read.

use jsonschema::Draft;

use crate::diagnostic::did_you_mean;
use crate::yaml::{Node, Reader, one_of, shorten};

/// The dialect that messages recommend.
pub(super) const NEWEST: &str = "https://json-schema.org/draft/2020-12/schema";
const DRAFT_7: &str = "http://json-schema.org/draft-07/schema#";

/// A dialect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Dialect {
    Draft7,
    Draft202012,
}

impl Dialect {
    /// The one whose address stands at `node`.
    pub(super) fn decode(reader: &Reader, node: &Node) -> Option<Self> {
        let text = reader.text(node, "the address of a dialect of JSON Schema")?;
        let bare = text.trim_end_matches('#');
        let bare = bare.strip_prefix("https://").or_else(|| bare.strip_prefix("http://")).unwrap_or(bare);
        match bare {
            "json-schema.org/draft/2020-12/schema" => return Some(Self::Draft202012),
            "json-schema.org/draft-07/schema" => return Some(Self::Draft7),
            _ => {}
        }
        let known = [NEWEST, DRAFT_7];
        let help = match did_you_mean(text, known) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("expected {}", one_of(&known)),
        };
        let message = format!("`{}` is not a dialect of JSON Schema that is read", shorten(text));
        reader.report(reader.at(node.span).error("unknown-word", message).help(help));
        None
    }

    pub(super) fn draft(self) -> Draft {
        match self {
            Self::Draft7 => Draft::Draft7,
            Self::Draft202012 => Draft::Draft202012,
        }
    }
}
