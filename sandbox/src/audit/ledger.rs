//! What the kernel's audit told, by the host ids of jobs.

use std::collections::{BTreeMap, HashMap};

use chrono::{DateTime, Utc};

use super::record::{AuditEvent, AuditRecord};
use crate::denial::Denial;

/// So many refusals are kept apart for each job by what they were applied to, the others together.
const KEPT_APART: usize = 64;
/// Domains whose maker is not known (yet). Others on this host may use Landlock as well.
const STRANGERS: usize = 256;
/// Of the kernel's count this one is ours: the probe that showed that the domain is in force.
const PROBES: u64 = 1;

/// What is known of the domains of live jobs.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    /// First of the host ids that this launcher gives to jobs, and how many there are.
    ids: (u32, u32),
    /// How many records there were in all.
    pub(super) records: u64,
    jobs: HashMap<u32, Account>,
    domains: HashMap<u64, u32>,
    /// The first record of a domain comes before the one that says who made it.
    strangers: BTreeMap<u64, Vec<Told>>,
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
    pub(super) fn of(ids: (u32, u32)) -> Self {
        Self { ids, ..Self::default() }
    }

    /// Enters a record.
    pub(super) fn enter(&mut self, record: AuditRecord) {
        let AuditRecord { at, event } = record;
        self.records += 1;
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
        }
    }

    /// Forgets whatever is there of an earlier job with this id.
    pub(super) fn begin(&mut self, uid: u32) {
        self.jobs.remove(&uid);
        self.domains.retain(|_, owner| *owner != uid);
    }

    /// Whether something is known of the job.
    pub(super) fn knows(&self, uid: u32) -> bool {
        self.jobs.contains_key(&uid)
    }

    /// Whether something is known of the job that is not yet all.
    pub(super) fn is_open(&self, uid: u32) -> bool {
        self.jobs.get(&uid).is_some_and(|account| account.open > 0)
    }

    /// Takes out what is known of the job: its denials. Those that the kernel counted and did not tell are one more.
    pub(super) fn take(&mut self, uid: u32) -> Vec<Denial> {
        let Some(account) = self.jobs.remove(&uid) else { return Vec::new() };
        let ended = account.open == 0;
        let lost = account.total.saturating_sub(PROBES).saturating_sub(account.records);
        let denial = |(told, count): (Told, u64)| {
            let Told { layer, what, target, at } = told;
            let at_least = layer == "landlock" && !ended;
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
        let mut ledger = Ledger::of((UID, 8));
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
        assert_eq!(shown(&ledger.take(UID)), [("read", "/a", 2, true)]);
        assert_eq!(shown(&ledger.take(UID + 1)), [("read", "/c", 1, true)]);
        assert_eq!(shown(&ledger.take(UID + 8)), []);
    }

    #[test]
    fn what_the_kernel_counted_and_did_not_tell_is_said() {
        let told = [refused(1, "/a"), AuditEvent::Allocated { domain: 1, uid: UID }];
        let gone = |denials| AuditEvent::Deallocated { domain: 1, denials };
        assert_eq!(
            shown(&ledger(told.clone().into_iter().chain([gone(2)])).take(UID)),
            [("read", "/a", 1, false)]
        );
        let lost = ledger(told.into_iter().chain([gone(12)])).take(UID);
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
        let denials = ledger.take(UID);
        assert_eq!(denials.len(), KEPT_APART + 1);
        assert_eq!(denials.iter().map(|denial| denial.count).sum::<u64>(), 10_001);
    }

    #[test]
    fn a_job_begins_with_nothing_of_the_one_that_had_its_id_before() {
        let mut ledger = ledger([refused(1, "/a"), AuditEvent::Allocated { domain: 1, uid: UID }]);
        ledger.begin(UID);
        ledger
            .enter(AuditRecord { at: Utc::now(), event: AuditEvent::Deallocated { domain: 1, denials: 9 } });
        assert_eq!(shown(&ledger.take(UID)), []);
    }
}
