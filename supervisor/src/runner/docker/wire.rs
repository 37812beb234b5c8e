//! Messages to and from a container's init over the engine's connection.

use std::pin::Pin;

use bollard::container::{AttachContainerResults, LogOutput};
use bollard::errors::Error;
use futures_util::{Stream, StreamExt as _};
use stockade_plan::{ContainerMessage, Errand, FRAME_MAX, decode, encode};
use tokio::io::{AsyncWrite, AsyncWriteExt as _};

/// Where to send what init reads.
pub(super) type Writer = Pin<Box<dyn AsyncWrite + Send>>;

/// Where init's messages come from.
pub(super) struct Reader {
    output: Pin<Box<dyn Stream<Item = Result<LogOutput, Error>> + Send>>,
    bytes: Vec<u8>,
    /// What came otherwise than from init: the loader's complaint, if there is one.
    pub(super) complaint: Vec<u8>,
}

/// Init cannot be understood any more.
#[derive(Debug, thiserror::Error)]
pub(super) enum WireError {
    /// The connection broke.
    #[error("the connection to the container broke: {0}")]
    Broken(String),
    /// What came is no message of init.
    #[error("the container's first process sent what is no message: {0}")]
    Malformed(String),
}

/// No more of a complaint is kept, bytes.
const COMPLAINT_MAX: usize = 2048;

pub(super) fn split(attached: AttachContainerResults) -> (Reader, Writer) {
    (Reader { output: attached.output, bytes: Vec::new(), complaint: Vec::new() }, attached.input)
}

impl Reader {
    /// The next message of init; `None` when it has ended.
    pub(super) async fn receive(&mut self) -> Result<Option<ContainerMessage>, WireError> {
        loop {
            if let Some(message) = self.whole()? {
                return Ok(Some(message));
            }
            match self.output.next().await {
                Some(Ok(LogOutput::StdOut { message })) => self.bytes.extend_from_slice(&message),
                Some(Ok(other)) => {
                    let room = COMPLAINT_MAX.saturating_sub(self.complaint.len());
                    self.complaint.extend(other.into_bytes().iter().take(room));
                }
                Some(Err(error)) => return Err(WireError::Broken(error.to_string())),
                None => return Ok(None),
            }
        }
    }

    fn whole(&mut self) -> Result<Option<ContainerMessage>, WireError> {
        let Some((len, rest)) = self.bytes.split_first_chunk::<4>() else { return Ok(None) };
        let len = usize::try_from(u32::from_le_bytes(*len)).unwrap_or(usize::MAX);
        if len > FRAME_MAX {
            return Err(WireError::Malformed(format!("a frame of {len} bytes")));
        }
        let Some(frame) = rest.get(..len) else { return Ok(None) };
        let message = decode(frame).map_err(|error| WireError::Malformed(error.to_string()))?;
        self.bytes.drain(..len + 4);
        Ok(Some(message))
    }
}

/// Sends init its errand and the bytes of its inputs.
pub(super) async fn send_errand(
    writer: &mut Writer,
    errand: &Errand,
    inputs: &[Vec<u8>],
) -> Result<(), WireError> {
    let broken = |error: std::io::Error| WireError::Broken(error.to_string());
    let frame = encode(errand).map_err(|error| WireError::Malformed(error.to_string()))?;
    let len = u32::try_from(frame.len()).unwrap_or(u32::MAX);
    let mut bytes = len.to_le_bytes().to_vec();
    bytes.extend_from_slice(&frame);
    writer.write_all(&bytes).await.map_err(broken)?;
    for input in inputs {
        writer.write_all(input).await.map_err(broken)?;
    }
    writer.flush().await.map_err(broken)
}

/// One byte: to go ahead, and later to stop.
pub(super) async fn send_byte(writer: &mut Writer) -> Result<(), WireError> {
    let broken = |error: std::io::Error| WireError::Broken(error.to_string());
    writer.write_all(&[1]).await.map_err(broken)?;
    writer.flush().await.map_err(broken)
}
