//! Laying the inputs into `/job`, before any code of the job's has run. Init does it, confined by then, under the
//! job's own id, so the files are the job's from the start.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::BorrowedFd;

use nix::errno::Errno;
use nix::fcntl::{OFlag, openat};
use nix::sys::stat::Mode;
use stockade_plan::Input;

use crate::steps::{During, Fault};

const CHUNK: usize = 64 * 1024;

/// Copies each input from the pipe, on which their bytes lie one behind the other, into a new file.
pub(super) fn place(work_dir: BorrowedFd<'_>, inputs: &[Input], pipe: &mut File) -> Result<(), Fault> {
    for input in inputs {
        let name = input.name.as_str();
        let flags = OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_WRONLY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let file = openat(work_dir, name, flags, Mode::from_bits_truncate(0o644)).during("create", name)?;
        copy(pipe, File::from(file), input)?;
    }
    Ok(())
}

/// Copies exactly as many bytes as the input has.
fn copy(pipe: &mut File, mut target: File, input: &Input) -> Result<(), Fault> {
    let name = input.name.as_str();
    let mut source = pipe.take(input.size);
    let mut buffer = vec![0; CHUNK];
    let mut copied = 0_u64;
    loop {
        let read = source.read(&mut buffer).during("read", name)?;
        if read == 0 {
            break;
        }
        copied += read as u64;
        target.write_all(buffer.get(..read).unwrap_or_default()).during("write", name)?;
    }
    match copied == input.size {
        true => Ok(()),
        false => Err(Fault::new("read (fewer bytes than announced)", name, Errno::EBADMSG)),
    }
}
