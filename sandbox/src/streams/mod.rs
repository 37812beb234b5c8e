//! A job's standard streams: fed, and drained with a cap.

mod own;

use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use rustix::io::Errno;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::unix::pipe;
use tokio_util::sync::CancellationToken;

use crate::outcome::{Captured, Lost};
use own::Own;

const BUFFER_BYTES: usize = 64 * 1024;

/// What a job reads on standard input.
#[derive(Debug)]
pub enum Stdin {
    /// Nothing: it is at its end.
    Empty,
    /// These bytes.
    Bytes(Vec<u8>),
    /// What this process reads on its own, copied through a pipe: the job never gets the descriptor itself,
    /// which may be a terminal.
    Inherit,
    /// What this process reads on its own, typed at the terminal whose other end the job was given for all three of its
    /// streams. This is our end; what the job prints there is its standard output.
    Terminal(OwnedFd),
}

/// Where a job's output goes. Either way it is cut at the policy's limit.
#[derive(Debug)]
pub enum Sink {
    /// Kept, for the outcome.
    Keep,
    /// Written on as it comes. When nobody reads it any more the job's stream is closed too, so that a job in a
    /// pipeline ends as any program does there.
    PassThrough(OwnedFd),
}

/// Our ends of the pipes that a sandbox was made with.
#[derive(Debug)]
pub(crate) struct Pipes {
    input: OwnedFd,
    output: pipe::Receiver,
    error: pipe::Receiver,
}

/// Our ends of a job's standard streams.
#[derive(Debug)]
pub(crate) struct Ends {
    /// `None` if it is at its end.
    pub(crate) input: Option<pipe::Sender>,
    pub(crate) output: pipe::Receiver,
    pub(crate) error: pipe::Receiver,
}

impl Pipes {
    /// Within a runtime.
    pub(crate) fn open(input: OwnedFd, output: OwnedFd, error: OwnedFd) -> std::io::Result<Self> {
        let (output, error) = (pipe::Receiver::from_owned_fd(output)?, pipe::Receiver::from_owned_fd(error)?);
        Ok(Self { input, output, error })
    }

    /// For a job that reads this: these, or the one of its terminal.
    pub(crate) fn ends(self, stdin: &Stdin) -> std::io::Result<Ends> {
        let Self { input, output, error } = self;
        match stdin {
            Stdin::Empty => Ok(Ends { input: None, output, error }),
            Stdin::Bytes(_) | Stdin::Inherit => {
                Ok(Ends { input: Some(pipe::Sender::from_owned_fd(input)?), output, error })
            }
            Stdin::Terminal(terminal) => {
                // Nobody else has our end: it can be made non-blocking.
                fcntl_setfl(terminal, fcntl_getfl(terminal)? | OFlags::NONBLOCK)?;
                let ours = || terminal.as_fd().try_clone_to_owned();
                Ok(Ends {
                    input: Some(pipe::Sender::from_owned_fd_unchecked(ours()?)?),
                    output: pipe::Receiver::from_owned_fd_unchecked(ours()?)?,
                    error,
                })
            }
        }
    }
}

/// Feeds the job's standard input until it ends or the job no longer reads.
pub(crate) async fn feed(pipe: Option<pipe::Sender>, stdin: Stdin) -> std::io::Result<()> {
    let Some(mut pipe) = pipe else { return Ok(()) };
    match stdin {
        Stdin::Empty => Ok(()),
        Stdin::Bytes(bytes) => pipe.write_all(&bytes).await,
        Stdin::Inherit | Stdin::Terminal(_) => {
            let own = own::standard(std::io::stdin())?;
            loop {
                let bytes = own.read(BUFFER_BYTES).await?;
                if bytes.is_empty() {
                    return Ok(());
                }
                pipe.write_all(&bytes).await?;
            }
        }
    }
}

/// How far a stream is drained.
#[derive(Debug, Clone)]
pub(crate) struct Bounds {
    /// Beyond so many bytes nothing is kept or passed on, and draining goes on, so that the job is never stuck on a full
    /// pipe while it is being ended.
    pub(crate) limit: u64,
    /// Told when there was more.
    pub(crate) overflow: CancellationToken,
    /// Tells that nobody waits any longer for a caller who does not take what is his.
    pub(crate) give_up: CancellationToken,
}

/// Drains one stream.
pub(crate) async fn drain(
    mut stream: impl AsyncRead + Unpin,
    sink: Sink,
    bounds: Bounds,
) -> std::io::Result<Captured> {
    let mut captured = Captured::default();
    let sink = match sink {
        Sink::Keep => None,
        Sink::PassThrough(descriptor) => Some(Own::new(descriptor)),
    };
    loop {
        // Room that is not written to costs nothing.
        let mut bytes = Vec::with_capacity(BUFFER_BYTES);
        match stream.read_buf(&mut bytes).await {
            Ok(0) => return Ok(captured),
            // Nobody has the terminal open any more, or ever will; pty(7) does not say it, tty_io.c does.
            Err(error) if error.raw_os_error() == Some(Errno::IO.raw_os_error()) => return Ok(captured),
            read => read?,
        };
        let read = bytes.len();
        let room = usize::try_from(bounds.limit.saturating_sub(captured.total_bytes)).unwrap_or(usize::MAX);
        bytes.truncate(room);
        captured.total_bytes += read as u64;
        match &sink {
            None => captured.bytes.append(&mut bytes),
            Some(own) if !bytes.is_empty() => {
                captured.lost = pass_on(own, bytes, &bounds.give_up).await;
                if captured.lost.is_some() {
                    return Ok(captured);
                }
            }
            Some(_) => {}
        }
        if read > room && !captured.truncated {
            captured.truncated = true;
            bounds.overflow.cancel();
        }
    }
}

async fn pass_on(own: &Own, bytes: Vec<u8>, give_up: &CancellationToken) -> Option<Lost> {
    tokio::select! {
        written = own.write(bytes) => match written {
            Ok(()) => None,
            Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Some(Lost::ReaderGone),
            Err(error) => Some(Lost::Failed(error.to_string())),
        },
        () = give_up.cancelled() => Some(Lost::NotTaken),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bounds(limit: u64) -> Bounds {
        Bounds { limit, overflow: CancellationToken::new(), give_up: CancellationToken::new() }
    }

    async fn drained(bytes: &[u8], limit: u64) -> (Captured, bool) {
        let bounds = bounds(limit);
        let captured = drain(bytes, Sink::Keep, bounds.clone()).await.unwrap();
        (captured, bounds.overflow.is_cancelled())
    }

    #[tokio::test]
    async fn output_up_to_the_limit_is_kept_whole() {
        let (captured, overflow) = drained(b"ab\0\xffcd", 6).await;
        assert_eq!(captured.bytes, b"ab\0\xffcd");
        assert!(!captured.truncated && !overflow);
    }

    #[tokio::test]
    async fn output_beyond_the_limit_is_cut_counted_and_told() {
        let (captured, overflow) = drained(&[b'y'; 200_000], 1000).await;
        assert_eq!((captured.bytes.len(), captured.total_bytes), (1000, 200_000));
        assert!(captured.truncated && overflow);
    }

    #[tokio::test]
    async fn a_stream_whose_reader_has_gone_is_drained_no_further() {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let captured = drain(&[b'y'; 200_000][..], Sink::PassThrough(writer.into()), bounds(u64::MAX)).await;
        let captured = captured.unwrap();
        assert_eq!(captured.lost, Some(Lost::ReaderGone));
        assert!(captured.total_bytes < 200_000);
    }

    #[tokio::test]
    async fn a_caller_who_does_not_read_is_waited_for_until_nobody_waits_any_longer() {
        let (reader, writer) = std::io::pipe().unwrap();
        let bounds = bounds(u64::MAX);
        let giving_up = bounds.give_up.clone();
        let draining = drain(&[b'y'; 200_000][..], Sink::PassThrough(writer.into()), bounds);
        let patience = async {
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
            giving_up.cancel();
        };
        let (captured, ()) = tokio::join!(draining, patience);
        assert_eq!(captured.unwrap().lost, Some(Lost::NotTaken));
        // The thread that writes ends with its reader.
        drop(reader);
    }
}
