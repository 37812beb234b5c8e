//! A mark in the kernel's audit: what comes before it is all that was caused before it was asked for.
//!
//! The kernel queues records in the order in which they were caused, audit_log_end() of kernel/audit.c, and hands them on in
//! that order. So when no process of a job is left, one more record is provoked; when that has been heard, so has everything
//! that the job caused. Mostly the sandbox's init does so ([`super::promise`]). Here it is done for those whose init was killed with
//! them, or whose init's mark was lost or not asked for. It is a refusal by Landlock, like those that are waited for, of a thread
//! of this program's that does nothing else, in a domain of its own. A job has no part in it: it cannot keep the mark from coming
//! but by a flood that the kernel cuts, and cannot pass its own refusals off as the mark, because it would have to guess it.

use std::collections::VecDeque;
use std::hash::{BuildHasher, RandomState};
use std::net::{Ipv4Addr, SocketAddrV4};
use std::os::fd::OwnedFd;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use landlock::{AccessNet, CompatLevel, Compatible, Ruleset, RulesetAttr, RulesetError};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType, connect, socket_with};

use super::promise::Budget;
use super::record::AuditEvent;

/// How long every mark is put off of which there are too many: whoever asks in the meantime has the same.
const PUT_OFF: Duration = Duration::from_millis(2);
/// A first mark that has not come by then will not.
const FIRST_TIME: Duration = Duration::from_secs(1);
/// Marks that are kept in mind. The kernel may lose some.
const ON_THEIR_WAY: usize = 256;
/// What a thread needs that makes one call.
const STACK: usize = 64 * 1024;

/// The marks are made for as long as this lives.
#[derive(Debug)]
pub(super) struct Fence {
    asked: Mutex<Asked>,
    marks: Arc<Mutex<Marks>>,
    began: Instant,
}

#[derive(Debug)]
struct Asked {
    last: Mark,
    maker: Sender<Mark>,
}

/// Marks in the order in which they were asked for; a later one stands for all before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Mark(u64);

/// It is made to see whether it comes.
const FIRST: Mark = Mark(0);

#[derive(Debug, Default)]
struct Marks {
    /// By what the kernel will say was refused.
    on_their_way: VecDeque<(String, Mark)>,
    heard: Option<Mark>,
    /// Why none is made.
    failed: Option<String>,
}

/// There is no fence.
#[derive(Debug, thiserror::Error)]
enum FenceError {
    #[error("no socket for it: {0}")]
    Socket(Errno),
    #[error("no Landlock domain for it: {0}")]
    Landlock(#[from] RulesetError),
    #[error("its domain does not refuse what it should")]
    NotRefused,
}

impl Fence {
    /// Starts it, and has a first mark made, which nobody waits for here. Needs ABI 4 of Landlock, which knows of connections.
    pub(super) fn start(budget: Arc<Budget>) -> Self {
        let (maker, asked) = channel();
        let marks = Arc::new(Mutex::new(Marks::default()));
        let kept = Arc::clone(&marks);
        let run = move || match Maker::new(Arc::clone(&kept)) {
            Ok(maker) => maker.make_all(&asked, &budget),
            Err(error) => lock(&kept).failed = Some(error.to_string()),
        };
        let builder = std::thread::Builder::new().name("audit-fence".to_owned()).stack_size(STACK);
        if let Err(error) = builder.spawn(run) {
            lock(&marks).failed = Some(format!("no thread for it: {error}"));
        }
        Self { asked: Mutex::new(Asked { last: FIRST, maker }), marks, began: Instant::now() }
    }

    /// Has a mark made behind all that was caused until now.
    pub(super) fn ask(&self) -> Mark {
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        asked.last = Mark(asked.last.0 + 1);
        // A thread that is gone makes no mark, and what does not come is said to be missing.
        let _sent = asked.maker.send(asked.last);
        asked.last
    }

    /// Whether the mark was heard.
    pub(super) fn has_passed(&self, mark: Mark) -> bool {
        lock(&self.marks).heard >= Some(mark)
    }

    /// Whether any was heard: the audit tells of Landlock.
    pub(super) fn works(&self) -> bool {
        lock(&self.marks).heard.is_some()
    }

    /// As if its first mark had been heard.
    #[cfg(test)]
    pub(super) fn hear_first(&self) {
        lock(&self.marks).heard = Some(FIRST);
    }

    /// Why no mark will come, if that is known.
    pub(super) fn fault(&self) -> Option<String> {
        let marks = lock(&self.marks);
        let in_vain = || "its first mark did not come: the audit does not tell what it is told".to_owned();
        match marks.heard {
            Some(_) => None,
            None => marks.failed.clone().or_else(|| (self.began.elapsed() > FIRST_TIME).then(in_vain)),
        }
    }

    /// Takes note of it if this is one of the marks.
    pub(super) fn takes(&self, event: &AuditEvent) -> bool {
        match event {
            AuditEvent::Refused { what: "connect", target, .. } => lock(&self.marks).take(target),
            _ => false,
        }
    }
}

fn lock(marks: &Mutex<Marks>) -> MutexGuard<'_, Marks> {
    marks.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Marks {
    fn send_out(&mut self, target: String, mark: Mark) {
        if self.on_their_way.len() >= ON_THEIR_WAY {
            self.on_their_way.pop_front();
        }
        self.on_their_way.push_back((target, mark));
    }

    fn take(&mut self, target: &str) -> bool {
        let Some(place) = self.on_their_way.iter().position(|(expected, _)| expected == target) else {
            return false;
        };
        if let Some((_, mark)) = self.on_their_way.drain(..=place).next_back() {
            self.heard = Some(mark);
        }
        true
    }
}

/// Makes the marks, in a thread of its own: the domain is that of the thread.
struct Maker {
    marks: Arc<Mutex<Marks>>,
    socket: OwnedFd,
    /// Keyed with what nobody else knows.
    secret: RandomState,
}

impl Maker {
    fn new(marks: Arc<Mutex<Marks>>) -> Result<Self, FenceError> {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let socket = socket_with(AddressFamily::INET, SocketType::STREAM, flags, None);
        let maker = Self { marks, socket: socket.map_err(FenceError::Socket)?, secret: RandomState::new() };
        let ruleset = Ruleset::default().set_compatibility(CompatLevel::HardRequirement);
        ruleset.handle_access(AccessNet::ConnectTcp)?.create()?.restrict_self()?;
        match maker.make(FIRST) {
            Err(Errno::ACCESS) => Ok(maker),
            _ => Err(FenceError::NotRefused),
        }
    }

    /// Makes what is asked for until nobody can ask any more.
    fn make_all(self, asked: &Receiver<Mark>, budget: &Budget) {
        while let Ok(mark) = asked.recv() {
            if !budget.has_one_more() {
                std::thread::sleep(PUT_OFF);
            }
            let mark = asked.try_iter().last().unwrap_or(mark);
            // It is refused, or the mark does not come, which is noticed.
            let _refused = self.make(mark);
        }
    }

    /// A connection to where nobody else would try to go. Landlock is asked before the network is, connect(2).
    fn make(&self, mark: Mark) -> Result<(), Errno> {
        let [a, b, c, d, e, ..] = self.secret.hash_one(mark.0).to_ne_bytes();
        // Neither part is left out of the record, as zeros are: dump_common_audit_data() of security/lsm_audit.c.
        let address = SocketAddrV4::new(Ipv4Addr::new(127, a, b, c), u16::from_ne_bytes([d, e]).max(1));
        lock(&self.marks).send_out(address.to_string(), mark);
        connect(&self.socket, &address)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(what: &'static str, target: &str) -> AuditEvent {
        AuditEvent::Refused { domain: 1, what, target: target.to_owned() }
    }

    fn fence() -> (Fence, Receiver<Mark>) {
        let (maker, asked) = channel();
        let marks = Arc::new(Mutex::new(Marks::default()));
        (Fence { asked: Mutex::new(Asked { last: FIRST, maker }), marks, began: Instant::now() }, asked)
    }

    #[test]
    fn a_mark_stands_for_all_before_it_and_none_behind_it() {
        let (fence, _asked) = fence();
        let marks = [fence.ask(), fence.ask(), fence.ask()];
        for (target, mark) in ["127.0.0.1:1", "127.0.0.2:2", "127.0.0.3:3"].iter().zip(marks) {
            lock(&fence.marks).send_out((*target).to_owned(), mark);
        }
        assert!(fence.takes(&refused("connect", "127.0.0.2:2")));
        assert_eq!(marks.map(|mark| fence.has_passed(mark)), [true, true, false]);
        assert!(!fence.takes(&refused("connect", "127.0.0.1:1")), "a mark comes once");
    }

    #[test]
    fn a_refusal_that_is_not_the_one_that_is_waited_for_is_no_mark() {
        let (fence, _asked) = fence();
        let mark = fence.ask();
        lock(&fence.marks).send_out("127.0.0.1:1".to_owned(), mark);
        assert!(!fence.takes(&refused("connect", "127.0.0.1:2")));
        assert!(!fence.takes(&refused("bind", "127.0.0.1:1")));
        assert!(!fence.has_passed(mark));
    }

    #[test]
    fn whatever_the_kernel_loses_what_is_waited_for_is_bounded() {
        let mut marks = Marks::default();
        (0..1000).for_each(|number| marks.send_out(number.to_string(), Mark(number)));
        assert_eq!(marks.on_their_way.len(), ON_THEIR_WAY);
        assert!(marks.take("999"));
    }
}
