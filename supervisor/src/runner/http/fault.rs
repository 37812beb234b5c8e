//! What went wrong with a call, and what that means for another attempt.

use std::fmt;

use super::place::Place;
use crate::store::Verdict;

/// What kind of thing went wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// The policy says no. What was refused was not sent.
    Refused,
    /// The server could not be reached; it has seen no request.
    Unreached,
    /// The server cannot show that it is the one that was meant; it has seen no request.
    Untrusted,
    /// The connection or the answer broke after the request was sent.
    Broken,
    /// The time ran out after the request was sent.
    TimedOut,
    /// The answer has more bytes than are taken.
    TooLarge,
    /// The server has answered that it did not do it, or not yet.
    Answered {
        /// Whether another attempt may be answered otherwise.
        retryable: bool,
    },
    /// The server has answered that it failed, and may have done it all the same.
    Doubtful,
    /// Something of ours: a secret that is not there.
    Unprepared,
    /// Somebody cancelled the job.
    Cancelled,
}

/// What went wrong, in the words of who has to deal with it.
#[derive(Debug, Clone)]
pub(super) struct Fault {
    pub(super) kind: Kind,
    /// What was being done, to what.
    pub(super) doing: String,
    /// What is wrong.
    pub(super) why: String,
    /// What to do about it.
    pub(super) help: &'static str,
}

impl Fault {
    pub(super) fn new(kind: Kind, doing: &str, place: &Place, why: impl fmt::Display) -> Self {
        Self { kind, doing: format!("{doing} `{place}`"), why: why.to_string(), help: kind.help() }
    }

    /// One that concerns no place.
    pub(super) fn of(kind: Kind, doing: &str, why: impl fmt::Display) -> Self {
        Self { kind, doing: doing.to_owned(), why: why.to_string(), help: kind.help() }
    }

    pub(super) fn help(self, help: &'static str) -> Self {
        Self { help, ..self }
    }
}

impl Kind {
    pub(super) const fn verdict(self) -> Verdict {
        match self {
            Self::TimedOut => Verdict::TimedOut,
            Self::TooLarge => Verdict::LimitExceeded,
            Self::Unprepared => Verdict::SetupFailed,
            Self::Cancelled => Verdict::Cancelled,
            _ => Verdict::Failed,
        }
    }

    const fn help(self) -> &'static str {
        match self {
            Self::Refused => "if it is meant, the service's policy has to name it under `http`",
            Self::Unreached => "see whether the server runs and its name and port are right",
            Self::Untrusted => {
                "see to the server's certificate; a private authority is named by `--http-authorities`"
            }
            Self::Broken | Self::TimedOut | Self::Doubtful => {
                "the server may have done it all the same; ask it before calling again"
            }
            Self::TooLarge => "if it is meant, raise `http.response_kb` in the service's policy",
            Self::Answered { retryable: true } => "the server asks to be called again later",
            Self::Answered { retryable: false } => {
                "the answer is in `stdout`; another attempt would get the same"
            }
            Self::Unprepared => "see to it that the worker has what the registry names",
            Self::Cancelled => "submit it again if that was not meant",
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}; {}", self.doing, self.why, self.help)
    }
}

/// The innermost of an error and its causes: the outer ones say only that something failed, and may show a URL.
pub(super) fn innermost(error: &dyn std::error::Error) -> String {
    let mut inner = error;
    while let Some(source) = inner.source() {
        inner = source;
    }
    inner.to_string()
}
