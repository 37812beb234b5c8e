//! `/proc/self/status`, proc_pid_status(5).

use nix::errno::Errno;

use crate::{Unread, proc_text};

const PATH: &str = "/proc/self/status";
/// Capability sets, capabilities(7).
const SETS: [&str; 5] = ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"];

/// What it says of the calling process.
#[derive(Debug)]
pub struct Status(String);

impl Status {
    /// Reads it.
    ///
    /// # Errors
    /// [`Unread`] with its path.
    pub fn read() -> Result<Self, Unread> {
        let errno = |error: std::io::Error| error.raw_os_error().map_or(Errno::EIO, Errno::from_raw);
        let text = proc_text(PATH);
        text.map(Self).map_err(|error| Unread { what: PATH, errno: errno(error) })
    }

    /// A field that is a decimal number.
    ///
    /// # Errors
    /// [`Unread`] with its name if it is not there or no number.
    pub fn number(&self, name: &'static str) -> Result<u32, Unread> {
        self.field(name)?.parse().map_err(|_| malformed(name))
    }

    /// `CapInh`, `CapPrm`, `CapEff`, `CapBnd`, `CapAmb`.
    ///
    /// # Errors
    /// [`Unread`] with the name of the first that is not there or no number.
    pub fn capabilities(&self) -> Result<[u64; 5], Unread> {
        let mut sets = [0; 5];
        for (value, name) in sets.iter_mut().zip(SETS) {
            *value = u64::from_str_radix(self.field(name)?, 16).map_err(|_| malformed(name))?;
        }
        Ok(sets)
    }

    /// `Groups`: the supplementary groups.
    ///
    /// # Errors
    /// [`Unread`] if they are not there or one is no number.
    pub fn groups(&self) -> Result<Vec<u32>, Unread> {
        const NAME: &str = "Groups";
        let groups = self.field(NAME)?.split_whitespace().map(str::parse);
        groups.collect::<Result<_, _>>().map_err(|_| malformed(NAME))
    }

    fn field(&self, name: &'static str) -> Result<&str, Unread> {
        let field = self.0.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        field.map(str::trim).ok_or(Unread { what: name, errno: Errno::ENODATA })
    }
}

fn malformed(what: &'static str) -> Unread {
    Unread { what, errno: Errno::EBADMSG }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "Name:\tNoNewPrivs:\t7\nGroups:\t4 24 \nNoNewPrivs:\t1\nSeccomp:\tx\n\
        CapInh:\t0\nCapPrm:\t1\nCapEff:\tff\nCapBnd:\t000001ffffffffff\nCapAmb:\t0\n";

    #[test]
    fn fields_are_found_at_the_beginning_of_a_line() {
        let status = Status(TEXT.to_owned());
        assert_eq!(status.number("NoNewPrivs"), Ok(1));
        assert_eq!(status.groups(), Ok(vec![4, 24]));
        assert_eq!(status.capabilities(), Ok([0, 1, 255, (1 << 41) - 1, 0]));
    }

    #[test]
    fn what_is_missing_or_malformed_is_no_zero() {
        let status = Status(TEXT.replace("\tff\n", "\tfg\n").replace("24", "z"));
        assert_eq!(status.number("Seccomp"), Err(malformed("Seccomp")));
        assert_eq!(status.number("Threads"), Err(Unread { what: "Threads", errno: Errno::ENODATA }));
        assert_eq!(status.capabilities(), Err(malformed("CapEff")));
        assert_eq!(status.groups(), Err(malformed("Groups")));
    }

    #[test]
    fn the_kernels_own_is_understood() {
        let status = Status::read().unwrap();
        assert!(status.capabilities().is_ok() && status.groups().is_ok() && status.number("Threads").is_ok());
    }
}
