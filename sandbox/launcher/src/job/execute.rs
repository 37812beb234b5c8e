//! Executing the command by descriptor.

use std::ffi::CString;
use std::os::fd::{BorrowedFd, OwnedFd};

use nix::errno::Errno;
use nix::fcntl::{OFlag, OpenHow, ResolveFlag, openat2};
use nix::sys::stat::{SFlag, fstat};
use stockade_plan::Command;

use crate::steps::{During, Fault};
use crate::sys;

/// Opens the program inside the view. Links in the view are the plan's own and are followed; the view is
/// read-only, so what is opened here is what the plan named.
pub(super) fn open_program(command: &Command) -> Result<OwnedFd, Fault> {
    let path = command.executable.as_str();
    let how =
        OpenHow::new().flags(OFlag::O_PATH | OFlag::O_CLOEXEC).resolve(ResolveFlag::RESOLVE_NO_MAGICLINKS);
    let program = openat2(nix::fcntl::AT_FDCWD, path, how).during("open", path)?;
    let mode = fstat(&program).during("stat", path)?.st_mode;
    if SFlag::from_bits_truncate(mode) & SFlag::S_IFMT != SFlag::S_IFREG {
        return Err(Fault::new("execute (not a regular file)", path, Errno::EACCES));
    }
    Ok(program)
}

/// Executes it. Returns only if the kernel refused.
pub(super) fn execute(program: BorrowedFd<'_>, command: &Command) -> Fault {
    let arguments: Vec<CString> = command.arguments.iter().map(|argument| argument.to_c_string()).collect();
    let environment: Vec<CString> = command
        .environment
        .iter()
        .filter_map(|variable| CString::new(format!("{}={}", variable.name, variable.value)).ok())
        .collect();
    let errno = sys::exec_descriptor(program, &arguments, &environment);
    Fault::new("execveat", command.executable.as_str(), errno)
}
