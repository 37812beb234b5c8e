//! Marks that the inits of sandboxes leave behind their jobs: the cheapest, because nobody need be woken for one, and it is on its
//! way before the job's end is told.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustix::rand::{GetRandomFlags, getrandom};
use stockade_plan::Mark;

/// So many marks a second are made at once. The kernel makes so many records a second and no more, and jobs need some.
const AT_ONCE: u32 = 500;
/// So many may be owed at a time: all of those may be left in one second.
const OWED: usize = 128;
/// How long none is asked for when one was not heard: the kernel leaves out records, or this host keeps none of such calls.
const REST: Duration = Duration::from_secs(1);
const SECOND: Duration = Duration::from_secs(1);

/// An init leaves this mark when its job has ended.
#[derive(Debug)]
pub(super) struct Promise {
    pub(super) mark: Mark,
    _owed: Arc<()>,
}

/// How many are given.
#[derive(Debug, Default)]
pub(super) struct Promises {
    owed: Arc<()>,
    rests_until: Mutex<Option<Instant>>,
}

impl Promises {
    /// One that an init can keep, unless there are too many marks already.
    pub(super) fn give(&self, budget: &Budget) -> Option<Promise> {
        let rests = self.rests_until.lock().unwrap_or_else(PoisonError::into_inner);
        if rests.is_some_and(|until| Instant::now() < until) || Arc::strong_count(&self.owed) > OWED {
            return None;
        }
        let mut random = [0; Mark::LENGTH];
        let filled = getrandom(&mut random, GetRandomFlags::empty()).ok()?;
        (filled == random.len() && budget.has_one_more())
            .then(|| Promise { mark: Mark::of(random), _owed: Arc::clone(&self.owed) })
    }

    /// One was not kept, as far as is heard.
    pub(super) fn broken(&self) {
        *self.rests_until.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now() + REST);
    }
}

/// How many marks are made in a second, whoever makes them.
#[derive(Debug)]
pub(super) struct Budget(Mutex<Made>);

#[derive(Debug)]
struct Made {
    second: Instant,
    marks: u32,
}

impl Default for Budget {
    fn default() -> Self {
        Self(Mutex::new(Made { second: Instant::now(), marks: 0 }))
    }
}

impl Budget {
    /// Counts one, unless this second has had its own.
    pub(super) fn has_one_more(&self) -> bool {
        let mut made = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if made.second.elapsed() >= SECOND {
            *made = Made { second: Instant::now(), marks: 0 };
        }
        let has = made.marks < AT_ONCE;
        made.marks += u32::from(has);
        has
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_marks_are_the_same_and_no_more_are_owed_than_may_come_at_once() {
        let (promises, budget) = (Promises::default(), Budget::default());
        let given: Vec<Promise> = std::iter::from_fn(|| promises.give(&budget)).collect();
        assert_eq!(given.len(), OWED);
        assert!(
            given
                .iter()
                .enumerate()
                .all(|(index, one)| { given.iter().skip(index + 1).all(|other| other.mark != one.mark) })
        );
        drop(given);
        assert!(promises.give(&budget).is_some());
    }

    #[test]
    fn no_more_marks_are_made_at_once_than_leave_room_for_the_records_of_jobs() {
        let (promises, budget) = (Promises::default(), Budget::default());
        let given = (0..10 * AT_ONCE).filter(|_| promises.give(&budget).is_some()).count();
        assert_eq!(given, usize::try_from(AT_ONCE).unwrap());
    }

    #[test]
    fn when_one_was_not_heard_none_is_asked_for_for_a_while() {
        let (promises, budget) = (Promises::default(), Budget::default());
        promises.broken();
        assert!(promises.give(&budget).is_none());
        *promises.rests_until.lock().unwrap() = Some(Instant::now());
        assert!(promises.give(&budget).is_some());
    }
}
