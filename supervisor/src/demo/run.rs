//! Holding the demo.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use stockade_policies::Environment;
use stockade_sandbox::Warm;
use uuid::Uuid;

use super::cases::{ALL, Case, FUNCTIONS, SERVICES};
use super::container::{self, Container};
use super::function::FunctionHost;
use super::observed::{Observed, Surroundings};
use super::survivors::Processes;
use super::trap::Trap;
use super::web::Web;
use super::{DemoError, Report, Row};
use crate::postgres::EmbeddedPostgres;
use crate::rules::Rules;
use crate::runner::serverless::Endpoints;
use crate::start::Confinement;
use crate::store::{self, Access, Database, Job, JobId, NewJob, Store};
use crate::supervisor::{Pace, Remotes, Supervisor};
use crate::worker::Shutdown;

/// A job that takes longer than this is stuck: the longest has a limit of 30 s.
const PATIENCE: Duration = Duration::from_secs(60);
/// How often the processes of the host are looked at while the jobs run.
const LOOK: Duration = Duration::from_millis(100);
/// What is running when the demo is interrupted may take as long.
const GRACE: Duration = Duration::from_secs(1);

/// Where and how the demo is held.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The state directory.
    pub state_dir: PathBuf,
    /// A directory with policies beside the shipped ones.
    pub policies: Option<PathBuf>,
    /// Whose ceiling applies.
    pub environment: Environment,
    /// Where jobs run that do not run in a sandbox of ours.
    pub remotes: Remotes,
}

/// Starts a database and a worker, hands in every job, and looks at what became of them.
///
/// # Errors
/// [`DemoError`] if it could not be held.
pub async fn run(confinement: Confinement, settings: &Settings) -> Result<Report, DemoError> {
    let services = settings.state_dir.join("services.yaml");
    let trap = Trap::open().await.map_err(failed("listen on the loopback device"))?;
    let web = Web::open(trap.port()).await.map_err(failed("serve on the loopback device"))?;
    let host = FunctionHost::open().await.map_err(failed("listen on the loopback device"))?;
    let container = Container::prepare(settings.remotes.docker.as_deref()).await;
    let text = registry(settings, &web, container.as_ref().ok()).map_err(failed("write the demo's key"))?;
    write(&services, &text).map_err(failed("write the demo's registry"))?;
    let rules = Rules { services, policies: settings.policies.clone(), environment: settings.environment };
    // An engine that cannot be used is one row of the table, and no reason to hold none.
    let remotes = Remotes {
        docker: settings.remotes.docker.clone().filter(|_| container.is_ok()),
        functions: Endpoints { lambda: Some(host.url()), ..Endpoints::default() },
        ..settings.remotes.clone()
    };
    let supervisor =
        Supervisor::assemble(confinement, &settings.state_dir, &rules, Warm::default(), &remotes).await?;
    let postgres = EmbeddedPostgres::start(&settings.state_dir).await?;
    let held = hold(supervisor, &postgres.database(), trap, container.as_ref().err()).await;
    postgres.stop().await;
    if let Ok(container) = container {
        container.remove().await;
    }
    held
}

/// The services that the demo calls.
fn registry(settings: &Settings, web: &Web, container: Option<&Container>) -> std::io::Result<String> {
    let key = settings.state_dir.join("function-key");
    write(&key, "signs what nobody checks\n")?;
    let key = std::fs::canonicalize(key)?;
    let functions = FUNCTIONS.replace("KEY", &key.display().to_string());
    let container = container.map(Container::service).unwrap_or_default();
    Ok(format!("{SERVICES}{}{functions}{container}", web.services()))
}

fn write(path: &Path, text: &str) -> std::io::Result<()> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600).custom_flags(nix::libc::O_NOFOLLOW);
    options.open(path)?.write_all(text.as_bytes())
}

fn failed(what: &'static str) -> impl FnOnce(std::io::Error) -> DemoError {
    move |source| DemoError::Io { what, source }
}

/// `without` is why there are no containers.
async fn hold(
    supervisor: Supervisor,
    database: &Database,
    trap: Trap,
    without: Option<&String>,
) -> Result<Report, DemoError> {
    if let Err(error) = store::migrate(database).await {
        supervisor.close().await?;
        return Err(error.into());
    }
    let shutdown = Shutdown::on_signals().map_err(failed("catch signals"))?;
    let pace = Pace { concurrency: ALL.len() + 1, lease: Duration::from_secs(60), grace: GRACE };
    let mut worker = {
        let (database, shutdown) = (database.clone(), shutdown.clone());
        tokio::spawn(async move { supervisor.work(&database, pace, &shutdown).await })
    };
    let report = tokio::select! {
        report = jobs(database, trap, without) => report,
        ended = &mut worker => match ended {
            Ok(Err(error)) => Err(error.into()),
            _ => Err(DemoError::Interrupted),
        },
    };
    shutdown.tell();
    if !worker.is_finished() {
        worker.await.map_err(|_| DemoError::Interrupted)??;
    }
    report
}

async fn jobs(database: &Database, trap: Trap, without: Option<&String>) -> Result<Report, DemoError> {
    let store = Store::connect(database, Access::Worker, 2).await?;
    let submitter = Store::connect(database, Access::Submitter { tenant: None }, 1).await?;
    let mut around = Surroundings {
        trap,
        plant: format!("/usr/bin/planted-{:08x}", Uuid::new_v4().as_fields().0),
        seen: BTreeSet::new(),
        left: Processes::default(),
    };
    let watch = Watch::start();
    let mut handed_in = Vec::new();
    let contained = without.is_none().then_some(container::CASE);
    for case in ALL.into_iter().chain(contained) {
        handed_in.push((case, submitter.submit(&new_job(&case, &around)).await?));
    }
    let mut ended = Vec::new();
    for (case, id) in handed_in {
        ended.push((case, observe(&store, &case, id).await?));
    }
    around.seen = watch.seen();
    around.left = Processes::now().map_err(failed("look at the host's processes"))?;
    let auditor = Store::connect(database, Access::Auditor, 1).await?;
    let record_holds = auditor.verify_chain().await?.is_none();
    let rows = ended.iter().map(|(case, observed)| row(case, observed, &around));
    let missing = without.map(|why| not_run(container::ROW, why));
    Ok(Report { jobs: rows.chain(missing).collect(), record_holds })
}

fn new_job(case: &Case, around: &Surroundings) -> NewJob {
    let (service, operation) = case.calls;
    NewJob {
        max_attempts: Some(1),
        timeout_seconds: case.timeout_seconds,
        ..NewJob::new(service, operation, case.kind, case.input(around))
    }
}

async fn observe(store: &Store, case: &Case, id: JobId) -> Result<Observed, DemoError> {
    let stuck = || DemoError::Stuck(case.name);
    let job = store.wait(id, PATIENCE).await?.filter(Job::is_final).ok_or_else(stuck)?;
    let attempt = store.attempts(id).await?.pop().ok_or_else(stuck)?;
    let outputs = store.outputs(id, attempt.attempt).await?;
    Ok(Observed { job, attempt, outputs })
}

/// The row of a job for which there is nothing to run it.
fn not_run(name: &'static str, why: &str) -> Row {
    Row {
        name,
        hostile: false,
        job_id: None,
        verdict: "not run".to_owned(),
        what: why.to_owned(),
        as_it_must: true,
        wall_ms: None,
        cpu_ms: None,
        peak_memory_mb: None,
    }
}

fn row(case: &Case, observed: &Observed, around: &Surroundings) -> Row {
    let judged =
        (case.judge)(observed, around).and_then(|what| nobody_left(case, observed, around).map(|()| what));
    let as_it_must = judged.is_ok();
    let (user, system) = (observed.usage("user_cpu_ms"), observed.usage("system_cpu_ms"));
    Row {
        name: case.name,
        hostile: case.is_hostile(),
        job_id: Some(observed.job.id),
        verdict: observed.verdict().to_owned(),
        what: judged.unwrap_or_else(|otherwise| format!("NOT AS IT MUST BE: {otherwise}")),
        as_it_must,
        wall_ms: observed.usage("wall_ms"),
        cpu_ms: user.zip(system).map(|(user, system)| user + system),
        peak_memory_mb: observed.usage("peak_memory_mb"),
    }
}

/// No job leaves a process behind (a call has none); and looking for them finds those that are there, as one of a job that ran for two
/// seconds shows.
fn nobody_left(case: &Case, observed: &Observed, around: &Surroundings) -> Result<(), String> {
    if !matches!(case.kind, "shell" | "docker") {
        return Ok(());
    }
    let uid = observed.host_uid().ok_or("the id it ran as is not known")?;
    let left = around.left.of(uid);
    if !left.is_empty() {
        return Err(format!("it left processes behind: {left:?}"));
    }
    let long = observed.usage("duration_seconds").unwrap_or_default() >= 1.0;
    if long && !around.seen.contains(&uid) {
        return Err("proves nothing: the processes of other users cannot be seen here".to_owned());
    }
    Ok(())
}

/// Looks again and again whose processes there are.
#[derive(Debug)]
struct Watch {
    seen: Arc<Mutex<BTreeSet<u32>>>,
    task: tokio::task::AbortHandle,
}

impl Watch {
    fn start() -> Self {
        let seen = Arc::new(Mutex::new(BTreeSet::new()));
        let found = Arc::clone(&seen);
        let task = tokio::spawn(async move {
            loop {
                if let Ok(Ok(processes)) = tokio::task::spawn_blocking(Processes::now).await {
                    found.lock().unwrap_or_else(PoisonError::into_inner).extend(processes.users());
                }
                tokio::time::sleep(LOOK).await;
            }
        });
        Self { seen, task: task.abort_handle() }
    }

    fn seen(&self) -> BTreeSet<u32> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.task.abort();
    }
}
