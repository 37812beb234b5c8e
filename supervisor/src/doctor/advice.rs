//! What a gap costs and what to do about it.

use stockade_plan::Stage;

/// What a gap costs, and what to do about it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Advice {
    pub(super) cost: &'static str,
    pub(super) remedy: &'static str,
}

const fn advice(cost: &'static str, remedy: &'static str) -> Advice {
    Advice { cost, remedy }
}

pub(super) const USER: Advice =
    advice("`up`, `serve`, `exec` and `demo` have nobody to become when they give up root", "make setup");
pub(super) const ROOT: Advice = advice(
    "the supervisor would speak to the network and the database as root, so it does not start",
    "look for what keeps this process from changing its ids: a container's seccomp profile, a user namespace with one id",
);
pub(super) const SANDBOX: Advice =
    advice("no shell job can run here", "the message says what failed; SECURITY.md what it is for");
pub(super) const KILL: Advice = advice(
    "a job could outlive its time limit, or be left behind when it is cancelled",
    "a kernel from 5.14 on has `cgroup.kill`; mount cgroup2 (`mount -t cgroup2 none /sys/fs/cgroup/unified`)",
);
pub(super) const POSTGRES: Advice = advice(
    "`up` and `demo` cannot start a database; `serve` and `exec` do not need one",
    "apt-get install postgresql, or use `stockade serve` with a database elsewhere",
);
pub(super) const ENGINE: Advice = advice(
    "services of execution type `docker` do not load, and such jobs are left to workers that have an engine",
    "start an engine whose socket the account can reach, and name it: `--docker-host unix:///run/docker.sock`, or Podman's \
     `unix:///run/podman/podman.sock`",
);
pub(super) const AUTHORITIES: Advice = advice(
    "no server can show who it is: calls over TLS, of services and of functions, fail",
    "apt-get install ca-certificates; for HTTP services, `--http-authorities FILE` names others",
);
pub(super) const AWS: Advice = advice(
    "functions of AWS can be called by services only that say in `auth` where their keys are",
    "name keys in `auth` of the service, set `AWS_ACCESS_KEY_ID` and `AWS_SECRET_ACCESS_KEY`, or run where there is a role",
);
pub(super) const GCP: Advice = advice(
    "functions of Google Cloud can be called by services only whose `auth` is a `service_account`",
    "name the account's key in `auth` of the service, or run on a machine of Google Cloud",
);
pub(super) const COMMANDS: Advice = advice(
    "services that use them are refused when they load; the others run",
    "install the package that brings the program, or leave it out of the service",
);
pub(super) const RECORD: Advice = advice(
    "what `exec` ran cannot be relied on from there on",
    "keep the file for whoever looks into it, and move it away: a new one is begun",
);

pub(super) const ENVIRONMENT: Advice = advice(
    "services are refused when they are loaded for this environment",
    "mend the layer that is named, or run this host in an environment that demands less",
);
pub(super) const ACTIONS: Advice = advice(
    "what a filter refuses is not told of with the job",
    "boot a kernel from 5.0 on, with CONFIG_SECCOMP_FILTER",
);
pub(super) const DISKS: Advice = advice(
    "a policy with `disk_read_mb_per_second` is refused; other jobs read from disk as fast as it is",
    "a kernel with CONFIG_BLK_DEV_THROTTLING; hand the controller `io` down to the group that jobs are made in",
);
pub(super) const AUDIT: Advice = advice(
    "what Landlock refuses a job is refused all the same, but not told of with the job",
    "boot a kernel from 6.15 on, with CONFIG_AUDIT",
);
pub(super) const MEASURES: Advice = advice(
    "a job's usage lacks these counts; its limits hold",
    "boot a kernel from 6.1 on: it keeps `memory.peak` and `pids.peak` of every group",
);

/// For a layer of confinement.
pub(super) fn of_layer(layer: &str) -> Advice {
    match layer {
        "launcher" => advice(
            "no sandbox can be built",
            "install `stockade-launcher` beside `stockade`, from the same build",
        ),
        "landlock" => advice(
            "a job could execute, or read, more than its policy names; what the message lists is left to other layers",
            "boot a kernel with Landlock ABI 6 (Linux 6.12), and `landlock` in its `lsm=` parameter",
        ),
        "seccomp" => advice(
            "a job could reach every system call of the kernel",
            "a kernel with CONFIG_SECCOMP_FILTER; in a container, a seccomp profile that lets seccomp(2) pass",
        ),
        "cgroups" | "cgroup_memory" | "cgroup_pids" | "cgroup_cpu" => advice(
            "a job could use up the host's memory, processes or processors",
            "mount cgroup2 with the controllers memory, pids and cpu; in a container, pass the cgroup file system writable",
        ),
        "user_namespace" => advice(
            "a job's ids would mean something outside of it",
            "set user.max_user_namespaces above 0; in a container, let clone(2) with CLONE_NEWUSER pass",
        ),
        "mount_namespace" | "root_filesystem" | "work_filesystem" | "proc_filesystem" => advice(
            "a job could see, or write to, files of the host",
            "the launcher needs CAP_SYS_ADMIN and unmasked mounts: run it outside of a container, or in a privileged one",
        ),
        "pid_namespace" | "network_namespace" | "ipc_namespace" | "uts_namespace" | "cgroup_namespace" => {
            advice(
                "a job could see, or reach, others on the host",
                "a kernel with CONFIG_NAMESPACES and all of its kinds; in a container, let clone(2) with their flags pass",
            )
        }
        _ => SANDBOX,
    }
}

/// The layer that a stage of set-up builds.
pub(super) fn layer_of(stage: Stage) -> &'static str {
    match stage {
        Stage::Request | Stage::Pipes => "launcher",
        Stage::View | Stage::EnterView => "root_filesystem",
        Stage::Clone => "pid_namespace",
        Stage::Cgroup => "cgroups",
        Stage::Namespaces | Stage::Hostname | Stage::Network => "network_namespace",
        Stage::Mounts | Stage::Inputs => "work_filesystem",
        Stage::UserNamespace | Stage::EnterUserNamespace => "user_namespace",
        Stage::Rlimits => "rlimits",
        Stage::Ids => "ids",
        Stage::Capabilities => "capabilities",
        Stage::NoNewPrivs => "no_new_privs",
        Stage::Landlock | Stage::LandlockJob => "landlock",
        Stage::Descriptors => "descriptors",
        Stage::Seccomp => "seccomp",
        Stage::ReadBack | Stage::InitConfine | Stage::Exec => "sandbox",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use stockade_policies::LAYERS;

    #[test]
    fn every_stage_builds_something_that_is_reported() {
        for stage in Stage::ALL {
            let layer = layer_of(*stage);
            assert!(
                LAYERS.contains(&layer) || ["launcher", "cgroups", "sandbox"].contains(&layer),
                "{stage}"
            );
        }
    }
}
