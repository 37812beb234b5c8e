//! What the platforms of functions answer: texts of others, and what is made of them.
//!
//! Nothing here calls anything: these are functions of bytes, so that they are fuzzed and tested without a supervisor
//! around them.
#![forbid(unsafe_code)]

pub mod gcp;
pub mod lambda;
mod report;

/// How a function failed, in the words of its platform.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// It ended with an error of its own.
    Threw(String),
    /// It was ended in the middle: what it had begun may be done or not.
    CutOff(CutOff, String),
}

/// What ended a function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CutOff {
    /// Its own time limit.
    Timeout,
    /// Its memory.
    Memory,
    /// It fell.
    Crash,
}

/// What a platform reports of a call; `None` where it does not, and why in `unknown`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Metered {
    /// Milliseconds that the function ran.
    pub duration_ms: Option<f64>,
    /// Milliseconds that are paid for.
    pub billed_ms: Option<f64>,
    /// Milliseconds that it took to start, if it had to be started.
    pub init_ms: Option<f64>,
    /// MiB that it may use.
    pub memory_size_mb: Option<f64>,
    /// MiB that it used at most.
    pub peak_memory_mb: Option<f64>,
    /// Why anything of the above is not known.
    pub unknown: Option<String>,
}

/// What a failure says about another attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// The function has not run, and may the next time.
    Retryable,
    /// It would fail again.
    Permanent,
    /// Nobody can say whether the function has run.
    Unknown,
}
