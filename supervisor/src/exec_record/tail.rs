//! The end of the record: where the chain stands.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;

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

/// What is read at first, bytes: a usual entry with the end of the one before it. The record grows for years.
const FIRST_WINDOW: u64 = 16 * 1024;

/// Reads the last line.
pub(super) fn read(file: &File) -> io::Result<Tail> {
    let length = file.metadata()?.len();
    // A last line with the end of the line before it, or two of them if the last is torn.
    let most = u64::try_from(2 * LINE_MAX + 2).unwrap_or(u64::MAX).min(length);
    let mut window = FIRST_WINDOW.min(most);
    loop {
        let mut bytes = vec![0; usize::try_from(window).unwrap_or(usize::MAX)];
        file.read_exact_at(&mut bytes, length - window)?;
        if window == most || has_last_line(&bytes) {
            return Ok(judge(bytes, length));
        }
        window = (4 * window).min(most);
    }
}

/// Whether all of the last line is among these bytes.
fn has_last_line(bytes: &[u8]) -> bool {
    let before = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    before.contains(&b'\n')
}

fn judge(mut bytes: Vec<u8>, length: u64) -> Tail {
    let Some(last_end) = bytes.iter().rposition(|byte| *byte == b'\n') else {
        return match bytes.len() {
            0 => Tail::Empty,
            len if len > LINE_MAX => Tail::Damaged,
            _ => Tail::Torn { whole: 0, torn: bytes },
        };
    };
    let torn = bytes.split_off(last_end + 1);
    if !torn.is_empty() {
        let torn_len = u64::try_from(torn.len()).unwrap_or(u64::MAX);
        return Tail::Torn { whole: length.saturating_sub(torn_len), torn };
    }
    bytes.truncate(last_end);
    let line = bytes.rsplit(|byte| *byte == b'\n').next().unwrap_or_default();
    serde_json::from_slice(line).map_or(Tail::Damaged, |entry| Tail::Entry(Box::new(entry)))
}
