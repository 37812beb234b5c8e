//! Garbage on the launcher's socket: a clear refusal, and the launcher serves on.

use std::io::{IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, SocketFlags, SocketType, UCred, recvmsg, sendmsg, socketpair,
};
use rustix::process::{Gid, Uid, getpid};
use rustix::pty::{OpenptFlags, ioctl_tiocgptpeer, openpt, unlockpt};
use stockade_plan::{
    Confinement, Errno, FRAME_MAX, PLAN_VERSION, Reply, Request, SetupError, Stage, decode, encode,
};
use stockade_policies::{Host, Library};
use stockade_tests::{Leftovers, Suite, binary, eventually, patience, plan_for};

/// An account that owns nothing.
const NOBODY: u32 = 65534;

/// Where the cgroup2 hierarchy is mounted.
fn cgroup2() -> String {
    let mounts = std::fs::read_to_string("/proc/self/mounts").unwrap();
    let mut fields = mounts.lines().map(|line| line.split(' ').collect::<Vec<_>>());
    fields.find(|fields| fields[2] == "cgroup2").unwrap()[1].to_owned()
}

/// A launcher spoken to directly.
pub(crate) struct Raw {
    pub(crate) socket: OwnedFd,
    pub(crate) child: Child,
}

impl Raw {
    pub(crate) fn start() -> Self {
        let kind = SocketType::SEQPACKET;
        let (socket, theirs) = socketpair(AddressFamily::UNIX, kind, SocketFlags::CLOEXEC, None).unwrap();
        rustix::io::fcntl_setfd(&theirs, rustix::io::FdFlags::empty()).unwrap();
        let child = Command::new(binary("stockade-launcher"))
            .args(["--socket", &theirs.as_raw_fd().to_string(), "--runtime-dir", "/run/stockade"])
            .spawn()
            .unwrap();
        let raw = Self { socket, child };
        drop(theirs);
        assert!(matches!(raw.receive(), Some(Reply::Hello(_))));
        raw
    }

    pub(crate) fn send(&self, frame: &[u8], fds: &[BorrowedFd<'_>]) {
        self.send_as(None, frame, fds);
    }

    /// As another account, which root may say it is; unix(7).
    fn send_as(&self, account: Option<u32>, frame: &[u8], fds: &[BorrowedFd<'_>]) {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(250), ScmCredentials(1))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        if let Some(account) = account {
            let (uid, gid) = (Uid::from_raw(account), Gid::from_raw(account));
            assert!(control.push(SendAncillaryMessage::ScmCredentials(UCred { pid: getpid(), uid, gid })));
        }
        if !fds.is_empty() {
            assert!(control.push(SendAncillaryMessage::ScmRights(fds)));
        }
        sendmsg(&self.socket, &[IoSlice::new(frame)], &mut control, SendFlags::NOSIGNAL).unwrap();
    }

    fn receive(&self) -> Option<Reply> {
        self.receive_all().map(|(reply, _)| reply)
    }

    /// A reply and the descriptors beside it; `None` when the launcher has ended.
    pub(crate) fn receive_all(&self) -> Option<(Reply, Vec<OwnedFd>)> {
        let mut buffer = vec![0; FRAME_MAX];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(8))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let received =
            recvmsg(&self.socket, &mut [IoSliceMut::new(&mut buffer)], &mut control, RecvFlags::CMSG_CLOEXEC)
                .unwrap();
        let rights = control.drain().filter_map(|message| match message {
            RecvAncillaryMessage::ScmRights(fds) => Some(fds),
            _ => None,
        });
        let fds = rights.flatten().collect();
        (received.bytes > 0).then(|| (decode(&buffer[..received.bytes]).unwrap(), fds))
    }

    pub(crate) fn refusal(&self) -> SetupError {
        match self.receive() {
            Some(Reply::Failed { error, .. }) => error,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn descriptors(&self) -> usize {
        std::fs::read_dir(format!("/proc/{}/fd", self.child.id())).unwrap().count()
    }

    /// How many descriptors it has when they have not changed for a while: it lets go of what has ended after it has said so, and
    /// makes namespaces ahead when nobody has asked for anything for a moment.
    pub(crate) fn descriptors_at_rest(&self) -> usize {
        let a_while = patience(Duration::from_millis(300));
        let mut last = (self.descriptors(), Instant::now());
        eventually("the launcher rests", patience(Duration::from_secs(10)), || {
            let now = self.descriptors();
            if now != last.0 {
                last = (now, Instant::now());
            }
            (last.1.elapsed() > a_while).then_some(now)
        })
    }

    pub(crate) fn end(mut self) {
        drop(self.socket);
        assert!(self.child.wait().unwrap().success());
    }
}

fn prepare() -> Vec<u8> {
    encode(&Request::Prepare { id: 7, v1_groups: 0, terminal: false }).unwrap()
}

fn confinement() -> Confinement {
    let library = Library::shipped().unwrap();
    let plan = plan_for(&library, &Host::new(), 1, "shell-utils", &["/bin/sh", "-c", "true"], &[]);
    plan.unwrap().confinement
}

fn build(version: u16) -> Vec<u8> {
    encode(&Request::Build { id: 7, version, confinement: Box::new(confinement()) }).unwrap()
}

pub(crate) fn run(suite: &mut Suite) {
    let before = Leftovers::now();
    let raw = Raw::start();
    let null = std::fs::File::open("/dev/null").unwrap();
    let (prepare, build_now) = (prepare(), build(PLAN_VERSION));
    suite.test("garbage_is_refused_as_such", || {
        for garbage in [&[0_u8][..], &[0xff; 64], &[0xff; FRAME_MAX], b"policy: x"] {
            raw.send(garbage, &[]);
            assert_eq!(raw.refusal().stage, Stage::Request);
        }
    });
    suite.test("a_plan_cut_or_padded_anywhere_is_refused", || {
        for whole in [&prepare, &build_now] {
            for len in (1..whole.len()).step_by(whole.len() / 200 + 1) {
                raw.send(&whole[..len], &[null.as_fd()]);
                assert_eq!(raw.refusal().stage, Stage::Request, "cut to {len}");
            }
            let mut padded = whole.clone();
            padded.push(0);
            raw.send(&padded, &[null.as_fd()]);
            assert_eq!(raw.refusal().stage, Stage::Request);
        }
    });
    suite.test("an_oversized_datagram_is_refused", || {
        raw.send(&vec![0; FRAME_MAX + 1], &[]);
        assert!(raw.refusal().target.contains("larger"));
    });
    suite.test("only_a_pseudo_terminal_becomes_a_jobs_terminal", || {
        let prepare = encode(&Request::Prepare { id: 7, v1_groups: 0, terminal: true }).unwrap();
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        for other in [null.as_fd(), master.as_fd()] {
            raw.send(&prepare, &[null.as_fd(), other]);
            assert!(raw.refusal().target.contains("terminal"));
        }
        raw.send(&prepare, &[null.as_fd()]);
        assert!(raw.refusal().target.contains("1 descriptors"));
        // The other end of the pair is taken; what is refused then is the group.
        unlockpt(&master).unwrap();
        let inner = ioctl_tiocgptpeer(&master, OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        raw.send(&prepare, &[null.as_fd(), inner.as_fd()]);
        assert!(raw.refusal().target.contains("control group"));
    });
    suite.test("a_group_that_the_account_cannot_write_to_is_joined_by_nobody", || {
        let root = std::fs::File::open(cgroup2()).unwrap();
        raw.send_as(Some(NOBODY), &prepare, &[root.as_fd()]);
        let refusal = raw.refusal();
        assert!(refusal.target.contains("cgroup.procs") && refusal.errno == Errno(13), "{refusal:?}");
    });
    suite.test("a_group_descriptor_that_is_no_control_group_is_refused", || {
        raw.send(&prepare, &[null.as_fd()]);
        assert!(raw.refusal().target.contains("control group"));
        let directory = std::fs::File::open("/etc").unwrap();
        raw.send(&prepare, &[directory.as_fd()]);
        assert!(raw.refusal().target.contains("control group"));
    });
    suite.test("too_few_and_too_many_descriptors_are_refused_and_closed", || {
        let before = raw.descriptors_at_rest();
        raw.send(&prepare, &[]);
        assert!(raw.refusal().target.contains("0 descriptors"));
        raw.send(&prepare, &vec![null.as_fd(); 200]);
        assert!(raw.refusal().target.contains("200 descriptors"));
        assert_eq!(raw.descriptors_at_rest(), before);
    });
    suite.test("another_plan_version_is_refused", || {
        raw.send(&build(PLAN_VERSION + 1), &[]);
        assert!(raw.refusal().target.contains("plan version"));
    });
    suite.test("limits_that_are_zero_or_absurd_are_refused", || {
        let spoiled: [fn(&mut Confinement); 6] = [
            |confinement| confinement.limits.memory_bytes = 0,
            |confinement| confinement.limits.disk_bytes = u64::MAX,
            |confinement| confinement.limits.files = u64::MAX,
            |confinement| confinement.limits.pids = 0,
            |confinement| confinement.rlimits.open_files = 0,
            |confinement| confinement.rlimits.stack_bytes = u64::MAX,
        ];
        for spoil in spoiled {
            let mut confinement = confinement();
            spoil(&mut confinement);
            let request = Request::Build { id: 7, version: PLAN_VERSION, confinement: Box::new(confinement) };
            raw.send(&encode(&request).unwrap(), &[]);
            assert!(raw.refusal().target.contains("malformed"));
        }
    });
    suite.test("a_sandbox_that_was_never_prepared_is_not_built", || {
        raw.send(&build_now, &[]);
        assert!(raw.refusal().target.contains("prepared sandbox 7"));
        raw.send(&build_now, &[null.as_fd()]);
        assert!(raw.refusal().target.contains("1 descriptors"));
    });
    suite.test("a_flood_of_garbage_is_answered_one_by_one", || {
        for _ in 0..2000 {
            raw.send(&[0xff; 512], &[]);
            assert_eq!(raw.refusal().stage, Stage::Request);
        }
    });
    suite.test("after_all_that_the_launcher_serves_on_and_ends_when_told", || {
        raw.send(&prepare, &[null.as_fd()]);
        assert!(raw.refusal().target.contains("control group"));
        raw.end();
        Leftovers::assert_none_since(&before);
    });
}
