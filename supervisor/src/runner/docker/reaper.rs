//! Removing containers, and proving that they are gone.

use std::collections::HashMap;
use std::time::Duration;

use bollard::query_parameters::{ListContainersOptionsBuilder, RemoveContainerOptionsBuilder};
use tokio::time::{sleep, timeout};
use tokio_util::task::TaskTracker;

use super::container::{ATTEMPT, JOB, PREFIX, WORKER};
use super::engine::{Engine, EngineError, told};
use super::podman;

/// Between two tries to remove a container that will not go, or whose engine is gone; it doubles up to the longest.
const PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(8);
/// Whoever stops waits so long for containers to go; the next start looks for what is left.
const LAST_TRY: Duration = Duration::from_secs(10);

/// Removes containers when their jobs have ended, beside the jobs that follow.
#[derive(Debug, Clone, Default)]
pub struct Reaper(TaskTracker);

impl Reaper {
    /// Removes a container, running or not, if there is one; tries until the engine says that it is gone.
    pub(super) fn remove(&self, engine: Engine, name: String) {
        self.0.spawn(async move {
            let mut pause = PAUSE;
            while let Err(error) = remove(&engine, &name).await {
                tracing::warn!(container = name, %error, "the container is not removed yet");
                sleep(pause).await;
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
        });
    }

    /// Removes what other attempts at a job left.
    pub(super) async fn sweep_job(&self, engine: &Engine, job: &str) -> Result<usize, EngineError> {
        sweep(engine, vec![format!("{JOB}={job}")]).await
    }

    /// Removes what one attempt left.
    pub(super) async fn sweep_attempt(
        &self,
        engine: &Engine,
        job: &str,
        attempt: i32,
    ) -> Result<usize, EngineError> {
        sweep(engine, vec![format!("{JOB}={job}"), format!("{ATTEMPT}={attempt}")]).await
    }

    /// Removes what earlier incarnations of a worker left.
    ///
    /// # Errors
    /// If the engine does not remove it.
    pub async fn sweep_worker(&self, engine: &Engine, worker: &str) -> Result<usize, EngineError> {
        sweep(engine, vec![format!("{WORKER}={worker}")]).await
    }

    /// Waits until everything is removed that is to be.
    pub async fn close(&self) {
        self.0.close();
        if timeout(LAST_TRY, self.0.wait()).await.is_err() {
            tracing::warn!("containers are left; they are removed at the next start");
        }
    }
}

/// Labels come from images too; a name does not.
async fn sweep(engine: &Engine, labels: Vec<String>) -> Result<usize, EngineError> {
    let filters = HashMap::from([("label", labels.clone())]);
    let options = ListContainersOptionsBuilder::new().all(true).filters(&filters).build();
    let found = engine.ask("list containers", engine.docker.list_containers(Some(options))).await?;
    let names = found.into_iter().filter_map(|container| container.names?.into_iter().next());
    let ours = names.filter_map(|name| {
        Some(name.strip_prefix('/').unwrap_or(&name).to_owned()).filter(|name| name.starts_with(PREFIX))
    });
    let mut ours: Vec<String> = ours.collect();
    if engine.facts.podman {
        // Of one that was not made any more volumes may be there.
        let owners = podman::owners(engine, &labels).await?;
        ours.extend(owners);
        ours.sort_unstable();
        ours.dedup();
    }
    let mut removed = 0;
    for name in ours {
        remove(engine, &name).await?;
        removed += 1;
    }
    Ok(removed)
}

/// Kills and removes a container with its anonymous volumes, and looks whether it is gone.
async fn remove(engine: &Engine, name: &str) -> Result<(), EngineError> {
    let options = RemoveContainerOptionsBuilder::new().force(true).v(true).build();
    match engine
        .docker
        .remove_container(name, Some(options))
        .await
        .map_err(|error| told("remove a container", error))
    {
        // 409: its removal is in progress.
        Ok(()) | Err(EngineError::Refused { status: 404 | 409, .. }) => {}
        Err(error) => return Err(error),
    }
    match engine.ask("look at a container", engine.docker.inspect_container(name, None)).await {
        Err(EngineError::Refused { status: 404, .. }) if engine.facts.podman => {
            podman::remove_volumes(engine, name).await
        }
        Err(EngineError::Refused { status: 404, .. }) => Ok(()),
        Ok(_) => Err(EngineError::Refused {
            what: "remove a container",
            status: 500,
            message: "it is still there".to_owned(),
        }),
        Err(error) => Err(error),
    }
}
