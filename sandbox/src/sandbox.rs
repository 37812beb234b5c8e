//! The connection to the launcher, shared by all jobs of a supervisor.

mod socket;

use std::collections::HashMap;
use std::convert::Infallible;
use std::io::ErrorKind;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::process::Child;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use stockade_plan::{
    Confinement, Errno, FRAME_MAX, JobSignal, LauncherFacts, PLAN_VERSION, Reply, Request, Rusage,
    SetupError, Stage, encode,
};
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub(crate) use self::socket::send;

use self::socket::Socket;
use crate::audit::Feed;
use crate::cgroup::{CgroupParent, Leaf, LeafDescriptors, Worker};
use crate::launcher::{LaunchError, LauncherProcess};
use crate::run::{self, NotRun, RunError, SandboxJob};
use crate::slot::Remains;
use crate::warm::{Waiting, Warm};
use crate::{Hierarchy, Outcome};

/// The number of the first sandbox that a launcher is asked for.
pub(crate) const FIRST: u64 = 0;

/// Runs jobs. Cheap to clone; all clones share one launcher.
#[derive(Clone)]
pub struct Sandbox(Arc<Inner>);

pub(crate) struct Inner {
    socket: Socket,
    facts: LauncherFacts,
    controllers: Vec<(&'static str, Hierarchy)>,
    pub(crate) worker: Worker,
    pub(crate) ahead: Waiting,
    pub(crate) audit: Feed,
    waiting: Mutex<HashMap<u64, Waiter>>,
    requests: AtomicU64,
    /// Cancelled when the launcher is gone.
    gone: CancellationToken,
    /// Cancelled when this sandbox is closed: ends every job.
    closing: CancellationToken,
    pub(crate) jobs: TaskTracker,
    /// What is being cleared away.
    pub(crate) clearing: TaskTracker,
    child: Mutex<Option<Child>>,
    /// The sandbox that was asked for before the launcher had greeted.
    first: Mutex<Option<First>>,
}

/// A sandbox that is on its way already.
struct First {
    leaf: Leaf,
    coming: Coming,
}

/// A sandbox that waits for the launcher's word.
struct Waiter {
    prepared: Option<oneshot::Sender<Result<Ends, SetupError>>>,
    /// Why it was not built.
    failed: Option<oneshot::Sender<SetupError>>,
    exited: oneshot::Sender<Exited>,
}

/// Our ends of a running init's pipes.
#[derive(Debug)]
pub(crate) struct Ends {
    /// The sandbox's number.
    pub(crate) id: u64,
    pub(crate) host_uid: u32,
    pub(crate) stdin: OwnedFd,
    pub(crate) stdout: OwnedFd,
    pub(crate) stderr: OwnedFd,
    pub(crate) status: OwnedFd,
    pub(crate) task: OwnedFd,
}

/// Init has been reaped.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Exited {
    pub(crate) rusage: Rusage,
}

/// What [`Coming::prepared`] gives: its pipes, and when it has ended.
pub(crate) type Launch = (Ends, oneshot::Receiver<Exited>);

/// A sandbox that the launcher was asked for.
#[derive(Debug)]
pub(crate) struct Coming {
    id: u64,
    prepared: oneshot::Receiver<Result<Ends, SetupError>>,
    exited: oneshot::Receiver<Exited>,
}

impl Coming {
    pub(crate) fn id(&self) -> u64 {
        self.id
    }

    /// Waits until its init runs.
    pub(crate) async fn prepared(self) -> Result<Launch, RunError> {
        match self.prepared.await {
            Ok(Ok(ends)) => Ok((ends, self.exited)),
            Ok(Err(error)) => Err(RunError::Setup(error)),
            Err(_) => Err(RunError::LauncherGone),
        }
    }
}

impl Sandbox {
    /// Takes over a started launcher and a place for control groups. Needs no privilege.
    ///
    /// # Errors
    /// [`LaunchError`] if the launcher does not greet as it should or the groups cannot be used.
    pub async fn start(
        launcher: LauncherProcess,
        cgroups: CgroupParent,
        warm: Warm,
    ) -> Result<Self, LaunchError> {
        let controllers = cgroups.controllers();
        Self::around(launcher, controllers, cgroups.worker()?, warm, None).await
    }

    /// Takes over a launcher that was asked for one sandbox already.
    pub(crate) async fn of_errand(
        launcher: LauncherProcess,
        controllers: Vec<(&'static str, Hierarchy)>,
        worker: Worker,
        leaf: Leaf,
    ) -> Result<Self, LaunchError> {
        Self::around(launcher, controllers, worker, Warm::NONE, Some(leaf)).await
    }

    async fn around(
        launcher: LauncherProcess,
        controllers: Vec<(&'static str, Hierarchy)>,
        worker: Worker,
        warm: Warm,
        first: Option<Leaf>,
    ) -> Result<Self, LaunchError> {
        let LauncherProcess { socket, child, audit } = launcher;
        let socket = Socket::new(socket)?;
        let facts = greeting(&socket).await?;
        let audit = Feed::new(audit, facts.landlock_abi, (facts.uid_base, facts.uid_slots))?;
        let inner = Arc::new(Inner {
            socket,
            facts,
            controllers,
            worker,
            ahead: Waiting::new(warm),
            audit,
            waiting: Mutex::default(),
            requests: AtomicU64::new(FIRST),
            gone: CancellationToken::new(),
            closing: CancellationToken::new(),
            jobs: TaskTracker::new(),
            clearing: TaskTracker::new(),
            child: Mutex::new(Some(child)),
            first: Mutex::default(),
        });
        if let Some(leaf) = first {
            let coming = inner.expect(inner.next_id());
            *inner.first() = Some(First { leaf, coming });
        }
        let listener = Arc::clone(&inner);
        tokio::spawn(async move { listener.listen().await });
        let hearer = Arc::clone(&inner);
        tokio::spawn(async move {
            tokio::select! {
                () = hearer.audit.read() => {}
                () = hearer.gone.cancelled() => {}
            }
        });
        let keeper = Arc::clone(&inner);
        inner.jobs.spawn(async move { keeper.ahead.keep(&keeper).await });
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

    /// Runs one job to its end. When this returns none of its processes is left, and what its sandbox was made of is
    /// being cleared away. If the returned future is dropped the
    /// job is cancelled and cleared away behind the scenes.
    ///
    /// # Errors
    /// [`NotRun`]: the job did not start, or how it ended cannot be told.
    pub async fn run(&self, job: SandboxJob) -> Result<Outcome, NotRun> {
        match self.run_when(job, std::future::ready(Ok::<_, Infallible>(()))).await {
            Ok(ran) => ran,
            Err(never) => match never {},
        }
    }

    /// As [`Sandbox::run`]; the job is given its task when `cleared` says so. What that needs can be done while the
    /// sandbox is being built: it is driven once the launcher has been told what to build.
    ///
    /// # Errors
    /// What `cleared` says: then the job did not start.
    pub async fn run_when<E>(
        &self,
        job: SandboxJob,
        cleared: impl Future<Output = Result<(), E>>,
    ) -> Result<Result<Outcome, NotRun>, E> {
        // Closing waits for this job.
        let _running = self.0.jobs.token();
        run::run(&self.0, job, cleared).await
    }

    /// Lets go every sandbox that was made ahead, as when policies have changed.
    pub fn drain(&self) {
        self.0.ahead.drain();
    }

    /// Resolves when the launcher is gone: no job can run any more, and a supervisor that has given up root
    /// cannot start another.
    pub async fn gone(&self) {
        self.0.gone.cancelled().await;
    }

    /// Ends what runs, waits for it, lets the launcher go and removes this worker's groups. To do so again does nothing.
    ///
    /// # Errors
    /// [`LaunchError`] if a group is still in use or the launcher cannot be waited for.
    pub async fn close(self) -> Result<(), LaunchError> {
        let inner = self.0;
        if inner.closing.is_cancelled() {
            return Ok(());
        }
        inner.closing.cancel();
        if let Some((leaf, _)) = inner.take_first() {
            drop(Remains::of(leaf, &inner));
        }
        inner.jobs.close();
        inner.jobs.wait().await;
        inner.socket.shut_down()?;
        inner.gone.cancelled().await;
        let child = inner.child.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(mut child) = child {
            // It has closed its socket, so it is on its way out or gone.
            child.wait()?;
        }
        // No process is left that could be in a group.
        inner.clearing.close();
        inner.clearing.wait().await;
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

    /// Cancelled when this sandbox is being closed.
    pub(crate) fn closing(&self) -> &CancellationToken {
        &self.closing
    }

    /// Cancelled when the launcher is gone.
    pub(crate) fn gone(&self) -> &CancellationToken {
        &self.gone
    }

    pub(crate) fn is_ending(&self) -> bool {
        self.closing.is_cancelled() || self.gone.is_cancelled()
    }

    /// Has an init made in these control groups.
    pub(crate) async fn prepare(&self, groups: LeafDescriptors) -> Result<Coming, RunError> {
        let id = self.next_id();
        let (request, fds) =
            groups.request(id, None).map_err(|error| RunError::Internal(error.to_string()))?;
        let coming = self.expect(id);
        self.ask(&request, &fds).await.inspect_err(|_| drop(self.forget(id)))?;
        Ok(coming)
    }

    /// The sandbox that was asked for first, if nobody has taken it.
    pub(crate) fn take_first(&self) -> Option<(Leaf, Coming)> {
        self.first().take().map(|first| (first.leaf, first.coming))
    }

    fn first(&self) -> MutexGuard<'_, Option<First>> {
        self.first.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn next_id(&self) -> u64 {
        self.requests.fetch_add(1, Ordering::Relaxed)
    }

    /// From now on the launcher's word on this sandbox is kept.
    fn expect(&self, id: u64) -> Coming {
        let (prepared, when_prepared) = oneshot::channel();
        let (exited, when_exited) = oneshot::channel();
        self.waiting().insert(id, Waiter { prepared: Some(prepared), failed: None, exited });
        Coming { id, prepared: when_prepared, exited: when_exited }
    }

    /// Tells a prepared init what to build. It reports on its status pipe; what is returned resolves if it could not
    /// even be told.
    pub(crate) async fn build(
        &self,
        id: u64,
        confinement: &Confinement,
    ) -> Result<oneshot::Receiver<SetupError>, RunError> {
        let (failed, when_failed) = oneshot::channel();
        if let Some(waiter) = self.waiting().get_mut(&id) {
            waiter.failed = Some(failed);
        }
        let confinement = Box::new(confinement.clone());
        self.ask(&Request::Build { id, version: PLAN_VERSION, confinement }, &[]).await?;
        Ok(when_failed)
    }

    /// Has a signal sent to the job.
    pub(crate) async fn signal(&self, id: u64, signal: JobSignal) -> Result<(), RunError> {
        self.ask(&Request::Signal { id, signal }, &[]).await
    }

    async fn ask(&self, request: &Request, fds: &[BorrowedFd<'_>]) -> Result<(), RunError> {
        let frame = encode(request).map_err(RunError::Frame)?;
        debug_assert!(frame.len() <= FRAME_MAX);
        if self.gone.is_cancelled() {
            return Err(RunError::LauncherGone);
        }
        self.socket.send(&frame, fds).await.map_err(|source| match source.kind() {
            ErrorKind::BrokenPipe | ErrorKind::ConnectionReset | ErrorKind::NotConnected => {
                RunError::LauncherGone
            }
            _ => RunError::Io { what: "send a request to the launcher", source },
        })
    }

    fn forget(&self, id: u64) -> Option<Waiter> {
        self.waiting().remove(&id)
    }

    fn waiting(&self) -> MutexGuard<'_, HashMap<u64, Waiter>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Hands replies to the jobs that wait for them, until the launcher is gone.
    async fn listen(&self) {
        while let Ok(Some((reply, fds))) = self.socket.receive().await {
            self.hand_out(reply, fds);
        }
        self.gone.cancel();
        // Dropping the senders tells every job that waits.
        self.waiting().clear();
    }

    fn hand_out(&self, reply: Reply, fds: Vec<OwnedFd>) {
        match reply {
            Reply::Prepared { id, host_uid } => self.tell_prepared(id, host_uid, fds),
            Reply::Failed { id: Some(id), error } => self.tell_failed(id, error),
            Reply::Exited { id, ended: _, rusage } => {
                if let Some(waiter) = self.forget(id) {
                    let _not_waiting = waiter.exited.send(Exited { rusage });
                }
            }
            // A request that could not even be read names no sandbox, and a second greeting means nothing: this
            // program sends no such request, so only a broken launcher says either. Its silence then ends the
            // jobs that wait by their own set-up deadline.
            Reply::Failed { id: None, .. } | Reply::Hello(_) => {}
        }
    }

    fn tell_prepared(&self, id: u64, host_uid: u32, fds: Vec<OwnedFd>) {
        let Ok([stdin, stdout, stderr, status, task]) = <[OwnedFd; 5]>::try_from(fds) else {
            return self.tell_failed(id, no_room());
        };
        if let Some(waiter) = self.waiting().get_mut(&id).and_then(|waiter| waiter.prepared.take()) {
            let _not_waiting = waiter.send(Ok(Ends { id, host_uid, stdin, stdout, stderr, status, task }));
        }
    }

    /// Of a sandbox that was to be prepared there is nothing; one that was to be built ends by itself.
    fn tell_failed(&self, id: u64, error: SetupError) {
        let mut waiting = self.waiting();
        let Some(waiter) = waiting.get_mut(&id) else { return };
        match (waiter.prepared.take(), waiter.failed.take()) {
            (Some(prepared), _) => {
                // Whoever no longer waits has been cancelled; nothing of it runs.
                let _not_waiting = prepared.send(Err(error));
                waiting.remove(&id);
            }
            (None, Some(failed)) => drop(failed.send(error)),
            (None, None) => {}
        }
    }
}

/// Why a sandbox that was prepared cannot be used: its pipes did not all arrive, as `MSG_CTRUNC` of recvmsg(2) says.
fn no_room() -> SetupError {
    SetupError {
        stage: Stage::Pipes,
        call: "recvmsg".to_owned(),
        target: "the sandbox's pipes: run fewer jobs at a time, or allow more open files".to_owned(),
        errno: Errno(rustix::io::Errno::MFILE.raw_os_error()),
    }
}
