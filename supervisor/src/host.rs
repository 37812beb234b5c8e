//! What the record says of the host, and what policies are compiled against.

use serde::Serialize;
use stockade_policies::HostMechanisms;
use stockade_sandbox::{Hierarchy, Kernel};

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

/// What this host's kernel says of itself.
pub fn mechanisms() -> HostMechanisms {
    let kernel = Kernel::here();
    let place = |hierarchy| match hierarchy {
        Hierarchy::V2 => "cgroup v2",
        Hierarchy::V1 => "cgroup v1",
    };
    let controllers = kernel.controllers.into_iter();
    HostMechanisms {
        landlock_abi: kernel.landlock_abi,
        seccomp: kernel.seccomp,
        controllers: controllers
            .map(|(name, hierarchy)| (name.to_owned(), place(hierarchy).to_owned()))
            .collect(),
        namespaces: kernel.namespaces.into_iter().map(str::to_owned).collect(),
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
