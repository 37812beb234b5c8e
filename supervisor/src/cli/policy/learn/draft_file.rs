//! The file that a learned policy is written to.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use nix::libc::{O_CLOEXEC, O_NOFOLLOW, O_NONBLOCK};

use crate::cli::CliError;

/// A file that was opened with the rights of whoever called, to be written when there is something to write. Until then an
/// existing one is as it was.
#[derive(Debug)]
pub(super) struct DraftFile {
    file: File,
    path: PathBuf,
}

impl DraftFile {
    /// Makes the file, or opens an existing one: one that is empty, as a run that learned nothing leaves it, or any with
    /// `force`.
    pub(super) fn open(path: &Path, force: bool) -> Result<Self, CliError> {
        let failed = |what: &str, why: String| {
            CliError::Other(format!("cannot {what} the file `{}`: {why}", path.display()))
        };
        let mut options = OpenOptions::new();
        // A symbolic link is not followed: who can write where it lies would say what root writes to.
        options.write(true).mode(0o644).custom_flags(O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
        let file = match options.create_new(true).open(path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                options.create_new(false).open(path).map_err(|error| failed("open", error.to_string()))?
            }
            other => other.map_err(|error| failed("make", error.to_string()))?,
        };
        let facts = file.metadata().map_err(|error| failed("look at", error.to_string()))?;
        if !facts.is_file() {
            return Err(failed("write", "it is not a regular file".to_owned()));
        }
        if facts.len() > 0 && !force {
            return Err(failed("write", "it exists; `--force` overwrites it".to_owned()));
        }
        Ok(Self { file, path: path.to_owned() })
    }

    /// Puts `text` in place of what was there.
    pub(super) fn write(&mut self, text: &str) -> Result<(), CliError> {
        let written = self.file.set_len(0).and_then(|()| self.file.write_all(text.as_bytes()));
        written.and_then(|()| self.file.sync_all()).map_err(|error| {
            CliError::Other(format!("cannot write the file `{}`: {error}", self.path.display()))
        })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_is_not_overwritten_unless_that_is_asked_for() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("policy.yaml");
        DraftFile::open(&path, false).unwrap().write("policy: a\n").unwrap();
        let refused = DraftFile::open(&path, false).unwrap_err().to_string();
        assert!(refused.contains("it exists; `--force` overwrites it"), "{refused}");
        drop(DraftFile::open(&path, true).unwrap());
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "policy: a\n");
        DraftFile::open(&path, true).unwrap().write("b\n").unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "b\n");
    }

    #[test]
    fn an_empty_file_is_taken_and_a_link_is_not_followed() {
        let directory = tempfile::tempdir().unwrap();
        let (path, link) = (directory.path().join("empty"), directory.path().join("link"));
        drop(DraftFile::open(&path, false).unwrap());
        assert!(DraftFile::open(&path, false).is_ok());
        std::os::unix::fs::symlink(&path, &link).unwrap();
        assert!(DraftFile::open(&link, true).is_err());
        std::os::unix::fs::symlink("/no/such", directory.path().join("dangling")).unwrap();
        assert!(DraftFile::open(&directory.path().join("dangling"), true).is_err());
    }
}
