//! What a job sees of the host, and which programs it can run.

use stockade_sandbox::{End, State};
use stockade_tests::{Rig, Suite};

const SHELL: &str = "\
policy: shell
version: 1
description: A shell and a few programs.
extends: base
filesystem: {read: [/usr/lib/x86_64-linux-gnu], write: [/job, /tmp]}
commands: [/bin/sh, /usr/bin/cat, /usr/bin/ls, /usr/bin/id, /usr/bin/readlink, /usr/bin/cp, /usr/bin/chmod]
";

fn sh(rig: &Rig, script: &str) -> String {
    let outcome = rig.run(SHELL, &["/bin/sh", "-c", &format!("PATH=/usr/bin; exec 2>&1; {script}")]);
    String::from_utf8_lossy(&outcome.stdout.bytes).into_owned()
}

pub(crate) fn run(suite: &mut Suite) {
    let rig = Rig::start(None);
    suite.test("every_layer_is_enforced_and_says_so", || every_layer(&rig));
    suite.test("no_capability_is_left_in_any_set", || {
        let status = sh(&rig, "cat /proc/self/status");
        for set in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
            assert!(status.contains(&format!("{set}:\t0000000000000000")), "{status}");
        }
        assert!(status.contains("NoNewPrivs:\t1") && status.contains("Seccomp:\t2"), "{status}");
    });
    suite.test("the_job_has_one_id_and_no_group", || {
        assert_eq!(sh(&rig, "id -u; id -g; id -G").lines().collect::<Vec<_>>(), ["1000", "1000", "1000"]);
        let map: Vec<String> =
            sh(&rig, "cat /proc/self/uid_map").split_whitespace().map(str::to_owned).collect();
        assert_eq!((map[0].as_str(), map[2].as_str()), ("1000", "1"));
    });
    suite.test("every_namespace_differs_from_the_hosts", || {
        for name in ["user", "mnt", "pid", "net", "ipc", "uts", "cgroup"] {
            let inside = sh(&rig, &format!("readlink /proc/self/ns/{name}"));
            let outside = std::fs::read_link(format!("/proc/self/ns/{name}")).unwrap();
            assert!(inside.starts_with(&format!("{name}:[")), "{inside}");
            assert_ne!(inside.trim(), outside.to_str().unwrap());
        }
    });
    suite.test("secrets_and_the_rest_of_the_host_are_not_there", || host_files(&rig));
    suite.test("proc_shows_the_jobs_own_processes_and_nothing_of_the_kernel", || proc_files(&rig));
    suite.test("nothing_of_the_root_can_be_written", || read_only_root(&rig));
    suite.test("only_standard_streams_are_open", || {
        // 3 is ls's own, for the directory it lists.
        assert_eq!(sh(&rig, "ls /proc/self/fd").split_whitespace().collect::<Vec<_>>(), ["0", "1", "2", "3"]);
    });
    suite.test("the_environment_is_the_policys_alone", || {
        let environment = sh(&rig, "cat /proc/self/environ").replace('\0', "\n");
        let names: Vec<&str> =
            environment.lines().filter_map(|line| line.split_once('=')).map(|(n, _)| n).collect();
        for name in ["PATH", "HOME", "TMPDIR", "LANG"] {
            assert!(names.contains(&name), "{names:?}");
        }
        assert!(!names.iter().any(|name| name.contains("CARGO") || *name == "USER"), "{names:?}");
    });
    suite.test("the_job_starts_in_its_work_directory", || {
        assert_eq!(sh(&rig, "readlink /proc/self/cwd").trim(), "/job");
    });
    suite.test("the_cgroup_namespace_hides_the_group", || {
        assert!(sh(&rig, "cat /proc/self/cgroup").lines().all(|line| line.ends_with(":/")));
    });
    programs(suite, &rig);
    rig.close();
}

fn every_layer(rig: &Rig) {
    let outcome = rig.run(SHELL, &["/bin/sh", "-c", "true"]);
    let layers = &outcome.enforcement.0;
    for layer in [
        "user_namespace",
        "mount_namespace",
        "pid_namespace",
        "network_namespace",
        "ipc_namespace",
        "uts_namespace",
        "cgroup_namespace",
        "ids",
        "capabilities",
        "no_new_privs",
        "seccomp",
        "landlock",
        "rlimits",
        "descriptors",
        "cgroup_memory",
        "cgroup_pids",
        "cgroup_cpu",
        "root_filesystem",
        "work_filesystem",
        "proc_filesystem",
    ] {
        let found = layers.get(layer).unwrap_or_else(|| panic!("{layer} is not reported"));
        assert!(!found.detail.is_empty());
        // Landlock says `degraded` on kernels before 6.12, which lack a part of it, and says which.
        if layer != "landlock" || rig.sandbox.facts().landlock_abi >= 6 {
            assert_eq!(found.state, State::Enforced, "{layer}: {}", found.detail);
        } else {
            assert_eq!(found.state, State::Degraded, "{layer}: {}", found.detail);
            assert!(found.detail.ends_with("signals and abstract sockets"), "{}", found.detail);
        }
    }
}

fn host_files(rig: &Rig) {
    // The control: the same command reads what the view has.
    assert!(
        sh(rig, "cat /etc/passwd").starts_with("job:") || sh(rig, "cat /etc/passwd").contains("job:x:1000")
    );
    for path in
        ["/etc/shadow", "/root/.profile", "/var/lib/dpkg/status", "/run/stockade", "/sys/kernel", "/home"]
    {
        let said = sh(rig, &format!("cat {path}"));
        assert!(said.contains("No such file") || said.contains("Permission denied"), "{path}: {said}");
    }
    let said = sh(rig, "cat /.stockade-probe");
    assert!(said.contains("Permission denied"), "{said}");
}

fn proc_files(rig: &Rig) {
    let entries = sh(rig, "ls /proc");
    let foreign: Vec<&str> = entries
        .split_whitespace()
        .filter(|name| !matches!(*name, "self" | "thread-self"))
        .filter(|name| name.parse::<u32>().map_or(true, |pid| pid > 20))
        .collect();
    assert!(foreign.is_empty(), "{foreign:?}");
    for path in
        ["kcore", "sysrq-trigger", "sys/kernel/core_pattern", "kallsyms", "keys", "timer_list", "1/environ"]
    {
        let said = sh(rig, &format!("cat /proc/{path}"));
        assert!(said.contains("No such file") || said.contains("Permission denied"), "{path}: {said}");
    }
}

fn read_only_root(rig: &Rig) {
    assert_eq!(sh(rig, "echo x > /job/x && echo x > /tmp/x && cat /job/x /tmp/x"), "x\nx\n");
    for path in ["/x", "/usr/x", "/etc/passwd", "/dev/x", "/bin/sh", "/proc/x", "/usr/lib/x"] {
        let said = sh(rig, &format!("echo x > {path}"));
        assert!(
            ["Read-only file system", "Permission denied", "Directory nonexistent", "cannot create"]
                .iter()
                .any(|refusal| said.contains(refusal)),
            "{path}: {said}"
        );
    }
}

/// The list of commands binds every execution, not only the first.
fn programs(suite: &mut Suite, rig: &Rig) {
    suite.test("a_listed_program_runs_and_any_other_does_not", || {
        assert!(sh(rig, "/usr/bin/id -u").starts_with("1000"));
        let said = sh(rig, "/usr/bin/env true");
        assert!(said.contains("not found") || said.contains("Permission denied"), "{said}");
    });
    suite.test("a_copied_program_does_not_run", || {
        let said = sh(rig, "cp /usr/bin/id /job/id && chmod 755 /job/id && /job/id; echo $?");
        assert!(said.contains("Permission denied") && said.ends_with("126\n"), "{said}");
    });
    suite.test("the_loader_does_not_run_a_copied_program", || {
        let loader = "/lib64/ld-linux-x86-64.so.2";
        // The control: the loader does run what the list has.
        assert!(sh(rig, &format!("{loader} /usr/bin/id -u")).starts_with("1000"));
        let said = sh(rig, &format!("cp /usr/bin/id /job/id; {loader} /job/id -u"));
        assert!(!said.starts_with("1000") && said.contains("failed to map"), "{said}");
    });
    suite.test("a_script_in_the_work_directory_does_not_run_by_itself", || {
        let said = sh(rig, "echo '#!/bin/sh\necho ran' > /job/s; chmod 755 /job/s; /job/s; echo $?");
        assert!(said.contains("Permission denied") && !said.contains("ran\n"), "{said}");
        // The control: its interpreter is on the list and may read it.
        assert_eq!(sh(rig, "echo 'echo ran' > /job/s; /bin/sh /job/s"), "ran\n");
    });
    suite.test("a_program_that_is_not_on_the_list_is_refused_before_anything_runs", || {
        let refused = rig.try_plan(SHELL, &["/usr/bin/env"], &[]).unwrap_err();
        assert!(refused.is_refusal() && refused.to_string().contains("/usr/bin/env"), "{refused}");
    });
    suite.test("python_runs_unchanged_with_its_extension_modules", || {
        let outcome =
            rig.run("script-standard", &["/usr/bin/python3", "-c", "import json, ssl, sqlite3; print(6*7)"]);
        let stderr = String::from_utf8_lossy(&outcome.stderr.bytes).into_owned();
        assert_eq!(
            (outcome.end, outcome.stdout.bytes.as_slice()),
            (End::Exited(0), &b"42\n"[..]),
            "{stderr}"
        );
    });
}
