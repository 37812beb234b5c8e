//! One stopped thread: its registers, its memory, and what `/proc` says of it.

use std::fs::{File, read_link};
use std::os::unix::ffi::OsStringExt as _;
use std::os::unix::fs::FileExt as _;

use nix::libc::{AT_FDCWD, CLONE_UNTRACED, PTRACE_SYSCALL_INFO_ENTRY, user_regs_struct};
use nix::sys::ptrace;
use nix::unistd::Pid;
use stockade_plan::TOLD_PATH_MAX;

/// A thread that has stopped on its way into or out of a system call.
pub(crate) struct Stopped {
    pub(crate) entering: bool,
    registers: user_regs_struct,
}

impl Stopped {
    pub(crate) fn read(pid: Pid) -> nix::Result<Self> {
        let info = ptrace::syscall_info(pid)?;
        Ok(Self { entering: info.op == PTRACE_SYSCALL_INFO_ENTRY, registers: ptrace::getregs(pid)? })
    }

    pub(crate) fn number(&self) -> i64 {
        self.registers.orig_rax.cast_signed()
    }

    /// syscall(2), x86-64.
    pub(crate) fn arguments(&self) -> [u64; 6] {
        let r = &self.registers;
        [r.rdi, r.rsi, r.rdx, r.r10, r.r8, r.r9]
    }

    pub(crate) fn result(&self) -> i64 {
        self.registers.rax.cast_signed()
    }

    /// Takes `CLONE_UNTRACED` out of the flags with which the thread is about to call clone(2): whether it was there.
    pub(crate) fn trace_clone(&self, pid: Pid) -> bool {
        let untraced = u64::from(CLONE_UNTRACED.cast_unsigned());
        let mut registers = self.registers;
        registers.rdi &= !untraced;
        registers.rdi != self.registers.rdi && ptrace::setregs(pid, registers).is_ok()
    }
}

/// Up to `length` bytes of a thread's memory; fewer where it ends.
pub(crate) fn memory(pid: Pid, address: u64, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    let read = File::open(format!("/proc/{pid}/mem")).and_then(|file| file.read_at(&mut bytes, address));
    bytes.truncate(read.unwrap_or(0));
    bytes
}

/// A string in its memory, without the NUL at its end; `None` if there is no end where a path must have one.
pub(crate) fn string(pid: Pid, address: u64) -> Option<Vec<u8>> {
    let mut bytes = memory(pid, address, TOLD_PATH_MAX);
    let end = bytes.iter().position(|byte| *byte == 0)?;
    bytes.truncate(end);
    Some(bytes)
}

/// What a link under `/proc/PID` says, if that is a path.
pub(crate) fn link(pid: Pid, name: &str) -> Option<Vec<u8>> {
    let target = read_link(format!("/proc/{pid}/{name}")).ok()?.into_os_string().into_vec();
    target.starts_with(b"/").then_some(target)
}

/// What an open descriptor is.
pub(crate) fn descriptor(pid: Pid, number: u64) -> Option<Vec<u8>> {
    link(pid, &format!("fd/{number}"))
}

/// A path made absolute: a relative one starts at the open directory, or at the working directory.
pub(crate) fn absolute(pid: Pid, directory: Option<u64>, path: Vec<u8>) -> Option<Vec<u8>> {
    if path.starts_with(b"/") {
        return Some(path);
    }
    // The kernel takes 32 bits of a descriptor.
    let working = u64::from(AT_FDCWD.cast_unsigned());
    let from = match directory.map(|number| number & 0xffff_ffff) {
        Some(number) if number != working => descriptor(pid, number)?,
        _ => link(pid, "cwd")?,
    };
    if path.is_empty() {
        return Some(from);
    }
    let slash: &[u8] = if from.ends_with(b"/") { b"" } else { b"/" };
    Some([&from, slash, &path].concat())
}
