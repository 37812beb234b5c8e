//! Something on the host that a job could connect to, if it were let.

use std::io;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::net::{TcpListener, TcpStream};
use tokio::task::AbortHandle;

/// A listener on the host's loopback device that counts who comes.
#[derive(Debug)]
pub(super) struct Trap {
    port: u16,
    visitors: Arc<AtomicUsize>,
    task: AbortHandle,
}

impl Trap {
    /// Opens it, and connects to it once, to know that it can be done.
    pub(super) async fn open() -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let port = listener.local_addr()?.port();
        let visitors = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&visitors);
        let control = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await?;
        listener.accept().await?;
        drop(control);
        let task = tokio::spawn(async move {
            while listener.accept().await.is_ok() {
                count.fetch_add(1, Ordering::Relaxed);
            }
        });
        Ok(Self { port, visitors, task: task.abort_handle() })
    }

    /// Where it listens.
    pub(super) fn port(&self) -> u16 {
        self.port
    }

    /// How many came that should not have.
    pub(super) fn visitors(&self) -> usize {
        self.visitors.load(Ordering::Relaxed)
    }
}

impl Drop for Trap {
    fn drop(&mut self) {
        self.task.abort();
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn who_comes_is_counted() {
        let trap = Trap::open().await.unwrap();
        assert_eq!(trap.visitors(), 0);
        TcpStream::connect((Ipv4Addr::LOCALHOST, trap.port())).await.unwrap();
        for _ in 0..100 {
            if trap.visitors() == 1 {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("nobody was counted");
    }
}
