//! Lists of rights.

use std::collections::BTreeMap;

use super::Stated;
use crate::yaml::{Node, Reader, Spanned};

/// A longer list in a clause is refused: no review would read it, and no plan could hold it.
pub(crate) const LIST_MAX: usize = 200;

/// Every element of a list that `decode` takes; what it says twice, or too much of, is reported.
pub(crate) fn distinct_of<T: Ord>(
    reader: &Reader,
    node: &Node,
    expected: &str,
    decode: impl Fn(&Reader, &Node) -> Option<T>,
) -> Stated<T> {
    distinct(reader, reader.list_of(node, expected, decode)?)
}

/// `items`, if there are not too many; what is there twice is reported.
pub(crate) fn distinct<T: Ord>(reader: &Reader, items: Vec<Spanned<T>>) -> Stated<T> {
    if let Some(first_beyond) = items.get(LIST_MAX) {
        let message = format!("{} elements, at most {LIST_MAX} are allowed", items.len());
        reader.report(first_beyond.at.error("out-of-range", message));
        return None;
    }
    let mut seen = BTreeMap::new();
    for item in &items {
        if let Some(first) = seen.insert(&item.value, item.at.span) {
            let message = format!("this is listed already, at {}:{}", first.line, first.column);
            reader.report(item.at.error("duplicate-element", message).help("keep one of the two"));
        }
    }
    Some(items)
}
