//! Reading the body of an answer, no further than its bounds.

use std::io::{self, Write};
use std::time::Duration;

use flate2::write::MultiGzDecoder;
use reqwest::Response;
use reqwest::header::CONTENT_ENCODING;
use tokio::time::timeout;

/// A server that sends nothing for so long sends nothing more.
const IDLE: Duration = Duration::from_secs(30);

/// What came of an answer's body, and how it ended.
#[derive(Debug, Default)]
pub(super) struct Body {
    /// Decompressed.
    pub(super) bytes: Vec<u8>,
    /// As it came.
    pub(super) received: u64,
}

/// Why reading stopped before the body's end.
#[derive(Debug, thiserror::Error)]
pub(super) enum Stopped {
    #[error("its body has more than {0} bytes")]
    TooLarge(usize),
    #[error("its body has more than {0} bytes when decompressed")]
    Bomb(usize),
    #[error("its body comes in the encoding `{0}`, which was not asked for")]
    Encoding(String),
    #[error("its body cannot be decompressed: {0}")]
    Gzip(io::Error),
    #[error("nothing of its body came for {} s", .0.as_secs())]
    Idle(Duration),
    #[error("its body broke off: {0}")]
    Broken(String),
}

/// Reads a body into `body`, at most `max` bytes as it comes and when decompressed.
pub(super) async fn read(response: &mut Response, max: usize, body: &mut Body) -> Result<(), Stopped> {
    let mut sink = Sink::of(response, max)?;
    if response.content_length().is_some_and(|length| length > max as u64) {
        return Err(Stopped::TooLarge(max));
    }
    let read = pump(response, max, body, &mut sink).await;
    let (bytes, ended) = sink.end(read.is_ok() && body.received > 0);
    body.bytes = bytes;
    read.and(ended.map_err(|error| unpacked(error, max)))
}

async fn pump(response: &mut Response, max: usize, body: &mut Body, sink: &mut Sink) -> Result<(), Stopped> {
    loop {
        let chunk = timeout(IDLE, response.chunk()).await.map_err(|_| Stopped::Idle(IDLE))?;
        let Some(chunk) = chunk.map_err(|error| Stopped::Broken(super::fault::innermost(&error)))? else {
            return Ok(());
        };
        body.received = body.received.saturating_add(chunk.len() as u64);
        if body.received > max as u64 {
            return Err(Stopped::TooLarge(max));
        }
        sink.write(&chunk).map_err(|error| unpacked(error, max))?;
    }
}

fn unpacked(error: io::Error, max: usize) -> Stopped {
    match error.kind() {
        io::ErrorKind::FileTooLarge => Stopped::Bomb(max),
        _ => Stopped::Gzip(error),
    }
}

/// Where the bytes go.
enum Sink {
    Plain(Vec<u8>),
    /// Of one member or several, which are one text; RFC 1952, 2.2.
    Gzip(Box<MultiGzDecoder<Capped>>),
}

/// Bytes up to a bound.
struct Capped {
    bytes: Vec<u8>,
    max: usize,
}

impl Sink {
    fn of(response: &Response, max: usize) -> Result<Self, Stopped> {
        let mut encodings = response.headers().get_all(CONTENT_ENCODING).iter();
        let (first, more) = (encodings.next(), encodings.next());
        let name = first.map_or(&b"identity"[..], |value| value.as_bytes()).to_ascii_lowercase();
        match (name.as_slice(), more) {
            (b"identity" | b"", None) => Ok(Self::Plain(Vec::new())),
            (b"gzip" | b"x-gzip", None) => {
                Ok(Self::Gzip(Box::new(MultiGzDecoder::new(Capped { bytes: Vec::new(), max }))))
            }
            _ => Err(Stopped::Encoding(name.escape_ascii().to_string())),
        }
    }

    fn write(&mut self, chunk: &[u8]) -> io::Result<()> {
        match self {
            Self::Plain(bytes) => bytes.write_all(chunk),
            Self::Gzip(decoder) => decoder.write_all(chunk),
        }
    }

    /// What there is, and whether it is whole.
    fn end(self, whole: bool) -> (Vec<u8>, io::Result<()>) {
        match self {
            Self::Plain(bytes) => (bytes, Ok(())),
            Self::Gzip(mut decoder) => {
                let ended = if whole { decoder.try_finish() } else { Ok(()) };
                (std::mem::take(&mut decoder.get_mut().bytes), ended)
            }
        }
    }
}

impl Write for Capped {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let room = self.max.saturating_sub(self.bytes.len());
        self.bytes.extend_from_slice(bytes.get(..bytes.len().min(room)).unwrap_or_default());
        match bytes.len() <= room {
            true => Ok(bytes.len()),
            false => Err(io::ErrorKind::FileTooLarge.into()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
