//! What the engine is asked for: plan to container.

use std::collections::HashMap;

use bollard::models::{
    ContainerCreateBody, HealthConfig, HostConfig, HostConfigCgroupnsModeEnum, HostConfigLogConfig, Mount,
    MountType, ResourcesUlimits, RestartPolicy, RestartPolicyNameEnum,
};
use stockade_plan::{AbsPath, CPU_PERIOD_US, Digest, WORK_DIR};
use stockade_policies::ContainerPlan;

use super::engine::EngineFacts;
use super::image::Image;

/// The first of the ids that containers run as, where an engine has no user namespaces: the upper end of the range of
/// which sandboxes take the lower, and nobody else any: <https://systemd.io/UIDS-GIDS/>. Docker takes none above 2^31.
const FIRST_ID: u32 = 0x7F00_0000;
/// How many there are.
const IDS: u32 = 0x00FF_0000;
/// The same where ids are mapped: only those below 65536 surely are.
const FIRST_MAPPED_ID: u32 = 1000;
const MAPPED_IDS: u32 = 60_000;

/// Labels of our containers.
pub(super) const WORKER: &str = "stockade.worker";
pub(super) const JOB: &str = "stockade.job";
pub(super) const ATTEMPT: &str = "stockade.attempt";
/// Names of our containers begin so. An image cannot give a name, as it can a label.
pub(super) const PREFIX: &str = "stockade-";

/// Who a container is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// Of the worker that runs it: the same in every incarnation of one worker, and in no other.
    pub worker: String,
    /// The job.
    pub job: String,
    /// The attempt, from 1.
    pub attempt: i64,
    /// Random: an image cannot know it.
    pub nonce: String,
}

impl Identity {
    /// The container's name.
    pub fn name(&self) -> String {
        format!("{PREFIX}{}-{}-{}", self.job, self.attempt, self.nonce)
    }

    /// What its container is labelled with, and all that belongs to it.
    pub(super) fn labels(&self) -> HashMap<String, String> {
        let labels =
            [(WORKER, self.worker.clone()), (JOB, self.job.clone()), (ATTEMPT, self.attempt.to_string())];
        labels.map(|(key, value)| (key.to_owned(), value)).into()
    }

    /// Where what is ours lies: nothing in an image can lie there before.
    pub(super) fn directory(&self) -> String {
        format!("/.stockade-{}", self.nonce)
    }

    /// The id it runs as: its own as surely as a digest is.
    pub fn uid(&self, facts: &EngineFacts) -> u32 {
        let digest = Digest::of(self.name().as_bytes()).to_string();
        let number = digest.get(..8).and_then(|text| u32::from_str_radix(text, 16).ok()).unwrap_or(0);
        match facts.own_ids {
            true => FIRST_MAPPED_ID + number % MAPPED_IDS,
            false => FIRST_ID + number % IDS,
        }
    }
}

/// What the engine is asked to make.
pub(super) fn body(
    plan: &ContainerPlan,
    image: &Image,
    identity: &Identity,
    init: &AbsPath,
    facts: &EngineFacts,
) -> ContainerCreateBody {
    let uid = identity.uid(facts);
    ContainerCreateBody {
        hostname: Some("sandbox".to_owned()),
        user: Some(format!("{uid}:{uid}")),
        attach_stdin: Some(true),
        attach_stdout: Some(true),
        attach_stderr: Some(true),
        tty: Some(false),
        open_stdin: Some(true),
        stdin_once: Some(true),
        // A name without a value takes away what the image would set.
        env: Some(image.variables.clone()),
        entrypoint: Some(vec![init_in(&identity.directory())]),
        cmd: Some(Vec::new()),
        healthcheck: Some(HealthConfig { test: Some(vec!["NONE".to_owned()]), ..HealthConfig::default() }),
        image: Some(image.id.clone()),
        working_dir: Some(WORK_DIR.to_owned()),
        network_disabled: Some(true),
        labels: Some(identity.labels()),
        stop_signal: Some("SIGKILL".to_owned()),
        host_config: Some(host_config(plan, image, identity, init, facts, uid)),
        ..ContainerCreateBody::default()
    }
}

/// Our init. It needs no loader and no library: nothing of the image's has a part in it.
fn init_in(directory: &str) -> String {
    format!("{directory}/init")
}

/// Everything that Docker would otherwise decide is said, even where its default is the same.
fn host_config(
    plan: &ContainerPlan,
    image: &Image,
    identity: &Identity,
    init: &AbsPath,
    facts: &EngineFacts,
    uid: u32,
) -> HostConfig {
    let limits = &plan.errand.limits;
    let signed = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
    let memory = signed(limits.memory_bytes);
    let mut security = vec!["no-new-privileges:true".to_owned(), format!("seccomp={}", plan.seccomp)];
    if facts.apparmor {
        security.push("apparmor=docker-default".to_owned());
    }
    HostConfig {
        privileged: Some(false),
        readonly_rootfs: Some(true),
        cap_drop: Some(vec!["ALL".to_owned()]),
        cap_add: Some(Vec::new()),
        security_opt: Some(security),
        // Init is one process more.
        pids_limit: Some(i64::from(limits.pids) + 1),
        memory: Some(memory),
        memory_swap: Some(memory),
        nano_cpus: Some(signed(limits.cpu_quota_us * (1_000_000_000 / CPU_PERIOD_US))),
        network_mode: Some("none".to_owned()),
        // Private, and no `/dev/shm` of the engine's making: ours has a limit.
        ipc_mode: Some("none".to_owned()),
        pid_mode: Some(String::new()),
        uts_mode: Some(String::new()),
        cgroupns_mode: Some(HostConfigCgroupnsModeEnum::PRIVATE),
        userns_mode: Some(String::new()),
        tmpfs: Some(tmpfs(plan, image, uid)),
        mounts: Some(mounts(plan, &identity.directory(), init)),
        devices: Some(Vec::new()),
        group_add: Some(Vec::new()),
        ulimits: Some(vec![
            ulimit("core", 0, 0),
            ulimit("nofile", signed(plan.open_files), signed(plan.open_files)),
            ulimit("cpu", signed(limits.cpu_time_ms / 1000) + 1, signed(limits.cpu_time_ms / 1000) + 1),
            ulimit("fsize", signed(limits.disk_bytes), signed(limits.disk_bytes)),
        ]),
        // Ours is the init; see `entrypoint`.
        init: Some(false),
        oom_score_adj: Some(0),
        oom_kill_disable: Some(false),
        // What it prints comes over the connection, and lies nowhere else.
        log_config: Some(HostConfigLogConfig { typ: Some("none".to_owned()), config: Some(HashMap::new()) }),
        restart_policy: Some(RestartPolicy {
            name: Some(RestartPolicyNameEnum::NO),
            maximum_retry_count: None,
        }),
        auto_remove: Some(false),
        publish_all_ports: Some(false),
        runtime: plan.runtime.clone(),
        ..HostConfig::default()
    }
}

fn ulimit(name: &str, soft: i64, hard: i64) -> ResourcesUlimits {
    ResourcesUlimits { name: Some(name.to_owned()), soft: Some(soft), hard: Some(hard) }
}

/// A file system in memory that a job can write to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Part {
    pub(super) path: String,
    pub(super) bytes: u64,
    /// The directory itself is one.
    pub(super) inodes: u64,
}

/// Of the disk and its files half is `/job`'s; `/tmp`, `/dev/shm` and each volume that the image declares have the same part of
/// the other: together they are no more than the policy says, where a sandbox has one file system for all.
pub(super) fn parts(plan: &ContainerPlan, image: &Image) -> Vec<Part> {
    const OTHERS: [&str; 2] = ["/tmp", "/dev/shm"];
    let limits = &plan.errand.limits;
    // What is mounted there anyway is mounted in its place.
    let ours = |path: &str| path == WORK_DIR || OTHERS.contains(&path);
    let granted = |path: &AbsPath| plan.binds.contains(path);
    let volumes = image.volumes.iter().filter(|path| !ours(path.as_str()) && !granted(path));
    let others: Vec<&str> = OTHERS.into_iter().chain(volumes.map(AbsPath::as_str)).collect();
    let of = 2 * u64::try_from(others.len()).unwrap_or(u64::MAX);
    let part = |(path, of): (&str, u64)| Part {
        path: path.to_owned(),
        bytes: (limits.disk_bytes / of).max(4096),
        inodes: (limits.files / of).max(1) + 1,
    };
    std::iter::once((WORK_DIR, 2)).chain(others.into_iter().map(|path| (path, of))).map(part).collect()
}

/// A volume that is a file system here is none of the engine's making.
fn tmpfs(plan: &ContainerPlan, image: &Image, uid: u32) -> HashMap<String, String> {
    let option = |Part { path, bytes, inodes }| {
        let size = format!("size={bytes},nr_inodes={inodes}");
        (path, format!("rw,noexec,nosuid,nodev,{size},mode=0700,uid={uid},gid={uid}"))
    };
    parts(plan, image).into_iter().map(option).collect()
}

fn mounts(plan: &ContainerPlan, directory: &str, init: &AbsPath) -> Vec<Mount> {
    let bind = |source: &str, target: String| Mount {
        source: Some(source.to_owned()),
        target: Some(target),
        typ: Some(MountType::BIND),
        read_only: Some(true),
        ..Mount::default()
    };
    let own = bind(init.as_str(), init_in(directory));
    let granted = plan.binds.iter().map(|path| bind(path.as_str(), path.to_string()));
    std::iter::once(own).chain(granted).collect()
}

#[cfg(test)]
pub(super) mod tests {
    use std::collections::BTreeMap;

    use serde_json::{Value, json};
    use stockade_policies::{
        Capabilities, ContainerJob, DOCKER_ENFORCES, Environment, Library, Registry, compile_container,
    };

    use super::*;

    const IMAGE: &str = "registry.example.com/team/batch@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
    const GOLDEN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/runner/docker/container.json");

    pub(crate) fn facts(apparmor: bool, own_ids: bool) -> EngineFacts {
        EngineFacts {
            name: String::new(),
            podman: false,
            version: "20.10.24".to_owned(),
            api: "1.41".to_owned(),
            runtime: "runc 1.1.5".to_owned(),
            default_runtime: "runc".to_owned(),
            runtimes: Vec::new(),
            apparmor,
            own_ids,
            cgroup_v2: true,
        }
    }

    /// The plan of a job under a policy with some limits.
    pub(crate) fn plan() -> ContainerPlan {
        let services = format!(
            "services:\n  - name: batch\n    execution_type: docker\n    runner_config: {{allowed_images: [\"{IMAGE}\"]}}\n    \
             security_policy: {{resource_limits: {{memory_mb: 512, cpu_cores: 1.5, pids: 64}}}}\n    operations:\n      \
             - {{name: run, runner_config: {{command: [/bin/train]}}}}\n"
        );
        let capabilities = Capabilities::new().runner("docker", DOCKER_ENFORCES);
        let library = Library::shipped().unwrap();
        let registry =
            Registry::parse("services.yaml", &services, &library, Environment::Production, &capabilities)
                .unwrap();
        let policy = registry.operation("batch", "run").unwrap().effective_policy();
        let job = ContainerJob {
            image: IMAGE.to_owned(),
            command: Some(vec!["/bin/train".to_owned()]),
            environment: BTreeMap::new(),
            inputs: Vec::new(),
            stdin: None,
            runtime: Some("runsc".to_owned()),
        };
        compile_container(&policy, &job).unwrap()
    }

    pub(crate) fn identity() -> Identity {
        Identity {
            worker: "host:/var/lib/stockade".to_owned(),
            job: "00000000-0000-0000-0000-000000000001".to_owned(),
            attempt: 2,
            nonce: "0123456789abcdef0123456789abcdef".to_owned(),
        }
    }

    /// An image that sets a variable and declares volumes: one of its own, one where there is something anyway.
    pub(crate) fn image() -> Image {
        Image {
            id: "sha256:1".to_owned(),
            command: Vec::new(),
            variables: vec!["LD_PRELOAD".to_owned()],
            volumes: ["/tmp", "/var/lib/data"].map(|path| AbsPath::new(path).unwrap()).into(),
        }
    }

    pub(crate) fn asked_for(facts: &EngineFacts) -> ContainerCreateBody {
        let init = AbsPath::new("/usr/bin/stockade-container-init").unwrap();
        body(&plan(), &image(), &identity(), &init, facts)
    }

    fn asked(facts: &EngineFacts) -> Value {
        let mut asked = serde_json::to_value(asked_for(facts)).unwrap();
        // The profile is long, and held against the table of calls where it is made.
        for option in asked["HostConfig"]["SecurityOpt"].as_array_mut().unwrap() {
            if option.as_str().unwrap().starts_with("seccomp={\"defaultAction\":\"SCMP_ACT_ERRNO\"") {
                *option = json!("seccomp=…");
            }
        }
        asked
    }

    /// `BLESS=1` writes it anew; the difference is then what a reviewer reads.
    pub(crate) fn reviewed(asked: &Value, golden: &str) {
        let text = format!("{}\n", serde_json::to_string_pretty(asked).unwrap());
        if std::env::var_os("BLESS").is_some() {
            std::fs::write(golden, &text).unwrap();
        }
        assert_eq!(std::fs::read_to_string(golden).unwrap(), text, "run with BLESS=1 after review");
    }

    #[test]
    fn what_the_engine_is_asked_for_is_what_was_reviewed() {
        reviewed(&asked(&facts(true, false)), GOLDEN);
    }

    #[test]
    fn volumes_of_an_image_share_what_the_policy_says_of_the_disk_and_a_granted_path_is_none() {
        let (mut plan, mut image) = (plan(), image());
        let path = |text: &str| AbsPath::new(text).unwrap();
        let total = |parts: &[Part]| parts.iter().map(|part| part.bytes).sum::<u64>();
        let paths = |parts: &[Part]| parts.iter().map(|part| part.path.clone()).collect::<Vec<_>>();
        image.volumes = vec![path("/data"), path("/job"), path("/models")];
        plan.binds = vec![path("/models")];
        let with = parts(&plan, &image);
        assert_eq!(paths(&with), ["/job", "/tmp", "/dev/shm", "/data"]);
        image.volumes.clear();
        let without = parts(&plan, &image);
        let disk = plan.errand.limits.disk_bytes;
        assert_eq!((total(&without), without[0].bytes), (disk, with[0].bytes));
        assert!((disk - 4..=disk).contains(&total(&with)), "{with:?}");
    }

    #[test]
    fn an_engine_without_apparmor_is_not_asked_for_it_and_one_that_maps_ids_gets_small_ones() {
        let asked = asked(&facts(false, true));
        let options = asked["HostConfig"]["SecurityOpt"].as_array().unwrap();
        assert!(!options.iter().any(|option| option.as_str().unwrap().contains("apparmor")), "{options:?}");
        let uid: u32 = asked["User"].as_str().unwrap().split(':').next().unwrap().parse().unwrap();
        assert!((FIRST_MAPPED_ID..FIRST_MAPPED_ID + MAPPED_IDS).contains(&uid), "{uid}");
    }
}
