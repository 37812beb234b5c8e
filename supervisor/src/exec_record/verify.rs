//! Reading the whole record and checking every link.

use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Read as _};
use std::path::Path;

use super::entry::{Entry, Head, LINE_MAX};

/// A record whose every link holds. What was cut off its end does not show in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// How many entries it has.
    pub entries: u64,
    /// The digest of the last one; keep it elsewhere, and a later check shows whether anything before it changed.
    pub head_sha256: String,
}

/// A record does not hold.
#[derive(Debug, thiserror::Error)]
pub enum Broken {
    /// It cannot be read.
    #[error("cannot read the record: {0}")]
    Io(#[from] io::Error),
    /// A line is not an entry.
    #[error("line {line} of the record is not an entry: {reason}")]
    Malformed {
        /// Counted from 1.
        line: u64,
        /// Why.
        reason: String,
    },
    /// An entry is not what was written.
    #[error("line {line} of the record is broken: {reason}")]
    Link {
        /// Counted from 1.
        line: u64,
        /// In what way.
        reason: &'static str,
    },
}

/// Checks every link of the record at `path`.
///
/// # Errors
/// The first place where it does not hold.
pub fn verify(path: &Path) -> Result<Verified, Broken> {
    let mut reader = BufReader::new(File::open(path)?);
    let mut head = Head::genesis();
    let mut bytes = Vec::new();
    for line in 1.. {
        bytes.clear();
        let limit = u64::try_from(LINE_MAX).unwrap_or(u64::MAX);
        if reader.by_ref().take(limit).read_until(b'\n', &mut bytes)? == 0 {
            break;
        }
        if bytes.pop() != Some(b'\n') {
            return Err(Broken::Malformed { line, reason: "it has no end".to_owned() });
        }
        let entry: Entry = serde_json::from_slice(&bytes)
            .map_err(|error| Broken::Malformed { line, reason: error.to_string() })?;
        if let Some(reason) = entry.fault(&head) {
            return Err(Broken::Link { line, reason });
        }
        head = Head::after(&entry);
    }
    Ok(Verified { entries: head.seq, head_sha256: head.sha256 })
}
