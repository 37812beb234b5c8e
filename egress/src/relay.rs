//! Passing bytes on, in both directions, counted.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::ledger::Counts;
use crate::stop::Failure;

/// A connection on which nothing passes for so long is let go.
pub(crate) const IDLE: Duration = Duration::from_secs(300);
/// What is held of a connection each way, bytes.
const BUFFER: usize = 16 * 1024;

/// Passes on what comes from either side until both have ended, or one has broken off.
pub(crate) async fn both(
    client: &mut TcpStream,
    server: &mut TcpStream,
    counts: &Counts,
) -> Result<(), Failure> {
    let (from_client, to_client) = client.split();
    let (from_server, to_server) = server.split();
    let passing = async {
        tokio::try_join!(
            pump(from_client, to_server, &counts.sent),
            pump(from_server, to_client, &counts.received)
        )
    };
    tokio::select! {
        passed = passing => passed.map(drop).map_err(Failure::from),
        failure = idle(counts) => Err(failure),
    }
}

/// From one side to the other until the first ends, which is passed on as well.
pub(crate) async fn pump(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    count: &AtomicU64,
) -> std::io::Result<()> {
    let mut buffer = vec![0; BUFFER];
    loop {
        let read = from.read(&mut buffer).await?;
        if read == 0 {
            return to.shutdown().await;
        }
        to.write_all(buffer.get(..read).unwrap_or_default()).await?;
        count.fetch_add(read as u64, Ordering::Relaxed);
    }
}

/// Resolves when nothing has passed for [`IDLE`].
pub(crate) async fn idle(counts: &Counts) -> Failure {
    let mut last = counts.total();
    loop {
        tokio::time::sleep(IDLE).await;
        let now = counts.total();
        if now == last {
            return Failure::TooSlow(IDLE);
        }
        last = now;
    }
}
