//! The end of the record: where the chain stands.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};

use super::entry::{Entry, LINE_MAX};

/// What the file ends with.
#[derive(Debug)]
pub(super) enum Tail {
    /// Nothing: the record begins.
    Empty,
    /// An entry, whole.
    Entry(Box<Entry>),
    /// A line that was not finished.
    Torn {
        /// The length of the file up to the last whole line, bytes.
        whole: u64,
        /// What comes after it.
        torn: Vec<u8>,
    },
    /// A line that is no entry.
    Damaged,
}

/// Reads the last line.
pub(super) fn read(file: &mut File) -> io::Result<Tail> {
    let length = file.metadata()?.len();
    // A last line with the end of the line before it, or two of them if the last is torn.
    let window = u64::try_from(2 * LINE_MAX + 2).unwrap_or(u64::MAX).min(length);
    file.seek(SeekFrom::Start(length - window))?;
    let mut bytes = Vec::new();
    file.by_ref().take(window).read_to_end(&mut bytes)?;
    let Some(last_end) = bytes.iter().rposition(|byte| *byte == b'\n') else {
        return Ok(match bytes.len() {
            0 => Tail::Empty,
            len if len > LINE_MAX => Tail::Damaged,
            _ => Tail::Torn { whole: 0, torn: bytes },
        });
    };
    let torn = bytes.split_off(last_end + 1);
    if !torn.is_empty() {
        let torn_len = u64::try_from(torn.len()).unwrap_or(u64::MAX);
        return Ok(Tail::Torn { whole: length.saturating_sub(torn_len), torn });
    }
    bytes.truncate(last_end);
    let line = bytes.rsplit(|byte| *byte == b'\n').next().unwrap_or_default();
    Ok(serde_json::from_slice(line).map_or(Tail::Damaged, |entry| Tail::Entry(Box::new(entry))))
}
