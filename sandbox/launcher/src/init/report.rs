//! Reports on a pipe: a length, then the report.

use std::os::fd::BorrowedFd;

use nix::errno::Errno;
use nix::unistd::write;
use stockade_plan::{Report, STATUS_FRAME_MAX, encode};

/// Writes one report.
pub(crate) fn send(pipe: BorrowedFd<'_>, report: &Report) -> nix::Result<()> {
    let frame = encode(report).map_err(|_| Errno::EMSGSIZE)?;
    let len = u32::try_from(frame.len()).map_err(|_| Errno::EMSGSIZE)?;
    if frame.len() > STATUS_FRAME_MAX {
        return Err(Errno::EMSGSIZE);
    }
    write_all(pipe, &len.to_le_bytes())?;
    write_all(pipe, &frame)
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

/// The last whole report in `bytes`: the job's process writes what it read back, and after it, if the execution
/// failed, why.
pub(crate) fn last(mut bytes: &[u8]) -> Option<Report> {
    let mut last = None;
    while let Some((len, rest)) = bytes.split_first_chunk::<4>() {
        let len = usize::try_from(u32::from_le_bytes(*len)).ok()?;
        let (frame, rest) = rest.split_at_checked(len)?;
        last = stockade_plan::decode(frame).ok();
        bytes = rest;
    }
    last
}
