//! A job's standard streams, drained with a cap.

use std::fmt;
use std::os::fd::OwnedFd;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::unix::pipe;
use tokio_util::sync::CancellationToken;

use crate::outcome::Captured;

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
}

/// Where a job's output goes. Either way it is cut at the policy's limit.
pub enum Sink {
    /// Kept, for the outcome.
    Keep,
    /// Written on as it comes.
    PassThrough(Box<dyn AsyncWrite + Send + Unpin>),
}

impl fmt::Debug for Sink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Keep => "Keep",
            Self::PassThrough(_) => "PassThrough",
        })
    }
}

/// Feeds the job's standard input until it ends or the job no longer reads.
pub(crate) async fn feed(descriptor: OwnedFd, stdin: Stdin) -> std::io::Result<()> {
    let mut pipe = pipe::Sender::from_owned_fd(descriptor)?;
    let fed = match stdin {
        Stdin::Empty => Ok(()),
        Stdin::Bytes(bytes) => pipe.write_all(&bytes).await,
        Stdin::Inherit => tokio::io::copy(&mut tokio::io::stdin(), &mut pipe).await.map(drop),
    };
    match fed {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        fed => fed,
    }
}

/// Drains one stream. Beyond `limit` bytes nothing is kept, `overflow` is told, and draining goes on, so that
/// the job is never stuck on a full pipe while it is being ended.
pub(crate) async fn drain(
    descriptor: OwnedFd,
    sink: Sink,
    limit: u64,
    overflow: CancellationToken,
) -> std::io::Result<Captured> {
    drain_from(pipe::Receiver::from_owned_fd(descriptor)?, sink, limit, overflow).await
}

async fn drain_from(
    mut stream: impl AsyncRead + Unpin,
    mut sink: Sink,
    limit: u64,
    overflow: CancellationToken,
) -> std::io::Result<Captured> {
    let mut captured = Captured::default();
    let mut buffer = vec![0; BUFFER_BYTES];
    loop {
        let read = stream.read(&mut buffer).await?;
        if read == 0 {
            return Ok(captured);
        }
        let room = usize::try_from(limit.saturating_sub(captured.total_bytes)).unwrap_or(usize::MAX);
        let kept = buffer.get(..read.min(room)).unwrap_or_default();
        captured.total_bytes += read as u64;
        match &mut sink {
            Sink::Keep => captured.bytes.extend_from_slice(kept),
            // A reader that has gone away is the caller's business, not the job's: draining goes on.
            Sink::PassThrough(writer) => drop(pass_on(writer, kept).await),
        }
        if read > room && !captured.truncated {
            captured.truncated = true;
            overflow.cancel();
        }
    }
}

async fn pass_on(writer: &mut (dyn AsyncWrite + Send + Unpin), bytes: &[u8]) -> std::io::Result<()> {
    writer.write_all(bytes).await?;
    writer.flush().await
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn drained(bytes: &[u8], limit: u64) -> (Captured, bool) {
        let overflow = CancellationToken::new();
        let captured = drain_from(bytes, Sink::Keep, limit, overflow.clone()).await.unwrap();
        (captured, overflow.is_cancelled())
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
}
