//! A sandbox for a job: one that waits, or a new one.

use stockade_plan::Confinement;

use super::RunError;
use crate::sandbox::Inner;
use crate::slot::{Prepared, Ready};

/// A sandbox for a job.
pub(super) struct Obtained {
    pub(super) ready: Ready,
    /// Whether it was there before the job came.
    pub(super) made_ahead: bool,
}

/// What there is for a job at once.
pub(super) enum Found {
    Ready(Box<Ready>),
    Prepared(Prepared),
}

/// A sandbox that was built ahead, or one that is still to be built.
pub(super) async fn find(sandbox: &Inner, confinement: &Confinement) -> Result<Found, RunError> {
    while let Some(mut ready) = sandbox.ahead.take_ready(confinement) {
        if !ready.is_dead() {
            return Ok(Found::Ready(Box::new(ready)));
        }
    }
    while Prepared::any_suits(sandbox, confinement)
        && let Some(mut spare) = sandbox.ahead.take_spare()
    {
        if !spare.is_dead() {
            return Ok(Found::Prepared(spare));
        }
    }
    Prepared::suited(sandbox, confinement).await.map(Found::Prepared)
}
