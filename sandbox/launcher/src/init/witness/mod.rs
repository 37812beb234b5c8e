//! Hearing of system calls: those that the job's filter refuses, answered here, and a few that go ahead and name what
//! another layer will refuse.
//!
//! What is heard is evidence and enforces nothing. A call that the filter refuses is answered with the error number that
//! the plan states, whatever is found out about it. A call that goes ahead is looked at *before* it does, in memory that
//! other threads of the job can change in between: a job can so make its own evidence wrong, and nothing more, because
//! what it may reach is decided by the view, Landlock and the network namespace.
//!
//! Init lives in the job's control groups: a flood of refused calls is paid for by the job.

mod memory;
mod program;
mod search;
mod table;

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use nix::libc;
use nix::unistd::Pid;
use stockade_plan::{
    Asked, Confinement, Named, Network, PathBytes, Refused, Report, TOLD_PATH_MAX, Watched,
    arguments_that_matter,
};

use self::memory::Address;
use self::program::Programs;
use self::search::{Execution, Searches};
use self::table::Table;
use super::network;
use crate::frames;
use crate::sys::{self, Question};

/// errno(3).
const EPERM: u16 = 1;

/// What hears, and what it has heard.
#[derive(Debug)]
pub(super) struct Witness {
    /// `None` where the filter asks nothing.
    listener: Option<OwnedFd>,
    /// Whether nobody can ask any more. The listener stays open: the kernel has things to free with the last of a filter, and the
    /// job's end is waited for.
    is_over: bool,
    watched: Vec<Watched>,
    programs: Programs,
    network: Network,
    searches: Searches,
    table: Table,
}

/// What a call is found to be.
enum Seen {
    Nothing,
    Refusal(Refused),
    Execution(Execution),
}

impl Witness {
    pub(super) fn new(listener: Option<OwnedFd>, confinement: &Confinement) -> Self {
        Self {
            listener,
            is_over: false,
            watched: confinement.filter.watched.clone().into_vec(),
            programs: Programs::of(&confinement.landlock),
            network: confinement.network.clone(),
            searches: Searches::default(),
            table: Table::default(),
        }
    }

    /// Where questions come.
    pub(super) fn listener(&self) -> Option<BorrowedFd<'_>> {
        self.listener.as_ref().filter(|_| !self.is_over).map(AsFd::as_fd)
    }

    /// Nobody asks any more.
    pub(super) fn is_over(&mut self) {
        self.is_over = true;
    }

    /// Takes the question that waits, tells what is refused by it, then answers it: what a job has seen refused has been
    /// told before, but for a program that it may be about to find elsewhere.
    pub(super) fn hear(&mut self, status: BorrowedFd<'_>) -> nix::Result<()> {
        let Some(listener) = &self.listener else { return Ok(()) };
        let Some(question) = sys::next_question(listener.as_fd())? else { return Ok(()) };
        let asked =
            self.watched.iter().find(|watched| watched.call == question.call).map(|watched| watched.asked);
        let seen = match asked {
            Some(Asked::Refused(_)) => Seen::Refusal(refused_call(&question)),
            _ => self.look(&question),
        };
        // If it does not wait any more another process may have its number, and what was read be that one's.
        if !sys::still_asked(listener.as_fd(), question.id) {
            return Ok(());
        }
        let errno = match asked {
            Some(Asked::Refused(errno)) => Some(errno),
            Some(Asked::GoesAhead) => None,
            // A filter of a plan asks about nothing else. If one did, refusing is the answer that cannot be wrong.
            None => Some(EPERM),
        };
        let refused = match seen {
            Seen::Execution(execution) => self.searches.heard(execution),
            Seen::Refusal(refused) => self.searches.heard_another().into_iter().chain([refused]).collect(),
            Seen::Nothing => self.searches.heard_another(),
        };
        tell(&mut self.table, refused, status)?;
        sys::answer(listener.as_fd(), question.id, errno)
    }

    /// Whether there is something to be told of if nothing is heard for a while.
    pub(super) fn holds_back(&self) -> bool {
        self.searches.are_open()
    }

    /// Tells it.
    pub(super) fn tell_what_is_held_back(&mut self, status: BorrowedFd<'_>) -> nix::Result<()> {
        tell(&mut self.table, self.searches.give_up(), status)
    }

    /// What is still to be told at the end.
    pub(super) fn rest(&mut self) -> impl Iterator<Item = Report> {
        let held_back = self.searches.give_up();
        let mut rest: Vec<_> =
            held_back.into_iter().filter_map(|refused| self.table.count(refused)).collect();
        rest.extend(self.table.untold());
        rest.into_iter().map(Report::Refused)
    }

    /// What another layer will refuse of a call that goes ahead.
    fn look(&self, question: &Question) -> Seen {
        let [first, second, third, _, fifth, sixth] = question.arguments;
        let refused = match i64::from(question.call) {
            libc::SYS_execve => return self.look_at_program(question, None, first),
            libc::SYS_execveat => return self.look_at_program(question, descriptor(first), second),
            libc::SYS_connect => self.look_at_address(question, second, third),
            libc::SYS_sendto => self.look_at_address(question, fifth, sixth),
            libc::SYS_sendmsg => self.look_at_messages(question, second, 1),
            libc::SYS_sendmmsg => self.look_at_messages(question, second, u64::from(lower_half(third))),
            _ => None,
        };
        refused.map_or(Seen::Nothing, Seen::Refusal)
    }

    fn look_at_program(&self, question: &Question, from: Option<i32>, address: u64) -> Seen {
        let process = Pid::from_raw(question.pid);
        let Some(path) = memory::path(process, address) else {
            return Seen::Refusal(Refused::Unread { call: question.call });
        };
        let refused = self.programs.refusal(&program::Asked { process, from, path: &path });
        let name = path.rsplit(|byte| *byte == b'/').next().unwrap_or_default().to_vec();
        Seen::Execution(Execution { process: question.pid, name, refused: refused.and_then(told) })
    }

    /// The first message that cannot be sent ends the call, sendmmsg(2).
    fn look_at_messages(&self, question: &Question, first: u64, count: u64) -> Option<Refused> {
        memory::destinations(Pid::from_raw(question.pid), first, count).find_map(|destination| {
            match destination {
                Some((_, 0) | (0, _)) => None,
                Some((address, len)) => self.look_at_address(question, address, len),
                None => Some(Refused::Unread { call: question.call }),
            }
        })
    }

    fn look_at_address(&self, question: &Question, address: u64, len: u64) -> Option<Refused> {
        match memory::address(Pid::from_raw(question.pid), address, len) {
            Some(Address::Internet(address)) if network::reaches(&self.network, address) => None,
            Some(Address::Internet(address)) => Some(Refused::Connect { address: Named::Known(address) }),
            Some(Address::Other) => None,
            None => Some(Refused::Unread { call: question.call }),
        }
    }
}

/// Counts, and tells what is to be told of it.
fn tell(
    table: &mut Table,
    refused: impl IntoIterator<Item = Refused>,
    status: BorrowedFd<'_>,
) -> nix::Result<()> {
    let refusals = refused.into_iter().filter_map(|refused| table.count(refused));
    refusals.map(Report::Refused).try_for_each(|report| frames::send(status, &report))
}

/// As it is told: its path cut to what a report may hold.
fn told(refused: program::Refused) -> Option<Refused> {
    let program::Refused { mut path, by } = refused;
    path.truncate(TOLD_PATH_MAX);
    Some(Refused::Execute { program: Named::Known(PathBytes::try_from(path).ok()?), by })
}

fn refused_call(question: &Question) -> Refused {
    let mut arguments = arguments_that_matter(question.call);
    for (matters, argument) in arguments.iter_mut().zip(question.arguments) {
        *matters &= lower_half(argument);
    }
    Refused::Call { call: question.call, arguments: Named::Known(arguments) }
}

/// What a filter of ours looks at, and what the kernel takes most arguments to be.
fn lower_half(argument: u64) -> u32 {
    u32::try_from(argument & u64::from(u32::MAX)).unwrap_or_default()
}

/// The descriptor that a path is relative to; `AT_FDCWD` is the working directory.
fn descriptor(argument: u64) -> Option<i32> {
    let number = lower_half(argument).cast_signed();
    Some(number).filter(|number| *number != libc::AT_FDCWD)
}
