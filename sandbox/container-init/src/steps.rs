//! What was being done when something failed.

use std::io;

use nix::errno::Errno;

/// Something could not be done.
#[derive(Debug)]
pub(crate) struct Fault {
    pub(crate) what: String,
    pub(crate) errno: Errno,
}

impl Fault {
    pub(crate) fn new(what: impl Into<String>, errno: Errno) -> Self {
        Self { what: what.into(), errno }
    }

    pub(crate) fn io(what: impl Into<String>, error: &io::Error) -> Self {
        Self::new(what, error.raw_os_error().map_or(Errno::EIO, Errno::from_raw))
    }
}

/// Adds to an error what was being done and to what.
pub(crate) trait During<T> {
    fn during(self, call: &'static str, target: &str) -> Result<T, Fault>;
}

impl<T> During<T> for nix::Result<T> {
    fn during(self, call: &'static str, target: &str) -> Result<T, Fault> {
        self.map_err(|errno| Fault::new(format!("{call} `{target}`"), errno))
    }
}

impl<T> During<T> for io::Result<T> {
    fn during(self, call: &'static str, target: &str) -> Result<T, Fault> {
        self.map_err(|error| Fault::io(format!("{call} `{target}`"), &error))
    }
}
