//! Values on a stream: a length of four bytes, the lowest first, then the encoded value.

use std::io::{self, Read, Stdout};

use nix::errno::Errno;
use nix::unistd::write;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use serde::de::DeserializeOwned;
use stockade_inside::Teller;
use stockade_plan::{ContainerMessage, FRAME_MAX, Found, decode, encode};

/// A pipe that can be written to takes so much at once, and whoever writes no more never waits; `PIPE_BUF` of pipe(7).
const PIECE: usize = 4096;

/// Where init sends its messages.
#[derive(Debug)]
pub(crate) struct Channel {
    stdout: Stdout,
    /// What has not been taken yet.
    waiting: Vec<u8>,
}

impl Channel {
    pub(crate) fn new() -> Self {
        Self { stdout: io::stdout(), waiting: Vec::new() }
    }

    /// Sends one message, and waits until it is taken.
    pub(crate) fn send(&mut self, message: &ContainerMessage) -> io::Result<()> {
        self.queue(message)?;
        self.flush()
    }

    /// Waits until everything is taken.
    pub(crate) fn flush(&mut self) -> io::Result<()> {
        self.pass_on(None)
    }

    /// Has one message sent as soon as somebody takes it; see `pass_on`.
    pub(crate) fn queue(&mut self, message: &ContainerMessage) -> io::Result<()> {
        let frame = encode(message).map_err(io::Error::other)?;
        let len = u32::try_from(frame.len()).map_err(io::Error::other)?;
        self.waiting.extend_from_slice(&len.to_le_bytes());
        self.waiting.extend_from_slice(&frame);
        Ok(())
    }

    /// Whether something has not been taken yet.
    pub(crate) fn is_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// What becomes ready when the next piece can be sent.
    pub(crate) fn stdout(&self) -> &Stdout {
        &self.stdout
    }

    /// Sends as much as is taken within the patience, or all of it if there is none.
    pub(crate) fn pass_on(&mut self, patience: Option<&Timespec>) -> io::Result<()> {
        let mut sent = 0;
        while let Some(piece) = self.waiting.get(sent..).filter(|rest| !rest.is_empty()) {
            match poll(&mut [PollFd::new(&self.stdout, PollFlags::OUT)], patience) {
                Ok(0) => break,
                Err(rustix::io::Errno::INTR) => continue,
                polled => drop(polled?),
            }
            match write(&self.stdout, piece.get(..PIECE).unwrap_or(piece)) {
                Ok(taken) => sent += taken,
                Err(Errno::EINTR | Errno::EAGAIN) => {}
                Err(errno) => return Err(errno.into()),
            }
        }
        self.waiting.drain(..sent);
        Ok(())
    }
}

impl Teller for Channel {
    fn found(&mut self, index: u32, found: Found) -> nix::Result<()> {
        self.send(&ContainerMessage::Output { index, found }).map_err(|_| Errno::EPIPE)
    }

    fn chunk(&mut self, bytes: Vec<u8>) -> nix::Result<()> {
        let bytes = bytes.try_into().map_err(|_| Errno::EMSGSIZE)?;
        self.send(&ContainerMessage::Chunk(bytes)).map_err(|_| Errno::EPIPE)
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
