//! A strict reading of YAML: text to a tree whose values know their place, and a decoder that reports
//! everything wrong with a file at once.

mod fields;
mod load;
mod reader;
mod source;
#[cfg(test)]
mod tests;
mod tree;
mod trust;

pub(crate) use fields::Fields;
pub(crate) use load::load;
pub(crate) use reader::{Reader, Spanned, one_of, parse, parse_in_part, show_thousandths};
pub(crate) use source::{At, Source, Span};
pub(crate) use tree::{Key, Kind, Node, Value, is_steering, shorten, visible};
pub(crate) use trust::Trust;
