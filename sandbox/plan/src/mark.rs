//! A mark that a sandbox's init leaves in the kernel's audit.

use std::ffi::CString;
use std::num::NonZeroU8;

use serde::{Deserialize, Serialize};

use crate::Task;

/// The name that init takes when no other process of its sandbox is left, to have a call of its own recorded under it: what the
/// audit told before that is all that the job caused. The supervisor makes it up for one task and gives it to init alone,
/// which had made the job's process before: a job can neither read nor guess it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark([NonZeroU8; Mark::LENGTH]);

impl Mark {
    /// As long as a name can be: `TASK_COMM_LEN` less its end, linux/sched.h.
    pub const LENGTH: usize = 15;

    /// Of bytes that nobody can guess: 90 bits of them, since names of processes are shown, and so are to be printable.
    pub fn of(random: [u8; Self::LENGTH]) -> Self {
        // From `0` to `o`.
        Self(random.map(|byte| NonZeroU8::MIN.saturating_add(b'0' - 1 + (byte & 0x3f))))
    }

    /// As prctl(2) takes it.
    pub fn name(&self) -> CString {
        CString::from(self.0.to_vec())
    }

    /// Whether `name` is this one, as a record has it.
    pub fn is(&self, name: &[u8]) -> bool {
        self.0.map(NonZeroU8::get) == name
    }
}

/// Supervisor to init, on the task pipe: a length (4 bytes, little-endian), then this, then the bytes of the task's inputs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Assignment<T = Task> {
    /// What is to be run, as the plan has it.
    pub task: T,
    /// What init is to leave in the kernel's audit when the job has ended, if anything.
    pub mark: Option<Mark>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{decode, encode};

    #[test]
    fn a_mark_is_a_whole_name_whatever_it_was_made_of() {
        for random in [[0; Mark::LENGTH], [0xff; Mark::LENGTH], *b"\0 \"\n0123456789a"] {
            let mark = Mark::of(random);
            assert_eq!(mark.name().as_bytes().len(), Mark::LENGTH);
            assert!(mark.name().as_bytes().iter().all(u8::is_ascii_graphic), "{mark:?}");
            assert!(mark.is(mark.name().as_bytes()));
            assert!(!mark.is(b"") && !mark.is(&mark.name().as_bytes()[1..]));
        }
    }

    #[test]
    fn a_mark_that_would_end_early_is_not_read() {
        let bytes = encode(&Mark::of([7; Mark::LENGTH])).unwrap();
        assert!(decode::<Mark>(&bytes).is_ok());
        let mut cut = bytes.clone();
        cut[3] = 0;
        assert!(decode::<Mark>(&cut).is_err());
    }
}
