//! What a sandbox's init reports, read with bounds: init is ours, but it has run beside the job.

use std::time::Duration;

use stockade_plan::{Ended, Evidence, Found, Output, Report, Rusage, STATUS_FRAME_MAX, SetupError, decode};
use tokio::io::{AsyncRead, AsyncReadExt};

use crate::RunError;
use crate::outcome::{Collected, OutputState};
use crate::refusals::Refusals;

/// How much is read at a time: what the pipe holds, most often.
const READ_AT_ONCE: usize = 8 * 1024;

/// Why the first report is not that the job runs.
#[derive(Debug)]
pub(crate) enum NotReady {
    /// A step failed.
    Setup(SetupError),
    /// Init ended without a word.
    Ended,
    /// It said something else.
    Malformed(RunError),
}

/// How the job ended and what it left, as init tells it.
#[derive(Debug)]
pub(crate) struct Finished {
    pub(crate) ended: Ended,
    /// From its execution to its end.
    pub(crate) wall: Duration,
    pub(crate) read_bytes: Option<u64>,
    pub(crate) written_bytes: Option<u64>,
    pub(crate) rusage: Rusage,
    pub(crate) outputs: Vec<Collected>,
}

/// The status pipe, and what was told on it of refusals.
#[derive(Debug)]
pub(crate) struct Status<R> {
    pipe: R,
    /// Read, and not yet taken for a report: whoever waits for one may give up at any time.
    read: Vec<u8>,
    pub(crate) refusals: Refusals,
}

impl<R: AsyncRead + Unpin> Status<R> {
    /// Nothing of it has been read yet.
    pub(crate) fn new(pipe: R) -> Self {
        Self { pipe, read: Vec::new(), refusals: Refusals::default() }
    }

    /// Takes what an init that is dead by now has still told of refusals; whether it told as well that the job runs.
    pub(crate) async fn rest(&mut self) -> bool {
        let mut started = false;
        // What else it told is of no use any more, and neither is why it stopped.
        while let Ok(Some(report)) = self.next().await {
            started |= matches!(report, Report::Started);
        }
        started
    }

    /// Waits until the sandbox is built.
    pub(crate) async fn ready(&mut self) -> Result<Evidence, NotReady> {
        match self.next().await {
            Ok(Some(Report::Ready(evidence))) => Ok(*evidence),
            Ok(Some(Report::SetupFailed(error))) => Err(NotReady::Setup(error)),
            Ok(None) => Err(NotReady::Ended),
            Ok(Some(other)) => Err(NotReady::Malformed(unexpected(&other))),
            Err(error) => Err(NotReady::Malformed(error)),
        }
    }

    /// Waits until the job runs.
    pub(crate) async fn started(&mut self) -> Result<(), NotReady> {
        match self.next().await {
            Ok(Some(Report::Started)) => Ok(()),
            Ok(Some(Report::SetupFailed(error))) => Err(NotReady::Setup(error)),
            Ok(None) => Err(NotReady::Ended),
            Ok(Some(other)) => Err(NotReady::Malformed(unexpected(&other))),
            Err(error) => Err(NotReady::Malformed(error)),
        }
    }

    /// Waits until the job has ended and its outputs have come; `None` if init ended before it said so.
    pub(crate) async fn finished(&mut self, declared: &[Output]) -> Result<Option<Finished>, RunError> {
        let mut finished = match self.next().await? {
            Some(Report::Ended { ended, read_bytes, written_bytes, rusage, wall_us }) => {
                let (wall, outputs) = (Duration::from_micros(wall_us), Vec::with_capacity(declared.len()));
                Finished { ended, wall, read_bytes, written_bytes, rusage, outputs }
            }
            Some(other) => return Err(unexpected(&other)),
            None => return Ok(None),
        };
        for (index, output) in (0_u32..).zip(declared) {
            match self.next().await? {
                Some(Report::Output { index: reported, found }) if reported == index => {
                    let state = self.output(output, found).await?;
                    finished.outputs.push(Collected { path: output.path.clone(), state });
                }
                Some(other) => return Err(unexpected(&other)),
                None => return Ok(None),
            }
        }
        match self.next().await? {
            Some(Report::Done) => Ok(Some(finished)),
            Some(other) => Err(unexpected(&other)),
            None => Ok(None),
        }
    }

    async fn output(&mut self, declared: &Output, found: Found) -> Result<OutputState, RunError> {
        let size = match found {
            Found::Not(not) => return Ok(OutputState::Not(not)),
            Found::File { size } if size <= declared.max_bytes => size,
            Found::File { .. } => return Err(RunError::Protocol("an output larger than its cap".to_owned())),
        };
        let mut bytes = Vec::new();
        while (bytes.len() as u64) < size {
            match self.next().await? {
                Some(Report::Chunk(chunk)) if !chunk.is_empty() => bytes.extend_from_slice(&chunk),
                _ => return Err(RunError::Protocol("an output shorter than it was said to be".to_owned())),
            }
        }
        if bytes.len() as u64 > size {
            return Err(RunError::Protocol("an output longer than it was said to be".to_owned()));
        }
        Ok(OutputState::File(bytes))
    }

    /// The next report that is not of a refusal; `None` at the end of the pipe. Nothing is lost if it is not waited for to
    /// the end.
    async fn next(&mut self) -> Result<Option<Report>, RunError> {
        loop {
            match self.whole()? {
                Some(Report::Refused(refusal)) => self
                    .refusals
                    .take(refusal)
                    .ok_or_else(|| RunError::Protocol("a refusal out of order".to_owned()))?,
                Some(report) => return Ok(Some(report)),
                None => {
                    self.read.reserve(READ_AT_ONCE);
                    if self.pipe.read_buf(&mut self.read).await.map_err(pipe_failed)? == 0 {
                        return self.ended();
                    }
                }
            }
        }
    }

    /// The end of the pipe, which is where a report ends.
    fn ended(&self) -> Result<Option<Report>, RunError> {
        match self.read.is_empty() {
            true => Ok(None),
            false => Err(RunError::Protocol("a report that was cut".to_owned())),
        }
    }

    /// The first report of what was read, if it is there to its end.
    fn whole(&mut self) -> Result<Option<Report>, RunError> {
        let Some((len, rest)) = self.read.split_first_chunk::<4>() else { return Ok(None) };
        let len = usize::try_from(u32::from_le_bytes(*len)).unwrap_or(usize::MAX);
        if len > STATUS_FRAME_MAX {
            return Err(RunError::Protocol(format!("a report of {len} bytes")));
        }
        let Some(frame) = rest.get(..len) else { return Ok(None) };
        let report = decode(frame).map_err(|error| RunError::Protocol(error.to_string()))?;
        self.read.drain(..4 + len);
        Ok(Some(report))
    }
}

fn pipe_failed(error: std::io::Error) -> RunError {
    RunError::Protocol(format!("the status pipe broke: {error}"))
}

fn unexpected(report: &Report) -> RunError {
    let name = match report {
        Report::Ready(_) => "ready",
        Report::Started => "started",
        Report::Refused(_) => "refused",
        Report::SetupFailed(_) => "set-up failed",
        Report::Ended { .. } => "ended",
        Report::Output { .. } => "output",
        Report::Chunk(_) => "chunk",
        Report::Done => "done",
    };
    RunError::Protocol(format!("an unexpected report `{name}`"))
}

#[cfg(test)]
mod tests {
    use stockade_plan::{RelPath, encode};

    use super::*;

    fn frames(reports: &[Report]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for report in reports {
            let frame = encode(report).unwrap();
            bytes.extend_from_slice(&u32::try_from(frame.len()).unwrap().to_le_bytes());
            bytes.extend_from_slice(&frame);
        }
        bytes
    }

    fn ended() -> Report {
        Report::Ended {
            ended: Ended::Exited(0),
            read_bytes: None,
            written_bytes: None,
            rusage: Rusage::default(),
            wall_us: 1,
        }
    }

    fn declared() -> [Output; 1] {
        [Output { path: RelPath::new("out").unwrap(), max_bytes: 8 }]
    }

    async fn finish(bytes: &[u8]) -> Result<Option<Finished>, RunError> {
        Status::new(bytes).finished(&declared()).await
    }

    fn chunk(bytes: &[u8]) -> Report {
        Report::Chunk(bytes.to_vec().try_into().unwrap())
    }

    fn file(size: u64) -> Report {
        Report::Output { index: 0, found: Found::File { size } }
    }

    #[tokio::test]
    async fn outputs_come_whole() {
        let bytes = frames(&[ended(), file(4), chunk(b"ab"), chunk(b"\0\xff"), Report::Done]);
        let finished = finish(&bytes).await.unwrap().unwrap();
        assert_eq!(finished.outputs[0].state, OutputState::File(b"ab\0\xff".to_vec()));
    }

    #[tokio::test]
    async fn whether_the_job_ran_is_in_what_a_dead_init_has_told() {
        for (told, ran) in
            [(vec![], false), (vec![Report::Done], false), (vec![Report::Started, ended()], true)]
        {
            assert_eq!(Status::new(frames(&told).as_slice()).rest().await, ran);
        }
    }

    #[tokio::test]
    async fn an_init_that_dies_early_is_not_an_ended_job() {
        let bytes = frames(&[ended(), file(4)]);
        assert!(finish(&[]).await.unwrap().is_none());
        assert!(finish(&bytes).await.is_err());
    }

    #[tokio::test]
    async fn reports_beyond_their_bounds_are_refused() {
        assert!(finish(&frames(&[ended(), file(9)])).await.is_err());
        assert!(finish(&frames(&[ended(), file(1), chunk(b"ab")])).await.is_err());
        assert!(finish(&u32::MAX.to_le_bytes()).await.is_err());
        assert!(finish(&frames(&[Report::Done])).await.is_err());
        assert!(finish(&[1, 0, 0, 0, 0xff]).await.is_err());
    }
}
