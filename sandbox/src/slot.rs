//! A sandbox on its way to its one job: prepared, then built, then used and thrown away.

use std::net::TcpListener;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use stockade_plan::{Confinement, Evidence};
use tokio::net::unix::pipe;
use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio::time::timeout;
use tokio_util::task::TaskTracker;

use crate::cgroup::{CpuTime, Gauges, Leaf};
use crate::sandbox::{Coming, Ends, Exited, Inner};
use crate::status::{NotReady, Status};
use crate::streams::Pipes;
use crate::{RunError, listeners};

/// Set-up takes milliseconds. A sandbox that is not built after this time never will be.
pub(crate) const SETUP_DEADLINE: Duration = Duration::from_secs(20);
/// Killed processes are gone in milliseconds. After this time something is wrong with the host.
const EXIT_DEADLINE: Duration = Duration::from_secs(20);

/// A control group and all that runs in it. When it is dropped, wherever that is, it is cleared away behind the
/// scenes: every process killed, the group removed.
#[derive(Debug)]
pub(crate) struct Remains {
    pub(crate) leaf: Leaf,
    /// Until init has been made there is nobody to wait for.
    exited: Option<oneshot::Receiver<Exited>>,
    clearing: TaskTracker,
    /// What was open to read of it, to be closed with all else.
    gauges: Option<Box<Gauges>>,
}

impl Remains {
    pub(crate) fn of(leaf: Leaf, sandbox: &Inner) -> Self {
        Self { leaf, exited: None, clearing: sandbox.clearing.clone(), gauges: None }
    }

    /// Kills every process and waits until the last has been reaped.
    pub(crate) async fn kill(&mut self) -> Result<Exited, RunError> {
        self.leaf.kill_surely().await?;
        let Some(exited) = self.exited.take() else { return Err(RunError::LauncherGone) };
        match timeout(EXIT_DEADLINE, exited).await {
            Ok(Ok(exited)) => Ok(exited),
            Ok(Err(_)) => Err(RunError::LauncherGone),
            Err(_) => Err(RunError::Internal("killed processes do not end".to_owned())),
        }
    }

    /// Lets it go, and what was open to read of it: to close so many files takes its time, too.
    pub(crate) fn let_go(mut self, gauges: Box<Gauges>) {
        self.gauges = Some(gauges);
    }

    fn is_dead(&mut self) -> bool {
        let exited = self.exited.as_mut().map(oneshot::Receiver::try_recv);
        !matches!(exited, Some(Err(oneshot::error::TryRecvError::Empty)))
    }
}

impl Drop for Remains {
    fn drop(&mut self) {
        // Outside a runtime the process is on its way out: the next worker's sweep finds what is left.
        if let Ok(runtime) = Handle::try_current() {
            let (cleared, gauges) = (clear(self.leaf.clone(), self.exited.take()), self.gauges.take());
            let all = async move {
                drop(gauges);
                cleared.await;
            };
            self.clearing.spawn_on(all, &runtime);
        }
    }
}

/// What cannot be removed the next worker's sweep finds.
async fn clear(leaf: Leaf, exited: Option<oneshot::Receiver<Exited>>) {
    let group = leaf.name();
    if let Some(exited) = exited.filter(|exited| !exited.is_terminated()) {
        // A group can be removed when the last process has left it. What is wrong is found by removing it.
        let _killed = leaf.kill_surely().await;
        let _ended = timeout(EXIT_DEADLINE, exited).await;
    }
    if let Err(error) = leaf.remove().await {
        tracing::error!(%group, "cannot clear a sandbox away: {error}");
    }
}

/// An init in control groups and namespaces of its own, or on its way there, not yet told what to build.
#[derive(Debug)]
pub(crate) struct Prepared {
    remains: Remains,
    id: u64,
    init: Init,
    /// The id that its job has on the host, as soon as it is known.
    host_uid: Option<u32>,
}

/// What is there of an init.
#[derive(Debug)]
enum Init {
    Coming(Coming),
    Runs(Ends),
    /// It has been told what to build, or could not be made.
    Used,
}

/// A sandbox that needs but a task.
#[derive(Debug)]
pub(crate) struct Ready {
    pub(crate) remains: Remains,
    pub(crate) built: Built,
}

impl Prepared {
    /// One that any confinement can be built in, but for those that limit disks where that is not had by every group. Its
    /// init runs.
    pub(crate) async fn new(sandbox: &Inner) -> Result<Self, RunError> {
        let mut asked = Self::within(sandbox.worker.leaf(false)?, sandbox).await?;
        let ends = asked.arrived().await?;
        asked.init = Init::Runs(ends);
        Ok(asked)
    }

    /// Asks for one for a confinement. It can be told what to build at once, and so lose no time by waiting for it. The
    /// one that was asked for first may have been so before anything was known of disks: then it makes room for another.
    pub(crate) async fn suited(sandbox: &Inner, confinement: &Confinement) -> Result<Self, RunError> {
        let with_disks = confinement.limits.disk_read_bytes_per_second.is_some();
        match sandbox.take_first() {
            Some((leaf, coming)) if !with_disks || leaf.limits_disks() => {
                Ok(Self::asked(Remains::of(leaf, sandbox), coming))
            }
            Some((leaf, coming)) => {
                let prepared = timeout(SETUP_DEADLINE, coming.prepared()).await;
                let exited = prepared.ok().and_then(Result::ok).map(|(_, exited)| exited);
                // Goes on to its end also when nobody waits for it any more.
                let _cleared = sandbox.clearing.spawn(clear(leaf, exited)).await;
                Self::within(sandbox.worker.leaf_again()?, sandbox).await
            }
            None => Self::within(sandbox.worker.leaf(with_disks)?, sandbox).await,
        }
    }

    /// Whether any that is prepared will do for a confinement.
    pub(crate) fn any_suits(sandbox: &Inner, confinement: &Confinement) -> bool {
        confinement.limits.disk_read_bytes_per_second.is_none() || sandbox.worker.every_leaf_limits_disks()
    }

    async fn within(leaf: Leaf, sandbox: &Inner) -> Result<Self, RunError> {
        let remains = Remains::of(leaf, sandbox);
        let coming = sandbox.prepare(remains.leaf.open()?).await?;
        Ok(Self::asked(remains, coming))
    }

    fn asked(remains: Remains, coming: Coming) -> Self {
        Self { remains, id: coming.id(), init: Init::Coming(coming), host_uid: None }
    }

    /// Waits until its init runs.
    async fn arrived(&mut self) -> Result<Ends, RunError> {
        match std::mem::replace(&mut self.init, Init::Used) {
            Init::Runs(ends) => Ok(ends),
            Init::Coming(coming) => {
                let prepared = timeout(SETUP_DEADLINE, coming.prepared()).await;
                let (ends, exited) = prepared.unwrap_or(Err(RunError::SetupDeadline))?;
                self.remains.exited = Some(exited);
                self.host_uid = Some(ends.host_uid);
                Ok(ends)
            }
            Init::Used => Err(RunError::Internal("a sandbox built twice".to_owned())),
        }
    }

    /// Has it built as `confinement` demands.
    pub(crate) async fn build(
        &mut self,
        sandbox: &Inner,
        confinement: &Confinement,
    ) -> Result<Built, RunError> {
        let built = build(sandbox, self, confinement).await;
        if built.is_err() {
            // The reason it was not built is what the caller needs to hear.
            let _killed = self.remains.kill().await;
        }
        built
    }

    /// With what building it gave.
    pub(crate) fn ready(self, built: Built) -> Ready {
        Ready { remains: self.remains, built }
    }

    /// The id that its job has on the host; `None` as long as its init does not run.
    pub(crate) fn host_uid(&self) -> Option<u32> {
        self.host_uid
    }

    /// Whether its init has ended, for whatever reason.
    pub(crate) fn is_dead(&mut self) -> bool {
        self.remains.is_dead()
    }
}

impl Ready {
    /// Whether its init has ended, for whatever reason.
    pub(crate) fn is_dead(&mut self) -> bool {
        self.remains.is_dead()
    }
}

/// What building gives. All of it is open and ready to be used, because a job does not wait for that here.
#[derive(Debug)]
pub(crate) struct Built {
    /// The sandbox's number.
    pub(crate) id: u64,
    pub(crate) host_uid: u32,
    /// The job's streams.
    pub(crate) pipes: Pipes,
    pub(crate) status: Status<pipe::Receiver>,
    /// What takes its task.
    pub(crate) task: OwnedFd,
    /// What was in force when it was built.
    pub(crate) evidence: Evidence,
    /// What its control group counts.
    pub(crate) gauges: Box<Gauges>,
    /// What building it has cost, which is not the job's.
    pub(crate) spent: CpuTime,
    /// The sockets that listen in its network namespace.
    pub(crate) listeners: Vec<TcpListener>,
}

async fn build(
    sandbox: &Inner,
    prepared: &mut Prepared,
    confinement: &Confinement,
) -> Result<Built, RunError> {
    // If its init is not there yet the limits are written while it is being made, and it finds its orders waiting.
    prepared.remains.leaf.limit(confinement)?;
    let mut failed = sandbox.build(prepared.id, confinement).await?;
    let Ends { id, host_uid, stdin, stdout, stderr, status, task } = prepared.arrived().await?;
    let leaf = &prepared.remains.leaf;
    let pipe = pipe::Receiver::from_owned_fd(status);
    let pipe = pipe.map_err(|source| RunError::Io { what: "open the status pipe", source })?;
    let mut status = Status::new(pipe);
    let pipes = Pipes::open(stdin, stdout, stderr);
    let pipes = pipes.map_err(|source| RunError::Io { what: "open the job's streams", source })?;
    let gauges = Box::new(leaf.gauges()?);
    let ready = tokio::select! {
        ready = timeout(SETUP_DEADLINE, status.ready()) => ready.map_err(|_| RunError::SetupDeadline)?,
        Ok(error) = &mut failed => match timeout(SETUP_DEADLINE, status.ready()).await {
            // What init says of itself is the reason; that it could not be told follows from it.
            Ok(Err(NotReady::Setup(own))) => Err(NotReady::Setup(own)),
            _ => Err(NotReady::Setup(error)),
        },
    };
    let ready = match ready {
        // An init that is not told what to build ends, and that may be seen before the launcher's word why. After that
        // word, or instead of it, comes that init has been reaped, and nobody is left to say anything.
        Err(NotReady::Ended) if !failed.is_terminated() => match timeout(EXIT_DEADLINE, failed).await {
            Ok(Ok(error)) => Err(NotReady::Setup(error)),
            _ => Err(NotReady::Ended),
        },
        ready => ready,
    };
    let evidence = ready.map_err(|error| why_not_ready(error, &gauges, confinement))?;
    leaf.has(&evidence.joined)?;
    let spent = gauges.cpu_time()?;
    let listeners = listeners::take(&confinement.network, task.as_fd())?;
    Ok(Built { id, host_uid, pipes, status, task, evidence, gauges, spent, listeners })
}

/// Why a sandbox was not built, or did not start its task.
pub(crate) fn why_not_ready(error: NotReady, gauges: &Gauges, confinement: &Confinement) -> RunError {
    let out_of_memory = gauges.oom_kills().is_ok_and(|kills| kills > 0);
    match error {
        NotReady::Setup(_) | NotReady::Ended if out_of_memory => {
            RunError::NoMemoryForSetup { limit_bytes: confinement.limits.memory_bytes }
        }
        NotReady::Setup(error) => RunError::Setup(error),
        NotReady::Ended => RunError::InitKilled,
        NotReady::Malformed(error) => error,
    }
}
