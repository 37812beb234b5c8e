//! The thread that keeps the server running.
//!
//! It is a thread of its own, and not a task, because the server is told to stop when its parent dies, and the kernel
//! takes the *thread* that started a process for its parent (PR_SET_PDEATHSIG(2const)).

use std::{
    fs,
    io::{self, Read as _, Seek as _, SeekFrom},
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::{Child, Stdio},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use tokio::{sync::oneshot, time::timeout};

use super::{PostgresError, cluster::Cluster, leftover, program};

/// How long a server may take to accept connections; recovery after a crash is part of it.
const READY_WITHIN: Duration = Duration::from_secs(120);
/// How long a start is repeated while processes of a killed server still hold its shared memory.
const STRAGGLERS_WITHIN: Duration = Duration::from_secs(20);
/// The pause before a server that died is started again, at first and at most.
const RESTART_PAUSE: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));
const POLL: Duration = Duration::from_millis(3);
/// util-linux's setpriv, which every Debian has, sets the parent-death signal; doing so ourselves would take unsafe
/// code between fork and exec.
const SETPRIV: &str = "/usr/bin/setpriv";

#[derive(Debug, Default)]
struct State {
    stopping: bool,
    pid: Option<i32>,
}

/// The thread's other end.
#[derive(Debug)]
pub(super) struct Keeper {
    state: Arc<Mutex<State>>,
    ended: oneshot::Receiver<()>,
}

impl Keeper {
    /// Opens the cluster of `state_dir`, starts its server, and returns the directory of its socket.
    pub(super) async fn start(state_dir: PathBuf) -> Result<(Self, PathBuf), PostgresError> {
        let state = Arc::new(Mutex::new(State::default()));
        let (ready_sender, ready) = oneshot::channel();
        let (ended_sender, ended) = oneshot::channel();
        let shared = Arc::clone(&state);
        let keeper = Self { state, ended };
        thread::Builder::new()
            .name("postgres-keeper".to_owned())
            .spawn(move || {
                keep(&state_dir, &shared, ready_sender);
                // Nobody listens if the keeper was dropped.
                let _ = ended_sender.send(());
            })
            .map_err(PostgresError::io("start the keeper of", Path::new("postgres")))?;
        let socket = ready.await.map_err(|_| PostgresError::KeeperGone)??;
        Ok((keeper, socket))
    }

    pub(super) fn pid(&self) -> Option<i32> {
        locked(&self.state).pid
    }

    /// Asks the server to stop, ever less politely, until it is gone.
    pub(super) async fn stop(&mut self) {
        let requests = [(Signal::SIGINT, 20), (Signal::SIGQUIT, 5), (Signal::SIGKILL, 5)];
        for (request, seconds) in requests {
            self.ask_to_stop(request);
            if timeout(Duration::from_secs(seconds), &mut self.ended).await.is_ok() {
                return;
            }
        }
        tracing::error!("the server does not stop, even when killed");
    }

    fn ask_to_stop(&self, signal: Signal) {
        let mut state = locked(&self.state);
        state.stopping = true;
        if let Some(pid) = state.pid {
            // It may just have gone.
            let _ = kill(Pid::from_raw(pid), signal);
        }
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.ask_to_stop(Signal::SIGINT);
    }
}

fn locked(state: &Mutex<State>) -> MutexGuard<'_, State> {
    // Nothing that holds the lock can leave the state half-changed.
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

fn keep(state_dir: &Path, state: &Mutex<State>, ready: oneshot::Sender<Result<PathBuf, PostgresError>>) {
    let cluster = match Cluster::open(state_dir) {
        Ok(cluster) => cluster,
        Err(error) => return drop(ready.send(Err(error))),
    };
    let server = match start(&cluster, state) {
        Ok(server) => server,
        Err(error) => return drop(ready.send(Err(error))),
    };
    // If nobody waits for it any more, the keeper was dropped, and `stopping` says so.
    let _ = ready.send(Ok(cluster.socket_directory()));
    let mut running = server;
    let mut pause = RESTART_PAUSE.0;
    while let Some(mut server) = running {
        let status = server.wait();
        locked(state).pid = None;
        if locked(state).stopping {
            return;
        }
        tracing::error!(?status, log = %cluster.log().display(), "the server died; starting it again");
        running = start_again(&cluster, state, &mut pause);
    }
}

/// Starts the server until it runs. `None`: we are stopping.
fn start_again(cluster: &Cluster, state: &Mutex<State>, pause: &mut Duration) -> Option<Child> {
    loop {
        thread::sleep(*pause);
        match start(cluster, state) {
            Ok(server) => {
                *pause = RESTART_PAUSE.0;
                return server;
            }
            Err(error) => tracing::error!(%error, "cannot start the server again"),
        }
        *pause = (*pause * 2).min(RESTART_PAUSE.1);
    }
}

/// One server that accepts connections. `None`: we are stopping.
fn start(cluster: &Cluster, state: &Mutex<State>) -> Result<Option<Child>, PostgresError> {
    let give_up = Instant::now() + STRAGGLERS_WITHIN;
    loop {
        leftover::clear(&cluster.data())?;
        let logged_before = fs::metadata(cluster.log()).map_or(0, |log| log.len());
        let Some(mut server) = spawn(cluster, state)? else { return Ok(None) };
        match wait_until_ready(cluster, &mut server, logged_before) {
            Ok(()) => return Ok(Some(server)),
            Err(error) => {
                locked(state).pid = None;
                // The processes of a killed server go when they notice, which may take them a moment.
                let stragglers = error.to_string().contains("pre-existing shared memory block");
                if !stragglers || Instant::now() > give_up {
                    return Err(error);
                }
            }
        }
        thread::sleep(Duration::from_millis(100));
    }
}

/// Under the lock, so that whoever asks us to stop either sees the server's number or keeps it from being started.
fn spawn(cluster: &Cluster, state: &Mutex<State>) -> Result<Option<Child>, PostgresError> {
    let mut state = locked(state);
    if state.stopping {
        return Ok(None);
    }
    let log = cluster.open_log()?;
    let again = log.try_clone().map_err(PostgresError::io("share", &cluster.log()))?;
    let setpriv = Path::new(SETPRIV);
    let mut command = program::command(setpriv);
    command
        .args(["--pdeathsig", "INT", "--"])
        .arg(&cluster.binaries.postgres)
        .args(cluster.server_arguments());
    command.stdout(Stdio::from(log)).stderr(Stdio::from(again));
    // What the terminal sends to us on Ctrl-C is not for the server: it must be there until we have written all down.
    command.process_group(0);
    let server = command.spawn().map_err(|e| match e.kind() {
        io::ErrorKind::NotFound => PostgresError::NoSetpriv(setpriv.to_owned()),
        _ => PostgresError::io("run", setpriv)(e),
    })?;
    state.pid = i32::try_from(server.id()).ok();
    Ok(Some(server))
}

fn wait_until_ready(cluster: &Cluster, server: &mut Child, logged_before: u64) -> Result<(), PostgresError> {
    let deadline = Instant::now() + READY_WITHIN;
    let failed = PostgresError::io("wait for", &cluster.binaries.postgres);
    let pid = server.id().to_string();
    while Instant::now() < deadline {
        match server.try_wait() {
            Err(e) => return Err(failed(e)),
            Ok(Some(status)) => {
                return Err(PostgresError::Failed {
                    program: cluster.binaries.postgres.clone(),
                    status: status.to_string(),
                    output: program::last_lines(&logged_since(&cluster.log(), logged_before)),
                });
            }
            Ok(None) if is_ready(&cluster.data(), &pid) => return Ok(()),
            Ok(None) => thread::sleep(POLL),
        }
    }
    // Not ours to leave running: the caller gets no handle to it.
    let _ = server.kill();
    let _ = server.wait();
    Err(PostgresError::NotReady { seconds: READY_WITHIN.as_secs(), log: cluster.log() })
}

/// The server writes its number into the first line of its pid file and `ready` into the eighth; pg_ctl reads it so.
fn is_ready(data: &Path, pid: &str) -> bool {
    let text = fs::read_to_string(data.join("postmaster.pid")).unwrap_or_default();
    let mut lines = text.lines();
    lines.next() == Some(pid) && lines.nth(6).is_some_and(|state| state.trim() == "ready")
}

fn logged_since(log: &Path, offset: u64) -> String {
    let mut bytes = Vec::new();
    if let Ok(mut file) = fs::File::open(log)
        && file.seek(SeekFrom::Start(offset)).is_ok()
    {
        // Whatever could be read is better than nothing.
        let _ = file.take(64 << 10).read_to_end(&mut bytes);
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
