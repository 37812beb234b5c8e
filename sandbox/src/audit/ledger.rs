//! What the kernel's audit told, by the host ids of jobs.

use std::collections::{BTreeMap, HashMap};

use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use stockade_plan::Mark;

use super::record::{AuditEvent, AuditRecord};
use crate::denial::Denial;

/// So many refusals are kept apart for each job by what they were applied to, the others together.
const KEPT_APART: usize = 64;
/// Domains whose maker is not known (yet). Others on this host may use Landlock as well.
const STRANGERS: usize = 256;
/// From half as many records in one second on as the kernel makes at the most it may have left out others: its seconds are not
/// ours. So many where it does not say how many it makes.
const MANY: u64 = 1000;
const SECOND: Duration = Duration::from_secs(1);
/// Of the kernel's count this one is ours: the probe that showed that the domain is in force.
const PROBES: u64 = 1;

/// What is known of the domains of live jobs.
#[derive(Debug)]
pub(super) struct Ledger {
    /// First of the host ids that this launcher gives to jobs, and how many there are.
    ids: (u32, u32),
    /// How many records there were in all.
    pub(super) records: u64,
    rate: Rate,
    jobs: HashMap<u32, Account>,
    /// Those that inits are to leave, by job.
    marks: HashMap<u32, Awaited>,
    domains: HashMap<u64, u32>,
    /// The first record of a domain comes before the one that says who made it.
    strangers: BTreeMap<u64, Vec<Told>>,
}

/// How many records come in a second.
#[derive(Debug)]
struct Rate {
    /// That many are many.
    many: u64,
    second: Instant,
    /// In this second.
    records: u64,
    /// When there were last that many.
    last: Option<Instant>,
}

/// The mark that a job's init leaves.
#[derive(Debug)]
struct Awaited {
    mark: Mark,
    heard: bool,
}

/// One job's.
#[derive(Debug, Default)]
struct Account {
    told: Vec<(Told, u64)>,
    /// Records of refusals by Landlock.
    records: u64,
    /// Domains that are not yet gone.
    open: u64,
    /// The kernel's own count, of those that are gone.
    total: u64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Told {
    layer: &'static str,
    what: &'static str,
    target: String,
    at: DateTime<Utc>,
}

impl Ledger {
    /// Of jobs with these ids, from a kernel that makes `rate_limit` records a second at the most.
    pub(super) fn of(ids: (u32, u32), rate_limit: u32) -> Self {
        Self {
            ids,
            records: 0,
            rate: Rate::of(rate_limit),
            jobs: HashMap::new(),
            marks: HashMap::new(),
            domains: HashMap::new(),
            strangers: BTreeMap::new(),
        }
    }

    /// Counts a record, whatever it tells.
    pub(super) fn count(&mut self, now: Instant) {
        self.records += 1;
        self.rate.count(now);
    }

    /// Whether the kernel may have left out records since then.
    pub(super) fn may_be_cut_since(&self, began: Instant) -> bool {
        // It leaves them out to the end of its second, which may have begun in the one of ours after that.
        self.rate.last.is_some_and(|last| last + 2 * SECOND >= began)
    }

    /// Enters a record.
    pub(super) fn enter(&mut self, record: AuditRecord) {
        let AuditRecord { at, event } = record;
        match event {
            AuditEvent::Refused { domain, what, target } => {
                let told = Told { layer: "landlock", what, target, at };
                match self.domains.get(&domain) {
                    Some(uid) => self.jobs.entry(*uid).or_default().count(told),
                    None => self.keep_for_later(domain, told),
                }
            }
            AuditEvent::Allocated { domain, uid } => {
                let told = self.strangers.remove(&domain).unwrap_or_default();
                if self.is_ours(uid) {
                    self.domains.insert(domain, uid);
                    let account = self.jobs.entry(uid).or_default();
                    account.open += 1;
                    told.into_iter().for_each(|told| account.count(told));
                }
            }
            AuditEvent::Deallocated { domain, denials } => {
                self.strangers.remove(&domain);
                if let Some(account) = self.domains.remove(&domain).and_then(|uid| self.jobs.get_mut(&uid)) {
                    account.open = account.open.saturating_sub(1);
                    account.total = account.total.saturating_add(denials);
                }
            }
            AuditEvent::Killed { uid, architecture, call } if self.is_ours(uid) => {
                let target = format!("call {call} of architecture {architecture:#x}, which kills");
                let told = Told { layer: "seccomp", what: "system_call", target, at };
                self.jobs.entry(uid).or_default().add(told);
            }
            AuditEvent::Killed { .. } => {}
            AuditEvent::Logged { uid, name } => {
                if let Some(awaited) = self.marks.get_mut(&uid) {
                    awaited.heard |= awaited.mark.is(&name);
                }
            }
        }
    }

    /// Forgets whatever is there of an earlier job with this id. Of this one its init leaves a mark, if there is one.
    pub(super) fn begin(&mut self, uid: u32, mark: Option<Mark>) {
        self.jobs.remove(&uid);
        match mark {
            Some(mark) => self.marks.insert(uid, Awaited { mark, heard: false }),
            None => self.marks.remove(&uid),
        };
        self.domains.retain(|_, owner| *owner != uid);
    }

    /// Whether its init's mark was heard.
    pub(super) fn is_marked(&self, uid: u32) -> bool {
        self.marks.get(&uid).is_some_and(|awaited| awaited.heard)
    }

    /// Whether something is known of the job.
    pub(super) fn knows(&self, uid: u32) -> bool {
        self.jobs.contains_key(&uid)
    }

    /// Whether something is known of the job that is not yet all.
    pub(super) fn is_open(&self, uid: u32) -> bool {
        self.jobs.get(&uid).is_some_and(|account| account.open > 0)
    }

    /// Takes out what is known of the job: its denials. Those that the kernel counted and did not tell are one more. `exact` if
    /// all was told.
    pub(super) fn take(&mut self, uid: u32, exact: bool) -> Vec<Denial> {
        self.marks.remove(&uid);
        let Some(account) = self.jobs.remove(&uid) else { return Vec::new() };
        let ended = account.open == 0;
        let lost = account.total.saturating_sub(PROBES).saturating_sub(account.records);
        let denial = |(told, count): (Told, u64)| {
            let Told { layer, what, target, at } = told;
            let at_least = layer == "landlock" && !ended && !exact;
            Denial { layer, what, target, count, at_least, at }
        };
        let mut denials: Vec<Denial> = account.told.into_iter().map(denial).collect();
        if ended && lost > 0 {
            let target = "the kernel counted it and made no record of it".to_owned();
            denials.push(Denial::now("landlock", "lost", target, lost));
        }
        denials
    }

    fn is_ours(&self, uid: u32) -> bool {
        uid.checked_sub(self.ids.0).is_some_and(|offset| offset < self.ids.1)
    }

    fn keep_for_later(&mut self, domain: u64, told: Told) {
        if !self.strangers.contains_key(&domain) && self.strangers.len() >= STRANGERS {
            // Domains are numbered as they come: the first is the oldest.
            self.strangers.pop_first();
        }
        let kept = self.strangers.entry(domain).or_default();
        if kept.len() < KEPT_APART {
            kept.push(told);
        }
    }
}

impl Rate {
    fn of(limit: u32) -> Self {
        let many = if limit == 0 { MANY } else { (u64::from(limit) / 2).clamp(1, MANY) };
        Self { many, second: Instant::now(), records: 0, last: None }
    }

    fn count(&mut self, now: Instant) {
        if now.saturating_duration_since(self.second) >= SECOND {
            (self.second, self.records) = (now, 0);
        }
        self.records += 1;
        if self.records >= self.many {
            self.last = Some(now);
        }
    }
}

impl Account {
    fn count(&mut self, told: Told) {
        self.records += 1;
        self.add(told);
    }

    fn add(&mut self, mut told: Told) {
        let same = |told: &Told, (other, _): &(Told, u64)| {
            (told.layer, told.what, &told.target) == (other.layer, other.what, &other.target)
        };
        if !self.told.iter().any(|other| same(&told, other)) && self.told.len() >= KEPT_APART {
            told = Told { what: "other", target: "others than these".to_owned(), ..told };
        }
        match self.told.iter_mut().find(|other| same(&told, other)) {
            Some((_, count)) => *count += 1,
            None => self.told.push((told, 1)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const UID: u32 = 1000;

    fn ledger(events: impl IntoIterator<Item = AuditEvent>) -> Ledger {
        let mut ledger = Ledger::of((UID, 8), 0);
        events.into_iter().for_each(|event| ledger.enter(AuditRecord { at: Utc::now(), event }));
        ledger
    }

    fn refused(domain: u64, target: &str) -> AuditEvent {
        AuditEvent::Refused { domain, what: "read", target: target.to_owned() }
    }

    fn shown(denials: &[Denial]) -> Vec<(&str, &str, u64, bool)> {
        denials.iter().map(|d| (d.what, d.target.as_str(), d.count, d.at_least)).collect()
    }

    #[test]
    fn refusals_are_matched_by_the_id_that_made_the_domain() {
        let mut ledger = ledger([
            refused(1, "/a"),
            AuditEvent::Allocated { domain: 1, uid: UID },
            refused(2, "/strange"),
            AuditEvent::Allocated { domain: 2, uid: UID + 8 },
            refused(1, "/a"),
            refused(3, "/c"),
            AuditEvent::Allocated { domain: 3, uid: UID + 1 },
        ]);
        assert!(ledger.is_open(UID) && !ledger.is_open(UID + 8));
        assert_eq!(shown(&ledger.take(UID, false)), [("read", "/a", 2, true)]);
        assert_eq!(shown(&ledger.take(UID + 1, false)), [("read", "/c", 1, true)]);
        assert_eq!(shown(&ledger.take(UID + 8, false)), []);
    }

    #[test]
    fn what_the_kernel_counted_and_did_not_tell_is_said() {
        let told = [refused(1, "/a"), AuditEvent::Allocated { domain: 1, uid: UID }];
        let gone = |denials| AuditEvent::Deallocated { domain: 1, denials };
        assert_eq!(
            shown(&ledger(told.clone().into_iter().chain([gone(2)])).take(UID, false)),
            [("read", "/a", 1, false)]
        );
        let lost = ledger(told.into_iter().chain([gone(12)])).take(UID, false);
        assert_eq!((lost[1].what, lost[1].count), ("lost", 10));
    }

    #[test]
    fn whatever_is_told_what_is_kept_is_bounded() {
        let mut ledger = ledger((0..10_000).map(|domain| refused(domain, "/x")));
        assert_eq!(ledger.strangers.len(), STRANGERS);
        let allocated = AuditEvent::Allocated { domain: 9_999, uid: UID };
        ledger.enter(AuditRecord { at: Utc::now(), event: allocated });
        for path in 0..10_000 {
            let event = refused(9_999, &format!("/{path}"));
            ledger.enter(AuditRecord { at: Utc::now(), event });
        }
        let denials = ledger.take(UID, false);
        assert_eq!(denials.len(), KEPT_APART + 1);
        assert_eq!(denials.iter().map(|denial| denial.count).sum::<u64>(), 10_001);
    }

    #[test]
    fn what_was_told_to_the_end_is_exact() {
        let told = [refused(1, "/a"), AuditEvent::Allocated { domain: 1, uid: UID }];
        assert_eq!(shown(&ledger(told).take(UID, true)), [("read", "/a", 1, false)]);
    }

    #[test]
    fn a_mark_is_the_name_that_was_given_to_the_jobs_own_init_and_no_other() {
        let mark = Mark::of([7; Mark::LENGTH]);
        let mut ledger = ledger([]);
        ledger.begin(UID, Some(mark));
        let mut logged = |uid, name: &[u8]| {
            let event = AuditEvent::Logged { uid, name: name.to_vec() };
            ledger.enter(AuditRecord { at: Utc::now(), event });
            ledger.is_marked(UID)
        };
        let name = mark.name().into_bytes();
        assert!(!logged(UID, b"stockade-launch") && !logged(UID, b"") && !logged(UID, &name[1..]));
        assert!(!logged(UID + 1, &name), "another job's");
        assert!(logged(UID, &name));
        assert!(logged(UID, b"stockade-launch"), "whatever comes behind it");
        ledger.begin(UID, None);
        assert!(!ledger.is_marked(UID), "the next job with that id has no mark yet");
    }

    #[test]
    fn half_of_what_the_kernel_records_in_a_second_may_be_less_than_there_was() {
        let began = Instant::now();
        let at = |ms| began + Duration::from_millis(ms);
        let mut ledger = Ledger::of((UID, 8), 100);
        (0..49).for_each(|_| ledger.count(at(900)));
        // Another second.
        (0..49).for_each(|_| ledger.count(at(1950)));
        assert!(!ledger.may_be_cut_since(began));
        ledger.count(at(1950));
        assert!(ledger.may_be_cut_since(at(1960)), "the kernel's second may go on");
        assert!(!ledger.may_be_cut_since(at(4000)));
    }

    #[test]
    fn a_job_begins_with_nothing_of_the_one_that_had_its_id_before() {
        let mut ledger = ledger([refused(1, "/a"), AuditEvent::Allocated { domain: 1, uid: UID }]);
        ledger.begin(UID, None);
        ledger
            .enter(AuditRecord { at: Utc::now(), event: AuditEvent::Deallocated { domain: 1, denials: 9 } });
        assert_eq!(shown(&ledger.take(UID, false)), []);
    }
}
