//! One probe, one thing a job must not get away with. Each runs twice: in a sandbox, where it must be refused
//! with the error stated here, and on the bare host under an unprivileged account, as the positive control.

use std::path::Path;
use std::process::Command;

use stockade_sandbox::End;
use stockade_tests::{Control, Rig, Suite, build_probe};

/// What a sandbox answers.
enum Verdict {
    /// The call fails with this error.
    Error(&'static str),
    /// The call fails with the second error, and before this ABI of Landlock, from another layer, with the third.
    Since(u8, &'static str, &'static str),
    /// The process is killed with `SIGSYS`.
    Killed,
    /// The call works, and may.
    Allowed,
}

use Control::{HostLacks, Refused, SameRefusal, Works, WorksOrUnknown};
use Verdict::{Allowed, Error, Killed, Since};

/// Probe, verdict in a sandbox, control.
const CASES: [(&str, Verdict, Control); 58] = [
    // User namespaces: the way into most of the kernel's privileged surface.
    ("userns_unshare", Error("EPERM"), Works),
    ("userns_clone", Error("EPERM"), Works),
    ("userns_clone3", Error("ENOSYS"), Works),
    ("thread_clone3_probe", Error("ENOSYS"), Refused("EINVAL")),
    // Calls with a history.
    ("io_uring", Error("ENOSYS"), Works),
    ("userfaultfd", Error("ENOSYS"), Works),
    ("bpf", Error("EPERM"), Refused("EINVAL")),
    ("perf", Error("EPERM"), Refused("EACCES")),
    ("keyctl", Error("ENOSYS"), Works),
    ("add_key", Error("ENOSYS"), Works),
    ("personality_random", Error("EPERM"), Works),
    ("module", Error("EPERM"), HostLacks),
    ("kexec", Error("EPERM"), HostLacks),
    ("syslog_read", Error("EPERM"), SameRefusal),
    ("quota", Error("EPERM"), HostLacks),
    ("reboot_now", Error("EPERM"), SameRefusal),
    ("swap_on", Error("EPERM"), SameRefusal),
    // Socket families.
    ("af_alg", Error("EPERM"), HostLacks),
    ("af_vsock", Error("EPERM"), HostLacks),
    ("af_packet", Error("EPERM"), SameRefusal),
    ("af_xdp", Error("EPERM"), SameRefusal),
    ("netlink_route", Error("EPERM"), Works),
    ("netlink_xfrm", Error("EPERM"), Works),
    ("netlink_netfilter", Error("EPERM"), Works),
    // Network: the namespace is empty, even loopback is down. On the host the connection is refused by the
    // port, and the datagram leaves.
    ("connect_tcp", Since(4, "EACCES", "ENETUNREACH"), Refused("ECONNREFUSED")),
    ("send_udp", Error("ENETUNREACH"), Works),
    // Terminals.
    ("tiocsti", Error("EPERM"), Refused("ENOTTY")),
    ("tiocsti_high", Error("EPERM"), Refused("ENOTTY")),
    ("tioclinux", Error("EPERM"), Refused("ENOTTY")),
    // Foreign programs.
    ("memfd_exec", Error("ENOSYS"), Works),
    // The view does not even have it.
    ("write_text", Error("ENOENT"), Refused("EACCES")),
    // Mounts and escapes from the root.
    ("mount_tmpfs", Error("EPERM"), SameRefusal),
    ("clone_tree", Error("EPERM"), SameRefusal),
    ("open_fs", Error("EPERM"), SameRefusal),
    ("remount", Error("EPERM"), SameRefusal),
    ("umount_proc", Error("EPERM"), SameRefusal),
    ("handle", Error("EPERM"), SameRefusal),
    ("mknod_disk", Error("EACCES"), Refused("EPERM")),
    ("chroot_here", Error("EPERM"), SameRefusal),
    // The sandbox's own init.
    ("ptrace_init", Error("EPERM"), SameRefusal),
    ("read_init", Error("EPERM"), SameRefusal),
    ("limit_init", Error("EPERM"), SameRefusal),
    ("kcmp_init", Error("EPERM"), SameRefusal),
    ("open_init_memory", Error("ENOENT"), Refused("EACCES")),
    ("setns_init", Error("ENOENT"), Refused("EACCES")),
    // Privilege.
    ("setuid_root", Error("EINVAL"), Refused("EPERM")),
    ("securebits", Error("EPERM"), SameRefusal),
    // Other system call tables.
    ("int80", Killed, Works),
    ("x32", Killed, HostLacks),
    // Kernel memory that no control group counts, and what shows other tenants or slows the sandbox down.
    ("attach_filter", Error("EPERM"), Works),
    ("bind_memory", Error("ENOSYS"), Works),
    ("watch_directory", Error("EPERM"), Works),
    ("watch_files", Error("EPERM"), Works),
    ("core_limit", Error("EPERM"), Works),
    ("merge_memory", Error("EPERM"), WorksOrUnknown("EINVAL")),
    ("idle_init", Error("EPERM"), SameRefusal),
    // Limits and what may work.
    ("open_files", Error("EMFILE"), SameRefusal),
    ("shm_segment", Allowed, Works),
];

pub(crate) fn run(suite: &mut Suite) {
    // `/tmp` is the job's own in a sandbox, so the probe cannot lie there, nor can this checkout be trusted not to.
    let directory = tempfile::Builder::new().prefix("stockade-probe").tempdir_in("/var/tmp").unwrap();
    let probe = build_probe(directory.path());
    for path in [directory.path(), &probe] {
        let readable = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(path, readable).unwrap();
    }
    // Before root is given up: the control needs it to become an account without any right here.
    let controls: Vec<String> = CASES.iter().map(|(name, _, _)| on_the_bare_host(&probe, name)).collect();
    let rig = Rig::start(None);
    let policy = format!(
        "policy: probe\nversion: 1\ndescription: The probe and nothing else.\nextends: base\ncommands: [{}]\n\
         filesystem: {{read: [/usr/lib/x86_64-linux-gnu], write: [/job, /tmp]}}\n\
         resource_limits: {{open_files: 32}}\n",
        probe.display()
    );
    for ((name, verdict, control), outside) in CASES.iter().zip(&controls) {
        suite.test(name, || {
            assert_control(name, *control, outside, verdict);
            assert_verdict(&rig, &policy, &probe, name, verdict);
        });
    }
    rig.close();
}

fn on_the_bare_host(probe: &Path, name: &str) -> String {
    let output = Command::new("setpriv")
        .args(["--reuid", "65534", "--regid", "65534", "--clear-groups"])
        .arg(probe)
        .arg(name)
        .current_dir("/tmp")
        .stdin(std::process::Stdio::null())
        .output()
        .unwrap();
    assert!(output.status.code().is_none_or(|code| code == 0), "{name}: {output:?}");
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

fn assert_control(name: &str, control: Control, outside: &str, verdict: &Verdict) {
    let wanted = match (control, verdict) {
        (WorksOrUnknown(error), _) if outside == format!("{name} {error}") => return,
        (Works | WorksOrUnknown(_), _) => format!("{name} ok"),
        (Refused(error), _) => format!("{name} {error}"),
        (SameRefusal, Error(error)) => format!("{name} {error}"),
        (HostLacks | SameRefusal, _) => return,
    };
    assert_eq!(outside, wanted, "on the bare host");
}

fn assert_verdict(rig: &Rig, policy: &str, probe: &Path, name: &str, verdict: &Verdict) {
    let outcome = rig.run(policy, &[probe.to_str().unwrap(), name]);
    let said = String::from_utf8_lossy(&outcome.stdout.bytes).trim().to_owned();
    match verdict {
        Error(error) => assert_eq!(said, format!("{name} {error}")),
        Since(abi, error, before) => {
            let error = if rig.sandbox.facts().landlock_abi >= *abi { error } else { before };
            assert_eq!(said, format!("{name} {error}"));
        }
        Allowed => assert_eq!(said, format!("{name} ok")),
        Killed => assert_eq!(outcome.end, End::Signaled(31), "SIGSYS; it said `{said}`"),
    }
}
