//! One HTTP request to a server, and its response back.

use std::sync::atomic::{AtomicU64, Ordering};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::head::Client;
use crate::ledger::Counts;
use crate::relay::{idle, pump};
use crate::stop::{Refusal, Stop};
use crate::wire::Step;
use crate::wire::http::{Body, Head, chunk};

/// A line that ends the chunks, or a trailer before it, is not longer.
const LINE_MAX: usize = 8 * 1024;
const PIECE: usize = 16 * 1024;

/// Sends a request, its head written anew and its body framed anew, and passes back what the server answers until it
/// closes. What the job sends behind the request goes nowhere.
pub(crate) async fn forward(
    client: &mut Client,
    server: &mut TcpStream,
    counts: &Counts,
    head: &Head,
    written: &[u8],
) -> Result<(), Stop> {
    let (from_client, to_client) = client.stream.split();
    let (from_server, mut to_server) = server.split();
    to_server.write_all(written).await?;
    counts.sent.fetch_add(written.len() as u64, Ordering::Relaxed);
    let mut source = Source { from: from_client, buffer: std::mem::take(&mut client.buffer) };
    let request = async {
        match head.body {
            Body::Length(length) => source.pass(length, &mut to_server, &counts.sent).await?,
            Body::Chunked => source.pass_chunks(&mut to_server, &counts.sent).await?,
        }
        // Nothing more of the job's is wanted; how it goes on is up to the server.
        std::future::pending::<Result<(), Stop>>().await
    };
    tokio::select! {
        answered = pump(from_server, to_client, &counts.received) => Ok(answered?),
        stopped = request => stopped,
        failure = idle(counts) => Err(failure.into()),
    }
}

/// What a job sends, with what has been read of it already.
struct Source<R> {
    from: R,
    buffer: Vec<u8>,
}

impl<R: AsyncRead + Unpin> Source<R> {
    async fn fill(&mut self) -> Result<(), Stop> {
        self.buffer.reserve(PIECE);
        match self.from.read_buf(&mut self.buffer).await? {
            0 => Err(std::io::Error::from(std::io::ErrorKind::UnexpectedEof).into()),
            _ => Ok(()),
        }
    }

    /// Passes on exactly so many bytes.
    async fn pass(
        &mut self,
        mut length: u64,
        to: &mut (impl AsyncWrite + Unpin),
        count: &AtomicU64,
    ) -> Result<(), Stop> {
        while length > 0 {
            if self.buffer.is_empty() {
                self.fill().await?;
            }
            let len = self.buffer.len().min(usize::try_from(length).unwrap_or(usize::MAX));
            to.write_all(self.buffer.get(..len).unwrap_or_default()).await?;
            self.buffer.drain(..len);
            length -= len as u64;
            count.fetch_add(len as u64, Ordering::Relaxed);
        }
        Ok(())
    }

    /// Passes on chunks, each with a size line of our own, up to the last; trailers are dropped.
    async fn pass_chunks(
        &mut self,
        to: &mut (impl AsyncWrite + Unpin),
        count: &AtomicU64,
    ) -> Result<(), Stop> {
        loop {
            let size = self.line(chunk).await?;
            to.write_all(format!("{size:x}\r\n").as_bytes()).await?;
            if size == 0 {
                while !self.line(plain_line).await? {}
                return Ok(to.write_all(b"\r\n").await?);
            }
            self.pass(size, to, count).await?;
            if !self.line(plain_line).await? {
                return Err(Refusal::Malformed("a chunk is longer than its size").into());
            }
            to.write_all(b"\r\n").await?;
        }
    }

    async fn line<T>(&mut self, parse: impl Fn(&[u8]) -> Step<T>) -> Result<T, Stop> {
        loop {
            match parse(&self.buffer) {
                Step::Done(value, len) => {
                    self.buffer.drain(..len.min(self.buffer.len()));
                    return Ok(value);
                }
                Step::Bad(why) => return Err(Refusal::Malformed(why).into()),
                Step::More => self.fill().await?,
            }
        }
    }
}

/// A line that ends in CR LF: whether it is empty.
fn plain_line(bytes: &[u8]) -> Step<bool> {
    match bytes.windows(2).take(LINE_MAX).position(|two| two == b"\r\n") {
        Some(at) => Step::Done(at == 0, at + 2),
        None if bytes.len() > LINE_MAX => Step::Bad("a line between chunks is too long"),
        None => Step::More,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn passed(bytes: &[u8]) -> Result<(String, usize), Stop> {
        let mut source = Source { from: &b""[..], buffer: bytes.to_vec() };
        let mut to = Vec::new();
        source.pass_chunks(&mut to, &AtomicU64::new(0)).await?;
        Ok((String::from_utf8(to).unwrap(), source.buffer.len()))
    }

    #[tokio::test]
    async fn chunks_are_framed_anew_and_what_follows_them_stays() {
        let sent = b"3;x=y\r\nabc\r\n00A\r\n0123456789\r\n0\r\nTrailer: x\r\n\r\nGET / HTTP/1.1\r\n";
        let (passed, left) = passed(sent).await.unwrap();
        assert_eq!(passed, "3\r\nabc\r\na\r\n0123456789\r\n0\r\n\r\n");
        assert_eq!(left, "GET / HTTP/1.1\r\n".len());
    }

    #[tokio::test]
    async fn chunks_that_are_not_framed_well_end_the_request() {
        for bytes in
            [&b"3\r\nabcd\r\n0\r\n\r\n"[..], b"3\nabc\r\n", b"z\r\n", b"3\r\nab", b"ffffffffffffffffff\r\n"]
        {
            assert!(passed(bytes).await.is_err(), "{}", bytes.escape_ascii());
        }
    }

    #[tokio::test]
    async fn a_body_is_passed_on_to_its_length_and_not_beyond() {
        let mut source = Source { from: &b"cdef"[..], buffer: b"ab".to_vec() };
        let mut to = Vec::new();
        source.pass(4, &mut to, &AtomicU64::new(0)).await.unwrap();
        assert_eq!((to.as_slice(), source.buffer.as_slice()), (&b"abcd"[..], &b"ef"[..]));
    }
}
