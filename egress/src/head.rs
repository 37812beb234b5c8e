//! The job's end of a connection, read piece by piece until what it says can be told.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::stop::{Failure, Refusal, Stop};
use crate::wire::Step;

/// What a job has to say before it is connected, it says by then.
const PATIENCE: Duration = Duration::from_secs(10);
/// And in so many pieces: each is read from the start again.
const PIECES_MAX: usize = 64;
const PIECE: usize = 8 * 1024;
/// How long, and how much, is still read from a job that was told no: a connection that is closed with bytes unread is
/// reset, and the job would never see why.
const LINGER: Duration = Duration::from_secs(1);
const LINGER_MAX: usize = 64 * 1024;

/// The job's end of a connection.
#[derive(Debug)]
pub(crate) struct Client {
    pub(crate) stream: TcpStream,
    /// What has been read and not yet been used.
    pub(crate) buffer: Vec<u8>,
}

impl Client {
    pub(crate) const fn new(stream: TcpStream) -> Self {
        Self { stream, buffer: Vec::new() }
    }

    /// Reads one more piece; false at the end.
    pub(crate) async fn read(&mut self) -> std::io::Result<bool> {
        self.buffer.reserve(PIECE);
        Ok(self.stream.read_buf(&mut self.buffer).await? > 0)
    }

    /// Reads until `parse` has what it wants, which is then used up.
    pub(crate) async fn parse<T>(&mut self, max: usize, parse: impl Fn(&[u8]) -> Step<T>) -> Result<T, Stop> {
        timeout(PATIENCE, self.parse_patiently(max, parse))
            .await
            .unwrap_or_else(|_| Err(Failure::TooSlow(PATIENCE).into()))
    }

    async fn parse_patiently<T>(&mut self, max: usize, parse: impl Fn(&[u8]) -> Step<T>) -> Result<T, Stop> {
        for _ in 0..PIECES_MAX {
            match parse(&self.buffer) {
                Step::Done(value, len) => {
                    self.buffer.drain(..len.min(self.buffer.len()));
                    return Ok(value);
                }
                Step::Bad(why) => return Err(Refusal::Malformed(why).into()),
                Step::More if self.buffer.len() > max => {
                    return Err(Refusal::Malformed("what the job says first is too long").into());
                }
                Step::More => {}
            }
            if !self.read().await? {
                return Err(std::io::Error::from(std::io::ErrorKind::UnexpectedEof).into());
            }
        }
        Err(Refusal::Malformed("what the job says first comes in too many pieces").into())
    }

    /// Says the last word, and gives the job the time to read it.
    pub(crate) async fn dismiss(&mut self, answer: &[u8]) {
        let linger = async {
            self.stream.write_all(answer).await?;
            self.stream.shutdown().await?;
            let mut rest = [0; 1024];
            let mut read = 0;
            while read < LINGER_MAX {
                match self.stream.read(&mut rest).await? {
                    0 => break,
                    more => read += more,
                }
            }
            Ok::<_, std::io::Error>(())
        };
        // Why it goes no further is written down; whether the job has read it is the job's affair.
        let _told = timeout(LINGER, linger).await;
    }
}
