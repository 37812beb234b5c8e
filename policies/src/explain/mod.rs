//! Which mechanism of a host is behind each line of an effective policy.

mod mechanism;

use std::collections::BTreeMap;

use serde::Serialize;

use crate::effective::{
    EffectivePolicy, Enforces, Explained, Right, enforced, first_word, members, section_order,
};
use crate::host::{Host, HostError};
use crate::policy::{DISKS, LAYERS};
use crate::registry::ExecutionType;
use mechanism::Mechanisms;

/// What the kernel of a host can enforce with.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HostMechanisms {
    /// Its Landlock ABI, 0 where there is none.
    pub landlock_abi: u8,
    /// Whether it takes system-call filters.
    pub seccomp: bool,
    /// Each control group controller and the hierarchy it sits in, as a reader is told: `memory`, `cgroup v2`.
    pub controllers: Vec<(String, String)>,
    /// The namespaces that it makes, by their names under `require`.
    pub namespaces: Vec<String>,
}

impl HostMechanisms {
    /// The host as policies are compiled for it: what it lacks is an error where a policy requires it.
    pub fn host(&self) -> Host {
        let missing = LAYERS.into_iter().chain([DISKS]).filter_map(|layer| Some((layer, self.lack(layer)?)));
        missing.fold(Host::new(), |host, (layer, why)| host.without(layer, why))
    }

    /// Why it has no such layer, if that can be told without running a job. Landlock is measured by its ABI.
    fn lack(&self, layer: &str) -> Option<String> {
        let why = match (layer.strip_suffix("_namespace"), layer.strip_prefix("cgroup_")) {
            _ if layer == "seccomp" && !self.seccomp => {
                "the kernel has no seccomp filters (CONFIG_SECCOMP_FILTER)".to_owned()
            }
            (Some(kind), _) if !self.namespaces.iter().any(|there| there == layer) => {
                format!("the kernel makes no {kind} namespaces; look at `/proc/sys/user`")
            }
            (None, Some(name)) if !self.controllers.iter().any(|(there, _)| there == name) => {
                format!("the host has no `{name}` controller in any control group hierarchy")
            }
            _ => return None,
        };
        Some(why)
    }
}

/// Whether something stands behind a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// The mechanism is there.
    Enforced,
    /// What the line names is not on this host: nobody is given it, and jobs that do without it run.
    NotHere,
    /// What the line names is not on this host, and no job runs without it.
    StopsJobs,
    /// The mechanism is not there: no job runs.
    NotEnforced,
}

impl Standing {
    /// Whether the line keeps every job from running.
    pub const fn stops_jobs(self) -> bool {
        matches!(self, Self::StopsJobs | Self::NotEnforced)
    }
}

/// An effective line and what enforces it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct EnforcedLine {
    /// The line: clause, value, origin.
    #[serde(flatten)]
    pub line: Explained,
    /// Whether something does.
    pub standing: Standing,
    /// What does, or what is missing.
    pub mechanism: String,
}

impl EffectivePolicy {
    /// Every effective value, in the order of a policy file, with who decided it and what enforces it: the kernel described by `mechanisms`, with
    /// the files of `host`.
    pub fn explain(&self, mechanisms: &HostMechanisms, host: &Host) -> Vec<EnforcedLine> {
        let known = Mechanisms::new(self, mechanisms);
        let absent = self.absent(host);
        let explain = |line: Explained| {
            let gone = absent.get(&(line.clause.clone(), line.value.clone()));
            let (standing, mechanism) = match (known.behind(&line), gone) {
                (Err(missing), _) => (Standing::NotEnforced, missing),
                (Ok(_), Some((standing, HostError::Missing { .. }))) => (*standing, "not here".to_owned()),
                (Ok(_), Some((standing, error))) => (*standing, error.to_string()),
                (Ok(mechanism), None) => (Standing::Enforced, mechanism),
            };
            EnforcedLine { line, standing, mechanism }
        };
        let mut lines = self.clauses();
        lines.sort_by_key(|line| section_order(&line.clause));
        lines.into_iter().map(explain).collect()
    }

    /// The same for a runner of another execution type, which puts `enforces` in force by means of its own.
    pub fn explain_by(&self, execution_type: &ExecutionType, enforces: Enforces) -> Vec<EnforcedLine> {
        let lacks = self.not_enforced_by(execution_type.as_str(), enforces);
        let explain = |line: Explained| {
            let lack = lacks.iter().find(|lack| line.clause.starts_with(first_word(&lack.clause)));
            let (standing, mechanism) = match lack {
                _ if enforced(enforces, &line) => {
                    (Standing::Enforced, format!("the {execution_type} runner"))
                }
                Some(lack) => (Standing::NotEnforced, lack.missing.clone()),
                None => (Standing::Enforced, "nobody states it, and nothing is promised".to_owned()),
            };
            EnforcedLine { line, standing, mechanism }
        };
        let mut lines = self.clauses();
        lines.sort_by_key(|line| section_order(&line.clause));
        lines.into_iter().map(explain).collect()
    }

    /// The lines that name what `host` does not have.
    fn absent(&self, host: &Host) -> BTreeMap<(String, String), (Standing, HostError)> {
        let root = &self.root();
        let line = |clause: &str, value: String| (clause.to_owned(), value);
        let commands = members(&self.rights().commands).filter_map(|(name, _)| {
            let error = host.program(root, name).err()?;
            Some((line("commands", name.to_string()), (Standing::NotHere, error)))
        });
        let read = members(&self.rights().read).map(|(path, _)| ("filesystem.read", path));
        let execute = members(&self.rights().execute).map(|(path, _)| ("filesystem.execute", path));
        let paths = read.chain(execute).filter_map(|(clause, path)| {
            let missing = |error: &HostError| matches!(error, HostError::Missing { .. });
            let error = host.resolve(root, &path.path).err().filter(missing)?;
            let standing = if path.optional { Standing::NotHere } else { Standing::StopsJobs };
            Some((line(clause, Right::line(path)), (standing, error)))
        });
        commands.chain(paths).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::effective::Rights;
    use crate::{Environment, JobSpec, Library, compile};

    fn complete() -> HostMechanisms {
        let controllers =
            ["memory", "cpu", "pids", "io"].map(|name| (name.to_owned(), "cgroup v2".to_owned())).to_vec();
        let kinds = ["user", "mount", "pid", "network", "ipc", "uts", "cgroup"];
        let namespaces = kinds.map(|kind| format!("{kind}_namespace")).to_vec();
        HostMechanisms { landlock_abi: 6, seccomp: true, controllers, namespaces }
    }

    fn policy(text: &str) -> EffectivePolicy {
        let (library, name) = Library::shipped().unwrap().with_text("mine.yaml", text).unwrap();
        library.effective(name.as_str(), Environment::Production).unwrap()
    }

    fn shipped(name: &str) -> EffectivePolicy {
        Library::shipped().unwrap().effective(name, Environment::Production).unwrap()
    }

    /// States every clause there is, so that every line that can be printed is printed.
    const EVERYTHING: &str = "\
policy: everything
commands: [/bin/sh]
resource_limits: {memory_mb: 64, disk_read_mb_per_second: 8}
filesystem: {root: host, read: [/usr/share], execute: [/usr/lib/gcc], write: [/job]}
network: {mode: allowlist, hosts: [\"a.example.com:443\"], addresses: [\"192.0.2.7:443\"]}
syscalls: {profile: standard, add: [io_setup], remove: [\"@memory-exec\"]}
require: [landlock]
outputs: [a]
environment: {pass: [TZ], set: {A: b}}
images: [\"a@sha256:0000000000000000000000000000000000000000000000000000000000000000\"]
functions: [\"arn:aws:lambda:eu-west-1:123456789012:function:f:1\"]
http: {hosts: [\"a.example.com:443\"], addresses: [\"192.0.2.7:443\"], methods: [GET], path_prefixes: [/v1], headers: [accept]}
secrets: [\"env:A\"]
";

    #[test]
    fn every_line_that_can_be_printed_is_known() {
        let lines = policy(EVERYTHING).explain(&complete(), &Host::new());
        for clause in Rights::SET_CLAUSES {
            assert!(lines.iter().any(|line| line.line.clause == *clause), "{clause} is not in the text");
        }
        for clause in
            ["syscalls.add", "syscalls.remove", "http.request_kb", "filesystem.root", "network.mode"]
        {
            assert!(lines.iter().any(|line| line.line.clause == clause), "{clause} is not in the text");
        }
        for line in &lines {
            assert_ne!(line.mechanism, mechanism::NOTHING, "{}", line.line);
        }
        let required = lines.iter().filter(|line| line.line.clause == "require").count();
        assert_eq!(required, crate::policy::LAYERS.len());
    }

    #[test]
    fn a_complete_host_enforces_every_line_of_the_shell_policies() {
        for name in ["base", "script-standard", "script-strict", "shell-utils"] {
            let policy = shipped(name);
            let lines = policy.explain(&complete(), &Host::new());
            assert_eq!(lines.len(), policy.clauses().len());
            for line in lines {
                assert_ne!(line.standing, Standing::NotEnforced, "{name}: {} {}", line.line, line.mechanism);
            }
        }
    }

    #[test]
    fn a_policy_that_requires_what_the_kernel_lacks_compiles_for_no_job() {
        let (library, name) = Library::shipped()
            .unwrap()
            .with_text(
                "p.yaml",
                "policy: p\nextends: shell-utils\nrequire: [uts_namespace, cgroup_pids, seccomp]\n",
            )
            .unwrap();
        let policy = library.effective(name.as_str(), Environment::Development).unwrap();
        let job = JobSpec::command(vec!["/bin/sh".to_owned()]).unwrap();
        assert!(compile(&policy, &job, &complete().host(), 6).is_ok());
        let lacking = [
            ("uts_namespace", HostMechanisms { namespaces: Vec::new(), ..complete() }),
            ("cgroup_pids", HostMechanisms { controllers: Vec::new(), ..complete() }),
            ("seccomp", HostMechanisms { seccomp: false, ..complete() }),
        ];
        for (layer, mechanisms) in lacking {
            let error = compile(&policy, &job, &mechanisms.host(), 6).unwrap_err().to_string();
            assert!(error.contains(&format!("require: {layer}")), "{error}");
        }
    }

    #[test]
    fn what_the_kernel_lacks_is_named_at_each_line_that_needs_it() {
        let lines = shipped("script-strict").explain(&HostMechanisms::default(), &Host::new());
        let missing = |clause: &str, what: &str| {
            lines.iter().any(|line| {
                let named = line.line.clause == clause
                    || format!("{}: {}", line.line.clause, line.line.value) == clause;
                named && line.standing == Standing::NotEnforced && line.mechanism.contains(what)
            })
        };
        assert!(missing("commands", "no Landlock"));
        assert!(missing("resource_limits.memory_mb", "no `memory` controller"));
        assert!(missing("syscalls.profile", "no seccomp"));
        assert!(missing("network.mode", "no network namespaces"));
        assert!(missing("require: landlock", "no Landlock"));
        assert!(missing("require: user_namespace", "no user namespaces"));
        assert!(!missing("resource_limits.open_files", ""));
        // Nothing is needed for a limit that nobody has set.
        assert!(!missing("resource_limits.disk_read_mb_per_second", ""));
        let old = HostMechanisms { landlock_abi: 4, ..complete() };
        let lines = shipped("script-strict").explain(&old, &Host::new());
        let stopped: Vec<&EnforcedLine> = lines.iter().filter(|line| line.standing.stops_jobs()).collect();
        assert!(stopped.iter().all(|line| line.line.value == "landlock" && line.mechanism.contains("ABI 4")));
        assert_eq!(stopped.len(), 1);
    }

    #[test]
    fn a_clause_that_this_version_cannot_enforce_says_so() {
        let lines = policy(EVERYTHING).explain(&complete(), &Host::new());
        for clause in ["images", "functions", "http.hosts", "http.headers", "secrets"] {
            let line = lines.iter().find(|line| line.line.clause == clause).unwrap();
            assert_eq!(line.standing, Standing::NotEnforced, "{clause}");
            assert!(line.mechanism.contains("the shell runner"), "{clause}: {}", line.mechanism);
        }
    }

    #[test]
    fn a_network_is_behind_the_proxy_or_not_there() {
        let standing = |text: &str, clause: &str| {
            let lines = policy(text).explain(&complete(), &Host::new());
            let line = lines.into_iter().find(|line| line.line.clause == clause).unwrap();
            (line.standing, line.mechanism)
        };
        for clause in ["network.mode", "network.hosts", "network.addresses"] {
            let (standing, mechanism) = standing(EVERYTHING, clause);
            assert_eq!(standing, Standing::Enforced, "{clause}");
            assert!(mechanism.contains("the egress proxy"), "{clause}: {mechanism}");
        }
        let loopback = "policy: mine\ncommands: [/bin/sh]\nnetwork: {mode: loopback}\n";
        assert_eq!(standing(loopback, "network.mode").0, Standing::NotEnforced);
        assert_eq!(
            standing(&loopback.replace("loopback", "none"), "network.mode").1,
            "an empty network namespace"
        );
    }

    #[test]
    fn what_is_not_on_the_host_is_told_and_stops_jobs_only_if_they_need_it() {
        let text = "policy: mine\ncommands: [/bin/sh, /usr/bin/none]\nfilesystem: {read: [/opt/none, {path: /opt/no, optional: true}, /usr]}\n";
        let lines = policy(&text.replace(", /usr]", "]")).explain(&complete(), &Host::new());
        let standing = |value: &str| lines.iter().find(|line| line.line.value == value).unwrap().standing;
        assert_eq!(standing("/bin/sh"), Standing::Enforced);
        assert_eq!(standing("/usr/bin/none"), Standing::NotHere);
        assert_eq!(standing("/opt/no (if present)"), Standing::NotHere);
        assert_eq!(standing("/opt/none"), Standing::StopsJobs);
    }
}
