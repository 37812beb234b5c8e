//! Values on a pipe: a length of four bytes, little-endian, then the encoded value.

use std::fs::File;
use std::io::Read;
use std::os::fd::BorrowedFd;

use nix::errno::Errno;
use nix::unistd::write;
use serde::Serialize;
use serde::de::DeserializeOwned;
use stockade_inside::Teller;
use stockade_plan::{FRAME_MAX, Found, Report, decode, encode};

/// Writes one value.
pub(crate) fn send<T: Serialize>(pipe: BorrowedFd<'_>, value: &T) -> nix::Result<()> {
    let mut sender = Sender::new(pipe);
    sender.push(value)?;
    sender.flush()
}

/// Writes values that belong together, as few writes as may be: each wakes the reader.
pub(crate) struct Sender<'p> {
    pipe: BorrowedFd<'p>,
    bytes: Vec<u8>,
}

impl<'p> Sender<'p> {
    /// More is not held back.
    const HELD_MAX: usize = 64 * 1024;

    pub(crate) fn new(pipe: BorrowedFd<'p>) -> Self {
        Self { pipe, bytes: Vec::new() }
    }

    /// Adds one value.
    pub(crate) fn push<T: Serialize>(&mut self, value: &T) -> nix::Result<()> {
        let frame = encode(value).map_err(|_| Errno::EMSGSIZE)?;
        let len = u32::try_from(frame.len()).map_err(|_| Errno::EMSGSIZE)?;
        self.bytes.extend_from_slice(&len.to_le_bytes());
        self.bytes.extend_from_slice(&frame);
        if self.bytes.len() < Self::HELD_MAX { Ok(()) } else { self.flush() }
    }

    /// Writes what is held back.
    pub(crate) fn flush(&mut self) -> nix::Result<()> {
        write_all(self.pipe, &self.bytes)?;
        self.bytes.clear();
        Ok(())
    }
}

impl Teller for Sender<'_> {
    fn found(&mut self, index: u32, found: Found) -> nix::Result<()> {
        self.push(&Report::Output { index, found })
    }

    fn chunk(&mut self, bytes: Vec<u8>) -> nix::Result<()> {
        self.push(&Report::Chunk(bytes.try_into().map_err(|_| Errno::EMSGSIZE)?))
    }
}

fn write_all(pipe: BorrowedFd<'_>, mut bytes: &[u8]) -> nix::Result<()> {
    while !bytes.is_empty() {
        match write(pipe, bytes) {
            Ok(written) => bytes = bytes.get(written..).unwrap_or_default(),
            Err(Errno::EINTR) => {}
            Err(errno) => return Err(errno),
        }
    }
    Ok(())
}

/// The next value; `None` at the end of the pipe. Not a byte beyond it is read.
pub(crate) fn receive<T: DeserializeOwned>(pipe: &mut File) -> std::io::Result<Option<T>> {
    let mut len = [0; 4];
    let first = pipe.read(&mut len)?;
    if first == 0 {
        return Ok(None);
    }
    pipe.read_exact(len.get_mut(first..).unwrap_or_default())?;
    let len = usize::try_from(u32::from_le_bytes(len)).unwrap_or(usize::MAX);
    if len > FRAME_MAX {
        return Err(Errno::EMSGSIZE.into());
    }
    let mut frame = vec![0; len];
    pipe.read_exact(&mut frame)?;
    decode(&frame).map(Some).map_err(|_| Errno::EBADMSG.into())
}

#[cfg(test)]
mod tests {
    use std::io::{Seek, Write};
    use std::os::fd::AsFd;

    use super::*;

    #[test]
    fn values_come_out_as_they_went_in_and_no_byte_behind_them_is_taken() {
        let mut file = tempfile::tempfile().unwrap();
        send(file.as_fd(), &7_u64).unwrap();
        send(file.as_fd(), &"text".to_owned()).unwrap();
        file.write_all(b"behind").unwrap();
        file.rewind().unwrap();
        assert_eq!(receive::<u64>(&mut file).unwrap(), Some(7));
        assert_eq!(receive::<String>(&mut file).unwrap(), Some("text".to_owned()));
        let mut rest = String::new();
        file.read_to_string(&mut rest).unwrap();
        assert_eq!(rest, "behind");
        assert_eq!(receive::<u64>(&mut file).unwrap(), None);
    }

    #[test]
    fn a_frame_that_is_cut_too_long_or_malformed_is_an_error() {
        for bytes in [&[1, 0][..], &[4, 0, 0, 0, 1], &[0xff; 4], &[1, 0, 0, 0, 0xff]] {
            let mut file = tempfile::tempfile().unwrap();
            file.write_all(bytes).unwrap();
            file.rewind().unwrap();
            assert!(receive::<u64>(&mut file).is_err(), "{bytes:?}");
        }
    }
}
