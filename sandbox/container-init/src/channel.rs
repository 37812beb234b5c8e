//! Values on a stream: a length of four bytes, the lowest first, then the encoded value.

use std::io::{self, Read, StdoutLock, Write};

use nix::errno::Errno;
use serde::de::DeserializeOwned;
use stockade_plan::{FRAME_MAX, Found, Said, decode, encode};

use crate::collect::Teller;

/// Where init speaks.
#[derive(Debug)]
pub(crate) struct Channel(StdoutLock<'static>);

impl Channel {
    pub(crate) fn new() -> Self {
        Self(io::stdout().lock())
    }

    /// Says one thing, at once.
    pub(crate) fn say(&mut self, said: &Said) -> io::Result<()> {
        let frame = encode(said).map_err(io::Error::other)?;
        let len = u32::try_from(frame.len()).map_err(io::Error::other)?;
        let mut bytes = len.to_le_bytes().to_vec();
        bytes.extend_from_slice(&frame);
        self.0.write_all(&bytes)?;
        self.0.flush()
    }
}

impl Teller for Channel {
    fn found(&mut self, index: u32, found: Found) -> nix::Result<()> {
        self.say(&Said::Output { index, found }).map_err(|_| Errno::EPIPE)
    }

    fn chunk(&mut self, bytes: Vec<u8>) -> nix::Result<()> {
        let bytes = bytes.try_into().map_err(|_| Errno::EMSGSIZE)?;
        self.say(&Said::Chunk(bytes)).map_err(|_| Errno::EPIPE)
    }
}

/// The next value; `None` at the end of the stream.
pub(crate) fn receive<T: DeserializeOwned>(stream: &mut impl Read) -> io::Result<Option<T>> {
    let mut len = [0; 4];
    match stream.read_exact(&mut len) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        read => read?,
    }
    let len = usize::try_from(u32::from_le_bytes(len)).unwrap_or(usize::MAX);
    if len > FRAME_MAX {
        return Err(Errno::EMSGSIZE.into());
    }
    let mut frame = vec![0; len];
    stream.read_exact(&mut frame)?;
    decode(&frame).map(Some).map_err(io::Error::other)
}
