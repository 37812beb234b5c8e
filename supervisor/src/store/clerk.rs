//! Writing down beginnings and ends that come close together in one transaction.
//!
//! Every transaction that appends to the record waits for the one before it to reach the disk, so a transaction each
//! would allow no more attempts a second than the disk can sync. While one batch is being committed the next collects;
//! a lone entry is written at once. Callers notice nothing of this: an entry is answered when it is on disk.

use sqlx::{PgConnection, PgPool};
use tokio::sync::{mpsc, oneshot};

use super::{
    AttemptEnd, AttemptId, AttemptStart, Begun, Completion, JobId, StoreError, WorkerId,
    attempt::{begin, complete},
};

/// Entries in one transaction; more would keep other workers from the record for too long.
const BATCH_MAX: usize = 32;
/// An entry that brings more bytes than this is written down by itself: others should not wait for it.
const LARGE: usize = 64 << 10;
/// How often an entry is tried again after it lost against another transaction.
pub(super) const CONFLICT_RETRIES: usize = 3;

/// Something to write down, and whom to tell.
#[derive(Debug)]
pub(super) enum Entry {
    Begin { worker: WorkerId, job: JobId, start: AttemptStart, reply: Reply<Begun> },
    Complete { attempt: AttemptId, end: AttemptEnd, reply: Reply<Completion> },
}

/// Where the answer to an entry goes.
pub(super) type Reply<T> = oneshot::Sender<Result<T, StoreError>>;

enum Answer {
    Begun(Begun),
    Completed(Completion),
}

/// Starts a clerk; it goes when the last sender is dropped.
pub(super) fn start(pool: PgPool) -> mpsc::Sender<Entry> {
    let (sender, inbox) = mpsc::channel(BATCH_MAX);
    tokio::spawn(work(pool, inbox));
    sender
}

async fn work(pool: PgPool, mut inbox: mpsc::Receiver<Entry>) {
    let mut batch = Vec::with_capacity(BATCH_MAX);
    while inbox.recv_many(&mut batch, BATCH_MAX).await > 0 {
        for large in batch.extract_if(.., |entry| entry.size() > LARGE) {
            write_apart(&pool, large);
        }
        match batch.as_slice() {
            [] => {}
            [lone] => {
                let answer = alone(&pool, lone).await;
                if let Some(lone) = batch.pop() {
                    lone.answer(answer);
                }
            }
            several => match together(&pool, several).await {
                Ok(answers) => {
                    batch.drain(..).zip(answers).for_each(|(entry, answer)| entry.answer(Ok(answer)))
                }
                // One of them cannot be written, or the server is gone: the others must not suffer for it, nor wait
                // for each other's timeouts.
                Err(_) => batch.drain(..).for_each(|entry| write_apart(&pool, entry)),
            },
        }
    }
}

fn write_apart(pool: &PgPool, entry: Entry) {
    let pool = pool.clone();
    tokio::spawn(async move {
        let answer = alone(&pool, &entry).await;
        entry.answer(answer);
    });
}

async fn together(pool: &PgPool, entries: &[Entry]) -> Result<Vec<Answer>, StoreError> {
    let write = StoreError::during("write down attempts");
    let mut transaction = pool.begin().await.map_err(&write)?;
    // All rows first and in one order: whoever waits for a row while holding the record would hold up everybody.
    sqlx::query("SELECT jobs.lock_queued($1)")
        .bind(entries.iter().map(Entry::job).collect::<Vec<_>>())
        .execute(&mut *transaction)
        .await
        .map_err(&write)?;
    let mut answers = Vec::with_capacity(entries.len());
    for entry in entries {
        answers.push(entry.write(&mut transaction).await?);
    }
    transaction.commit().await.map_err(&write)?;
    Ok(answers)
}

async fn alone(pool: &PgPool, entry: &Entry) -> Result<Answer, StoreError> {
    let mut left = CONFLICT_RETRIES;
    loop {
        let mut connection = pool.acquire().await.map_err(StoreError::during("write down the attempt"))?;
        match entry.write(&mut connection).await {
            Err(e) if e.is_conflict() && left > 0 => left -= 1,
            answer => return answer,
        }
    }
}

impl Entry {
    fn job(&self) -> JobId {
        match self {
            Self::Begin { job, .. } => *job,
            Self::Complete { attempt, .. } => attempt.job,
        }
    }

    fn size(&self) -> usize {
        match self {
            Self::Begin { .. } => 0,
            Self::Complete { end, .. } => end.size(),
        }
    }

    async fn write(&self, connection: &mut PgConnection) -> Result<Answer, StoreError> {
        match self {
            Self::Begin { worker, job, start, .. } => {
                begin(connection, *worker, *job, start).await.map(Answer::Begun)
            }
            Self::Complete { attempt, end, .. } => {
                complete(connection, attempt, end).await.map(Answer::Completed)
            }
        }
    }

    /// Whoever asked may have stopped waiting: then nobody is told.
    fn answer(self, answer: Result<Answer, StoreError>) {
        match (self, answer) {
            (Self::Begin { reply, .. }, Ok(Answer::Begun(begun))) => drop(reply.send(Ok(begun))),
            (Self::Complete { reply, .. }, Ok(Answer::Completed(completion))) => {
                drop(reply.send(Ok(completion)))
            }
            (Self::Begin { reply, .. }, Err(error)) => drop(reply.send(Err(error))),
            (Self::Complete { reply, .. }, Err(error)) => drop(reply.send(Err(error))),
            // `write` answers each entry in kind; dropping the reply would tell the caller that we are gone.
            (Self::Begin { .. }, Ok(Answer::Completed(_)))
            | (Self::Complete { .. }, Ok(Answer::Begun(_))) => {}
        }
    }
}
