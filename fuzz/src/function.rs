//! What the platforms of functions answer: the end of a log, in which the function writes as well, errors, tokens.

use std::time::Duration;

use stockade_functions::{Fault, gcp, lambda};

/// A request's id, as the seeds have it.
const ID: &str = "8f507cfc-0000-4697-b07a-ac58fc914c95";
/// How long the call took.
const TOOK: Duration = Duration::from_secs(2);

/// A byte for what it is, then its text.
pub fn function(data: &[u8]) {
    let Some((what, text)) = data.split_first() else { return };
    match what % 5 {
        0 => report(text),
        1 => fault(text),
        2 => answer(text),
        3 => drop(gcp::claims(&String::from_utf8_lossy(text))),
        _ => drop(gcp::granted(&String::from_utf8_lossy(text))),
    }
}

/// Whatever a function prints: what is taken is a number that can be true, or it is said why there is none.
fn report(tail: &[u8]) {
    for id in [Some(ID), None] {
        let found = lambda::report(tail, id, TOOK);
        let times = [found.duration_ms, found.billed_ms, found.init_ms];
        let memory = [found.memory_size_mb, found.peak_memory_mb];
        for figure in times.into_iter().chain(memory).flatten() {
            assert!(figure.is_finite() && figure >= 0.0, "{figure} is no figure");
            assert!(found.unknown.is_none(), "a figure, and a reason why there is none");
        }
        assert!(found.duration_ms.is_none_or(|ms| ms <= 3_000.0), "more time than the call took");
        if let (Some(used), Some(size)) = (found.peak_memory_mb, found.memory_size_mb) {
            assert!(used <= size, "more memory than there was");
        }
    }
}

/// What the answer of a function that failed says. Only the platform's word says that it was cut off.
fn fault(payload: &[u8]) {
    let handled = lambda::fault("Handled", payload);
    assert!(matches!(handled, Fault::Threw(_)), "who handled an error was not cut off");
    let (Fault::Threw(text) | Fault::CutOff(_, text)) = lambda::fault("Unhandled", payload);
    // A byte that is no UTF-8 becomes a character of three.
    assert!(text.len() <= 3 * payload.len() + 64, "more is said than was answered");
}

/// Three digits for the status, then the body.
fn answer(text: &[u8]) {
    let Some((status, body)) = text.split_first_chunk::<3>() else { return };
    let Some(status) = std::str::from_utf8(status).ok().and_then(|digits| digits.parse().ok()) else {
        return;
    };
    if let gcp::Judged::Answered(fault) = gcp::judged(status, body) {
        assert!(matches!(status, 200..=299 | 500), "{status} is no answer of a function");
        assert_eq!(fault.is_some(), status == 500);
    }
}
