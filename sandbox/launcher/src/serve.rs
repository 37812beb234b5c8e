//! The launcher's loop: requests in, replies and ends out.

use std::io::IoSlice;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{ControlMessage, MsgFlags, sendmsg};
use stockade_plan::{Confinement, FRAME_MAX, LauncherFacts, PLAN_VERSION, Reply, SetupError, Stage, encode};

use crate::account::Account;
use crate::jobs::Live;
use crate::request::{Asked, Groups, Received, Refused, receive};
use crate::startup::{Launcher, StartError};
use crate::steps::{During, Fault, Steps};
use crate::view::Views;
use crate::{orders, spawn, sys};

/// Milliseconds. A sandbox that has just been asked for has the processors to itself; then is the time to make ahead.
const QUIET_MS: u8 = 5;

/// Serves until the supervisor is gone, then kills what still runs and waits for it.
pub(crate) fn serve(launcher: Launcher) -> Result<(), StartError> {
    let mut server = Server { launcher, views: Views::default(), live: Vec::new() };
    let served = server.run();
    server.end_all();
    served.map_err(|errno| StartError::Io {
        what: "serve",
        target: "the supervisor's socket".to_owned(),
        source: errno.into(),
    })
}

struct Server {
    launcher: Launcher,
    views: Views,
    live: Vec<Live>,
}

impl Server {
    fn run(&mut self) -> nix::Result<()> {
        let mut buffer = vec![0; FRAME_MAX + 1];
        self.send(&Reply::Hello(self.facts()), &[])?;
        loop {
            let Some((request_waits, ended)) = self.wait()? else {
                let Launcher { spare, ids, .. } = &mut self.launcher;
                spare.make(ids).map_err(|fault| fault.errno())?;
                continue;
            };
            // Highest index first, so that removal does not move what is still to be removed.
            for index in ended.into_iter().rev() {
                self.reap(index)?;
            }
            if !request_waits {
                continue;
            }
            match receive(self.launcher.socket.as_fd(), &mut buffer) {
                Ok(Received::Closed) | Err(Errno::ECONNRESET) => return Ok(()),
                Ok(Received::Frame(len, asked)) => {
                    let frame = buffer.get_mut(..len).unwrap_or_default();
                    self.answer(asked, frame)?;
                    // They are of no use any more and would be copied into every later sandbox's init.
                    frame.fill(0);
                }
                Err(Errno::EINTR | Errno::EAGAIN) => {}
                Err(errno) => return Err(errno),
            }
        }
    }

    /// Blocks until there is something to do: whether a request waits, and which sandboxes have ended. `None` after a
    /// while without either in which something can be made ahead.
    fn wait(&self) -> nix::Result<Option<(bool, Vec<usize>)>> {
        let mut fds: Vec<PollFd<'_>> = std::iter::once(self.launcher.socket.as_fd())
            .chain(self.live.iter().map(|live| live.pidfd.as_fd()))
            .map(|fd| PollFd::new(fd, PollFlags::POLLIN))
            .collect();
        let patience =
            if self.launcher.spare.is_lacking() { PollTimeout::from(QUIET_MS) } else { PollTimeout::NONE };
        match poll(&mut fds, patience) {
            Ok(0) => return Ok(None),
            Ok(_) | Err(Errno::EINTR) => {}
            Err(errno) => return Err(errno),
        }
        let mut ready = fds.iter().map(|fd| fd.any() == Some(true));
        let request_waits = ready.next() == Some(true);
        let ended = ready.enumerate().filter(|(_, ready)| *ready).map(|(index, _)| index).collect();
        Ok(Some((request_waits, ended)))
    }

    fn answer(&mut self, asked: Result<Asked, Refused>, frame: &[u8]) -> nix::Result<()> {
        match asked {
            Ok(Asked::Prepare(groups)) => {
                self.prepare(&groups)?;
                // Its init is busy now and its plan is on the way. If this fails, it fails when the view is built and told then.
                let _tried_again_then = self.views.place(&self.launcher.staging);
                Ok(())
            }
            Ok(Asked::Build { id, confinement, asker }) => match self.build(id, &confinement, asker, frame) {
                Ok(()) => Ok(()),
                Err(error) => {
                    // Told before it is killed, so that its end does not come first.
                    let told = self.send(&Reply::Failed { id: Some(id), error }, &[]);
                    self.live.iter().filter(|live| live.id == id).for_each(Live::kill);
                    told
                }
            },
            Ok(Asked::Signal { id, signal }) => {
                self.live.iter_mut().filter(|live| live.id == id).for_each(|live| live.signal(signal));
                Ok(())
            }
            Err(Refused { id, error }) => self.send(&Reply::Failed { id, error }, &[]),
        }
    }

    fn prepare(&mut self, groups: &Groups) -> nix::Result<()> {
        let id = groups.id;
        match spawn::spawn(&mut self.launcher, groups) {
            Ok(spawned) => {
                let reply = Reply::Prepared { id, host_uid: spawned.live.host_id.raw() };
                let sent = self.send(&reply, &spawned.descriptors());
                self.live.push(spawned.live);
                sent
            }
            Err(error) => self.send(&Reply::Failed { id: Some(id), error }, &[]),
        }
    }

    /// Passes the request on to the init it is about, with the view that it asks for. What follows init reports
    /// itself.
    fn build(
        &mut self,
        id: u64,
        confinement: &Confinement,
        asker: Account,
        frame: &[u8],
    ) -> Result<(), SetupError> {
        let live = self.live.iter_mut().find(|live| live.id == id);
        let waiting = live.and_then(|live| Some(live.told.insert(live.orders.take()?)));
        let orders = waiting.ok_or_else(|| {
            Fault::new("find", format!("prepared sandbox {id}"), Errno::ESRCH).at(Stage::Request)
        })?;
        let launcher = &self.launcher;
        // An init that has its orders may be done before anybody hears that this stage failed, so it gets them last.
        let view = Steps::new(launcher.fail_at)
            .run(Stage::View, || self.views.namespace_of(&confinement.view, &launcher.staging, asker))?;
        let given = orders::give(orders.as_fd(), frame, view).during("sendmsg", "init");
        given.map_err(|fault| fault.at(Stage::View))
    }

    fn reap(&mut self, index: usize) -> nix::Result<()> {
        let live = self.live.swap_remove(index);
        let (ended, rusage) = sys::wait4(live.pid)?;
        self.launcher.ids.release(live.host_id);
        self.send(&Reply::Exited { id: live.id, ended, rusage }, &[])
    }

    fn send(&self, reply: &Reply, fds: &[BorrowedFd<'_>]) -> nix::Result<()> {
        let frame = encode(reply).map_err(|_| Errno::EMSGSIZE)?;
        let raw: Vec<RawFd> = fds.iter().map(AsRawFd::as_raw_fd).collect();
        let rights = [ControlMessage::ScmRights(&raw)];
        let control = if raw.is_empty() { &rights[..0] } else { &rights[..] };
        let socket = self.launcher.socket.as_raw_fd();
        sendmsg::<()>(socket, &[IoSlice::new(&frame)], control, MsgFlags::MSG_NOSIGNAL, None).map(drop)
    }

    fn facts(&self) -> LauncherFacts {
        LauncherFacts {
            plan_version: PLAN_VERSION,
            landlock_abi: crate::job::landlock::kernel_abi(),
            landlock_errata: landlock::Erratum::current().bits(),
            host_namespaces: self.launcher.host_namespaces,
            uid_base: self.launcher.ids.base(),
            uid_slots: self.launcher.ids.slots(),
        }
    }

    fn end_all(&mut self) {
        for live in &self.live {
            live.kill();
        }
        for live in self.live.drain(..) {
            // The process is this one's child and was killed: waiting cannot fail and cannot last.
            let _reaped = sys::wait4(live.pid);
        }
    }
}
