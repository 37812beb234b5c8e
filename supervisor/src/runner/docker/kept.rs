//! What an engine has kept of what it was asked for. An engine that cannot keep a limit makes the container all the same, and warns, or
//! says nothing; what it then tells of the container is without it.

use std::collections::BTreeMap;

use bollard::models::{ContainerInspectResponse, HostConfig};

/// As engines name what is a directory, or another file system, of theirs.
const VOLUME: &str = "volume";

/// What both engines tell of a container in the same words, by their names. Much of it is also read back inside, and what only that shows
/// (capabilities, mounts, namespaces, the filter) is left to it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Kept(BTreeMap<String, String>);

impl Kept {
    /// Nothing said is the same as none.
    pub(super) fn of(host: &HostConfig) -> Self {
        let numbers = [
            ("Memory", host.memory),
            ("MemorySwap", host.memory_swap),
            ("NanoCpus", host.nano_cpus),
            ("PidsLimit", host.pids_limit),
            ("OomScoreAdj", host.oom_score_adj),
        ];
        let flags = [
            ("Privileged", host.privileged),
            ("ReadonlyRootfs", host.readonly_rootfs),
            ("OomKillDisable", host.oom_kill_disable),
            ("AutoRemove", host.auto_remove),
            ("PublishAllPorts", host.publish_all_ports),
        ];
        let restart = host.restart_policy.as_ref().and_then(|policy| policy.name);
        let words = [
            ("NetworkMode", host.network_mode.clone()),
            ("LogConfig", host.log_config.as_ref().and_then(|log| log.typ.clone())),
            ("RestartPolicy", restart.map(|name| name.to_string())),
        ];
        let numbers = numbers.map(|(name, value)| (name.to_owned(), value.unwrap_or_default().to_string()));
        let flags = flags.map(|(name, value)| (name.to_owned(), value.unwrap_or_default().to_string()));
        let words = words.map(|(name, value)| (name.to_owned(), value.unwrap_or_default()));
        let ulimits = host.ulimits.iter().flatten().map(|limit| {
            // Podman's are called as in getrlimit(2).
            let name = limit.name.as_deref().unwrap_or_default().to_lowercase();
            let name = format!("ulimit {}", name.strip_prefix("rlimit_").unwrap_or(&name));
            (name, format!("{:?}", (limit.soft, limit.hard)))
        });
        Self(numbers.into_iter().chain(flags).chain(words).chain(ulimits).collect())
    }

    /// The first that the engine has not kept in the container of that name, in words.
    pub(super) fn lacking(&self, container: &str, found: &ContainerInspectResponse) -> Option<String> {
        let kept = Self::of(found.host_config.as_ref().unwrap_or(&HostConfig::default()));
        let differs = self.0.iter().find(|(name, asked)| kept.0.get(*name) != Some(asked));
        if let Some((name, asked)) = differs {
            let found = kept.0.get(name).map_or("nothing", String::as_str);
            return Some(format!("`{name}` is `{found}`, and not `{asked}` as it was asked for"));
        }
        // One of an image's, of the engine's making, is a directory of the host's.
        let mut volumes = found.mounts.iter().flatten().filter(|mount| mount.typ.as_deref() == Some(VOLUME));
        let name = volumes.find_map(|mount| {
            let name = mount.name.as_deref().unwrap_or_default();
            (!name.starts_with(container)).then_some((name, mount.destination.as_deref().unwrap_or_default()))
        });
        name.map(|(name, path)| format!("at `{path}` it has the volume `{name}`, which it was not asked for"))
    }
}

#[cfg(test)]
mod tests {
    use bollard::models::MountPoint;

    use super::super::container::tests::{asked_for, facts};
    use super::*;

    type Change = fn(&mut HostConfig);

    #[test]
    fn what_an_engine_has_left_away_is_found_and_nothing_where_it_has_kept_all() {
        let asked = asked_for(&facts(true, false)).host_config.unwrap();
        let lacking = |change: &dyn Fn(&mut HostConfig), mounts: Vec<MountPoint>| {
            let mut host_config = asked.clone();
            change(&mut host_config);
            let found = ContainerInspectResponse {
                host_config: Some(host_config),
                mounts: Some(mounts),
                ..ContainerInspectResponse::default()
            };
            Kept::of(&asked).lacking("stockade-1", &found)
        };
        let volume = |name: &str| {
            vec![MountPoint {
                typ: Some(VOLUME.to_owned()),
                name: Some(name.to_owned()),
                ..MountPoint::default()
            }]
        };
        assert_eq!(lacking(&|_| (), Vec::new()), None);
        assert_eq!(lacking(&|_| (), volume("stockade-1-volume-0")), None);
        assert!(lacking(&|_| (), volume("0f9aaa0ac767")).unwrap().contains("the volume `0f9aaa0ac767`"));
        let podmans = |host: &mut HostConfig| {
            for limit in host.ulimits.iter_mut().flatten() {
                limit.name = limit.name.take().map(|name| format!("RLIMIT_{}", name.to_uppercase()));
            }
        };
        assert_eq!(lacking(&podmans, Vec::new()), None);
        let changes: [(&str, Change); 5] = [
            ("`PidsLimit` is `0`, and not `65`", |host| host.pids_limit = None),
            ("`MemorySwap` is `-1`", |host| host.memory_swap = Some(-1)),
            ("`LogConfig`", |host| host.log_config = None),
            ("`ulimit core` is `nothing`", |host| host.ulimits = None),
            ("`Privileged` is `true`", |host| host.privileged = Some(true)),
        ];
        for (said, change) in changes {
            let lacking = lacking(&change, Vec::new()).unwrap();
            assert!(lacking.contains(said), "{lacking}");
        }
    }
}
