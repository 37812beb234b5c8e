//! Being told of news instead of asking for it.

use std::time::Duration;

use sqlx::postgres::{PgListener, PgNotification};
use tokio::{sync::mpsc, task::AbortHandle};

use super::{JobId, Store, StoreError, database};

/// How long to wait before trying to reach the server again.
const RECONNECT_PAUSE: Duration = Duration::from_millis(250);
/// News that nobody has fetched yet; what is more is dropped, because news only save time.
const PENDING_NEWS: usize = 1024;

/// News.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wake {
    /// Jobs have come in.
    New,
    /// A running job is to be cancelled.
    Cancel(JobId),
    /// The connection was lost and is back: news may have been missed, so look.
    Reconnected,
}

/// News as they come, over a connection of their own that comes back by itself. They are a hint: the truth is in the
/// tables, and whoever listens polls as well.
#[derive(Debug)]
pub struct Wakeups {
    news: mpsc::Receiver<Wake>,
    task: AbortHandle,
}

impl Wakeups {
    /// The next news. Losing interest half-way (in a `select!`) loses nothing.
    pub async fn next(&mut self) -> Wake {
        match self.news.recv().await {
            Some(wake) => wake,
            // The task only ends with this value, or with the runtime: nothing will come any more.
            None => std::future::pending().await,
        }
    }
}

impl Drop for Wakeups {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Store {
    /// Listens for news from now on.
    ///
    /// # Errors
    /// If the server cannot be reached now; what happens to the connection later is mended quietly.
    pub async fn listen(&self) -> Result<Wakeups, StoreError> {
        let listener = self.listener().await.map_err(StoreError::during("listen for news"))?;
        let (sender, news) = mpsc::channel(PENDING_NEWS);
        let task = tokio::spawn(self.clone().pass_on(listener, sender)).abort_handle();
        Ok(Wakeups { news, task })
    }

    async fn listener(&self) -> Result<PgListener, sqlx::Error> {
        let pool = database::pool(self.access, 1).connect_with(self.options.clone()).await?;
        let mut listener = PgListener::connect_with(&pool).await?;
        // We notice a lost connection ourselves, and say so.
        listener.eager_reconnect(false);
        listener.listen_all(["jobs_new", "jobs_cancel"]).await?;
        Ok(listener)
    }

    async fn pass_on(self, mut listener: PgListener, sender: mpsc::Sender<Wake>) {
        loop {
            while let Ok(Some(news)) = listener.try_recv().await {
                if let Some(wake) = understand(&news) {
                    // Full means that the reader is far behind and will look at the tables anyway.
                    let _ = sender.try_send(wake);
                }
            }
            listener = self.listen_again().await;
            let _ = sender.try_send(Wake::Reconnected);
        }
    }

    async fn listen_again(&self) -> PgListener {
        loop {
            tokio::time::sleep(RECONNECT_PAUSE).await;
            match self.listener().await {
                Ok(listener) => return listener,
                Err(error) => tracing::debug!(%error, "the connection for news is still lost"),
            }
        }
    }
}

fn understand(news: &PgNotification) -> Option<Wake> {
    match news.channel() {
        "jobs_new" => Some(Wake::New),
        "jobs_cancel" => news.payload().parse().ok().map(Wake::Cancel),
        _ => None,
    }
}
