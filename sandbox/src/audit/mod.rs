//! What the kernel's audit tells of jobs: paths and rights that Landlock refused, and processes that a filter killed.
//!
//! The feed is opened while this process is root, and read for as long as it lives. Records are matched to jobs by the host id
//! that made the Landlock domain, which no other live job has. They come a moment after the fact, by way of a thread of
//! the kernel's; a mark behind them, which the sandbox's init leaves ([`promise`]) or is made here ([`fence`]), shows that all have
//! come. Where the kernel may have left out some
//! because there were too many, it still counts for each domain how often that refused something, and tells when the domain is gone:
//! what was not told one by one is said to be lost.

mod fence;
mod ledger;
mod netlink;
mod promise;
mod record;
#[cfg(test)]
mod tests;

use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use stockade_plan::Mark as InitMark;
use tokio::io::Interest;
use tokio::net::UnixDatagram;
use tokio::sync::Notify;
use tokio::time::timeout;

use self::fence::{Fence, Mark};
use self::ledger::Ledger;
use self::netlink::Switch;
use self::promise::{Budget, Promise, Promises};
pub use self::record::{AuditEvent, AuditRecord};
use crate::denial::Denial;
use crate::outcome::End;

/// How long the mark behind a job's records is waited for. It comes within a fraction of a millisecond.
const MARK: Duration = Duration::from_millis(500);
/// How long that of an init is waited for, before one is made here. It is on its way before the job's end is told.
const PROMISED_MARK: Duration = Duration::from_millis(10);
/// How long a first word is waited for of a job that has failed, where no mark can be had. Records come as fast.
const FIRST_WORD: Duration = Duration::from_millis(5);
/// How long it is waited for if the job was killed as a filter kills: then there is one to come.
const EXPECTED_WORD: Duration = Duration::from_millis(500);
/// What a filter kills with, seccomp(2).
const SIGSYS: i32 = 31;
/// How long the kernel's own count of what a domain refused is waited for. It comes when the last that belonged to the domain
/// has been cleared away, dozens of milliseconds after the job.
const LAST_WORD: Duration = Duration::from_millis(150);
/// The first ABI of Landlock that the audit tells of, landlock(7).
const AUDITED_ABI: u8 = 7;

/// The feed as it was opened; [`crate::LauncherProcess`] brings it along.
#[derive(Debug)]
pub(crate) struct Opened {
    socket: Result<OwnedFd, String>,
    switch: Switch,
}

impl Opened {
    /// Opens it, and switches the audit on where it is off; as root. A host without one has jobs all the same: what is missing
    /// is said.
    pub(crate) fn now() -> Self {
        let opened = netlink::feed().and_then(|socket| Ok((socket, netlink::switch_on()?)));
        match opened {
            Ok((socket, switch)) => Self { socket: Ok(socket), switch },
            Err(errno) => {
                let missing = format!("no feed of the kernel's audit: {errno}");
                Self { socket: Err(missing), switch: Switch::default() }
            }
        }
    }
}

/// A job that the feed is heard for.
#[derive(Debug)]
pub(crate) struct Hearing {
    uid: u32,
    began: Instant,
    /// Overruns and records before it began.
    overruns: u64,
    records: u64,
    /// Its init leaves a mark behind all that it caused.
    promise: Option<Promise>,
    /// One that is made here, once its processes are gone.
    mark: Option<Mark>,
}

impl Hearing {
    /// What its init is to leave behind the job.
    pub(crate) fn promised(&self) -> Option<InitMark> {
        self.promise.as_ref().map(|promise| promise.mark)
    }

    /// Its init was killed, and leaves nothing.
    pub(crate) fn init_is_gone(&mut self) {
        self.promise = None;
    }
}

/// The feed while it is read.
#[derive(Debug)]
pub(crate) struct Feed {
    /// A netlink socket. tokio has no type for those; its datagram socket is used for readiness only.
    socket: Option<UnixDatagram>,
    /// Whether it tells of Landlock, too.
    whole: bool,
    /// How it is known then that it has told all.
    fence: OnceLock<Fence>,
    promises: Promises,
    budget: Arc<Budget>,
    state: String,
    ledger: Mutex<Ledger>,
    told: Notify,
    /// How often the kernel dropped records because too many waited for this program.
    overruns: AtomicU64,
}

impl Feed {
    /// Takes the feed over; within a runtime. `ids` are the host ids of jobs: the first and how many.
    pub(crate) fn new(opened: Opened, landlock_abi: u8, ids: (u32, u32)) -> std::io::Result<Self> {
        let Opened { socket, switch } = opened;
        let whole = socket.is_ok() && landlock_abi >= AUDITED_ABI;
        let state = match &socket {
            Err(missing) => format!("Landlock and calls that kill by nothing: {missing}"),
            Ok(_) => described(whole, switch),
        };
        let socket = socket.ok().map(|socket| UnixDatagram::from_std(socket.into())).transpose()?;
        Ok(Self {
            socket,
            whole,
            fence: OnceLock::new(),
            promises: Promises::default(),
            budget: Arc::default(),
            state,
            ledger: Mutex::new(Ledger::of(ids, switch.rate_limit)),
            told: Notify::new(),
            overruns: AtomicU64::new(0),
        })
    }

    /// Whether it tells all that it can tell of, and from where it has that, or why not.
    pub(crate) fn state(&self) -> (bool, String) {
        let state = self.state.clone();
        match self.fence().map(Fence::fault) {
            None => (false, state),
            Some(None) => (true, state),
            Some(Some(fault)) => (false, format!("{state}; the last of it may be missing: {fault}")),
        }
    }

    /// Reads for as long as it is driven.
    pub(crate) async fn read(&self) {
        let Some(socket) = &self.socket else { return };
        // Here, where nobody waits for it.
        let _started = self.fence();
        let read = || -> std::io::Result<()> {
            self.read_what_waits();
            Err(std::io::ErrorKind::WouldBlock.into())
        };
        // It goes on for as long as nothing else than "nothing waits" is answered.
        let _never = socket.async_io(Interest::READABLE, read).await;
    }

    /// A job with this host id begins.
    pub(crate) fn begin(&self, uid: u32) -> Hearing {
        let overruns = self.overruns.load(Ordering::Relaxed);
        // Of a mark that an init leaves nothing follows unless the audit tells of Landlock, too.
        let works = self.fence().is_some_and(Fence::works);
        let promise = if works { self.promises.give(&self.budget) } else { None };
        let mut ledger = self.ledger();
        ledger.begin(uid, promise.as_ref().map(|promise| promise.mark));
        let records = ledger.records;
        Hearing { uid, began: Instant::now(), overruns, records, promise, mark: None }
    }

    /// The job's processes are gone: from now on what it caused can be told to its end.
    pub(crate) fn mark(&self, hearing: &mut Hearing) {
        if hearing.promise.is_none() {
            hearing.mark = self.fence().map(Fence::ask);
        }
    }

    /// What is known of a job whose processes are gone: everything, once its mark has been heard. Where records may be missing
    /// all the same the kernel's own count is waited for, and what stays uncertain is said to be so.
    pub(crate) async fn settle(&self, mut hearing: Hearing, end: End) -> Vec<Denial> {
        let uid = hearing.uid;
        if self.socket.is_none() {
            return Vec::new();
        }
        self.read_what_waits();
        if hearing.promise.is_some() && !self.wait(PROMISED_MARK, || self.ledger().is_marked(uid)).await {
            self.promises.broken();
            hearing.promise = None;
            self.mark(&mut hearing);
        }
        let to_the_end = self.hear_to_the_end(&hearing, end).await;
        let cut = self.was_cut(&hearing);
        if cut {
            self.wait(LAST_WORD, || !self.ledger().is_open(uid)).await;
        }
        let mut ledger = self.ledger();
        let counted = ledger.knows(uid) && !ledger.is_open(uid);
        let mut denials = ledger.take(uid, to_the_end == Some(true) && !cut);
        let records = ledger.records - hearing.records;
        drop(ledger);
        let missing = if cut {
            format!("records of the kernel's audit may be missing: it made {records} while the job ran")
        } else {
            format!("the kernel's audit was not heard to the job's end within {} ms", MARK.as_millis())
        };
        if !counted && (cut || to_the_end == Some(false)) {
            let overruns = self.overruns.load(Ordering::Relaxed) - hearing.overruns;
            denials.push(Denial::now("evidence", "incomplete", missing, overruns.max(1)));
        }
        denials
    }

    /// Waits until all has been heard that the job caused, or the time is over; whether it has. Where nothing marks the end
    /// a word is waited for if there is reason to, and it is not known.
    async fn hear_to_the_end(&self, hearing: &Hearing, end: End) -> Option<bool> {
        if hearing.promise.is_some() {
            return Some(true);
        }
        if let (Some(fence), Some(mark)) = (self.fence(), hearing.mark) {
            // One that has said nothing yet is given a moment: it may have begun while others had the kernel cut its records.
            let silent = fence.fault().is_some();
            let at_most = match silent {
                true => FIRST_WORD,
                // Of a mark that the kernel left out, with others, nothing more will be heard.
                false if self.was_cut(hearing) => LAST_WORD,
                false => MARK,
            };
            let passed = self.wait(at_most, || fence.has_passed(mark)).await;
            if passed || !silent {
                return Some(passed);
            }
        }
        let knows = || self.ledger().knows(hearing.uid);
        let at_most = match end {
            End::Exited(0) => return None,
            End::Signaled(SIGSYS) => EXPECTED_WORD,
            _ => FIRST_WORD,
        };
        // What does not come in time is missing, and the enforcement says that it may be.
        let _in_time = self.wait(at_most, knows).await;
        None
    }

    /// Whether the kernel may have left out records while the job ran.
    fn was_cut(&self, hearing: &Hearing) -> bool {
        let overruns = self.overruns.load(Ordering::Relaxed) - hearing.overruns;
        overruns > 0 || self.ledger().may_be_cut_since(hearing.began)
    }

    fn fence(&self) -> Option<&Fence> {
        self.whole.then(|| self.fence.get_or_init(|| Fence::start(Arc::clone(&self.budget))))
    }

    /// Waits until it is so, or the time is over; whether it is so.
    async fn wait(&self, at_most: Duration, is_so: impl Fn() -> bool) -> bool {
        let waited = async {
            loop {
                let told = self.told.notified();
                if is_so() {
                    return;
                }
                told.await;
            }
        };
        timeout(at_most, waited).await.is_ok()
    }

    fn read_what_waits(&self) {
        let Some(socket) = &self.socket else { return };
        let mut buffer = [0; netlink::MESSAGE_MAX];
        // Read under the lock, so that records are entered in their order.
        let mut ledger = self.ledger();
        loop {
            match netlink::next(socket, &mut buffer) {
                Ok(Some((kind, text))) => {
                    ledger.count(Instant::now());
                    let record = AuditRecord::parse(kind, text);
                    let is_mark = |record: &AuditRecord| {
                        self.fence.get().is_some_and(|fence| fence.takes(&record.event))
                    };
                    if let Some(record) = record.filter(|record| !is_mark(record)) {
                        ledger.enter(record);
                    }
                }
                // The kernel had more than fits: what is missing shows in its count of each domain.
                Err(rustix::io::Errno::NOBUFS) => {
                    self.overruns.fetch_add(1, Ordering::Relaxed);
                }
                Ok(None) | Err(_) => break,
            }
        }
        drop(ledger);
        self.told.notify_waiters();
    }

    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the feed tells of, and how the audit was switched.
fn described(whole: bool, switch: Switch) -> String {
    let told = if whole { "Landlock and calls that kill" } else { "calls that kill" };
    let how = if switch.on_for_it {
        format!("switched on for it, at most {} records a second", netlink::RATE_LIMIT)
    } else {
        "as it is set up on this host".to_owned()
    };
    let lacking = if whole {
        String::new()
    } else {
        format!("; Landlock by nothing: the audit does not tell of it before ABI {AUDITED_ABI}")
    };
    format!("{told} by the kernel's audit, {how}{lacking}")
}
