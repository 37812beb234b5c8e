//! The engine: where it listens, what it is, and what it answers.

use std::path::{Path, PathBuf};
use std::time::Duration;

use bollard::errors::Error;
use bollard::models::SystemVersion;
use bollard::{API_DEFAULT_VERSION, Docker};
use serde::Serialize;
use tokio::time::timeout;

/// The oldest interface that says all that is asked for, that of Docker 20.10: `major.minor`.
const API_MIN: (usize, usize) = (1, 41);
/// The oldest runc that is worked with: that of Debian 12. Some that are newer by their number have known escapes too, and distributions
/// mend them without another number, so that no number tells: the version is on record, and the host's to keep patched.
const RUNC_MIN: (u64, u64, u64) = (1, 1, 5);
/// Where runc's own releases mend the escapes that are known of it (CVE-2024-21626, CVE-2025-31133, CVE-2025-52565 and
/// CVE-2025-52881): the first of 1.2 and the first of 1.3.
const RUNC_MENDED: [(u64, u64, u64); 2] = [(1, 2, 8), (1, 3, 3)];
/// As Podman names itself among its components.
const PODMAN: &str = "Podman Engine";
/// An engine that has not answered a question by then has gone.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);

/// An engine that has answered.
#[derive(Debug, Clone)]
pub struct Engine {
    pub(super) docker: Docker,
    /// What it is.
    pub facts: EngineFacts,
}

/// What an engine says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct EngineFacts {
    /// What its maker calls it, if it says: `Docker Engine - Community`, `Podman Engine`.
    pub name: String,
    /// Whether it is Podman, which speaks Docker's interface and takes some of it otherwise.
    pub podman: bool,
    /// Its version.
    pub version: String,
    /// The version of its interface that is spoken with it.
    pub api: String,
    /// The runtime that makes its containers, with its version: `runc 1.1.5`.
    pub runtime: String,
    /// The same without its version.
    #[serde(skip)]
    pub default_runtime: String,
    /// Other runtimes it knows, such as `crun`.
    pub runtimes: Vec<String>,
    /// Whether it has AppArmor.
    pub apparmor: bool,
    /// Whether the ids of a container are others on the host: user namespaces, or an engine without root.
    pub own_ids: bool,
    /// Whether the engine counts control groups of version 2.
    pub cgroup_v2: bool,
}

/// No engine is there to be worked with, or it did not do as it was told.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The address is none that may be used.
    #[error(
        "`{0}` is no engine's address here: give the path of its socket, as `unix:///run/docker.sock`; an engine \
             behind TCP is root's shell for whoever reaches it"
    )]
    Address(String),
    /// Nobody answers.
    #[error(
        "no container engine answers at `{socket}`: {reason}; start one there, or name another with `--docker-host`"
    )]
    Gone {
        /// Its socket.
        socket: String,
        /// Why.
        reason: String,
    },
    /// It has answered before, and now it has not.
    #[error(
        "the container engine does not answer, asked to {what}: {reason}; `docker info` says whether it runs"
    )]
    Silent {
        /// What it was asked to do.
        what: &'static str,
        /// Why.
        reason: String,
    },
    /// It is older than what is needed.
    #[error(
        "the container engine at `{socket}` is too old: {what} is {found}, at least {needed} is needed; install a newer one"
    )]
    TooOld {
        /// Its socket.
        socket: String,
        /// What of it.
        what: &'static str,
        /// What it is.
        found: String,
        /// What it must be.
        needed: String,
    },
    /// It cannot confine as it must.
    #[error("the container engine at `{socket}` cannot confine jobs: {missing}")]
    Unfit {
        /// Its socket.
        socket: String,
        /// What it lacks.
        missing: String,
    },
    /// It has answered no.
    #[error("the container engine refused to {what}: {message}")]
    Refused {
        /// What it was asked to do.
        what: &'static str,
        /// HTTP's status.
        status: u16,
        /// What it says.
        message: String,
    },
}

impl EngineError {
    /// Whether the same might be answered otherwise in a while.
    pub fn is_passing(&self) -> bool {
        match self {
            Self::Gone { .. } | Self::Silent { .. } => true,
            Self::Refused { status, .. } => *status >= 500,
            Self::Address(_) | Self::TooOld { .. } | Self::Unfit { .. } => false,
        }
    }
}

/// The path in `unix:///path` or `/path`.
///
/// # Errors
/// [`EngineError::Address`] for anything else: TCP, SSH, a pipe.
pub fn socket_path(address: &str) -> Result<PathBuf, EngineError> {
    let path = address.strip_prefix("unix://").unwrap_or(address);
    match Path::new(path).is_absolute() {
        true => Ok(PathBuf::from(path)),
        false => Err(EngineError::Address(address.to_owned())),
    }
}

impl Engine {
    /// Asks the engine at `socket` what it is.
    ///
    /// # Errors
    /// [`EngineError`] if nobody answers, or it is not to be worked with.
    pub async fn connect(socket: &Path) -> Result<Self, EngineError> {
        let socket = socket.display().to_string();
        let gone = |error: Error| EngineError::Gone { socket: socket.clone(), reason: error.to_string() };
        let docker =
            Docker::connect_with_unix(&socket, PATIENCE.as_secs(), API_DEFAULT_VERSION).map_err(gone)?;
        let docker = soon(&socket, docker.negotiate_version()).await?;
        let version = soon(&socket, docker.version()).await?;
        let info = soon(&socket, docker.info()).await?;
        let client = docker.client_version();
        let api = (client.major_version, client.minor_version);
        let options = info.security_options.unwrap_or_default();
        let has = |name: &str| {
            options.iter().any(|option| option.split(',').any(|part| part == format!("name={name}")))
        };
        let default_runtime = info.default_runtime.unwrap_or_default();
        let podman = version.components.iter().flatten().any(|component| component.name == PODMAN);
        let platform = version.platform.as_ref().map(|platform| platform.name.clone());
        let facts = EngineFacts {
            name: if podman { PODMAN.to_owned() } else { platform.unwrap_or_default() },
            podman,
            version: version.version.clone().unwrap_or_default(),
            api: client.to_string(),
            runtime: runtime(&version, &default_runtime),
            default_runtime,
            runtimes: info.runtimes.unwrap_or_default().into_keys().collect(),
            apparmor: has("apparmor"),
            own_ids: has("userns") || has("rootless"),
            cgroup_v2: info.cgroup_version.is_some_and(|version| version.to_string() == "2"),
        };
        let old = |what, found: String, needed: String| EngineError::TooOld {
            socket: socket.clone(),
            what,
            found,
            needed,
        };
        if api < API_MIN {
            return Err(old("its interface", client.to_string(), format!("{}.{}", API_MIN.0, API_MIN.1)));
        }
        if let Some(found) = runc(&facts.runtime).filter(|found| *found < RUNC_MIN) {
            let text = |(major, minor, patch)| format!("{major}.{minor}.{patch}");
            return Err(old("its runc", text(found), text(RUNC_MIN)));
        }
        if podman && facts.own_ids {
            let missing = "Podman without root gives a job no file system with a limit on its files (it mounts volumes only as \
                           root); run `podman system service` as root, on a socket of its own"
                .to_owned();
            return Err(EngineError::Unfit { socket, missing });
        }
        if !has("seccomp") {
            let missing = "it was built, or its kernel, without seccomp".to_owned();
            return Err(EngineError::Unfit { socket, missing });
        }
        Ok(Self { docker, facts })
    }

    /// Asks for something; what is answered late is not answered.
    pub(super) async fn ask<T>(
        &self,
        what: &'static str,
        asked: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, EngineError> {
        match timeout(PATIENCE, asked).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => Err(told(what, error)),
            Err(_) => Err(EngineError::Silent { what, reason: "no answer in time".to_owned() }),
        }
    }
}

/// What an error of the library means.
pub(super) fn told(what: &'static str, error: Error) -> EngineError {
    match error {
        Error::DockerResponseServerError { status_code, message } => {
            EngineError::Refused { what, status: status_code, message: first_line(&message) }
        }
        other => EngineError::Silent { what, reason: other.to_string() },
    }
}

/// The engine's words go into records: one line of them, and not a long one.
fn first_line(message: &str) -> String {
    message.lines().next().unwrap_or_default().chars().take(500).collect()
}

async fn soon<T>(socket: &str, asked: impl Future<Output = Result<T, Error>>) -> Result<T, EngineError> {
    let gone = |reason: String| EngineError::Gone { socket: socket.to_owned(), reason };
    match timeout(Duration::from_secs(5), asked).await {
        Ok(answer) => answer.map_err(|error| gone(error.to_string())),
        Err(_) => Err(gone("no answer in five seconds".to_owned())),
    }
}

/// The component that is the default runtime, with its version. Podman's is what the runtime itself prints: `crun version 1.8.1`
/// and more lines.
fn runtime(version: &SystemVersion, default: &str) -> String {
    let components = version.components.as_deref().unwrap_or_default();
    let mut named = components.iter().filter(|component| component.name.contains(default));
    let Some(found) = named.next() else { return format!("{default} of unknown version") };
    let line = found.version.lines().next().unwrap_or_default();
    format!("{default} {}", line.strip_prefix(&format!("{default} version ")).unwrap_or(line))
}

/// Whether this is a release of runc's own with known escapes. What a distribution has made of one it names by more than the three
/// numbers, and whether it has mended it the number does not tell.
pub(super) fn has_known_escapes(runtime: &str) -> bool {
    let its_own = runtime.strip_prefix("runc ").is_some_and(|version| {
        version.trim_end().chars().all(|character| character.is_ascii_digit() || character == '.')
    });
    let mended = |found: (u64, u64, u64)| match RUNC_MENDED {
        [older, newer] if found < newer => found >= older && found.1 == older.1,
        _newer_still => true,
    };
    its_own && runc(runtime).is_some_and(|found| !mended(found))
}

/// The three numbers in `runc 1.1.5+ds1`.
fn runc(runtime: &str) -> Option<(u64, u64, u64)> {
    let mut numbers =
        runtime.strip_prefix("runc ")?.split(|c: char| !c.is_ascii_digit()).map(|part| part.parse().ok());
    Some((numbers.next()??, numbers.next()??, numbers.next()??))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_engine_is_named_by_its_socket_and_nothing_else() {
        for address in ["unix:///run/docker.sock", "/run/user/1000/podman/podman.sock"] {
            assert!(socket_path(address).is_ok(), "{address}");
        }
        for address in [
            "tcp://127.0.0.1:2375",
            "http://docker",
            "ssh://root@host",
            "npipe:////./pipe/docker",
            "docker.sock",
            "",
        ] {
            assert!(matches!(socket_path(address), Err(EngineError::Address(_))), "{address}");
        }
    }

    #[test]
    fn a_runtime_is_named_as_docker_and_as_podman_tell_of_it() {
        let of = |name: &str, said: &str, default: &str| {
            let components =
                json!([{"Name": "Podman Engine", "Version": "4.3.1"}, {"Name": name, "Version": said}]);
            let version = serde_json::from_value(json!({"Components": components})).unwrap();
            runtime(&version, default)
        };
        assert_eq!(of("runc", "1.1.5+ds1-1", "runc"), "runc 1.1.5+ds1-1");
        assert_eq!(of("OCI Runtime (runc)", "runc version 1.1.5+ds1\ncommit: x", "runc"), "runc 1.1.5+ds1");
        assert_eq!(of("OCI Runtime (crun)", "crun version 1.8.1\ncommit: f8", "crun"), "crun 1.8.1");
        assert_eq!(of("runc", "1.1.5", "runsc"), "runsc of unknown version");
    }

    #[test]
    fn a_runtimes_version_is_compared_as_numbers() {
        assert_eq!(runc("runc 1.1.5+ds1-1+deb12u1"), Some((1, 1, 5)));
        assert!(runc("runc 1.0.0~rc93").is_some_and(|found| found < RUNC_MIN));
        assert!(runc("runc 1.10.0").is_some_and(|found| found > RUNC_MIN));
        assert_eq!(runc("crun 1.8"), None);
    }

    #[test]
    fn a_release_of_runc_with_known_escapes_is_told_from_a_mended_one() {
        for (runtime, known) in [
            ("runc 1.1.5", true),
            ("runc 1.2.7", true),
            ("runc 1.2.8", false),
            ("runc 1.3.2", true),
            ("runc 1.3.3", false),
            ("runc 1.4.0", false),
            ("runc 1.1.5+ds1-1+deb12u1", false),
            ("crun 1.8.1", false),
            ("runc of unknown version", false),
        ] {
            assert_eq!(has_known_escapes(runtime), known, "{runtime}");
        }
    }
}
