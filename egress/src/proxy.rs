//! The proxy of one job: it accepts what the job connects to, and ends with it.

use std::net;
use std::sync::Arc;
use std::time::Duration;

use stockade_policies::Egress;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, oneshot};
use tokio::task::JoinSet;
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

use crate::connection;
use crate::ledger::{Ledger, Traffic};
use crate::resolve::Resolver;

/// Connections of one job at a time. More wait to be accepted, and then for the kernel's queue to have room.
const CONNECTIONS_MAX: usize = 64;
/// A connection that cannot be accepted, for want of descriptors, is tried again after that.
const PAUSE: Duration = Duration::from_millis(50);

/// Gives the proxy the sockets that it listens on.
pub type Listeners = oneshot::Sender<Vec<net::TcpListener>>;

/// Serves one job. When it is dropped every connection is closed.
#[derive(Debug)]
pub struct Proxy {
    ledger: Arc<Ledger>,
    connections: TaskTracker,
    stop: DropGuard,
}

/// What all connections of a job share.
#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) egress: Egress,
    pub(crate) resolver: Resolver,
    pub(crate) ledger: Arc<Ledger>,
    places: Arc<Semaphore>,
}

impl Proxy {
    /// A proxy that waits for its sockets, in a tokio runtime, and lets the job reach what `egress` names.
    pub fn new(egress: Egress) -> (Self, Listeners) {
        let ledger = Arc::new(Ledger::default());
        let (connections, stop) = (TaskTracker::new(), CancellationToken::new());
        let job = Arc::new(Job {
            egress,
            resolver: Resolver::new(),
            ledger: Arc::clone(&ledger),
            places: Arc::new(Semaphore::new(CONNECTIONS_MAX)),
        });
        let (listeners, handed_over) = oneshot::channel();
        let serving = serve(handed_over, job, connections.clone(), stop.clone());
        connections.spawn(stop.clone().run_until_cancelled_owned(serving));
        (Self { ledger, connections, stop: stop.drop_guard() }, listeners)
    }

    /// Closes every connection, and tells what there was.
    pub async fn end(self) -> Traffic {
        drop(self.stop);
        self.connections.close();
        self.connections.wait().await;
        self.ledger.take()
    }
}

async fn serve(
    handed_over: oneshot::Receiver<Vec<net::TcpListener>>,
    job: Arc<Job>,
    connections: TaskTracker,
    stop: CancellationToken,
) {
    // A job that did not start hands nothing over.
    let Ok(listeners) = handed_over.await else { return };
    let mut accepting = JoinSet::new();
    for listener in listeners {
        // It was made not to block, and this runtime has sockets: there is nothing that could fail here but the table
        // of what is watched, and then nobody accepts.
        if let Ok(listener) = TcpListener::from_std(listener) {
            accepting.spawn(accept(listener, Arc::clone(&job), connections.clone(), stop.clone()));
        }
    }
    accepting.join_all().await;
}

async fn accept(listener: TcpListener, job: Arc<Job>, connections: TaskTracker, stop: CancellationToken) {
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            tokio::time::sleep(PAUSE).await;
            continue;
        };
        let Ok(place) = Arc::clone(&job.places).acquire_owned().await else { return };
        let job = Arc::clone(&job);
        connections.spawn(stop.clone().run_until_cancelled_owned(async move {
            connection::serve(stream, &job).await;
            drop(place);
        }));
    }
}
