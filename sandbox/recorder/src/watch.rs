//! The watcher's loop: every stop of every thread, to the end of the program's first process.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::process::ExitCode;
use std::thread;

use nix::errno::Errno;
use nix::libc;
use nix::sys::prctl;
use nix::sys::ptrace::{self, Event, Options};
use nix::sys::signal::Signal;
use nix::unistd::Pid;
use rustix::fs::statvfs;
use rustix::process::{WaitStatus, wait};
use stockade_plan::{Deed, Ended, Fact, How, Recorded, Told, WORK_DIR, arguments_that_matter};

use crate::book::{Book, bounded};
use crate::calls::{self, PathAt, Subject};
use crate::channel::Channel;
use crate::leave::{WALL, end_all, tell_files};
use crate::program;
use crate::tracee::{self, Stopped};

/// Numbers from here on are the kernel's own: the call will be made again; linux/errno.h.
const RESTART: i64 = 512;
/// The highest error number; linux/err.h.
const ERRNO_MAX: i64 = 4095;
/// What a stop at a system call adds to SIGTRAP; ptrace(2), `PTRACE_O_TRACESYSGOOD`.
const AT_CALL: i32 = libc::SIGTRAP | 0x80;

/// Watches `command` from its first instruction to its end and tells of it.
pub(crate) fn record(own: &OsStr, command: &[OsString]) -> ExitCode {
    let channel = Channel::default();
    match try_record(own, command, &channel) {
        Ok(()) => ExitCode::SUCCESS,
        Err(errno) => {
            channel.send(&Told::NotStarted(errno as i32));
            ExitCode::FAILURE
        }
    }
}

fn try_record(own: &OsStr, command: &[OsString], channel: &Channel) -> Result<(), Errno> {
    // What is watched has the same id. Without this it could write into the watcher's memory, or take its way out
    // from /proc/PID/fd; ptrace(2), "Ptrace access mode checking".
    prctl::set_dumpable(false)?;
    let mut child = program::start(own, command)
        .map_err(|error| Errno::from_raw(error.raw_os_error().unwrap_or(libc::EIO)))?;
    let pid = Pid::from_raw(i32::try_from(child.id()).map_err(|_| Errno::ESRCH)?);
    let printed = child.stderr.take();
    let relay = channel.clone();
    let relay = thread::spawn(move || printed.map(|printed| relay.relay(printed)));
    let mut watch = Watch::new(pid, Book::new(channel.clone()));
    let ended = watch.first_stop(command).and_then(|()| watch.until_the_end());
    watch.measure();
    end_all();
    // It ends when the last writer has gone, and none is left.
    let _relayed = relay.join();
    let recorded = Recorded { ended: ended?, untold: watch.book.untold, ..watch.recorded };
    tell_files(channel, Path::new(WORK_DIR));
    watch.book.close();
    channel.send(&Told::Ended(recorded));
    Ok(())
}

/// A thread, as far as it is known.
#[derive(Debug, Default)]
struct Thread {
    program: u16,
    /// The call that it is in.
    inside: Option<Inside>,
}

/// A call that has begun.
#[derive(Debug)]
struct Inside {
    number: i64,
    arguments: [u64; 6],
    /// What it names, as it was when it began: until its end other threads can change the memory that says so.
    named: Option<Deed>,
}

struct Watch {
    first: Pid,
    threads: HashMap<i32, Thread>,
    book: Book,
    recorded: Recorded,
}

impl Watch {
    fn new(first: Pid, book: Book) -> Self {
        let recorded = Recorded {
            ended: Ended::Exited(0),
            disk_bytes: 0,
            files: 0,
            descriptor: 2,
            untold: 0,
            shy: 0,
            lost_signals: 0,
        };
        Self { first, threads: HashMap::new(), book, recorded }
    }

    /// The program stops by itself when it has been executed and before its first instruction: ptrace(2), `PTRACE_TRACEME`.
    fn first_stop(&mut self, command: &[OsString]) -> Result<(), Errno> {
        loop {
            let (pid, status) = next()?;
            if pid != self.first {
                continue;
            }
            match status.exit_status() {
                Some(errno) => return Err(Errno::from_raw(errno)),
                None if status.stopped() => break,
                None => return Err(Errno::ECHILD),
            }
        }
        let options = Options::PTRACE_O_TRACESYSGOOD
            | Options::PTRACE_O_TRACEFORK
            | Options::PTRACE_O_TRACEVFORK
            | Options::PTRACE_O_TRACECLONE
            | Options::PTRACE_O_TRACEEXEC
            | Options::PTRACE_O_EXITKILL;
        ptrace::setoptions(self.first, options)?;
        let named = command.first().map(|program| program.as_bytes()).unwrap_or_default();
        let program = self.executable(self.first);
        self.threads.insert(self.first.as_raw(), Thread { program, inside: None });
        let deed = Deed::Named {
            how: How::Execute,
            named: bounded(named),
            real: tracee::link(self.first, "exe").map(|real| bounded(&real)),
        };
        self.book.note(Fact { program, call: number(libc::SYS_execve), deed, errno: 0 });
        go_on(self.first, None);
        Ok(())
    }

    fn until_the_end(&mut self) -> Result<Ended, Errno> {
        loop {
            let (pid, status) = next()?;
            if status.stopped() {
                self.stopped(pid, status);
                continue;
            }
            self.threads.remove(&pid.as_raw());
            if pid == self.first {
                let ended = status.exit_status().map(Ended::Exited);
                return ended
                    .or_else(|| status.terminating_signal().map(Ended::Signaled))
                    .ok_or(Errno::ECHILD);
            }
        }
    }

    fn stopped(&mut self, pid: Pid, status: WaitStatus) {
        let signal = status.stopping_signal().unwrap_or(0);
        let event = status.as_raw() >> 16;
        let mut deliver = None;
        if signal == AT_CALL {
            self.at_call(pid);
        } else if event == Event::PTRACE_EVENT_EXEC as i32 {
            self.executed(pid);
        } else if event == 0 {
            deliver = self.signalled(pid, signal);
        }
        go_on(pid, deliver);
    }

    /// The first stop of a new thread is our own SIGSTOP; any other signal is the program's.
    fn signalled(&mut self, pid: Pid, signal: i32) -> Option<Signal> {
        if !self.threads.contains_key(&pid.as_raw()) {
            self.thread(pid);
            if signal == libc::SIGSTOP {
                return None;
            }
        }
        let deliver = Signal::try_from(signal).ok();
        if deliver.is_none() {
            self.recorded.lost_signals = self.recorded.lost_signals.saturating_add(1);
        }
        deliver
    }

    fn thread(&mut self, pid: Pid) -> &mut Thread {
        if !self.threads.contains_key(&pid.as_raw()) {
            let program = self.executable(pid);
            self.threads.insert(pid.as_raw(), Thread { program, inside: None });
        }
        self.threads.entry(pid.as_raw()).or_default()
    }

    fn executable(&mut self, pid: Pid) -> u16 {
        let path = tracee::link(pid, "exe").unwrap_or_default();
        self.book.program(&path)
    }

    fn at_call(&mut self, pid: Pid) {
        let Ok(stopped) = Stopped::read(pid) else { return };
        if stopped.entering {
            let inside = self.enter(pid, &stopped);
            self.thread(pid).inside = Some(inside);
        } else {
            let thread = self.thread(pid);
            let program = thread.program;
            if let Some(inside) = thread.inside.take() {
                self.leave(pid, program, inside, stopped.result());
            }
        }
    }

    fn enter(&mut self, pid: Pid, stopped: &Stopped) -> Inside {
        let (number, arguments) = (stopped.number(), stopped.arguments());
        if calls::shrinks(number) {
            self.measure();
        }
        let subject = calls::subject(number);
        if subject == Some(Subject::Clone) && stopped.trace_clone(pid) {
            self.recorded.shy = self.recorded.shy.saturating_add(1);
        }
        let named = subject.and_then(|subject| named(pid, subject, &arguments));
        Inside { number, arguments, named }
    }

    /// A call is over; one that executed a program has been noted then.
    fn leave(&mut self, pid: Pid, program: u16, inside: Inside, result: i64) {
        let errno = if (-ERRNO_MAX..0).contains(&result) { -result } else { 0 };
        if errno >= RESTART {
            return;
        }
        let (call, errno) = (number(inside.number), u16::try_from(errno).unwrap_or(0));
        let masks = arguments_that_matter(call);
        let mut matter = inside.arguments.map(low);
        matter.iter_mut().zip(masks).for_each(|(argument, mask)| *argument &= mask);
        self.book.note(Fact { program, call, deed: Deed::Called(matter), errno });
        if errno == 0 && calls::opens(inside.number) {
            let descriptor = u32::try_from(result).unwrap_or(0);
            self.recorded.descriptor = self.recorded.descriptor.max(descriptor);
        }
        let Some(mut deed) = inside.named else { return };
        if let Deed::Named { how: How::Read | How::Write, real, .. } = &mut deed
            && errno == 0
            && calls::opens(inside.number)
        {
            let opened = tracee::descriptor(pid, result.cast_unsigned());
            *real = opened.map(|real| bounded(&real));
        }
        self.book.note(Fact { program, call, deed, errno });
    }

    /// A thread has executed a program, and is the first of its process now, whichever it was.
    fn executed(&mut self, pid: Pid) {
        let former = ptrace::getevent(pid).ok().and_then(|former| i32::try_from(former).ok());
        let former = former.unwrap_or(pid.as_raw());
        let thread = self.threads.remove(&former).unwrap_or_default();
        let program = self.executable(pid);
        self.threads.insert(pid.as_raw(), Thread { program, inside: None });
        let real = tracee::link(pid, "exe").map(|real| bounded(&real));
        if let Some(Inside { number: call, named: Some(Deed::Named { how, named, .. }), .. }) = thread.inside
        {
            let deed = Deed::Named { how, named, real };
            self.book.note(Fact { program: thread.program, call: number(call), deed, errno: 0 });
            let called = Deed::Called([0; 6]);
            self.book.note(Fact { program: thread.program, call: number(call), deed: called, errno: 0 });
        }
    }

    /// What the work directories hold now. They are one file system.
    fn measure(&mut self) {
        let Ok(found) = statvfs(WORK_DIR) else { return };
        let bytes = found.f_blocks.saturating_sub(found.f_bfree).saturating_mul(found.f_frsize);
        self.recorded.disk_bytes = self.recorded.disk_bytes.max(bytes);
        self.recorded.files = self.recorded.files.max(found.f_files.saturating_sub(found.f_ffree));
    }
}

/// The next child that has something to say.
fn next() -> Result<(Pid, WaitStatus), Errno> {
    loop {
        match wait(WALL) {
            Ok(Some((pid, status))) => return Ok((Pid::from_raw(pid.as_raw_nonzero().get()), status)),
            Ok(None) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(Errno::from_raw(error.raw_os_error())),
        }
    }
}

/// Lets a thread run to its next call. One that was killed meanwhile needs no letting.
fn go_on(pid: Pid, deliver: Option<Signal>) {
    let _killed = ptrace::syscall(pid, deliver);
}

fn named(pid: Pid, subject: Subject, arguments: &[u64; 6]) -> Option<Deed> {
    let argument = |index: usize| arguments.get(index).copied().unwrap_or(0);
    match subject {
        Subject::Path(at) | Subject::Execute(at) => path(pid, at, at.how, arguments),
        Subject::Open { at, flags } => path(pid, at, calls::opened_for(argument(flags)), arguments),
        Subject::OpenHow { at, how } => {
            let flags = tracee::memory(pid, argument(how), 8);
            let flags = flags.first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes));
            path(pid, at, calls::opened_for(flags), arguments)
        }
        Subject::Map => {
            let anonymous = u64::from(libc::MAP_ANONYMOUS.cast_unsigned());
            let executable = u64::from(libc::PROT_EXEC.cast_unsigned());
            if argument(2) & executable == 0 || argument(3) & anonymous != 0 {
                return None;
            }
            let file = bounded(&tracee::descriptor(pid, argument(4) & 0xffff_ffff)?);
            Some(Deed::Named { how: How::Map, named: file.clone(), real: Some(file) })
        }
        Subject::Address(pointer, length) => {
            let length = usize::try_from(argument(length)).unwrap_or(0).min(128);
            let address = tracee::memory(pid, argument(pointer), length);
            (argument(pointer) != 0 && !address.is_empty())
                .then(|| address.try_into().ok().map(Deed::Address))
                .flatten()
        }
        Subject::Clone => None,
    }
}

fn path(pid: Pid, at: PathAt, how: How, arguments: &[u64; 6]) -> Option<Deed> {
    let argument = |index: usize| arguments.get(index).copied();
    let text = tracee::string(pid, argument(at.path)?)?;
    // By descriptor alone, as fstat(2) asks: what that is was said when it was opened.
    if text.is_empty() && at.how == How::Look {
        return None;
    }
    let named = tracee::absolute(pid, at.directory.and_then(argument), text)?;
    Some(Deed::Named { how, named: bounded(&named), real: None })
}

/// The lower half, which is all that a filter's rules look at.
fn low(value: u64) -> u32 {
    u32::try_from(value & 0xffff_ffff).unwrap_or(0)
}

fn number(call: i64) -> u32 {
    u32::try_from(call).unwrap_or(u32::MAX)
}
