//! Looking names up, as the supervisor's host does: its `/etc/hosts`, its resolver.

use std::net::{IpAddr, ToSocketAddrs};
use std::sync::Arc;
use std::time::Duration;

use stockade_policies::HostName;
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use crate::stop::Failure;

/// Names that all jobs look up at a time: each takes a thread, for as long as a name server lets it wait.
static OF_ALL: Semaphore = Semaphore::const_new(32);
/// Names that one job looks up at a time, so that it cannot keep all others waiting.
const OF_ONE: usize = 8;
/// A name that is not found by then is not found.
const PATIENCE: Duration = Duration::from_secs(10);
/// More addresses of a name are not looked at.
const ADDRESSES_MAX: usize = 16;

/// Looks names up for one job.
#[derive(Debug)]
pub struct Resolver(Arc<Semaphore>);

impl Resolver {
    /// One that has looked nothing up.
    pub fn new() -> Self {
        Self(Arc::new(Semaphore::new(OF_ONE)))
    }

    /// The addresses of a name, in the order in which they should be tried. Nothing is remembered.
    ///
    /// # Errors
    /// [`Failure`] if it has none, or none that comes in time.
    pub async fn addresses(&self, name: &HostName) -> Result<Vec<IpAddr>, Failure> {
        let found = timeout(PATIENCE, self.look_up(name.as_str().to_owned())).await;
        found.unwrap_or(Err(Failure::TooSlow(PATIENCE)))
    }

    async fn look_up(&self, name: String) -> Result<Vec<IpAddr>, Failure> {
        let lookup = |error: &dyn std::fmt::Display| Failure::Lookup(error.to_string());
        let own = Arc::clone(&self.0).acquire_owned().await.map_err(|error| lookup(&error))?;
        let shared = OF_ALL.acquire().await.map_err(|error| lookup(&error))?;
        // The places are given up when the thread is done, not when nobody waits for it any more.
        let looked_up = spawn_blocking(move || {
            let _places = (own, shared);
            let found = (name.as_str(), 0).to_socket_addrs()?;
            Ok::<_, std::io::Error>(found.map(|address| address.ip()).take(ADDRESSES_MAX).collect())
        });
        looked_up.await.map_err(|error| lookup(&error))?.map_err(|error| lookup(&error))
    }
}

impl Default for Resolver {
    fn default() -> Self {
        Self::new()
    }
}
