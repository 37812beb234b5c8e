//! The program that is watched, from this program's second life to its first instruction.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, ExitCode, Stdio};

use nix::errno::Errno;
use nix::libc::SYS_ptrace;
use nix::sys::ptrace;
use seccompiler::{BpfProgram, SeccompAction, SeccompFilter, TargetArch, apply_filter};

/// Watch a program.
pub(crate) const RECORD: &str = "record";
/// Become the program that is watched.
pub(crate) const BECOME: &str = "become";

/// Starts this program again, to become `command`. Its error output comes through a pipe.
#[expect(clippy::disallowed_methods, reason = "the program is executed as it was given, through no shell")]
pub(crate) fn start(own: &OsStr, command: &[OsString]) -> io::Result<Child> {
    Command::new(own).arg(BECOME).args(command).stderr(Stdio::piped()).spawn()
}

/// Becomes the program. Returns only if that failed, with the error number as the status: the watcher sees an end before
/// any execution and knows.
pub(crate) fn become_program(command: &[OsString]) -> ExitCode {
    let error = try_become(command).raw_os_error().unwrap_or(Errno::EIO as i32);
    ExitCode::from(u8::try_from(error).unwrap_or(u8::MAX))
}

#[expect(clippy::disallowed_methods, reason = "the program is executed as it was given, through no shell")]
fn try_become(command: &[OsString]) -> io::Error {
    let Some((program, arguments)) = command.split_first() else { return Errno::EINVAL.into() };
    if let Err(errno) = ptrace::traceme() {
        return errno.into();
    }
    match without_ptrace() {
        Ok(filter) if apply_filter(&filter).is_ok() => Command::new(program).args(arguments).exec(),
        _ => Errno::EPERM.into(),
    }
}

/// What is watched does not watch: with this filter above the sandbox's own, it has exactly the `compiler` profile.
fn without_ptrace() -> Result<BpfProgram, seccompiler::BackendError> {
    let refused = SeccompAction::Errno(Errno::EPERM as u32);
    SeccompFilter::new([(SYS_ptrace, Vec::new())].into(), SeccompAction::Allow, refused, TargetArch::x86_64)?
        .try_into()
}
