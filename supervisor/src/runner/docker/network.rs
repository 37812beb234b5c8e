//! The network of a container whose policy names destinations: its own loopback, on which the supervisor's proxy listens.
//!
//! The container joins no network of the engine's. Its init makes the sockets that listen on its loopback, as a sandbox's does, and
//! hands them over at a Unix socket that is mounted into the container. That takes one connection, and is closed and removed before
//! the job starts: nothing of the job's ever passes through it, and no way leads out of the container but the proxy.

use std::fs::{DirBuilder, File, Permissions};
use std::io;
use std::os::fd::{AsFd as _, AsRawFd as _};
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bollard::models::{ContainerCreateBody, Mount, MountType};
use stockade_egress::Proxy;
use stockade_plan::Network;
use stockade_policies::{Egress, has_own_network};
use stockade_sandbox::take_listeners;
use tokio::net::{UnixListener, UnixStream};
use tokio::time::timeout;

use super::container::Identity;
use super::engine::{EngineFacts, PATIENCE};
use super::run::{NotRun, Order};

/// The name of the socket beside init in the container, and in the directory of the attempt.
const SOCKET: &str = "network";
/// Where programs look up names that need no server; hosts(5). No policy shows a job the host's.
const HOSTS: &str = "/etc/hosts";
/// From which port on whoever has no capability may listen; Documentation/networking/ip-sysctl.rst. What it is set to is the
/// container's own.
const UNPRIVILEGED_PORTS: &str = "net.ipv4.ip_unprivileged_port_start";

/// Where containers of a worker hand over their sockets: a directory that is the supervisor's alone, with one for each attempt.
#[derive(Debug, Clone)]
pub struct Handovers(Arc<Path>);

/// That of one attempt; removed when dropped.
#[derive(Debug)]
pub(super) struct Handover {
    directory: PathBuf,
    listener: UnixListener,
}

impl Handovers {
    /// In that directory, which is made when a container first has a network.
    pub fn in_directory(path: PathBuf) -> Self {
        Self(path.into())
    }

    /// Removes what an earlier run of this worker left.
    pub(super) fn sweep(&self) -> io::Result<()> {
        removed(&self.0)
    }

    /// Makes that of an attempt, if it has a network.
    pub(super) fn open(&self, order: &Order, facts: &EngineFacts) -> Result<Option<Handover>, NotRun> {
        let Some(hosts) = order.plan.hosts.as_deref() else { return Ok(None) };
        if let Some(runtime) = with_own_network(order.plan.runtime.as_deref(), &facts.runtime) {
            return Err(NotRun::OwnNetwork(runtime.to_owned()));
        }
        let directory = self.0.join(format!("{}-{}", order.identity.job, order.identity.attempt));
        let made = make(&directory, hosts);
        let listener = made.map_err(|source| {
            let _no_more = removed(&directory);
            let what = format!("make the socket `{}`", directory.join(SOCKET).display());
            NotRun::Network { what, source }
        })?;
        Ok(Some(Handover { directory, listener }))
    }
}

/// The runtime that is asked for, or else the engine's, if its containers' sockets are not the host's.
fn with_own_network<'r>(asked: Option<&'r str>, default: &'r str) -> Option<&'r str> {
    Some(asked.unwrap_or(default)).filter(|runtime| has_own_network(runtime))
}

/// In the container another id looks at what is in it, and nobody else can get at it: the directory above is the supervisor's.
fn make(directory: &Path, hosts: &str) -> io::Result<UnixListener> {
    if let Some(above) = directory.parent() {
        DirBuilder::new().recursive(true).mode(0o700).create(above)?;
    }
    removed(directory)?;
    DirBuilder::new().mode(0o700).create(directory)?;
    let listener = listen(directory)?;
    std::fs::set_permissions(directory.join(SOCKET), Permissions::from_mode(0o666))?;
    std::fs::write(directory.join("hosts"), hosts)?;
    std::fs::set_permissions(directory.join("hosts"), Permissions::from_mode(0o644))?;
    Ok(listener)
}

/// An address has room for no more than 107 bytes, unix(7). By our own descriptor of it a directory has a short name.
fn listen(directory: &Path) -> io::Result<UnixListener> {
    let held = File::open(directory)?;
    UnixListener::bind(format!("/proc/self/fd/{}/{SOCKET}", held.as_raw_fd()))
}

fn removed(directory: &Path) -> io::Result<()> {
    match std::fs::remove_dir_all(directory) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

impl Handover {
    /// Adds to what the engine is asked for what init needs to hand over its sockets.
    pub(super) fn join(&self, asked: &mut ContainerCreateBody, identity: &Identity) {
        join(asked, &self.directory, &identity.directory());
    }

    /// Takes the sockets that init has handed over by now, from the container's id where that is known on this host, and serves
    /// them until the proxy is dropped.
    pub(super) async fn serve(
        self,
        network: &Network,
        egress: Egress,
        uid: Option<u32>,
    ) -> Result<Proxy, NotRun> {
        let failed =
            |source| NotRun::Network { what: "take the sockets of the container".to_owned(), source };
        let accepted = timeout(PATIENCE, self.listener.accept()).await;
        let (init, _) = accepted.map_err(|late| failed(late.into()))?.map_err(failed)?;
        come_from(&init, uid).map_err(failed)?;
        let taken = take_listeners(network, init.as_fd());
        let sockets = taken.map_err(|error| failed(io::Error::other(error.to_string())))?;
        let (proxy, listeners) = Proxy::new(egress);
        let served = listeners.send(sockets);
        served.map_err(|_| failed(io::Error::other("the proxy has ended")))?;
        Ok(proxy)
    }
}

impl Drop for Handover {
    fn drop(&mut self) {
        if let Err(error) = removed(&self.directory) {
            tracing::warn!(directory = %self.directory.display(), %error, "cannot remove where a container handed over its network");
        }
    }
}

fn come_from(init: &UnixStream, uid: Option<u32>) -> io::Result<()> {
    let from = init.peer_cred()?.uid();
    match uid.is_none_or(|uid| uid == from) {
        true => Ok(()),
        false => Err(io::Error::new(io::ErrorKind::PermissionDenied, format!("uid {from} handed them over"))),
    }
}

fn join(asked: &mut ContainerCreateBody, here: &Path, there: &str) {
    let bind = |name: &str, target: String| Mount {
        source: Some(here.join(name).display().to_string()),
        target: Some(target),
        typ: Some(MountType::BIND),
        read_only: Some(true),
        ..Mount::default()
    };
    let socket = format!("{there}/{SOCKET}");
    let binds = [bind(SOCKET, socket.clone()), bind("hosts", HOSTS.to_owned())];
    asked.entrypoint.get_or_insert_default().push(socket);
    let host = asked.host_config.get_or_insert_default();
    host.mounts.get_or_insert_default().extend(binds);
    host.sysctls.get_or_insert_default().insert(UNPRIVILEGED_PORTS.to_owned(), "0".to_owned());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_container_with_a_network_is_asked_for_with_two_mounts_and_one_setting_more() {
        let mut asked = ContainerCreateBody::default();
        join(&mut asked, Path::new("/var/lib/stockade/containers/7-1"), "/.stockade-0");
        assert_eq!(asked.entrypoint.unwrap(), ["/.stockade-0/network"]);
        let host = asked.host_config.unwrap();
        assert_eq!(host.sysctls.unwrap()["net.ipv4.ip_unprivileged_port_start"], "0");
        let mounts = host.mounts.unwrap();
        let sources: Vec<_> = mounts.iter().map(|mount| mount.source.clone().unwrap()).collect();
        let targets: Vec<_> = mounts.iter().map(|mount| mount.target.clone().unwrap()).collect();
        assert_eq!(
            sources,
            ["/var/lib/stockade/containers/7-1/network", "/var/lib/stockade/containers/7-1/hosts"]
        );
        assert_eq!(targets, ["/.stockade-0/network", "/etc/hosts"]);
        assert!(mounts.iter().all(|mount| mount.read_only == Some(true)));
        assert_eq!(host.network_mode, None, "what it says of the network is not touched");
    }

    #[test]
    fn a_runtime_with_sockets_of_its_own_is_known_also_where_it_is_the_engines_default() {
        assert_eq!(with_own_network(None, "runsc of unknown version"), Some("runsc of unknown version"));
        assert_eq!(with_own_network(Some("runsc"), "runc 1.1.5"), Some("runsc"));
        assert_eq!(with_own_network(Some("runc"), "runsc of unknown version"), None);
        assert_eq!(with_own_network(None, "runc 1.1.5"), None);
    }

    #[tokio::test]
    async fn a_directory_may_have_a_longer_path_than_a_sockets_address() {
        let place = tempfile::tempdir().unwrap();
        let directory = place.path().join("d".repeat(200)).join("7-1");
        let listener = make(&directory, "").unwrap();
        assert!(UnixListener::bind(directory.join("another")).is_err(), "the control");
        let held = File::open(&directory).unwrap();
        let address = format!("/proc/self/fd/{}/{SOCKET}", held.as_raw_fd());
        let (init, accepted) = tokio::join!(UnixStream::connect(address), listener.accept());
        assert!(init.is_ok() && accepted.is_ok());
        drop(Handover { directory: directory.clone(), listener });
        assert!(std::fs::symlink_metadata(&directory).is_err());
    }

    #[tokio::test]
    async fn nobody_but_the_container_hands_anything_over_and_nothing_is_left() {
        let place = tempfile::tempdir().unwrap();
        let directory = place.path().join("containers/7-1");
        let network = Network::Listeners { ports: Vec::new().try_into().unwrap() };
        let own = nix::unistd::geteuid().as_raw();
        for (uid, said) in [(own + 1, "handed them over"), (own, "take the listeners")] {
            let listener = make(&directory, "127.64.0.1 a.example\n").unwrap();
            let handover = Handover { directory: directory.clone(), listener };
            let _init = UnixStream::connect(directory.join(SOCKET)).await.unwrap();
            let error = handover.serve(&network, Egress::default(), Some(uid)).await.unwrap_err();
            assert!(error.to_string().contains(said), "{error}");
            assert!(std::fs::symlink_metadata(&directory).is_err());
        }
    }
}
