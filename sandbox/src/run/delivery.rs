//! A task and its inputs, on their way into the sandbox.

use std::io::{ErrorKind, Write as _};
use std::os::fd::OwnedFd;

use stockade_plan::{Assignment, Mark, Task, encode};
use tokio::io::AsyncWriteExt;
use tokio::net::UnixStream;

use super::RunError;

/// The plan's digest covers the inputs by their sizes, so those must hold.
pub(super) fn check_inputs(task: &Task, inputs: &[Vec<u8>]) -> Result<(), RunError> {
    if task.inputs.len() != inputs.len() {
        return Err(RunError::Inputs(format!("{} are named, {} given", task.inputs.len(), inputs.len())));
    }
    let wrong = task.inputs.iter().zip(inputs).find(|(input, bytes)| input.size != bytes.len() as u64);
    wrong.map_or(Ok(()), |(input, bytes)| {
        let (name, size) = (&input.name, input.size);
        Err(RunError::Inputs(format!("`{name}` has {} bytes instead of {size}", bytes.len())))
    })
}

/// A task on its way to init, and behind it the bytes of the inputs.
pub(super) struct Delivery {
    socket: std::os::unix::net::UnixStream,
    /// What the socket has not taken yet.
    rest: Vec<u8>,
}

impl Delivery {
    /// Gives init as much of its task as the socket takes, which is nearly always all: init goes on with that while the rest is
    /// made ready here.
    pub(super) fn begun(socket: OwnedFd, task: &Task, mark: Option<Mark>) -> Result<Self, RunError> {
        let frame = encode(&Assignment { task, mark }).map_err(RunError::Frame)?;
        let len = u32::try_from(frame.len()).map_err(|_| RunError::Internal("a task of 4 GiB".to_owned()))?;
        let mut rest = len.to_le_bytes().to_vec();
        rest.extend_from_slice(&frame);
        let mut socket = std::os::unix::net::UnixStream::from(socket);
        socket.set_nonblocking(true).map_err(undelivered)?;
        // If it takes nothing, why not is seen when the rest is given.
        let taken = socket.write(&rest).unwrap_or_default();
        rest.drain(..taken);
        Ok(Self { socket, rest })
    }

    /// Gives it the rest.
    pub(super) async fn done(self, inputs: Vec<Vec<u8>>) -> Result<(), RunError> {
        let parts = || std::iter::once(&self.rest).chain(&inputs).filter(|part| !part.is_empty());
        if parts().next().is_none() {
            return Ok(());
        }
        let mut socket = UnixStream::from_std(self.socket).map_err(undelivered)?;
        for part in parts() {
            match socket.write_all(part).await {
                // Init has given up, and says why on its status pipe.
                Err(error) if matches!(error.kind(), ErrorKind::BrokenPipe | ErrorKind::ConnectionReset) => {
                    return Ok(());
                }
                written => written.map_err(undelivered)?,
            }
        }
        Ok(())
    }
}

fn undelivered(source: std::io::Error) -> RunError {
    RunError::Io { what: "give the sandbox its task", source }
}
