//! Reading and writing the small files of a control group.

use std::fs::OpenOptions;
use std::io::{Read, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use super::CgroupError;

/// No control group file that is read here is longer.
const MAX_BYTES: u64 = 16 * 1024;
/// Nearly all are shorter than this.
const USUAL_BYTES: usize = 1024;

/// One of them, open: to open it takes longer than to read it.
pub(super) struct File {
    file: std::fs::File,
    pub(super) path: PathBuf,
}

impl File {
    pub(super) fn open(directory: &Path, file: &str) -> Result<Self, CgroupError> {
        let path = directory.join(file);
        match std::fs::File::open(&path) {
            Ok(file) => Ok(Self { file, path }),
            Err(source) => Err(CgroupError::File { what: "read", path, source }),
        }
    }

    /// What it says now, to be read once.
    pub(super) fn read(&self) -> Result<String, CgroupError> {
        // With room for all of it from the start: each read makes the kernel write the file anew.
        let mut text = String::with_capacity(USUAL_BYTES);
        (&self.file).take(MAX_BYTES).read_to_string(&mut text).map_err(|source| CgroupError::File {
            what: "read",
            path: self.path.clone(),
            source,
        })?;
        text.truncate(text.trim_end().len());
        Ok(text)
    }
}

/// A file of `/proc`, however long it is.
pub(super) fn read_proc(path: &str) -> Result<String, CgroupError> {
    let mut text = String::with_capacity(USUAL_BYTES);
    std::fs::File::open(path)
        .and_then(|mut file| file.read_to_string(&mut text))
        .map_err(|source| CgroupError::File { what: "read", path: path.into(), source })?;
    Ok(text)
}

pub(super) fn read(directory: &Path, file: &str) -> Result<String, CgroupError> {
    File::open(directory, file)?.read()
}

/// Like [`read`], `None` where the kernel has no such file.
pub(super) fn read_if_there(directory: &Path, file: &str) -> Result<Option<String>, CgroupError> {
    match read(directory, file) {
        Ok(text) => Ok(Some(text)),
        Err(CgroupError::File { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

pub(super) fn write(directory: &Path, file: &str, value: &str) -> Result<(), CgroupError> {
    let path = directory.join(file);
    OpenOptions::new()
        .write(true)
        .open(&path)
        .and_then(|mut file| file.write_all(value.as_bytes()))
        .map_err(|source| CgroupError::File { what: "write", path, source })
}

/// Writes a limit and reads it back; anything else than what was written is an error.
pub(super) fn set(directory: &Path, file: &str, value: &str) -> Result<(), CgroupError> {
    let found = write_and_read(&directory.join(file), value)?;
    if found == value {
        return Ok(());
    }
    Err(CgroupError::Mismatch { path: directory.join(file), wanted: value.to_owned(), found })
}

/// Opened once: opening is what costs most.
fn write_and_read(path: &Path, value: &str) -> Result<String, CgroupError> {
    let failed = |what| move |source| CgroupError::File { what, path: path.to_owned(), source };
    let mut file = OpenOptions::new().read(true).write(true).open(path).map_err(failed("open"))?;
    file.write_all(value.as_bytes()).map_err(failed("write"))?;
    let mut found = vec![0; USUAL_BYTES];
    let length = file.read_at(&mut found, 0).map_err(failed("read"))?;
    let found = String::from_utf8_lossy(found.get(..length).unwrap_or_default());
    Ok(found.trim_end().to_owned())
}

pub(super) fn make_directory(path: &Path) -> Result<(), CgroupError> {
    match std::fs::create_dir(path) {
        Ok(()) => Ok(()),
        Err(source) => Err(CgroupError::File { what: "make", path: path.to_owned(), source }),
    }
}

pub(super) fn make_directory_if_missing(path: &Path) -> Result<(), CgroupError> {
    match make_directory(path) {
        Err(CgroupError::File { source, .. }) if source.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
        made => made,
    }
}

/// The number behind `key` in a file of `key value` lines.
pub(super) fn keyed(text: &str, key: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(' ')?.trim().parse().ok())
}

/// The number in a file that has nothing else.
pub(super) fn number(directory: &Path, file: &'static str) -> Result<u64, CgroupError> {
    read(directory, file)?
        .parse()
        .map_err(|_| CgroupError::Malformed { path: PathBuf::from(directory).join(file), field: file })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_read_back_and_a_difference_is_an_error() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("pids.max"), "").unwrap();
        set(directory.path(), "pids.max", "64").unwrap();
        // A file that does not keep what is written stands for a kernel that rounds or ignores.
        std::os::unix::fs::symlink("/dev/null", directory.path().join("memory.max")).unwrap();
        assert!(matches!(set(directory.path(), "memory.max", "1"), Err(CgroupError::Mismatch { .. })));
        assert!(matches!(set(directory.path(), "absent", "1"), Err(CgroupError::File { .. })));
    }

    #[test]
    fn keyed_files_are_read_by_whole_key() {
        let text = "oom 1\noom_kill 2\noom_group_kill 0";
        assert_eq!(keyed(text, "oom_kill"), Some(2));
        assert_eq!(keyed(text, "oom"), Some(1));
        assert_eq!(keyed(text, "kill"), None);
    }
}
