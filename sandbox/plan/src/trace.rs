//! What the recorder of a recording sandbox tells of the program it watches.
//!
//! The recorder runs inside the sandbox, beside the program: whatever it says is the word of a stranger. It only
//! ever becomes text that a person reviews, and every part of it is bounded here.

use serde::{Deserialize, Serialize};

use crate::{CodecError, Ended, FRAME_MAX, List, decode, encode};

/// Where the recorder lies in the view of a recording sandbox.
pub const RECORDER: &str = "/stockade-recorder";
/// The most facts that are told.
pub const FACTS_MAX: usize = 8192;
/// A longer path is told cut. `PATH_MAX`, linux/limits.h.
pub const TOLD_PATH_MAX: usize = 4096;
/// The most bytes of the program's error output in one message.
pub const PRINTED_MAX: usize = 32 * 1024;

/// A path as the kernel takes it: any bytes.
pub type PathBytes = List<u8, TOLD_PATH_MAX>;

/// One message of the recorder. On the wire each stands behind its length, four bytes, the lowest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Told {
    /// The program printed this on standard error.
    Printed(List<u8, PRINTED_MAX>),
    /// The executable of a process; the facts name it by its number, from 0 in the order of these messages.
    Program(PathBytes),
    /// Something was done for the first time.
    Fact(Fact),
    /// How often each fact was seen, in the order in which they were told.
    Counts(List<u32, FACTS_MAX>),
    /// A regular file that lies in the work directory at the end: its path beneath it, and its size in bytes.
    Left(PathBytes, u64),
    /// The program could not be executed, with this error number.
    NotStarted(i32),
    /// The program has ended, and all that it started.
    Ended(Recorded),
}

/// Something that a process did, or tried to.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Fact {
    /// The process's executable.
    pub program: u16,
    /// The number of the system call.
    pub call: u32,
    /// What was done with it.
    pub deed: Deed,
    /// What the kernel answered: an error number, 0 if it was done.
    pub errno: u16,
}

/// What was done.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Deed {
    /// A call was made, with these of its arguments; see [`arguments_that_matter`].
    Called([u32; 6]),
    /// A file was named.
    Named {
        /// What for.
        how: How,
        /// As the program named it, made absolute; not in normal form.
        named: PathBytes,
        /// Where it led, if the kernel has said so.
        real: Option<PathBytes>,
    },
    /// A socket's address was named.
    Address(List<u8, 256>),
}

/// What a file is named for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum How {
    /// To see whether and what it is.
    Look,
    /// To be read, or listed.
    Read,
    /// To be mapped as code.
    Map,
    /// To be executed.
    Execute,
    /// To be made, changed or removed.
    Write,
}

/// How it ended, and what was measured on the way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recorded {
    /// The end of the program's first process.
    pub ended: Ended,
    /// The most bytes in the work directories at a moment when that was looked at.
    pub disk_bytes: u64,
    /// The most files in them.
    pub files: u64,
    /// The highest number that a descriptor had.
    pub descriptor: u32,
    /// Facts that were not told, because there were too many.
    pub untold: u64,
    /// Processes that asked not to be watched, and were all the same.
    pub shy: u32,
    /// Signals that could not be passed on to the program.
    pub lost_signals: u32,
}

impl Told {
    /// The message as it goes over the wire.
    ///
    /// # Errors
    /// [`CodecError::TooLarge`] above [`FRAME_MAX`].
    pub fn frame(&self) -> Result<Vec<u8>, CodecError> {
        let body = encode(self)?;
        let length = u32::try_from(body.len())
            .map_err(|_| CodecError::TooLarge { len: body.len(), max: FRAME_MAX })?;
        Ok([length.to_le_bytes().as_slice(), &body].concat())
    }

    /// The messages in `bytes`, up to the first that is cut short or malformed, and whether that was the end.
    pub fn read_all(mut bytes: &[u8]) -> (Vec<Self>, bool) {
        let mut messages = Vec::new();
        while let Some((message, rest)) = Self::split(bytes) {
            messages.push(message);
            bytes = rest;
        }
        (messages, bytes.is_empty())
    }

    fn split(bytes: &[u8]) -> Option<(Self, &[u8])> {
        let (length, rest) = bytes.split_first_chunk::<4>()?;
        let (body, rest) = rest.split_at_checked(usize::try_from(u32::from_le_bytes(*length)).ok()?)?;
        Some((decode(body).ok()?, rest))
    }
}

/// Which bits of a call's arguments (their lower halves) a system-call profile may look at. Others are told as zero, so
/// that a million reads are one fact.
pub const fn arguments_that_matter(call: u32) -> [u32; 6] {
    const ALL: u32 = u32::MAX;
    match call {
        // mmap: protection, MAP_ANONYMOUS.
        9 => [0, 0, ALL, 0x20, 0, 0],
        // mprotect, madvise, pkey_mprotect.
        10 | 28 | 329 => [0, 0, ALL, 0, 0, 0],
        // ioctl, fcntl.
        16 | 72 => [0, ALL, 0, 0, 0, 0],
        // msync: MS_SYNC.
        26 => [0, 0, 0x4, 0, 0, 0],
        // shmat: SHM_EXEC.
        30 => [0, 0, 0x8000, 0, 0, 0],
        // socket, socketpair: family, type without its flags, protocol.
        41 | 53 => [ALL, 0xf, ALL, 0, 0, 0],
        // setsockopt: level, option.
        54 => [0, ALL, ALL, 0, 0, 0],
        // clone: the namespaces.
        56 => [0x7e02_0000, 0, 0, 0, 0, 0],
        // personality, sched_setparam, sched_setscheduler, prctl, setrlimit, sched_setaffinity, sched_setattr.
        135 | 142 | 144 | 157 | 160 | 203 | 314 => [ALL, 0, 0, 0, 0, 0],
        // setpriority, ioprio_set, prlimit64.
        141 | 251 | 302 => [ALL, ALL, 0, 0, 0, 0],
        _ => [0; 6],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(text: &[u8]) -> Told {
        Told::Printed(text.to_vec().try_into().unwrap())
    }

    #[test]
    fn messages_are_read_up_to_the_first_that_is_not_whole() {
        let mut bytes = message(b"a").frame().unwrap();
        bytes.extend(Told::NotStarted(2).frame().unwrap());
        assert_eq!(Told::read_all(&bytes), (vec![message(b"a"), Told::NotStarted(2)], true));
        let cut = &bytes[..bytes.len() - 1];
        assert_eq!(Told::read_all(cut), (vec![message(b"a")], false));
        bytes.extend([255, 255, 255, 255, 0]);
        assert_eq!(Told::read_all(&bytes), (vec![message(b"a"), Told::NotStarted(2)], false));
    }

    #[test]
    fn the_longest_message_fits_a_frame() {
        let counts = Told::Counts(vec![u32::MAX; FACTS_MAX].try_into().unwrap());
        assert!(counts.frame().is_ok());
        assert!(message(&[7; PRINTED_MAX]).frame().is_ok());
    }
}
