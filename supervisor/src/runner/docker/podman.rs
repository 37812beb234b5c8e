//! What Podman takes otherwise than Docker's engine, whose interface it speaks. A job is given the same: what it is given is read
//! back inside all the same.

use std::collections::HashMap;
use std::path::Path;

use bollard::models::{ContainerCreateBody, ResourcesUlimits, VolumeCreateRequest};
use bollard::query_parameters::{ListVolumesOptionsBuilder, RemoveVolumeOptions};
use stockade_policies::ContainerPlan;

use super::container::{Identity, PREFIX, Part};
use super::engine::{Engine, EngineError, EngineFacts};
use super::run::NotRun;

/// tmpfs(5) counts `nr_blocks` in pages.
const PAGE_BYTES: u64 = 4096;
/// Podman makes these writable where the root is not, without a limit, unless it is told to make something else of them.
const UNASKED: [&str; 2] = ["/run", "/var/tmp"];
/// Podman would raise the limit on its user's processes as far as it goes, which takes a privilege on some hosts. The
/// runtime's own threads count, and the limit that a job meets is its control group's.
const RUNTIME_THREADS: i64 = 256;
/// Between a container's name and the number of one of its volumes.
const NUMBERED: &str = "-volume-";

/// The volumes of a container: what `/job`, `/tmp`, `/dev/shm` and the volumes of its image are. The interface knows no limit on the files of a tmpfs, and no
/// owner; a volume's options are mount(8)'s, but for `size`, which Podman takes for a disk quota.
pub(super) fn volumes(parts: &[Part], identity: &Identity, uid: u32) -> Vec<VolumeCreateRequest> {
    let volume = |(number, part): (usize, &Part)| {
        let blocks = part.bytes.div_ceil(PAGE_BYTES);
        let options = format!(
            "noexec,nosuid,nodev,nr_blocks={blocks},nr_inodes={},mode=0700,uid={uid},gid={uid}",
            part.inodes
        );
        let options = [("type", "tmpfs"), ("device", "tmpfs"), ("o", &options)];
        VolumeCreateRequest {
            name: Some(volume_of(&identity.name(), number)),
            driver: Some("local".to_owned()),
            driver_opts: Some(options.map(|(key, value)| (key.to_owned(), value.to_owned())).into()),
            labels: Some(identity.labels()),
            ..VolumeCreateRequest::default()
        }
    };
    parts.iter().enumerate().map(volume).collect()
}

fn volume_of(container: &str, number: usize) -> String {
    format!("{container}{NUMBERED}{number}")
}

/// The container that a volume is, or was, of.
fn container_of(volume: &str) -> Option<&str> {
    let (container, number) = volume.rsplit_once(NUMBERED)?;
    (container.starts_with(PREFIX) && number.parse::<usize>().is_ok()).then_some(container)
}

/// The same container, in Podman's words. The profile lies in a file, whose path is said.
pub(super) fn reworded(
    mut asked: ContainerCreateBody,
    parts: &[Part],
    pids: u32,
    container: &str,
    profile: &Path,
) -> ContainerCreateBody {
    // A name without a value would be given the engine's own; an empty value is as good as none to the loader.
    for variable in asked.env.iter_mut().flatten() {
        variable.push('=');
    }
    let Some(host) = &mut asked.host_config else { return asked };
    let said = host.security_opt.get_or_insert_default();
    // Its AppArmor profile has a name of its own, and is in force without being asked for.
    said.retain(|option| !["seccomp=", "apparmor="].iter().any(|known| option.starts_with(known)));
    said.push(format!("seccomp={}", profile.display()));
    let bind = |(number, part): (usize, &Part)| {
        format!("{}:{}:rw,noexec,nosuid,nodev", volume_of(container, number), part.path)
    };
    host.binds = Some(parts.iter().enumerate().map(bind).collect());
    let sealed = "ro,noexec,nosuid,nodev,size=4096,mode=0555,notmpcopyup";
    let ours = |path: &&str| parts.iter().any(|part| part.path == *path);
    let unasked = UNASKED.into_iter().filter(|path| !ours(path));
    host.tmpfs = Some(unasked.map(|path| (path.to_owned(), sealed.to_owned())).collect());
    let processes = i64::from(pids) + RUNTIME_THREADS;
    let ulimit =
        ResourcesUlimits { name: Some("nproc".to_owned()), soft: Some(processes), hard: Some(processes) };
    host.ulimits.get_or_insert_default().push(ulimit);
    asked
}

/// Makes the volumes of a container.
pub(super) async fn make_volumes(
    engine: &Engine,
    volumes: Vec<VolumeCreateRequest>,
) -> Result<(), EngineError> {
    for volume in volumes {
        engine.ask("make a volume", engine.docker.create_volume(volume)).await?;
    }
    Ok(())
}

/// Removes the volumes of a container that is gone.
pub(super) async fn remove_volumes(engine: &Engine, container: &str) -> Result<(), EngineError> {
    let named = listed(engine, "name", vec![container.to_owned()]).await?;
    for name in named.iter().filter(|name| container_of(name) == Some(container)) {
        let gone = engine.docker.remove_volume(name, None::<RemoveVolumeOptions>);
        match engine.ask("remove a volume", gone).await {
            Ok(()) | Err(EngineError::Refused { status: 404, .. }) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// The containers of which volumes with all of these labels are left.
pub(super) async fn owners(engine: &Engine, labels: &[String]) -> Result<Vec<String>, EngineError> {
    let volumes = listed(engine, "label", labels.to_vec()).await?;
    let mut owners: Vec<String> =
        volumes.iter().filter_map(|volume| container_of(volume)).map(str::to_owned).collect();
    owners.sort_unstable();
    owners.dedup();
    Ok(owners)
}

async fn listed(engine: &Engine, by: &'static str, of: Vec<String>) -> Result<Vec<String>, EngineError> {
    let filters = HashMap::from([(by, of)]);
    let options = ListVolumesOptionsBuilder::new().filters(&filters).build();
    let found = engine.ask("list volumes", engine.docker.list_volumes(Some(options))).await?;
    Ok(found.volumes.unwrap_or_default().into_iter().map(|volume| volume.name).collect())
}

/// Whether Podman can be asked for all that the plan says.
///
/// # Errors
/// [`NotRun::Inexpressible`]: it would leave out a runtime without a word, and make options of what is behind a comma in a path.
pub(super) fn expressible(plan: &ContainerPlan, facts: &EngineFacts) -> Result<(), NotRun> {
    if let Some(runtime) = plan.runtime.as_ref().filter(|runtime| **runtime != facts.default_runtime) {
        return Err(NotRun::Inexpressible(format!(
            "Podman cannot be asked for the runtime `{runtime}`, its own is `{}`: make it that of another Podman service \
             (`runtime` in containers.conf)",
            facts.default_runtime
        )));
    }
    match plan.binds.iter().find(|path| path.as_str().contains([',', '"', '\n'])) {
        None => Ok(()),
        Some(path) => Err(NotRun::Inexpressible(format!("Podman cannot be asked to mount `{path}`"))),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::container::parts;
    use super::super::container::tests::{asked_for, facts, identity, image, plan, reviewed};
    use super::*;

    const GOLDEN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/runner/docker/podman.json");

    #[test]
    fn what_podman_is_asked_for_is_what_was_reviewed() {
        let (facts, identity, plan) = (facts(true, false), identity(), plan());
        let parts = parts(&plan, &image());
        let profile = Path::new("/var/lib/stockade/seccomp/0.json");
        let asked = reworded(asked_for(&facts), &parts, plan.errand.limits.pids, &identity.name(), profile);
        let volumes = volumes(&parts, &identity, identity.uid(&facts));
        reviewed(&json!({"container": asked, "volumes": volumes}), GOLDEN);
    }

    #[test]
    fn podman_is_not_asked_for_what_it_would_leave_out() {
        let facts = facts(false, false);
        let plan = plan();
        let said = |plan: &ContainerPlan| expressible(plan, &facts).err().map(|error| error.to_string());
        assert!(said(&plan).unwrap().contains("the runtime `runsc`, its own is `runc`"));
        let own = ContainerPlan { runtime: Some("runc".to_owned()), ..plan.clone() };
        assert_eq!(said(&own), None);
        assert_eq!(said(&ContainerPlan { runtime: None, ..plan }), None);
        let path = stockade_plan::AbsPath::new("/srv/a,ro=false").unwrap();
        assert!(said(&ContainerPlan { binds: vec![path], ..own }).unwrap().contains("/srv/a,ro=false"));
    }

    #[test]
    fn a_volume_is_known_to_be_a_containers_by_its_name() {
        for number in [0, 18] {
            let name = volume_of("stockade-1-2-3", number);
            assert_eq!(container_of(&name), Some("stockade-1-2-3"), "{name}");
        }
        for other in ["somebody-elses-volume-1", "stockade-1-2-3", "stockade-1-2-3-volume-data"] {
            assert_eq!(container_of(other), None);
        }
    }
}
