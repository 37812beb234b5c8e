//! What a job sends, parsed: functions of bytes, without input or output, that take what is there so far.

pub mod first;
pub mod hello;
pub mod http;
pub mod socks;

/// How far bytes can be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step<T> {
    /// They may become something; more are needed.
    More,
    /// They are something; so many of them.
    Done(T, usize),
    /// They are nothing that is taken; why not.
    Bad(&'static str),
}

/// Takes big-endian numbers and runs of bytes off the front.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(taken)
    }

    fn u8(&mut self) -> Option<u8> {
        self.take(1)?.first().copied()
    }

    fn u16(&mut self) -> Option<u16> {
        self.take(2)?.try_into().ok().map(u16::from_be_bytes)
    }

    /// A run of bytes behind its length in one byte.
    fn run8(&mut self) -> Option<&'a [u8]> {
        let len = self.u8()?;
        self.take(usize::from(len))
    }

    /// A run of bytes behind its length in two bytes.
    fn run16(&mut self) -> Option<&'a [u8]> {
        let len = self.u16()?;
        self.take(usize::from(len))
    }
}
