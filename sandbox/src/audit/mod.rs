//! What the kernel's audit tells of jobs: paths and rights that Landlock refused, and processes that a filter killed.
//!
//! The feed is opened while this process is root, and read for as long as it lives. Records are matched to jobs by the host id
//! that made the Landlock domain, which no other live job has. They come a moment after the fact, by way of a thread of
//! the kernel's; when a domain that refused something is gone the kernel tells how often it did, and what was not told
//! one by one is said to be lost.

mod ledger;
mod netlink;
mod record;

use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::io::Interest;
use tokio::net::UnixDatagram;
use tokio::sync::Notify;
use tokio::time::timeout;

use self::ledger::Ledger;
pub use self::record::{AuditEvent, AuditRecord};
use crate::denial::Denial;
use crate::outcome::End;

/// How long a first word is waited for of a job that has failed. Records come within a fraction of a millisecond.
const FIRST_WORD: Duration = Duration::from_millis(5);
/// How long it is waited for if the job was killed as a filter kills: then there is one to come.
const EXPECTED_WORD: Duration = Duration::from_millis(500);
/// What a filter kills with, seccomp(2).
const SIGSYS: i32 = 31;
/// How long the kernel's own count of what a domain refused is waited for. It comes when the last that belonged to the domain
/// has been cleared away, dozens of milliseconds after the job.
const LAST_WORD: Duration = Duration::from_millis(150);
/// From so many records on, during one job, the kernel may have left out some.
const MANY: u64 = 500;
/// The first ABI of Landlock that the audit tells of, landlock(7).
const AUDITED_ABI: u8 = 7;

/// The feed as it was opened; [`crate::LauncherProcess`] brings it along.
#[derive(Debug)]
pub(crate) struct Opened {
    socket: Result<OwnedFd, String>,
    switched_on: bool,
}

impl Opened {
    /// Opens it, and switches the audit on where it is off; as root. A host without one has jobs all the same: what is missing
    /// is said.
    pub(crate) fn now() -> Self {
        let opened = netlink::feed().and_then(|socket| Ok((socket, netlink::switch_on()?)));
        match opened {
            Ok((socket, switched_on)) => Self { socket: Ok(socket), switched_on },
            Err(errno) => {
                Self { socket: Err(format!("no feed of the kernel's audit: {errno}")), switched_on: false }
            }
        }
    }
}

/// A job that the feed is heard for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Hearing {
    uid: u32,
    /// Overruns and records before it began.
    overruns: u64,
    records: u64,
}

/// The feed while it is read.
#[derive(Debug)]
pub(crate) struct Feed {
    /// A netlink socket. tokio has no type for those; its datagram socket is used for readiness only.
    socket: Option<UnixDatagram>,
    /// Whether it tells of Landlock, too.
    whole: bool,
    state: String,
    ledger: Mutex<Ledger>,
    told: Notify,
    /// How often the kernel dropped records because too many waited for this program.
    overruns: AtomicU64,
}

impl Feed {
    /// Takes the feed over; within a runtime. `ids` are the host ids of jobs: the first and how many.
    pub(crate) fn new(opened: Opened, landlock_abi: u8, ids: (u32, u32)) -> std::io::Result<Self> {
        let whole = opened.socket.is_ok() && landlock_abi >= AUDITED_ABI;
        let told = if whole { "Landlock and calls that kill" } else { "calls that kill" };
        let (socket, state) = match opened.socket {
            Err(missing) => (None, format!("Landlock and calls that kill by nothing: {missing}")),
            Ok(socket) => {
                let how = if opened.switched_on {
                    format!("switched on for it, at most {} records a second", netlink::RATE_LIMIT)
                } else {
                    "as it is set up on this host".to_owned()
                };
                let lacking = if whole {
                    String::new()
                } else {
                    format!("; Landlock by nothing: the audit does not tell of it before ABI {AUDITED_ABI}")
                };
                let state = format!("{told} by the kernel's audit, {how}{lacking}");
                (Some(UnixDatagram::from_std(socket.into())?), state)
            }
        };
        Ok(Self {
            socket,
            whole,
            state,
            ledger: Mutex::new(Ledger::of(ids)),
            told: Notify::new(),
            overruns: AtomicU64::new(0),
        })
    }

    /// Whether it tells all that it can tell of, and from where it has that, or why not.
    pub(crate) fn state(&self) -> (bool, &str) {
        (self.whole, &self.state)
    }

    /// Reads for as long as it is driven.
    pub(crate) async fn read(&self) {
        let Some(socket) = &self.socket else { return };
        let read = || -> std::io::Result<()> {
            self.read_what_waits();
            Err(std::io::ErrorKind::WouldBlock.into())
        };
        // It goes on for as long as nothing else than "nothing waits" is answered.
        let _never = socket.async_io(Interest::READABLE, read).await;
    }

    /// A job with this host id begins.
    pub(crate) fn begin(&self, uid: u32) -> Hearing {
        let mut ledger = self.ledger();
        ledger.begin(uid);
        Hearing { uid, overruns: self.overruns.load(Ordering::Relaxed), records: ledger.records }
    }

    /// What is known of a job whose processes are gone. Nobody is kept waiting who has given no reason to: of one that
    /// failed, and of which nothing is known, a first word is waited for, a moment; so long, too, for more of one that was
    /// refused something; and where records may be missing, the kernel's own count.
    pub(crate) async fn settle(&self, hearing: Hearing, end: End) -> Vec<Denial> {
        let Hearing { uid, overruns, records } = hearing;
        if self.socket.is_none() {
            return Vec::new();
        }
        self.read_what_waits();
        match end {
            End::Exited(0) => {}
            End::Signaled(SIGSYS) => self.wait(EXPECTED_WORD, |ledger| ledger.knows(uid)).await,
            _ => self.wait(FIRST_WORD, |ledger| ledger.knows(uid)).await,
        }
        if self.ledger().knows(uid) {
            // One that was refused something may have been refused more: the rest is on its way.
            self.wait(FIRST_WORD, |ledger| !ledger.is_open(uid)).await;
        }
        let overruns = self.overruns.load(Ordering::Relaxed) - overruns;
        let records = self.ledger().records - records;
        if overruns > 0 || records >= MANY {
            self.wait(LAST_WORD, |ledger| !ledger.is_open(uid)).await;
        }
        let mut ledger = self.ledger();
        let complete = ledger.knows(uid) && !ledger.is_open(uid);
        let mut denials = ledger.take(uid);
        if !complete && (overruns > 0 || records >= MANY) {
            let target =
                format!("records of the kernel's audit may be missing: it made {records} while the job ran");
            denials.push(Denial::now("evidence", "incomplete", target, overruns.max(1)));
        }
        denials
    }

    /// Waits until it is so, or the time is over.
    async fn wait(&self, at_most: Duration, is_so: impl Fn(&Ledger) -> bool) {
        let waited = async {
            loop {
                let told = self.told.notified();
                if is_so(&self.ledger()) {
                    return;
                }
                told.await;
            }
        };
        // What does not come in time is missing, and what was counted until then said to be the least that it can be.
        let _in_time = timeout(at_most, waited).await;
    }

    fn read_what_waits(&self) {
        let Some(socket) = &self.socket else { return };
        let mut buffer = [0; netlink::MESSAGE_MAX];
        // Read under the lock, so that records are entered in their order.
        let mut ledger = self.ledger();
        loop {
            match netlink::next(socket, &mut buffer) {
                Ok(Some((kind, text))) => {
                    if let Some(record) = AuditRecord::parse(kind, text) {
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
