//! A stream of this process, used without changing anything of it: it is shared with whoever started us, so it must not
//! become non-blocking, and it may be so already.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::{FileType, fstat, major, minor};
use rustix::io::{Errno, read, write};

/// A stream of this process.
#[derive(Debug, Clone)]
pub(super) struct Own {
    descriptor: Arc<OwnedFd>,
    never_waits: bool,
}

impl Own {
    pub(super) fn new(descriptor: OwnedFd) -> Self {
        Self { never_waits: never_waits(&descriptor), descriptor: Arc::new(descriptor) }
    }

    /// Reads what there is, up to `most` bytes; nothing at the end.
    pub(super) async fn read(&self, most: usize) -> io::Result<Vec<u8>> {
        self.beside(move |descriptor| read_some(descriptor, most)).await
    }

    /// Writes all of it.
    pub(super) async fn write(&self, bytes: Vec<u8>) -> io::Result<()> {
        self.beside(move |descriptor| write_all(descriptor, &bytes)).await
    }

    /// Does it on another thread where it may wait: a caller that does not read, or does not write, must not
    /// keep us from ending his job.
    async fn beside<T: Send + 'static>(
        &self,
        work: impl FnOnce(&OwnedFd) -> io::Result<T> + Send + 'static,
    ) -> io::Result<T> {
        if self.never_waits {
            return work(&self.descriptor);
        }
        let descriptor = Arc::clone(&self.descriptor);
        tokio::task::spawn_blocking(move || work(&descriptor)).await.map_err(io::Error::other)?
    }
}

/// Regular files and the devices that have everything at once; null(4).
fn never_waits(descriptor: &OwnedFd) -> bool {
    const MEMORY: u32 = 1;
    const NULL_AND_ZERO: [u32; 2] = [3, 5];
    fstat(descriptor).is_ok_and(|found| match FileType::from_raw_mode(found.st_mode) {
        FileType::RegularFile => true,
        FileType::CharacterDevice => {
            major(found.st_rdev) == MEMORY && NULL_AND_ZERO.contains(&minor(found.st_rdev))
        }
        _ => false,
    })
}

fn read_some(descriptor: &OwnedFd, most: usize) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; most];
    let length = retried(descriptor, PollFlags::IN, || read(descriptor, &mut bytes[..]))?;
    bytes.truncate(length);
    Ok(bytes)
}

fn write_all(descriptor: &OwnedFd, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        let written = retried(descriptor, PollFlags::OUT, || write(descriptor, bytes))?;
        bytes = bytes.get(written..).unwrap_or_default();
    }
    Ok(())
}

/// A descriptor that somebody has made non-blocking is waited for.
fn retried(
    descriptor: &OwnedFd,
    ready: PollFlags,
    mut call: impl FnMut() -> rustix::io::Result<usize>,
) -> io::Result<usize> {
    loop {
        match call() {
            Err(Errno::AGAIN) => {
                let mut fds = [PollFd::new(descriptor, ready)];
                match poll(&mut fds, None) {
                    Ok(_) | Err(Errno::INTR) => {}
                    Err(errno) => return Err(errno.into()),
                }
            }
            Err(Errno::INTR) => {}
            done => return done.map_err(io::Error::from),
        }
    }
}

/// One of this process's standard streams.
pub(super) fn standard(stream: impl AsFd) -> io::Result<Own> {
    stream.as_fd().try_clone_to_owned().map(Own::new)
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};

    use super::*;

    #[tokio::test]
    async fn a_descriptor_that_somebody_made_non_blocking_is_waited_for_and_left_so() {
        let (reader, writer) = io::pipe().unwrap();
        fcntl_setfl(&writer, OFlags::NONBLOCK).unwrap();
        fcntl_setfl(&reader, OFlags::NONBLOCK).unwrap();
        let flags = fcntl_getfl(&writer).unwrap();
        let (theirs, ours) = (writer.try_clone().unwrap(), Own::new(writer.into()));
        let reading = Own::new(reader.into());
        let written = ours.write(vec![b'x'; 1 << 20]);
        let read = async {
            let mut total = 0;
            while total < 1 << 20 {
                total += reading.read(4096).await.unwrap().len();
            }
        };
        let (written, ()) = tokio::join!(written, read);
        written.unwrap();
        assert_eq!(fcntl_getfl(&theirs).unwrap(), flags);
    }

    #[tokio::test]
    async fn files_are_read_and_written_in_place() {
        let mut file = tempfile::tempfile().unwrap();
        let own = Own::new(file.try_clone().unwrap().into());
        assert!(own.never_waits);
        own.write(b"abc".to_vec()).await.unwrap();
        std::io::Seek::rewind(&mut file).unwrap();
        let mut text = String::new();
        file.read_to_string(&mut text).unwrap();
        assert_eq!(text, "abc");
        let (reader, _writer) = io::pipe().unwrap();
        assert!(!Own::new(reader.into()).never_waits);
    }
}
