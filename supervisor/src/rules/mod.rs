//! What jobs can call and under which policies: read from files, kept in force, read again when the files change.
//!
//! 1. A change is noticed by looking at the files twice a second, not by being told: links on the way to them may be
//!    swapped (that is how Kubernetes replaces a directory), file systems over a network tell nothing, and watches run out.
//! 2. What has changed is read when it has rested from one look to the next, so that nobody's half-written file is read;
//!    what never rests is read all the same after a while. SIGHUP reads at once.
//! 3. Everything that is asked of files at the start is asked of them again: whose hands they are in, and that this host
//!    can run what they name.
//! 4. A version that is refused changes nothing. One that is taken holds for attempts that begin from then on; who runs
//!    keeps the version that it began under.

mod files;
mod version;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use stockade_policies::{Capabilities, Diagnostics, EffectivePolicy, Environment, Host, Library, Registry};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;
use tokio::time::{Interval, MissedTickBehavior, interval};

use crate::secret::resolve;
use files::{Files, Settling};
pub use version::{RulesVersion, VersionFacts};

/// How often the files are looked at.
const LOOK: Duration = Duration::from_millis(500);

/// Where the rules lie.
#[derive(Debug, Clone)]
pub struct Rules {
    /// The service registry.
    pub services: PathBuf,
    /// A directory with policies beside the shipped ones.
    pub policies: Option<PathBuf>,
    /// Whose ceiling applies.
    pub environment: Environment,
}

/// Rules cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum RulesError {
    /// Policies or registry do not hold. All that is wrong with them is here.
    #[error("{0}")]
    Refused(#[from] Diagnostics),
    /// SIGHUP cannot be caught.
    #[error("cannot catch SIGHUP: {0}")]
    Signal(#[from] io::Error),
}

/// Reads rules, and checks them as the runners and the host of this worker demand.
#[derive(Debug)]
pub struct Loader {
    rules: Rules,
    capabilities: Capabilities,
    host: Option<(Arc<Host>, u8)>,
}

impl Loader {
    /// Reads `rules` for a worker that has these runners.
    pub fn new(rules: Rules, capabilities: Capabilities) -> Self {
        Self { rules, capabilities, host: None }
    }

    /// And checks that `host`, which has this version of Landlock, can run every shell operation.
    #[must_use]
    pub fn checked_on(mut self, host: Arc<Host>, landlock_abi: u8) -> Self {
        self.host = Some((host, landlock_abi));
        self
    }

    /// The rules as they are now.
    fn load(&self) -> Result<Loaded, Diagnostics> {
        let library = library(self.rules.policies.as_deref())?;
        let registry =
            Registry::load(&self.rules.services, &library, self.rules.environment, &self.capabilities)?;
        if let Some((host, landlock_abi)) = &self.host {
            registry.check_on(host, *landlock_abi)?;
        }
        registry.check_secrets(|named| resolve(named).err().map(|error| error.to_string()))?;
        Ok(Loaded { registry, policies_sha256: library.sha256() })
    }
}

/// The shipped policies and those of `directory`.
///
/// # Errors
/// Everything wrong with those.
pub fn library(directory: Option<&Path>) -> Result<Library, Diagnostics> {
    beside(Library::shipped()?, directory)
}

/// One policy, by its name or the path of its file. Of the shipped ones only those that it needs are read.
///
/// # Errors
/// As [`library`], and if there is no such policy.
pub fn policy(
    directory: Option<&Path>,
    name_or_path: &str,
    environment: Environment,
) -> Result<EffectivePolicy, Diagnostics> {
    let selected =
        beside(Library::on_demand(), directory).and_then(|library| library.select(name_or_path, environment));
    // What is wrong is told by the whole library: it knows what there is instead.
    selected.or_else(|_| library(directory)?.select(name_or_path, environment))
}

fn beside(shipped: Library, directory: Option<&Path>) -> Result<Library, Diagnostics> {
    // Who becomes root with `sudo` could as well write root's own files.
    let behind_sudo = std::env::var("SUDO_UID").ok().and_then(|uid| uid.parse().ok());
    let shipped = match behind_sudo {
        Some(uid) => shipped.trusting(uid),
        None => shipped,
    };
    match directory {
        Some(directory) => shipped.with_directory(directory),
        None => Ok(shipped),
    }
}

/// Rules that hold, and are not in force yet.
#[derive(Debug)]
pub struct Loaded {
    registry: Registry,
    policies_sha256: stockade_plan::Digest,
}

/// Why the rules were read again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trigger {
    /// SIGHUP.
    Signal,
    /// A file has changed.
    Files,
}

impl Trigger {
    /// The word for it in the record.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Signal => "signal",
            Self::Files => "files",
        }
    }
}

/// The rules in force, and the files that they come from.
#[derive(Debug)]
pub struct Rulebook {
    loader: Arc<Loader>,
    current: watch::Sender<Arc<RulesVersion>>,
    settling: Settling,
    hangup: Signal,
    looks: Interval,
}

impl Rulebook {
    /// Reads the rules and puts them in force as version 1. From now on SIGHUP does not end the process. Must be called
    /// from within the runtime.
    ///
    /// # Errors
    /// [`RulesError`].
    pub fn open(loader: Loader) -> Result<Self, RulesError> {
        let hangup = signal(SignalKind::hangup())?;
        let loaded = loader.load()?;
        let first = RulesVersion::new(1, loaded);
        first.log_warnings();
        let mut looks = interval(LOOK);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Ok(Self {
            loader: Arc::new(loader),
            current: watch::Sender::new(Arc::new(first)),
            settling: Settling::default(),
            hangup,
            looks,
        })
    }

    /// The version in force.
    pub fn current(&self) -> Arc<RulesVersion> {
        Arc::clone(&self.current.borrow())
    }

    /// Always knows the version in force.
    pub fn reader(&self) -> RulesReader {
        RulesReader(self.current.subscribe())
    }

    /// Waits until there is reason to read the rules again. Can be dropped and called again.
    pub async fn changed(&mut self) -> Trigger {
        loop {
            tokio::select! {
                _ = self.hangup.recv() => {
                    self.settling.forget();
                    return Trigger::Signal;
                }
                _ = self.looks.tick() => {}
            }
            if let Some(files) = self.look().await
                && self.settling.is_due(files, Instant::now())
            {
                return Trigger::Files;
            }
        }
    }

    async fn look(&self) -> Option<Files> {
        let loader = Arc::clone(&self.loader);
        tokio::task::spawn_blocking(move || Files::look(&loader.rules)).await.ok()
    }

    /// Reads the rules; puts nothing in force.
    ///
    /// # Errors
    /// Everything wrong with them.
    pub async fn read(&self) -> Result<Loaded, Diagnostics> {
        let loader = Arc::clone(&self.loader);
        match tokio::task::spawn_blocking(move || loader.load()).await {
            Ok(loaded) => loaded,
            Err(ended) => match ended.try_into_panic() {
                Ok(panicked) => std::panic::resume_unwind(panicked),
                // The runtime ends, and this with it.
                Err(_) => std::future::pending().await,
            },
        }
    }

    /// What `loaded` will be when it is in force; `None` if that is what is in force.
    pub fn next(&self, loaded: Loaded) -> Option<RulesVersion> {
        let current = self.current.borrow();
        (!current.is(&loaded)).then(|| RulesVersion::new(current.facts().version + 1, loaded))
    }

    /// Puts a version in force.
    pub fn put_in_force(&self, version: RulesVersion) {
        version.log_warnings();
        self.current.send_replace(Arc::new(version));
    }
}

/// Knows the version in force.
#[derive(Debug, Clone)]
pub struct RulesReader(watch::Receiver<Arc<RulesVersion>>);

impl RulesReader {
    /// The version in force. Whoever holds it keeps it, whatever is put in force meanwhile.
    pub fn current(&self) -> Arc<RulesVersion> {
        Arc::clone(&self.0.borrow())
    }
}
