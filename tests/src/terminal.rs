//! A terminal that a test sits at.

use std::io::Read as _;
use std::os::fd::OwnedFd;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::pty::{OpenptFlags, grantpt, ioctl_tiocgptpeer, openpt, unlockpt};
use rustix::termios::{Termios, Winsize, tcgetattr, tcsetwinsize};

/// How long what must appear may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// A pseudo-terminal, in place of one that people sit at: this is their side of it.
#[derive(Debug)]
pub struct Terminal {
    ours: std::fs::File,
    theirs: OwnedFd,
    seen: Vec<u8>,
}

impl Default for Terminal {
    fn default() -> Self {
        Self::new()
    }
}

impl Terminal {
    /// A new one.
    pub fn new() -> Self {
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
        let ours = openpt(flags).expect("pseudo-terminal");
        grantpt(&ours).expect("grantpt");
        unlockpt(&ours).expect("unlockpt");
        let theirs = ioctl_tiocgptpeer(&ours, flags).expect("other end");
        Self { ours: ours.into(), theirs, seen: Vec::new() }
    }

    /// Starts a command at this terminal, which becomes that of its session.
    pub fn start(&self, command: &Command) -> Child {
        let stream = || Stdio::from(self.theirs.try_clone().expect("dup"));
        let mut session = Command::new("setsid");
        session.args(["--ctty", "--wait"]).arg(command.get_program()).args(command.get_args());
        session.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
        session.stdin(stream()).stdout(stream()).stderr(stream()).spawn().expect("setsid")
    }

    /// Types.
    pub fn type_in(&self, keys: &[u8]) {
        rustix::io::write(&self.ours, keys).expect("type");
    }

    /// Waits until `text` has appeared since it was waited for last.
    ///
    /// # Panics
    /// If it does not.
    pub fn expect(&mut self, text: &str) {
        let until = Instant::now() + PATIENCE;
        loop {
            let seen = String::from_utf8_lossy(&self.seen).into_owned();
            if let Some((_, after)) = seen.split_once(text) {
                self.seen = after.as_bytes().to_vec();
                return;
            }
            assert!(Instant::now() < until, "`{text}` does not appear in `{seen}`");
            self.read_some();
        }
    }

    /// What has appeared and was not waited for, after `rest`.
    pub fn rest(&mut self, rest: Duration) -> String {
        let until = Instant::now() + rest;
        while Instant::now() < until {
            self.read_some();
        }
        String::from_utf8_lossy(&std::mem::take(&mut self.seen)).into_owned()
    }

    fn read_some(&mut self) {
        let mut fds = [PollFd::new(&self.ours, PollFlags::IN)];
        let moment = Timespec { tv_sec: 0, tv_nsec: 100_000_000 };
        if poll(&mut fds, Some(&moment)).expect("poll") > 0 {
            let mut buffer = [0; 4096];
            let length = self.ours.read(&mut buffer).unwrap_or(0);
            self.seen.extend(buffer.iter().take(length));
        }
    }

    /// Its modes, as text that can be compared.
    pub fn modes(&self) -> String {
        let modes: Termios = tcgetattr(&self.theirs).expect("tcgetattr");
        format!("{:?} {:?} {:?}", modes.input_modes, modes.output_modes, modes.local_modes)
    }

    /// Gives it a size.
    pub fn resize(&self, rows: u16, columns: u16) {
        let size = Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
        tcsetwinsize(&self.ours, size).expect("tcsetwinsize");
    }
}
