//! The connection to the launcher, shared by all jobs of a supervisor.

mod socket;

use std::collections::HashMap;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::process::Child;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use stockade_plan::{FRAME_MAX, LauncherFacts, PLAN_VERSION, Reply, Request, Rusage, SetupError, encode};
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use self::socket::Socket;
use crate::cgroup::{CgroupParent, Worker};
use crate::launcher::{LaunchError, LauncherProcess};
use crate::run::{self, RunError, SandboxJob};
use crate::{Hierarchy, Outcome};

/// Runs jobs. Cheap to clone; all clones share one launcher.
#[derive(Clone)]
pub struct Sandbox(Arc<Inner>);

pub(crate) struct Inner {
    socket: Socket,
    facts: LauncherFacts,
    controllers: Vec<(&'static str, Hierarchy)>,
    pub(crate) worker: Worker,
    waiting: Mutex<HashMap<u64, Waiter>>,
    requests: AtomicU64,
    /// Cancelled when the launcher is gone.
    gone: CancellationToken,
    /// Cancelled when this sandbox is closed: ends every job.
    closing: CancellationToken,
    jobs: TaskTracker,
    child: Mutex<Option<Child>>,
}

/// A job that waits for the launcher's word.
struct Waiter {
    launched: Option<oneshot::Sender<Result<Launched, SetupError>>>,
    exited: Option<oneshot::Sender<Exited>>,
}

/// A running init and our ends of its pipes.
pub(crate) struct Launched {
    pub(crate) host_uid: u32,
    pub(crate) stdin: OwnedFd,
    pub(crate) stdout: OwnedFd,
    pub(crate) stderr: OwnedFd,
    pub(crate) status: OwnedFd,
}

/// Init has been reaped.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Exited {
    pub(crate) rusage: Rusage,
}

/// What [`Inner::launch`] gives: the sandbox, and when it has ended.
pub(crate) type Launch = (Launched, oneshot::Receiver<Exited>);

impl Sandbox {
    /// Takes over a started launcher and a place for control groups. Needs no privilege.
    ///
    /// # Errors
    /// [`LaunchError`] if the launcher does not greet as it should or the groups cannot be used.
    pub async fn start(launcher: LauncherProcess, cgroups: CgroupParent) -> Result<Self, LaunchError> {
        let controllers = cgroups.controllers();
        let LauncherProcess { socket, child } = launcher;
        let socket = Socket::new(socket)?;
        let facts = greeting(&socket).await?;
        let inner = Arc::new(Inner {
            socket,
            facts,
            controllers,
            worker: cgroups.worker()?,
            waiting: Mutex::default(),
            requests: AtomicU64::new(0),
            gone: CancellationToken::new(),
            closing: CancellationToken::new(),
            jobs: TaskTracker::new(),
            child: Mutex::new(Some(child)),
        });
        let listener = Arc::clone(&inner);
        tokio::spawn(async move { listener.listen().await });
        Ok(Self(inner))
    }

    /// What the launcher and its kernel are.
    pub fn facts(&self) -> &LauncherFacts {
        &self.0.facts
    }

    /// Where each control group controller sits on this host.
    pub fn controllers(&self) -> &[(&'static str, Hierarchy)] {
        &self.0.controllers
    }

    /// Runs one job to its end. When this returns nothing of it is left. If the returned future is dropped the
    /// job is cancelled and cleared away behind the scenes.
    ///
    /// # Errors
    /// [`RunError`]: the job did not start, or how it ended cannot be told.
    pub async fn run(&self, job: SandboxJob) -> Result<Outcome, RunError> {
        let dropped = CancellationToken::new();
        let _cancel_when_dropped = dropped.clone().drop_guard();
        let inner = Arc::clone(&self.0);
        let task = self.0.jobs.spawn(async move { run::run(&inner, job, &dropped).await });
        task.await.unwrap_or_else(|error| Err(RunError::Internal(error.to_string())))
    }

    /// Resolves when the launcher is gone: no job can run any more, and a supervisor that has given up root
    /// cannot start another.
    pub async fn gone(&self) {
        self.0.gone.cancelled().await;
    }

    /// Ends what runs, waits for it, lets the launcher go and removes this worker's groups.
    ///
    /// # Errors
    /// [`LaunchError`] if a group is still in use or the launcher cannot be waited for.
    pub async fn close(self) -> Result<(), LaunchError> {
        let inner = self.0;
        inner.closing.cancel();
        inner.jobs.close();
        inner.jobs.wait().await;
        inner.socket.shut_down()?;
        inner.gone.cancelled().await;
        let child = inner.child.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(mut child) = child {
            tokio::task::spawn_blocking(move || child.wait()).await.map_err(std::io::Error::other)??;
        }
        inner.worker.remove()?;
        Ok(())
    }
}

impl std::fmt::Debug for Sandbox {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sandbox").field("facts", &self.0.facts).finish_non_exhaustive()
    }
}

async fn greeting(socket: &Socket) -> Result<LauncherFacts, LaunchError> {
    match socket.receive().await? {
        None => Err(LaunchError::Ended),
        Some((Reply::Hello(facts), _)) if facts.plan_version == PLAN_VERSION => Ok(facts),
        Some((Reply::Hello(facts), _)) => {
            Err(LaunchError::Version { found: facts.plan_version, expected: PLAN_VERSION })
        }
        Some((other, _)) => Err(LaunchError::Greeting(format!("{other:?}"))),
    }
}

impl Inner {
    pub(crate) fn facts(&self) -> &LauncherFacts {
        &self.facts
    }

    pub(crate) fn controllers(&self) -> &[(&'static str, Hierarchy)] {
        &self.controllers
    }

    /// Resolves when this sandbox is being closed.
    pub(crate) fn closing(&self) -> &CancellationToken {
        &self.closing
    }

    /// Sends a plan with its descriptors and waits until its init runs.
    pub(crate) async fn launch(
        &self,
        v1_groups: usize,
        plan: stockade_plan::Plan,
        fds: &[BorrowedFd<'_>],
    ) -> Result<Launch, RunError> {
        let id = self.requests.fetch_add(1, Ordering::Relaxed);
        let v1_groups =
            u8::try_from(v1_groups).map_err(|_| RunError::Internal("too many groups".to_owned()))?;
        let frame = encode(&Request { id, v1_groups, plan }).map_err(RunError::Frame)?;
        debug_assert!(frame.len() <= FRAME_MAX);
        let (launched, when_launched) = oneshot::channel();
        let (exited, when_exited) = oneshot::channel();
        self.wait_for(id, Waiter { launched: Some(launched), exited: Some(exited) });
        if self.gone.is_cancelled() || self.socket.send(&frame, fds).await.is_err() {
            self.forget(id);
            return Err(RunError::LauncherGone);
        }
        match when_launched.await {
            Ok(Ok(launched)) => Ok((launched, when_exited)),
            Ok(Err(error)) => Err(RunError::Setup(error)),
            Err(_) => Err(RunError::LauncherGone),
        }
    }

    fn wait_for(&self, id: u64, waiter: Waiter) {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).insert(id, waiter);
    }

    fn forget(&self, id: u64) -> Option<Waiter> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).remove(&id)
    }

    /// Hands replies to the jobs that wait for them, until the launcher is gone.
    async fn listen(&self) {
        while let Ok(Some((reply, fds))) = self.socket.receive().await {
            self.hand_out(reply, fds);
        }
        self.gone.cancel();
        // Dropping the senders tells every job that waits.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    fn hand_out(&self, reply: Reply, fds: Vec<OwnedFd>) {
        match reply {
            Reply::Launched { id, host_uid } => self.tell_launched(id, host_uid, fds),
            Reply::Failed { id: Some(id), error } => {
                if let Some(waiter) = self.forget(id).and_then(|waiter| waiter.launched) {
                    // A job that no longer waits has been cancelled; nothing of it runs.
                    let _not_waiting = waiter.send(Err(error));
                }
            }
            Reply::Exited { id, ended: _, rusage } => {
                if let Some(waiter) = self.forget(id).and_then(|waiter| waiter.exited) {
                    let _not_waiting = waiter.send(Exited { rusage });
                }
            }
            // A request that could not even be read names no job, and a second greeting means nothing: this
            // program sends no such request, so only a broken launcher says either. Its silence then ends the
            // jobs that wait by their own set-up deadline.
            Reply::Failed { id: None, .. } | Reply::Hello(_) => {}
        }
    }

    fn tell_launched(&self, id: u64, host_uid: u32, fds: Vec<OwnedFd>) {
        let Ok([_pidfd, stdin, stdout, stderr, status]) = <[OwnedFd; 5]>::try_from(fds) else { return };
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(waiter) = waiting.get_mut(&id).and_then(|waiter| waiter.launched.take()) {
            let _not_waiting = waiter.send(Ok(Launched { host_uid, stdin, stdout, stderr, status }));
        }
    }
}

/// Descriptors in the order in which a request carries them.
pub(crate) fn borrowed(fds: &[OwnedFd]) -> Vec<BorrowedFd<'_>> {
    fds.iter().map(AsFd::as_fd).collect()
}
