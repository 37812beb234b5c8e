//! What the record says of the host.

use serde::Serialize;

/// The host an attempt ran on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct HostFacts {
    /// Its name.
    pub name: String,
    /// The release of its kernel.
    pub kernel: String,
    /// Its machine type: `x86_64`, …
    pub machine: String,
}

impl HostFacts {
    /// This host, by uname(2).
    pub fn here() -> Self {
        let unknown = || "unknown".to_owned();
        match nix::sys::utsname::uname() {
            Ok(facts) => Self {
                name: facts.nodename().to_string_lossy().into_owned(),
                kernel: facts.release().to_string_lossy().into_owned(),
                machine: facts.machine().to_string_lossy().into_owned(),
            },
            Err(_) => Self { name: unknown(), kernel: unknown(), machine: unknown() },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_host_has_a_kernel() {
        assert_eq!(HostFacts::here().machine, std::env::consts::ARCH);
    }
}
