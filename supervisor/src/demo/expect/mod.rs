//! How each job must come out.

pub(super) mod functions;
pub(super) mod honest;
pub(super) mod hostile;

use super::observed::Observed;

/// Says in what way something is otherwise than it must be, unless `holds`.
fn must(holds: bool, otherwise: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(otherwise()) }
}

fn must_end_as(observed: &Observed, verdict: &str) -> Result<(), String> {
    must(observed.verdict() == verdict, || {
        format!("ended as {} ({}), not as {verdict}", observed.verdict(), observed.error())
    })
}
