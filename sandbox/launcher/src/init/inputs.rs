//! Laying the inputs into `/job`, before any code of the job's has run.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;

use nix::errno::Errno;
use nix::fcntl::{OFlag, open, openat};
use nix::sys::stat::Mode;
use nix::unistd::{Gid, Uid, fchown};
use stockade_plan::{Input, WORK_DIR};

use crate::steps::{During, Fault};
use crate::uids::HostId;

/// Copies each input from its descriptor into a new file of the job's own.
pub(super) fn place(inputs: &[Input], descriptors: &[OwnedFd], owner: HostId) -> Result<(), Fault> {
    let work_dir =
        open(WORK_DIR, OFlag::O_DIRECTORY | OFlag::O_CLOEXEC, Mode::empty()).during("open", WORK_DIR)?;
    for (input, descriptor) in inputs.iter().zip(descriptors) {
        let name = input.name.as_str();
        let source = File::from(descriptor.try_clone().during("dup", name)?);
        let flags = OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_WRONLY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let file = openat(&work_dir, name, flags, Mode::from_bits_truncate(0o644)).during("create", name)?;
        copy(source, File::from(file.try_clone().during("dup", name)?), input)?;
        let (uid, gid) = (Uid::from_raw(owner.raw()), Gid::from_raw(owner.raw()));
        fchown(&file, Some(uid), Some(gid)).during("chown", name)?;
    }
    Ok(())
}

/// Copies exactly `input.size` bytes; a descriptor with more or fewer is not what the plan's digest covers.
fn copy(mut source: File, mut target: File, input: &Input) -> Result<(), Fault> {
    let mut buffer = vec![0; 64 * 1024];
    let mut copied = 0_u64;
    loop {
        let read = source.read(&mut buffer).during("read", input.name.as_str())?;
        copied += read as u64;
        if copied > input.size || (read == 0 && copied < input.size) {
            return Err(Fault::new("read (size differs from the plan)", input.name.as_str(), Errno::EBADMSG));
        }
        if read == 0 {
            return Ok(());
        }
        let chunk = buffer.get(..read).unwrap_or_default();
        target.write_all(chunk).during("write", input.name.as_str())?;
    }
}
