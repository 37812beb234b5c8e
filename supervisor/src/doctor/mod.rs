//! What this host can enforce. It is found out by doing it: a launcher is started, jobs are run, and what was in force
//! for them is read back.

mod advice;
mod check;
mod environments;
mod host;
mod kernel;
mod remotes;
mod sandbox;

use std::path::Path;

use serde::Serialize;
use stockade_policies::Environment;
use stockade_sandbox::{CgroupParent, Kernel, LauncherProcess, User, drop_privileges};

pub use check::{Check, Standing};

use crate::host::mechanisms;
use crate::start::{self, Account, Means};
use crate::supervisor::Remotes;

/// The jobs that are looked at closely may run with less than everything, so that each layer can be told of. Which
/// environments demand more than there is comes after that.
const ENVIRONMENT: Environment = Environment::Development;

/// What was found.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// Whether nothing that is needed to run jobs is missing, in any environment.
    pub fit: bool,
    /// Whether sandboxes were tried; it takes root.
    pub tried: bool,
    /// Each thing that was looked at.
    pub checks: Vec<Check>,
}

/// What was done as root, and is looked at without.
#[derive(Debug)]
pub struct Examination {
    checks: Vec<Check>,
    confinement: Option<(LauncherProcess, CgroupParent)>,
}

impl Examination {
    /// What takes root, and giving it up. Needs to be called before any thread is started.
    pub fn begin(account: &Account, means: &Means) -> Self {
        let mut checks = Vec::new();
        if !start::is_root() {
            return Self { checks, confinement: None };
        }
        let user = match User::lookup(&account.user).map_err(start::StartError::from) {
            Ok(user) => user,
            Err(error) => {
                checks.push(Check::missing("user", error.to_string()).advised(advice::USER));
                return Self { checks, confinement: None };
            }
        };
        checks.push(Check::good("user", format!("`{}` is uid {}", user.name, user.uid)));
        let launcher = kept(&mut checks, "launcher", means.start_launcher());
        let cgroups = kept(&mut checks, "cgroups", means.prepare_cgroups(&user));
        match drop_privileges(&user) {
            Ok(()) => checks
                .push(Check::good("giving up root", "ids, groups, capabilities, no way back".to_owned())),
            Err(error) => {
                checks.push(Check::missing("giving up root", error.to_string()).advised(advice::ROOT));
                return Self { checks, confinement: None };
            }
        }
        Self { checks, confinement: launcher.zip(cgroups) }
    }

    /// The rest, from within the runtime.
    pub async fn finish(self, state_dir: &Path, remotes: &Remotes) -> Report {
        let Self { mut checks, confinement } = self;
        let host = mechanisms().host();
        kernel::examine(&mut checks, &Kernel::here());
        let (tried, landlock_abi) = match confinement {
            Some((launcher, cgroups)) => {
                (true, sandbox::examine(&mut checks, launcher, cgroups, &host).await)
            }
            None => (false, None),
        };
        host::examine(&mut checks, state_dir, &host, landlock_abi);
        remotes::examine(&mut checks, remotes, &host).await;
        let fit = !checks.iter().any(|check| check.required && check.standing == Standing::Missing);
        Report { fit, tried, checks }
    }
}

/// What was got, if it was; a check that fails if not.
fn kept<T>(checks: &mut Vec<Check>, name: &str, got: Result<T, start::StartError>) -> Option<T> {
    match got {
        Ok(got) => Some(got),
        Err(error) => {
            checks.push(Check::missing(name, error.to_string()).advised(advice::of_layer(name)));
            None
        }
    }
}
