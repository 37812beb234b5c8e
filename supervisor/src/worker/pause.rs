//! How long a failed job waits for its next attempt.

use std::time::Duration;

use stockade_policies::Backoff;

use crate::store::{JobId, Retry};

/// What each attempt adds, if the pause grows evenly.
const LINEAR_STEP: Duration = Duration::from_secs(5);
/// The pause that does not grow.
const FIXED: Duration = Duration::from_secs(10);
/// No pause grows longer.
const LONGEST: Duration = Duration::from_secs(300);

/// The pause after the attempt of that number, from 1, as a service wants it.
pub(super) fn after(backoff: Backoff, attempt: u32, job: JobId) -> Retry {
    match backoff {
        // What the database does by itself.
        Backoff::Exponential => Retry::Default,
        Backoff::Linear => {
            Retry::After(spread(LINEAR_STEP.saturating_mul(attempt).min(LONGEST), attempt, job))
        }
        Backoff::Fixed => Retry::After(spread(FIXED, attempt, job)),
    }
}

/// `pause`, a quarter longer at most or shorter, so that what failed together does not come back together. The bits of a
/// job's id are random enough for that.
fn spread(pause: Duration, attempt: u32, job: JobId) -> Duration {
    let [a, b, ..] = job.0.into_bytes();
    let share = u32::from(u16::from_be_bytes([a, b]).wrapping_mul(31).rotate_left(attempt & 15));
    // From three quarters to five quarters, in steps of 2^-17.
    pause.mul_f64(0.75 + f64::from(share) / 131_072.0)
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn seconds(backoff: Backoff, attempt: u32, job: u128) -> f64 {
        match after(backoff, attempt, JobId(Uuid::from_u128(job))) {
            Retry::After(pause) => pause.as_secs_f64(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_pause_is_what_the_service_wants_give_or_take_a_quarter() {
        for job in [0, 1 << 127, u128::MAX, 0x1234_5678 << 96, 7 << 100] {
            for (attempt, middle) in [(1, 5.0), (2, 10.0), (12, 60.0), (60, 300.0), (100, 300.0)] {
                let pause = seconds(Backoff::Linear, attempt, job);
                assert!((middle * 0.75..=middle * 1.25).contains(&pause), "{attempt}: {pause}");
            }
            for attempt in [1, 2, 100, u32::MAX] {
                let pause = seconds(Backoff::Fixed, attempt, job);
                assert!((7.5..=12.5).contains(&pause), "{attempt}: {pause}");
            }
        }
        let job = JobId(Uuid::from_u128(1));
        assert_eq!(after(Backoff::Exponential, 3, job), Retry::Default);
    }

    #[test]
    fn jobs_that_failed_together_do_not_come_back_together() {
        let pauses: Vec<f64> =
            (0..64).map(|_| seconds(Backoff::Fixed, 1, Uuid::new_v4().as_u128())).collect();
        let (first, last) =
            pauses.iter().fold((f64::MAX, 0.0_f64), |(low, high), &pause| (low.min(pause), high.max(pause)));
        assert!(last - first > 1.0, "{first} to {last}");
    }
}
