//! The record of `stockade exec`: a file of JSON lines under the state directory, each line chained to the one before
//! it as the events of the database are.
//!
//! A job's start is on the disk before the job runs; if it cannot be written, nothing runs. Processes that write at
//! the same time take turns by a lock on the file (flock(2)), and each finds the head of the chain by reading the
//! last line under that lock.

mod entry;
mod tail;
mod verify;

use std::fs::{File, OpenOptions};
use std::io::{self, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value, json, value::RawValue};
use uuid::Uuid;

use entry::{Entry, Head, LINE_MAX};
use tail::Tail;
pub use verify::{Broken, Verified, verify};

/// Its name under the state directory.
pub const FILE_NAME: &str = "exec-record.jsonl";

/// The record could not be written; the job must not run.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// A call on the file failed.
    #[error("cannot {operation} the record `{}`: {source}; nothing runs that is not on record", path.display())]
    Io {
        /// What was tried.
        operation: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Its last line is not an entry.
    #[error("the last line of the record `{}` is not an entry of it: keep the file for whoever looks into it, \
             move it away and start anew", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
    },
    /// The entry is too long.
    #[error(
        "an entry of {len} bytes is more than the record takes ({LINE_MAX}): shorten the job's arguments"
    )]
    TooLong {
        /// How long it would be.
        len: usize,
    },
}

/// The record, open for appending.
#[derive(Debug)]
pub struct ExecRecord {
    file: File,
    path: PathBuf,
}

impl ExecRecord {
    /// Opens the record under `state_dir`, and makes it if there is none.
    ///
    /// # Errors
    /// [`RecordError::Io`].
    pub fn open(state_dir: &Path) -> Result<Self, RecordError> {
        let path = state_dir.join(FILE_NAME);
        let opened = OpenOptions::new()
            .read(true)
            .append(true)
            .create(true)
            .mode(0o600)
            .custom_flags(nix::libc::O_NOFOLLOW | nix::libc::O_CLOEXEC)
            .open(&path);
        match opened {
            Ok(file) => Ok(Self { file, path }),
            Err(source) => Err(RecordError::Io { operation: "open", path, source }),
        }
    }

    /// Appends an event of `job`. When this returns, it is on the disk.
    ///
    /// # Errors
    /// [`RecordError`]; then nothing was appended, or a line that the next append cuts off again.
    pub fn append(&mut self, kind: &str, job: Uuid, body: &Value) -> Result<(), RecordError> {
        self.file.lock().map_err(self.failed("lock"))?;
        let appended = self.append_locked(kind, job, body);
        self.file.unlock().map_err(self.failed("unlock"))?;
        appended
    }

    /// As [`ExecRecord::append`], on another thread, so that the runtime's own does something else meanwhile; within a runtime.
    /// If `body` is too long for an entry, it is `shortened`.
    ///
    /// # Errors
    /// As [`ExecRecord::append`].
    pub async fn append_aside(
        &self,
        kind: &'static str,
        job: Uuid,
        body: Value,
        shortened: fn(&Value) -> Value,
    ) -> Result<(), RecordError> {
        let file = self.file.try_clone().map_err(self.failed("append to"))?;
        let mut record = Self { file, path: self.path.clone() };
        let append = move || match record.append(kind, job, &body) {
            Err(RecordError::TooLong { .. }) => record.append(kind, job, &shortened(&body)),
            appended => appended,
        };
        let appended = tokio::task::spawn_blocking(append).await;
        appended.map_err(io::Error::other).map_err(self.failed("append to"))?
    }

    fn append_locked(&mut self, kind: &str, job: Uuid, body: &Value) -> Result<(), RecordError> {
        let mut head = match tail::read(&self.file).map_err(self.failed("read"))? {
            Tail::Empty => Head::genesis(),
            Tail::Entry(entry) => Head::after(&entry),
            Tail::Damaged => return Err(RecordError::Damaged { path: self.path.clone() }),
            Tail::Torn { whole, torn } => self.mend(whole, &torn)?,
        };
        self.write(&mut head, kind, job, body)?;
        self.file.sync_data().map_err(self.failed("sync"))
    }

    /// Cuts off a line that a crash left half-written, and says in an entry what it was.
    fn mend(&mut self, whole: u64, torn: &[u8]) -> Result<Head, RecordError> {
        self.file.set_len(whole).map_err(self.failed("mend"))?;
        let mut head = match tail::read(&self.file).map_err(self.failed("read"))? {
            Tail::Empty => Head::genesis(),
            Tail::Entry(entry) => Head::after(&entry),
            Tail::Damaged | Tail::Torn { .. } => {
                return Err(RecordError::Damaged { path: self.path.clone() });
            }
        };
        let kept = torn.get(..torn.len().min(LINE_MAX / 4)).unwrap_or_default();
        let body = json!({"torn_bytes": torn.len(), "torn_base64": STANDARD.encode(kept)});
        self.write(&mut head, "record.mended", Uuid::nil(), &body)?;
        Ok(head)
    }

    fn write(&mut self, head: &mut Head, kind: &str, job: Uuid, body: &Value) -> Result<(), RecordError> {
        let body = RawValue::from_string(body.to_string())
            .map_err(io::Error::other)
            .map_err(self.failed("encode for"))?;
        let entry = Entry::following(head, kind, job, body);
        let mut line =
            serde_json::to_vec(&entry).map_err(io::Error::other).map_err(self.failed("encode for"))?;
        line.push(b'\n');
        if line.len() > LINE_MAX {
            return Err(RecordError::TooLong { len: line.len() });
        }
        self.file.seek(SeekFrom::End(0)).map_err(self.failed("append to"))?;
        self.file.write_all(&line).map_err(self.failed("append to"))?;
        *head = Head::after(&entry);
        Ok(())
    }

    fn failed(&self, operation: &'static str) -> impl FnOnce(io::Error) -> RecordError + use<> {
        let path = self.path.clone();
        move |source| RecordError::Io { operation, path, source }
    }
}

#[cfg(test)]
mod tests;
