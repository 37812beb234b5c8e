//! From the job's start to its end, and that of every other process.

use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::signal::{Signal, kill};
use nix::sys::time::TimeVal;
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use stockade_plan::{
    Account, Cause, ContainerMessage, Counted, Ended, Errand, Limits, OUTPUT_CHUNK_MAX, Rusage,
};

use crate::cgroup::Group;
use crate::channel::Channel;
use crate::job::Job;

/// How often limits and memory are looked at, and what was left by its parent is reaped.
const TICK: Duration = Duration::from_millis(50);
const AT_ONCE: Timespec = Timespec { tv_sec: 0, tv_nsec: 0 };

/// One of the job's streams.
struct Stream<R> {
    pipe: Option<R>,
    error: bool,
    printed: u64,
}

/// What is to be had of a stream at once.
#[derive(Debug, PartialEq, Eq)]
enum Had {
    Something,
    /// Not now.
    Nothing,
    /// Never more.
    End,
}

impl<R: Read + AsFd> Stream<R> {
    /// The job can open its end to read, and take back what made ours ready: then a read that waits waits for as long as
    /// the job likes. Whether it waits is our description's, which the job does not have; open(2).
    fn new(pipe: R, error: bool) -> io::Result<Self> {
        fcntl_setfl(&pipe, fcntl_getfl(&pipe)? | OFlags::NONBLOCK)?;
        Ok(Self { pipe: Some(pipe), error, printed: 0 })
    }

    /// Takes what is there, and no more than one message's worth.
    fn take(&mut self) -> io::Result<(Had, Vec<u8>)> {
        let Some(pipe) = &mut self.pipe else { return Ok((Had::End, Vec::new())) };
        let mut buffer = vec![0; OUTPUT_CHUNK_MAX];
        let read = match pipe.read(&mut buffer) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {
                return Ok((Had::Something, Vec::new()));
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok((Had::Nothing, Vec::new())),
            read => read?,
        };
        buffer.truncate(read);
        if read == 0 {
            self.pipe = None;
            return Ok((Had::End, buffer));
        }
        Ok((Had::Something, buffer))
    }

    /// Passes on what is there, up to the limit; whether the limit holds.
    fn pass(&mut self, max: u64, channel: &mut Channel) -> io::Result<bool> {
        let (_, buffer) = self.take()?;
        self.tell(buffer, max, channel)
    }

    /// Passes on what is left when nobody writes any more. A descriptor that is on its way through a socket outlives those
    /// who sent it, so that the stream may have no end: what is there is all.
    fn pass_rest(&mut self, max: u64, channel: &mut Channel) -> io::Result<bool> {
        let mut within = true;
        while let (Had::Something, buffer) = self.take()? {
            within &= self.tell(buffer, max, channel)?;
            channel.flush()?;
        }
        Ok(within)
    }

    fn tell(&mut self, mut bytes: Vec<u8>, max: u64, channel: &mut Channel) -> io::Result<bool> {
        let room = usize::try_from(max.saturating_sub(self.printed)).unwrap_or(usize::MAX);
        self.printed += bytes.len() as u64;
        bytes.truncate(room);
        if !bytes.is_empty() {
            let bytes = bytes.try_into().map_err(io::Error::other)?;
            channel.queue(&ContainerMessage::Printed { error: self.error, bytes })?;
        }
        Ok(self.printed <= max)
    }
}

/// What is looked at from time to time.
struct Clock {
    group: Group,
    began: Instant,
    before: Counted,
    memory: (u64, u64),
}

impl Clock {
    fn start() -> Self {
        let group = Group::find();
        Self { group, began: Instant::now(), before: group.counted(), memory: (0, 0) }
    }

    /// The limit that the job has gone over.
    fn look(&mut self, limits: &Limits) -> Option<Cause> {
        if let Some(bytes) = self.group.memory() {
            self.memory = (self.memory.0.saturating_add(bytes), self.memory.1 + 1);
        }
        let cpu_ms = total(self.group.cpu_time()).saturating_sub(total(self.before.cpu_us)) / 1000;
        if self.began.elapsed() >= Duration::from_millis(limits.wall_time_ms) {
            return Some(Cause::WallTime);
        }
        (cpu_ms >= limits.cpu_time_ms).then_some(Cause::CpuTime)
    }

    fn counted(&self) -> Counted {
        let (sum, samples) = self.memory;
        let (now, before) = (self.group.counted(), self.before);
        // What the runtime used up in the same group before is not the job's.
        let since = |now: Option<(u64, u64)>, before: Option<(u64, u64)>| {
            let ((one, other), (one_before, other_before)) = now.zip(before)?;
            Some((one.saturating_sub(one_before), other.saturating_sub(other_before)))
        };
        Counted {
            cpu_us: since(now.cpu_us, before.cpu_us),
            throttled: since(now.throttled, before.throttled),
            memory_bytes: sum.checked_div(samples),
            ..now
        }
    }
}

fn total(cpu: Option<(u64, u64)>) -> u64 {
    cpu.map_or(0, |(user, system)| user + system)
}

/// Passes on what the job prints until it has ended or is ended, ends the rest, and tells what was counted.
pub(crate) fn to_the_end(job: Job, errand: &Errand, channel: &mut Channel) -> io::Result<()> {
    let limits = &errand.limits;
    let mut clock = Clock::start();
    let mut stdout = Stream::new(job.stdout, false)?;
    let mut stderr = Stream::new(job.stderr, true)?;
    let cause = loop {
        if let Some(cause) = clock.look(limits) {
            break cause;
        }
        // Whoever does not take what is said holds up what the job prints, and never the look at its limits.
        channel.pass_on(Some(&AT_ONCE))?;
        let ready = match channel.is_waiting() {
            true => wait(job.ends.as_fd(), [None, None], Some(channel))?,
            false => wait(job.ends.as_fd(), [fd(&stdout), fd(&stderr)], None)?,
        };
        let within = [
            !ready.streams[0] || stdout.pass(limits.output_bytes, channel)?,
            !ready.streams[1] || stderr.pass(limits.output_bytes, channel)?,
        ];
        if within.contains(&false) {
            break Cause::Output;
        }
        if ready.ended {
            break Cause::Itself;
        }
        if ready.stop {
            break Cause::Told;
        }
        reap(Some(job.pid));
    };
    let wall_us = u64::try_from(clock.began.elapsed().as_micros()).unwrap_or(u64::MAX);
    let ended = end_all(job.pid)?;
    channel.flush()?;
    let within =
        [stdout.pass_rest(limits.output_bytes, channel)?, stderr.pass_rest(limits.output_bytes, channel)?];
    let within = within == [true; 2];
    let cause = if within { cause } else { Cause::Output };
    let printed = [stdout.printed, stderr.printed];
    let account = Account { ended, cause, wall_us, rusage: used()?, printed, counted: clock.counted() };
    channel.send(&ContainerMessage::Ended(Box::new(account)))
}

fn fd<R: AsFd>(stream: &Stream<R>) -> Option<BorrowedFd<'_>> {
    stream.pipe.as_ref().map(AsFd::as_fd)
}

struct ReadyNow {
    stop: bool,
    ended: bool,
    streams: [bool; 2],
}

/// Waits for the job's end, for output, for the word to stop, or for the next look. If standard input has ended, nobody is
/// there any more: then the container ends here, with everything in it.
fn wait(
    ends: BorrowedFd<'_>,
    streams: [Option<BorrowedFd<'_>>; 2],
    full: Option<&Channel>,
) -> io::Result<ReadyNow> {
    let stdin = io::stdin();
    let mut fds = vec![PollFd::new(&stdin, PollFlags::IN), PollFd::new(&ends, PollFlags::IN)];
    fds.extend(streams.iter().flatten().map(|fd| PollFd::new(fd, PollFlags::IN)));
    fds.extend(full.map(|channel| PollFd::new(channel.stdout(), PollFlags::OUT)));
    let tick = Timespec { tv_sec: 0, tv_nsec: i64::from(TICK.subsec_nanos()) };
    match poll(&mut fds, Some(&tick)) {
        Err(rustix::io::Errno::INTR) => {}
        polled => drop(polled?),
    }
    let mut ready = fds.iter().map(|fd| !fd.revents().is_empty());
    let mut next = || ready.next().unwrap_or(false);
    let stop = next() && told_to_stop()?;
    let ended = next();
    let streams = streams.map(|stream| stream.is_some() && next());
    Ok(ReadyNow { stop, ended, streams })
}

/// Whatever comes now means to stop; if nothing can come any more, nobody is there.
fn told_to_stop() -> io::Result<bool> {
    match io::stdin().lock().read(&mut [0])? {
        0 => Err(Errno::EPIPE.into()),
        _ => Ok(true),
    }
}

/// Takes away what has ended; not the job's first process, whose end is to be told.
fn reap(but: Option<Pid>) {
    // `WNOWAIT` to see who it is before it is taken.
    while let Ok(status) = nix::sys::wait::waitid(
        nix::sys::wait::Id::All,
        WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG | WaitPidFlag::WNOWAIT,
    ) {
        match status.pid() {
            Some(pid) if Some(pid) != but => drop(waitpid(pid, Some(WaitPidFlag::WNOHANG))),
            _ => return,
        }
    }
}

/// Kills everything but ourselves until nothing is left; kill(2) with -1 from the first process of a namespace reaches
/// all of it.
fn end_all(job: Pid) -> io::Result<Ended> {
    let mut ended = None;
    loop {
        match kill(Pid::from_raw(-1), Signal::SIGKILL) {
            Ok(()) | Err(Errno::ESRCH) => {}
            Err(errno) => return Err(errno.into()),
        }
        match waitpid(None, None) {
            Ok(WaitStatus::Exited(pid, code)) if pid == job => ended = Some(Ended::Exited(code)),
            Ok(WaitStatus::Signaled(pid, signal, _)) if pid == job => {
                ended = Some(Ended::Signaled(signal as i32))
            }
            Ok(_) | Err(Errno::EINTR) => {}
            Err(Errno::ECHILD) => return ended.ok_or_else(|| Errno::ECHILD.into()),
            Err(errno) => return Err(errno.into()),
        }
    }
}

fn used() -> io::Result<Rusage> {
    let used = getrusage(UsageWho::RUSAGE_CHILDREN)?;
    let count = |value| u64::try_from(value).unwrap_or(0);
    let micros = |time: TimeVal| count(time.tv_sec()) * 1_000_000 + count(time.tv_usec());
    Ok(Rusage {
        user_us: micros(used.user_time()),
        system_us: micros(used.system_time()),
        max_rss_kb: count(used.max_rss()),
        blocks_in: count(used.block_reads()),
        blocks_out: count(used.block_writes()),
        context_switches: count(used.voluntary_context_switches())
            + count(used.involuntary_context_switches()),
    })
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[test]
    fn a_stream_whose_bytes_were_taken_back_is_not_waited_for() {
        let (reader, mut writer) = io::pipe().unwrap();
        let mut stream = Stream::new(reader, false).unwrap();
        writer.write_all(b"x").unwrap();
        assert_eq!(stream.take().unwrap(), (Had::Something, b"x".to_vec()));
        assert_eq!(stream.take().unwrap(), (Had::Nothing, Vec::new()));
        // The job's end is another description: it goes on waiting for room.
        assert!(!fcntl_getfl(&writer).unwrap().contains(OFlags::NONBLOCK));
        drop(writer);
        assert_eq!(stream.take().unwrap(), (Had::End, Vec::new()));
    }
}
