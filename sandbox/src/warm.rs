//! Sandboxes made ahead of their jobs.
//!
//! Two kinds wait: *spare* ones, prepared with all that no policy decides, and *ready* ones, built for a policy that
//! was in use a moment ago. Each serves one job and is thrown away; a keeper makes new ones off the reply path. How
//! many wait in all is bounded, and what waited too long is let go.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use stockade_plan::{Confinement, Entry, Limits};
use tokio::sync::Notify;

use crate::RunError;
use crate::sandbox::Inner;
use crate::slot::{Prepared, Ready};

/// How many sandboxes are made ahead of their jobs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Warm {
    /// Built for policies in use, in all; zero: none. An idle one has two processes and holds a host id.
    pub ready: usize,
    /// Prepared for any policy.
    pub spare: usize,
    /// How long a policy counts as in use after its last job.
    pub idle: Duration,
}

impl Warm {
    /// Nothing is made ahead: for a process that runs one job.
    pub const NONE: Self = Self { ready: 0, spare: 0, idle: Duration::ZERO };
}

impl Default for Warm {
    fn default() -> Self {
        Self { ready: 8, spare: 2, idle: Duration::from_secs(60) }
    }
}

/// What makes two sandboxes the same: what they were built from, and what the names in it led to. Limits that this
/// side enforces do not count.
#[derive(Debug)]
struct Model {
    confinement: Confinement,
    sources: Vec<Option<Source>>,
}

/// How often the keeper looks for what has died or was not used.
const REST: Duration = Duration::from_secs(1);

/// How long the keeper lets a job that has just taken a sandbox have the processors to itself, if others still wait.
const COURTESY: Duration = Duration::from_millis(3);

/// A file of the host: an upgraded program is another file.
type Source = (u64, u64, i64, u64);

impl Model {
    fn is(&self, confinement: &Confinement, sources: &[Option<Source>]) -> bool {
        let mine = &self.confinement;
        built_limits(&mine.limits) == built_limits(&confinement.limits)
            && self.sources == sources
            && mine.rlimits == confinement.rlimits
            && mine.landlock == confinement.landlock
            && mine.filter == confinement.filter
            && mine.init_filter == confinement.init_filter
            && mine.view == confinement.view
            && mine.hostname == confinement.hostname
            && mine.network == confinement.network
    }
}

fn built_limits(limits: &Limits) -> Limits {
    Limits { wall_time_ms: 0, output_bytes: 0, cpu_time_ms: 0, ..*limits }
}

fn sources(confinement: &Confinement) -> Vec<Option<Source>> {
    let binds = confinement.view.entries.iter().filter_map(|entry| match entry {
        Entry::Bind { source, .. } => Some(source),
        _ => None,
    });
    binds
        .map(|source| {
            let found = rustix::fs::lstat(source.as_str()).ok()?;
            Some((found.st_dev, found.st_ino, found.st_mtime, found.st_mtime_nsec))
        })
        .collect()
}

/// The sandboxes that wait.
#[derive(Debug)]
pub(crate) struct Waiting {
    warm: Warm,
    shelves: Mutex<Shelves>,
    wanted: Notify,
}

#[derive(Debug, Default)]
struct Shelves {
    spare: Vec<Prepared>,
    /// Policies in use, the one used last at the end.
    models: Vec<Shelf>,
}

#[derive(Debug)]
struct Shelf {
    model: Arc<Model>,
    used: Instant,
    ready: Vec<Ready>,
}

/// What the keeper does next.
enum Chore {
    Prepare,
    Build(Arc<Model>),
}

impl Waiting {
    pub(crate) fn new(warm: Warm) -> Self {
        Self { warm, shelves: Mutex::default(), wanted: Notify::new() }
    }

    /// A sandbox that was built ahead for `confinement`, if one waits. Either way one for the next job is wanted.
    pub(crate) fn take_ready(&self, confinement: &Confinement) -> Option<Ready> {
        if self.warm.ready == 0 {
            return None;
        }
        let sources = sources(confinement);
        let mut shelves = self.shelves();
        let place = shelves.models.iter().position(|shelf| shelf.model.is(confinement, &sources));
        let mut shelf = match place {
            Some(place) => shelves.models.remove(place),
            None => Shelf::new(Model { confinement: confinement.clone(), sources }),
        };
        shelf.used = Instant::now();
        let taken = shelf.ready.pop();
        shelves.models.push(shelf);
        drop(shelves);
        self.wanted.notify_one();
        taken
    }

    /// A sandbox that is prepared, if one waits.
    pub(crate) fn take_spare(&self) -> Option<Prepared> {
        let taken = self.shelves().spare.pop();
        self.wanted.notify_one();
        taken
    }

    /// Takes away everything that waits, and forgets which policies were in use. Spare ones are wanted again.
    pub(crate) fn drain(&self) {
        let waiting = std::mem::take(&mut *self.shelves());
        drop(waiting);
        self.wanted.notify_one();
    }

    /// Makes what is wanted and lets go what is not, until the sandbox closes or its launcher is gone.
    pub(crate) async fn keep(&self, sandbox: &Inner) {
        if self.warm == Warm::NONE {
            return;
        }
        let ended = async {
            tokio::select! {
                () = sandbox.closing().cancelled() => {}
                () = sandbox.gone().cancelled() => {}
            }
        };
        tokio::pin!(ended);
        let mut rest = tokio::time::interval(REST);
        rest.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        while !sandbox.is_ending() {
            let worked = match self.chore(Instant::now()) {
                Some(chore) => self.work(sandbox, chore).await,
                None => Ok(()),
            };
            if let Err(error) = &worked {
                // A job that needs such a sandbox will hear the same, with all that belongs to it.
                tracing::warn!("cannot make a sandbox ahead of its job: {error}");
            }
            if worked.is_err() || !self.has_chores() {
                tokio::select! {
                    () = self.wanted.notified(), if worked.is_ok() => self.be_courteous().await,
                    _ = rest.tick() => {}
                    () = &mut ended => {}
                }
            }
        }
        self.drain();
    }

    /// Making the next sandbox competes with the job that took the last one for processors and for the kernel's lock on
    /// control groups. Where that was the only one the next job would be the one to wait.
    async fn be_courteous(&self) {
        let others_wait = self.shelves().models.last().is_none_or(|shelf| !shelf.ready.is_empty());
        if others_wait {
            tokio::time::sleep(COURTESY).await;
        }
    }

    async fn work(&self, sandbox: &Inner, chore: Chore) -> Result<(), RunError> {
        match chore {
            Chore::Prepare => {
                let prepared = Prepared::new(sandbox).await?;
                self.shelves().spare.push(prepared);
            }
            Chore::Build(model) => {
                let mut prepared = Prepared::suited(sandbox, &model.confinement).await?;
                let built = prepared.build(sandbox, &model.confinement).await?;
                let ready = prepared.ready(built);
                // If its policy has been forgotten meanwhile nobody wants it.
                if let Some(shelf) = self.shelves().of(&model) {
                    shelf.ready.insert(0, ready);
                }
            }
        }
        Ok(())
    }

    fn has_chores(&self) -> bool {
        self.shelves().wants(&self.warm).is_some()
    }

    fn chore(&self, now: Instant) -> Option<Chore> {
        let mut shelves = self.shelves();
        shelves.clear_unused(&self.warm, now);
        shelves.wants(&self.warm)
    }

    fn shelves(&self) -> MutexGuard<'_, Shelves> {
        self.shelves.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shelf {
    fn new(model: Model) -> Self {
        Self { model: Arc::new(model), used: Instant::now(), ready: Vec::new() }
    }
}

impl Shelves {
    /// The next thing to make: spares first, they serve every job.
    fn wants(&self, warm: &Warm) -> Option<Chore> {
        if self.spare.len() < warm.spare {
            return Some(Chore::Prepare);
        }
        let share = share(warm, self.models.len());
        let lacking = self.models.iter().rev().take(warm.ready).find(|shelf| shelf.ready.len() < share);
        lacking.map(|shelf| Chore::Build(Arc::clone(&shelf.model)))
    }

    /// Lets go what has died, what was not used for too long, and what is more than a policy's share.
    fn clear_unused(&mut self, warm: &Warm, now: Instant) {
        self.spare.retain_mut(|spare| !spare.is_dead());
        self.models.retain(|shelf| now.duration_since(shelf.used) <= warm.idle);
        self.models.drain(..self.models.len().saturating_sub(warm.ready));
        let share = share(warm, self.models.len());
        for shelf in &mut self.models {
            shelf.ready.retain_mut(|ready| !ready.is_dead());
            shelf.ready.drain(..shelf.ready.len().saturating_sub(share));
        }
    }

    fn of(&mut self, model: &Arc<Model>) -> Option<&mut Shelf> {
        self.models.iter_mut().find(|shelf| Arc::ptr_eq(&shelf.model, model))
    }
}

/// How many each of so many policies may have waiting.
fn share(warm: &Warm, models: usize) -> usize {
    warm.ready.checked_div(models).unwrap_or(0).max(1)
}
