//! Line by line: what a kernel must have.

use super::HostMechanisms;
use crate::effective::{EffectivePolicy, Explained, SHELL_ENFORCES, first_word as section};
use crate::egress::Egress;
use crate::policy::{LANDLOCK_FULL, LimitKey};
use crate::seccomp::job_filter;

/// Of a clause that this table does not know.
pub(super) const NOTHING: &str = "nothing in this version enforces it";

/// What stands behind a line, or what is missing.
type Found = Result<String, String>;

/// What is there for one policy.
pub(super) struct Mechanisms<'a> {
    host: &'a HostMechanisms,
    /// Sections of the policy that this version does not carry out, and why.
    gaps: Vec<(String, String)>,
    filter: Found,
    /// Whether jobs have the egress proxy.
    proxied: bool,
}

impl<'a> Mechanisms<'a> {
    pub(super) fn new(policy: &EffectivePolicy, host: &'a HostMechanisms) -> Self {
        let gaps = policy.not_enforced_by("shell", SHELL_ENFORCES).into_iter();
        let gaps = gaps.map(|lack| (section(&lack.clause).to_owned(), lack.missing)).collect();
        Self { host, gaps, filter: filter(policy, host), proxied: Egress::of(policy).is_some() }
    }

    pub(super) fn behind(&self, line: &Explained) -> Found {
        let clause = line.clause.as_str();
        if let Some((_, missing)) = self.gaps.iter().find(|(gap, _)| gap == section(clause)) {
            return Err(missing.clone());
        }
        if let Some(key) = clause.strip_prefix("resource_limits.") {
            let key = LimitKey::ALL.into_iter().find(|known| known.name() == key);
            return match key {
                Some(key) if line.value == key.show(u64::MAX) => {
                    Ok("no limit: what a job reads, it reads unhindered".to_owned())
                }
                Some(key) => self.limit(key),
                None => Err(NOTHING.to_owned()),
            };
        }
        match clause {
            "require" => self.layer(&line.value),
            "commands" => self.landlock("execute right, on a root that holds no other program"),
            "filesystem.root" => {
                self.namespace("mount", "a mount namespace that holds nothing but the read-only root of the policy")
            }
            "filesystem.read" => self.landlock("read right, on a read-only bind mount (nosuid, nodev)"),
            "filesystem.execute" => self.landlock("execute right, on a read-only bind mount (nosuid, nodev)"),
            "filesystem.write" => {
                self.landlock("write right, on the job's own tmpfs (noexec, nosuid, nodev)")
            }
            "network.mode" if self.proxied => self.namespace(
                "network",
                "a network namespace with a loopback and nothing else, on which only the egress proxy listens",
            ),
            "network.mode" => self.namespace("network", "an empty network namespace"),
            "network.hosts" if self.proxied => {
                Ok("the egress proxy: it looks the name up itself and checks name, port, address and the \
                    server name of TLS, at each connection"
                    .to_owned())
            }
            "network.addresses" if self.proxied => {
                Ok("the egress proxy: compared at each connection".to_owned())
            }
            "syscalls.profile" | "syscalls.add" | "syscalls.remove" => self.filter.clone(),
            "outputs" => Ok("init collects regular files below /job, and follows no link".to_owned()),
            "environment.pass" | "environment.set" => {
                Ok("execve(2) with an environment made from nothing".to_owned())
            }
            _ => unused(section(clause)),
        }
    }

    fn limit(&self, key: LimitKey) -> Found {
        match key {
            LimitKey::MemoryMb => self.controller("memory", "no swap"),
            LimitKey::CpuCores => self.controller("cpu", "a quota of every 100 ms"),
            LimitKey::Pids => self.controller("pids", "RLIMIT_NPROC behind it"),
            LimitKey::CpuSeconds => self.controller("cpu", "its count is watched; RLIMIT_CPU behind it"),
            LimitKey::WallSeconds => Ok("the supervisor's clock, then cgroup.kill".to_owned()),
            LimitKey::DiskMb => Ok("the size of the job's tmpfs, and RLIMIT_FSIZE".to_owned()),
            LimitKey::DiskReadMbPerSecond => {
                self.controller("io", "on each disk that holds what the job is shown")
            }
            LimitKey::Files => Ok("the inodes of the job's tmpfs".to_owned()),
            LimitKey::OpenFiles => Ok("RLIMIT_NOFILE".to_owned()),
            LimitKey::OutputKb => {
                Ok("a job that prints more is ended; no larger file is collected".to_owned())
            }
        }
    }

    /// Each by its name under `require`. All are read back in the sandbox before a job's first instruction.
    fn layer(&self, name: &str) -> Found {
        if let Some(kind) = name.strip_suffix("_namespace") {
            return self.namespace(kind, "made anew for each job, and compared with the host's");
        }
        if let Some(controller) = name.strip_prefix("cgroup_") {
            return self.controller(controller, "the limit is read back");
        }
        let always = match name {
            "landlock" if (1..LANDLOCK_FULL).contains(&self.host.landlock_abi) => {
                return Err(format!(
                    "the kernel's Landlock has ABI {}, and signals and abstract sockets are confined from ABI \
                     {LANDLOCK_FULL}",
                    self.host.landlock_abi
                ));
            }
            "landlock" => return self.landlock("files, signals and abstract sockets"),
            "seccomp" => return self.filter.clone(),
            "ids" => "a uid and gid of the job's own and no groups; setresuid(2)",
            "capabilities" => "all five sets empty, secure bits locked; capset(2)",
            "no_new_privs" => "prctl(2), PR_SET_NO_NEW_PRIVS",
            "rlimits" => "prlimit(2)",
            "descriptors" => "close_range(2): 0, 1 and 2 are left",
            "root_filesystem" => "a tmpfs of binds, remounted read-only",
            "work_filesystem" => "a tmpfs of the job's own (noexec, nosuid, nodev)",
            "proc_filesystem" => "a proc of the job's own processes",
            _ => NOTHING,
        };
        if always == NOTHING { Err(always.to_owned()) } else { Ok(always.to_owned()) }
    }

    fn landlock(&self, what: &str) -> Found {
        match self.host.landlock_abi {
            0 => Err("the kernel has no Landlock; boot one that has, with `landlock` in its `lsm=` list"
                .to_owned()),
            abi => Ok(format!("Landlock ABI {abi}: {what}")),
        }
    }

    fn controller(&self, name: &str, what: &str) -> Found {
        match self.host.controllers.iter().find(|(known, _)| known == name) {
            Some((_, hierarchy)) => Ok(format!("{hierarchy} {name} controller; {what}")),
            None => Err(self.host.lack(&format!("cgroup_{name}")).unwrap_or_default()),
        }
    }

    fn namespace(&self, kind: &str, what: &str) -> Found {
        self.host.lack(&format!("{kind}_namespace")).map_or_else(|| Ok(what.to_owned()), Err)
    }
}

/// The filter is made as for a job, so that what is said of it is so.
fn filter(policy: &EffectivePolicy, host: &HostMechanisms) -> Found {
    if let Some(missing) = host.lack("seccomp") {
        return Err(missing);
    }
    let filter = job_filter(policy.rights().calls()).map_err(|error| error.to_string())?;
    Ok(format!("seccomp filter of {} instructions, default deny", filter.instructions.len()))
}

/// Rights that add to one that is not granted.
fn unused(section: &str) -> Found {
    match section {
        "http" => Ok("grants nothing by itself: no `http.hosts`".to_owned()),
        "network" => Ok("grants nothing by itself: no `mode: allowlist`".to_owned()),
        _ => Err(NOTHING.to_owned()),
    }
}
