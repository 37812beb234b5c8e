//! A file of the host, opened to see what it is.

use std::fs::{File, Metadata, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};

use object::read::ReadCacheOps;

/// The first line of a script, the headers of an ELF file and the name of its loader usually lie in so many bytes: they are
/// read at once.
const HEAD: usize = 1024;

/// A file whose head has been read.
#[derive(Debug)]
pub(crate) struct Opened {
    file: File,
    pub(super) metadata: Metadata,
    pub(super) head: Vec<u8>,
    /// Where [`ReadCacheOps`] reads next.
    at: u64,
}

impl Opened {
    /// Opens what has no link on its way; `O_NONBLOCK` keeps a FIFO from holding us.
    pub(super) fn open(path: &str) -> io::Result<Self> {
        let flags = libc::O_NOFOLLOW | libc::O_NONBLOCK | libc::O_CLOEXEC;
        OpenOptions::new().read(true).custom_flags(flags).open(path).and_then(Self::of)
    }

    /// What is no regular file has no head.
    pub(super) fn of(file: File) -> io::Result<Self> {
        let metadata = file.metadata()?;
        let mut head = Vec::new();
        if metadata.is_file() {
            head.resize(HEAD, 0);
            let mut filled = 0;
            while let Some(rest) = head.get_mut(filled..).filter(|rest| !rest.is_empty()) {
                match file.read_at(rest, filled as u64)? {
                    0 => break,
                    read => filled += read,
                }
            }
            head.truncate(filled);
        }
        Ok(Self { file, metadata, head, at: 0 })
    }

    /// What the head holds for a read of `length` bytes, if it holds all of it.
    fn in_head(&self, length: usize) -> Option<&[u8]> {
        let start = usize::try_from(self.at).ok()?;
        self.head.get(start..start.checked_add(length)?)
    }
}

impl ReadCacheOps for Opened {
    fn len(&mut self) -> Result<u64, ()> {
        Ok(self.metadata.len())
    }

    fn seek(&mut self, position: u64) -> Result<u64, ()> {
        self.at = position;
        Ok(position)
    }

    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, ()> {
        let read = match self.in_head(buffer.len()) {
            Some(bytes) => {
                buffer.copy_from_slice(bytes);
                bytes.len()
            }
            None => self.file.read_at(buffer, self.at).map_err(drop)?,
        };
        self.at += read as u64;
        Ok(read)
    }

    fn read_exact(&mut self, buffer: &mut [u8]) -> Result<(), ()> {
        match self.in_head(buffer.len()) {
            Some(bytes) => buffer.copy_from_slice(bytes),
            None => self.file.read_exact_at(buffer, self.at).map_err(drop)?,
        }
        self.at += buffer.len() as u64;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    /// One that is longer than its head, and one that is shorter.
    fn files() -> [(Vec<u8>, Opened); 2] {
        [3 * HEAD, HEAD / 2].map(|length| {
            let bytes: Vec<u8> = (0..=250).cycle().take(length).collect();
            let mut file = tempfile::tempfile().unwrap();
            file.write_all(&bytes).unwrap();
            (bytes, Opened::of(file).unwrap())
        })
    }

    #[test]
    fn what_is_read_is_what_the_file_holds_wherever_the_head_ends() {
        for (bytes, mut file) in files() {
            assert_eq!(file.len(), Ok(bytes.len() as u64));
            for start in [0, 1, HEAD - 20, HEAD - 1, HEAD, HEAD + 7, 2 * HEAD] {
                let Some(expected) = bytes.get(start..start + 16) else { continue };
                let mut read = [0; 16];
                file.seek(start as u64).unwrap();
                file.read_exact(&mut read).unwrap();
                assert_eq!(read, expected, "at {start}");
                file.seek(start as u64).unwrap();
                assert_eq!(file.read(&mut read), Ok(16));
                assert_eq!(read, expected, "at {start}");
            }
        }
    }

    #[test]
    fn a_read_goes_on_where_the_last_ended_and_ends_with_the_file() {
        for (bytes, mut file) in files() {
            let mut read = Vec::new();
            let mut part = [0; 100];
            file.seek(0).unwrap();
            while let Ok(length @ 1..) = file.read(&mut part) {
                read.extend_from_slice(&part[..length]);
            }
            assert_eq!(read, bytes);
            assert_eq!(file.read_exact(&mut part), Err(()));
        }
    }

    #[test]
    fn a_device_has_no_head() {
        assert!(Opened::open("/dev/zero").unwrap().head.is_empty());
    }
}
