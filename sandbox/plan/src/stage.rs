//! The steps of set-up, and the error that names one.

use std::fmt;

use serde::{Deserialize, Serialize};

macro_rules! stages {
    ($($(#[$doc:meta])* $variant:ident = $name:literal,)*) => {
        /// A step of set-up, in the order of [`Stage::ALL`].
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum Stage { $($(#[$doc])* $variant,)* }

        impl Stage {
            /// Every stage, in order.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// Its name, as errors and `--fail-at` spell it.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }
        }
    };
}

stages! {
    /// The launcher checks the request: bounds, versions, descriptors.
    Request = "request",
    /// It makes the pipes between the supervisor, init and the job.
    Pipes = "pipes",
    /// The launcher clones init into a new pid namespace and straight into the job's cgroup2 group.
    Clone = "clone",
    /// Init joins the version 1 control groups, where the host has its controllers there.
    Cgroup = "cgroup",
    /// Init takes network, ipc, uts and cgroup namespaces; the last is rooted in the job's own group.
    Namespaces = "namespaces",
    /// Init has the job's user namespace made and its one id mapped.
    UserNamespace = "user_namespace",
    /// The launcher builds the view's mount namespace and pivots into it, or takes the one it keeps.
    View = "view",
    /// Init enters a copy of the view's mount namespace: its root is the view, the host's root is not in it.
    EnterView = "enter_view",
    /// Init mounts `/proc` and the work tmpfs.
    Mounts = "mounts",
    /// Init names the host.
    Hostname = "hostname",
    /// Init brings the loopback up, listens where the plan says, and hands the sockets to the supervisor.
    Network = "network",
    /// Init takes the job's id and gives up all groups.
    Ids = "ids",
    /// Init sets no_new_privs.
    NoNewPrivs = "no_new_privs",
    /// Init enters the Landlock domain that the job will be in.
    Landlock = "landlock",
    /// The job's process, cloned into all this, enters its user namespace.
    EnterUserNamespace = "enter_user_namespace",
    /// It sets its resource limits.
    Rlimits = "rlimits",
    /// It empties all five capability sets and locks the secure bits.
    Capabilities = "capabilities",
    /// It enters a Landlock domain of its own, if init's grants more than it may have.
    LandlockJob = "landlock_job",
    /// It takes its standard streams and closes every other descriptor.
    Descriptors = "descriptors",
    /// It installs its system-call filter.
    Seccomp = "seccomp",
    /// It reads back what is in force and compares it with what was asked for.
    ReadBack = "read_back",
    /// Init gives up its own privileges.
    InitConfine = "init_confine",
    /// Init, confined by now, lays the task's inputs into `/job` under the job's own id.
    Inputs = "inputs",
    /// The job's process opens the command and executes it by descriptor.
    Exec = "exec",
}

impl Stage {
    /// The stage of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|stage| stage.name() == name)
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// An error number of the kernel, errno(3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Errno(pub i32);

impl fmt::Display for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", std::io::Error::from_raw_os_error(self.0))
    }
}

/// A step of set-up failed; the job did not start.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("sandbox set-up failed at `{stage}`: {call} `{target}`: {errno}")]
pub struct SetupError {
    /// Which step.
    pub stage: Stage,
    /// The system call, or the check, that failed.
    pub call: String,
    /// What it was applied to.
    pub target: String,
    /// What the kernel answered.
    pub errno: Errno,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_stage_is_found_by_its_name() {
        for stage in Stage::ALL {
            assert_eq!(Stage::from_name(stage.name()), Some(*stage));
        }
        assert_eq!(Stage::from_name("nonsense"), None);
    }
}
