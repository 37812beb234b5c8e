//! The first process of a container that Stockade has an engine run.
//!
//! It is told its errand on standard input, tells what is in force, and waits for the word to go ahead. Then it starts the
//! job, passes on what that prints, keeps the limits that no engine knows, ends every process, tells what the control
//! group counted and what lies at the declared outputs. Nobody outside resolves a name in the container.
//!
//! It runs under the job's own id, confined like the job, and the job cannot speak in its place: it is the first process
//! of the namespace, whom no signal from inside reaches, and it is not dumpable, so its descriptors and its memory are
//! root's to open and nobody else's. When its standard input ends, so does the container: a supervisor that dies leaves
//! nothing running.
#![forbid(unsafe_code)]

mod cgroup;
mod channel;
mod evidence;
mod inputs;
mod job;
mod network;
mod watch;

use std::fs::File;
use std::io::Read as _;
use std::os::fd::AsFd as _;
use std::process::ExitCode;

use nix::errno::Errno;
use nix::sys::prctl::set_dumpable;
use stockade_plan::{ContainerMessage, Errand, WORK_DIR};

use channel::{Channel, receive};
use job::Fault;

/// Not a code that anybody asks for: what is to be known was said before.
const NOT_DONE: u8 = 1;

fn main() -> ExitCode {
    let mut channel = Channel::new();
    match run(&mut channel) {
        Ok(()) => ExitCode::SUCCESS,
        Err(Fault { what, errno }) => {
            // If nobody hears it either, the end of the container says enough.
            let _unheard = channel.send(&ContainerMessage::NotStarted { what, errno: errno as i32 });
            ExitCode::from(NOT_DONE)
        }
    }
}

fn run(channel: &mut Channel) -> Result<(), Fault> {
    // Opened while it is ours to open; see `set_dumpable`.
    let eligible = job::Eligible::open()?;
    let mut evidence = evidence::read()?;
    set_dumpable(false).map_err(|errno| Fault::new("PR_SET_DUMPABLE", errno))?;
    let mut stdin = std::io::stdin().lock();
    let errand: Errand = receive(&mut stdin)
        .map_err(|error| Fault::io("read the errand", &error))?
        .ok_or_else(|| Fault::new("read the errand", Errno::EPIPE))?;
    inputs::place(&errand.inputs, &mut stdin)?;
    evidence.network = network::open(&errand.network)?;
    channel
        .send(&ContainerMessage::Ready(Box::new(evidence)))
        .map_err(|error| Fault::io("say what is in force", &error))?;
    let mut go = [0];
    stdin.read_exact(&mut go).map_err(|error| Fault::io("wait for the word to go", &error))?;
    let job = job::Job::start(&errand, &eligible)?;
    drop(stdin);
    let told =
        channel.send(&ContainerMessage::Started).and_then(|()| watch::to_the_end(job, &errand, channel));
    told.map_err(|error| Fault::io("tell of the job", &error))?;
    let directory = File::open(WORK_DIR).map_err(|error| Fault::io("open /job", &error))?;
    stockade_inside::collect(directory.as_fd(), &errand.outputs, channel)
        .map_err(|errno| Fault::new("collect the outputs", errno))?;
    channel.send(&ContainerMessage::Done).map_err(|error| Fault::io("tell of the job", &error))
}
