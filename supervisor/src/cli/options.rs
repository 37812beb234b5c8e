//! Options that several commands share.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, value_parser};
use stockade_plan::Stage;
use stockade_policies::Environment;
use stockade_sandbox::Warm;

use super::CliError;
use crate::postgres::database_of;
use crate::runner::serverless::Endpoints;
use crate::runner::serverless::gcp::Instead;
use crate::start::{Account, Means};
use crate::store::Database;
use crate::supervisor::Remotes;

/// Whose this process becomes, and where it keeps what it has.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Place")]
pub(super) struct AccountOptions {
    /// Directory for the embedded Postgres and the record of `exec`
    #[arg(long, value_name = "DIR", default_value = "/var/lib/stockade", env = "STOCKADE_STATE_DIR")]
    pub(super) state_dir: PathBuf,
    /// Unprivileged user to become when started as root
    #[arg(long, value_name = "NAME", default_value = "stockade")]
    pub(super) user: String,
}

impl AccountOptions {
    pub(super) fn account(&self) -> Account {
        Account { user: self.user.clone(), state_dir: self.state_dir.clone() }
    }
}

/// What sandboxes are built with.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Sandbox")]
pub(super) struct MeansOptions {
    /// The launcher [default: `stockade-launcher` beside this program]
    #[arg(long, value_name = "PATH")]
    launcher: Option<PathBuf>,
    /// Directory of root's own for the launcher's locks and mount points
    #[arg(long, value_name = "DIR", default_value = "/run/stockade")]
    runtime_dir: PathBuf,
    /// Control group under which jobs get theirs [default: `/stockade`]
    #[arg(long, value_name = "GROUP")]
    cgroup_parent: Option<PathBuf>,
    /// Make a stage of every set-up fail, to see that nothing runs then
    #[arg(long, value_name = "STAGE", hide = true, value_parser = stage)]
    fail_at: Option<Stage>,
}

impl MeansOptions {
    pub(super) fn means(&self) -> Means {
        Means {
            launcher: self.launcher.clone(),
            runtime_dir: self.runtime_dir.clone(),
            cgroup_parent: self.cgroup_parent.clone(),
            fail_at: self.fail_at,
        }
    }
}

fn stage(name: &str) -> Result<Stage, String> {
    Stage::from_name(name).ok_or_else(|| {
        let known: Vec<&str> = Stage::ALL.iter().map(|stage| stage.name()).collect();
        format!("the stages are {}", known.join(", "))
    })
}

/// What jobs may do.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Policies")]
pub(super) struct PolicyOptions {
    /// Directory with policies of your own, beside the shipped ones [default: `/etc/stockade/policies` if it exists]
    #[arg(long, value_name = "DIR")]
    policies: Option<PathBuf>,
    /// `production` and `staging` run nothing that they cannot enforce; in `development` a layer that the host lacks
    /// may be missing, and is shown as degraded
    #[arg(long, value_name = "NAME", default_value = "production", env = "STOCKADE_ENVIRONMENT",
          value_parser = value_parser!(Environment))]
    pub(super) environment: Environment,
}

impl PolicyOptions {
    pub(super) fn directory(&self) -> Option<PathBuf> {
        let usual = Path::new("/etc/stockade/policies");
        let there = || std::fs::symlink_metadata(usual).is_ok().then(|| usual.to_owned());
        self.policies.clone().or_else(there)
    }
}

/// Where jobs run that do not run in a sandbox of ours.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Runners")]
pub(super) struct RemoteOptions {
    /// Socket of the container engine for jobs of execution type `docker`: Docker's, as `unix:///run/docker.sock`, or
    /// Podman's, as `unix:///run/podman/podman.sock`. Whoever can reach it is root there. Without it there is no such
    /// runner
    #[arg(long, value_name = "ADDRESS", env = "STOCKADE_DOCKER_HOST")]
    docker_host: Option<String>,
    /// PEM file with the authorities that vouch for the servers of HTTP calls [default: those of the host, in
    /// `/etc/ssl/certs/ca-certificates.crt`]
    #[arg(long, value_name = "FILE", env = "STOCKADE_HTTP_AUTHORITIES")]
    http_authorities: Option<PathBuf>,
    /// Call functions of AWS at this URL; in `development` only
    #[arg(long, value_name = "URL")]
    lambda_endpoint: Option<String>,
    /// Call functions of Google Cloud at this URL; in `development` only
    #[arg(long, value_name = "URL")]
    gcp_endpoint: Option<String>,
    /// Fetch identity tokens at this URL; in `development` only
    #[arg(long, value_name = "URL")]
    gcp_token_endpoint: Option<String>,
}

impl RemoteOptions {
    /// Whoever sits where functions are called instead of in their cloud is believed, so nothing but work on services may be
    /// sent there.
    pub(super) fn remotes(&self, environment: Environment) -> Result<Remotes, CliError> {
        let remotes = self.named();
        let Endpoints { lambda, gcp } = &remotes.functions;
        let any = lambda.is_some() || gcp.functions.is_some() || gcp.tokens.is_some();
        if any && environment != Environment::Development {
            let message =
                "functions are called elsewhere than in their cloud only with `--environment development`";
            return Err(CliError::Other(message.to_owned()));
        }
        Ok(remotes)
    }

    /// Those that were named, for who calls none of them.
    pub(super) fn named(&self) -> Remotes {
        let Self { docker_host, http_authorities, lambda_endpoint, gcp_endpoint, gcp_token_endpoint } =
            self.clone();
        let gcp = Instead { functions: gcp_endpoint, tokens: gcp_token_endpoint };
        Remotes {
            docker: docker_host,
            http_authorities,
            functions: Endpoints { lambda: lambda_endpoint, gcp },
        }
    }
}

/// Where the database is.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Place")]
pub(super) struct DatabaseOptions {
    /// Database to use [default: the embedded one of the state directory]
    #[arg(long, value_name = "URL", env = "DATABASE_URL", hide_env_values = true)]
    pub(super) database_url: Option<String>,
}

impl DatabaseOptions {
    /// The database that was named, or the one that `stockade up` runs in the state directory.
    pub(super) fn database(&self, account: &AccountOptions) -> Database {
        match &self.database_url {
            Some(url) => Database::Url(url.clone()),
            None => database_of(&account.state_dir),
        }
    }
}

/// How the worker works.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Worker")]
pub(super) struct WorkerOptions {
    /// Jobs that run at the same time [default: two for each core]
    #[arg(long, value_name = "N", value_parser = value_parser!(u16).range(1..=1000))]
    concurrency: Option<u16>,
    /// Seconds without a sign of life after which another worker may take this one's jobs
    #[arg(long, value_name = "SECONDS", default_value_t = 60, value_parser = value_parser!(u64).range(3..=3600))]
    lease: u64,
    /// Seconds that running jobs are given to finish when the worker is told to stop
    #[arg(long, value_name = "SECONDS", default_value_t = 20, value_parser = value_parser!(u64).range(0..=3600))]
    grace: u64,
    /// Sandboxes kept built for the policies in use, in all; each holds two processes and a little memory until a job
    /// comes. 0: none
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = value_parser!(u16).range(0..=200))]
    ready_sandboxes: u16,
    /// Sandboxes kept prepared for any policy
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = value_parser!(u16).range(0..=200))]
    spare_sandboxes: u16,
}

impl WorkerOptions {
    pub(super) fn concurrency(&self) -> usize {
        let cores = std::thread::available_parallelism().map_or(2, usize::from);
        self.concurrency.map_or(2 * cores, usize::from)
    }

    /// What is made ahead of its job.
    pub(super) fn warm(&self) -> Warm {
        match (self.ready_sandboxes, self.spare_sandboxes) {
            (0, 0) => Warm::NONE,
            (ready, spare) => Warm { ready: ready.into(), spare: spare.into(), ..Warm::default() },
        }
    }

    pub(super) fn lease(&self) -> Duration {
        Duration::from_secs(self.lease)
    }

    pub(super) fn grace(&self) -> Duration {
        Duration::from_secs(self.grace)
    }
}
