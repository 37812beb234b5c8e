//! The kinds of jobs, each with what must become of it.

use std::collections::HashMap;
use std::time::Duration;

use stockade_plan::{AbsPath, NotCollected, Plan};
use stockade_sandbox::{End, Limit, NotRun, Outcome, OutputState, RunError, Sandbox};
use stockade_tests::{Rig, job};

const POLICY: &str = "\
policy: soak
version: 1
description: Small limits, soon hit.
extends: script-standard
commands: [/usr/bin/python3, /bin/sh]
resource_limits: {memory_mb: 48, cpu_cores: 1.0, cpu_seconds: 1, wall_seconds: 1, pids: 8, disk_mb: 1,
                  files: 64, open_files: 32, output_kb: 64}
outputs: [result.json]
";

const STOP: &str = "kill -STOP $$";

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Kind {
    Honest,
    WithOutput,
    ForkBomb,
    MemoryBomb,
    Endless,
    Flood,
    FillsDisk,
    Survivors,
    Link,
    Cancelled,
    CallerGone,
    NoSuchCommand,
}

use Kind::{
    CallerGone, Cancelled, Endless, FillsDisk, Flood, ForkBomb, Honest, Link, MemoryBomb, NoSuchCommand,
    Survivors, WithOutput,
};

/// Every kind with what it runs; the rest of forty jobs are honest.
const KINDS: [(Kind, &str, &str); 12] = [
    (Honest, "/bin/sh", "echo out; echo err >&2"),
    (WithOutput, "/bin/sh", "echo '{}' > result.json"),
    (ForkBomb, "/bin/sh", "bomb() { bomb | bomb & }; bomb; kill -STOP $$"),
    (MemoryBomb, "/usr/bin/python3", "bytearray(1 << 30)"),
    (Endless, "/bin/sh", STOP),
    (
        Flood,
        "/bin/sh",
        "while :; do echo yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy; done",
    ),
    (FillsDisk, "/bin/sh", "trap '' XFSZ; i=0; while echo x > $i; do i=$((i+1)); done 2> /dev/null; exit 7"),
    (
        Survivors,
        "/usr/bin/python3",
        "import os, time\nfor _ in range(3):\n  if os.fork() == 0:\n    os.setsid()\n    if os.fork() == 0: time.sleep(60)\n    os._exit(0)\nos._exit(3)",
    ),
    (Link, "/usr/bin/python3", "import os; os.symlink('/etc/passwd', 'result.json')"),
    (Cancelled, "/bin/sh", STOP),
    (CallerGone, "/bin/sh", STOP),
    (NoSuchCommand, "/bin/sh", "true"),
];

/// One kind in forty each; those that take the processors for long, one in eighty.
const ROUND: usize = 80;
const TURNS: [(usize, Kind); 17] = [
    (3, WithOutput),
    (7, ForkBomb),
    (11, MemoryBomb),
    (15, Flood),
    (19, FillsDisk),
    (23, Survivors),
    (27, Link),
    (31, Cancelled),
    (35, CallerGone),
    (39, NoSuchCommand),
    (43, Endless),
    (47, Cancelled),
    (51, CallerGone),
    (55, Survivors),
    (59, FillsDisk),
    (63, NoSuchCommand),
    (67, WithOutput),
];

/// A plan for each kind.
pub(crate) struct Plans(HashMap<Kind, Plan>);

impl Plans {
    pub(crate) fn new(rig: &Rig) -> Self {
        let plan = |kind, program: &str, text: &str| {
            let mut plan = rig.plan(POLICY, &[program, "-c", text], &[]);
            if ![ForkBomb, Endless].contains(&kind) {
                // On a host that is busy with other things an honest job may wait for its turn.
                plan.confinement.limits.wall_time_ms = 20_000;
            }
            if kind == NoSuchCommand {
                plan.task.command.executable = AbsPath::new("/usr/bin/absent").unwrap();
            }
            (kind, plan)
        };
        Self(KINDS.map(|(kind, program, text)| plan(kind, program, text)).into())
    }
}

impl Kind {
    /// Of the job with this number.
    pub(crate) fn of(number: usize) -> Self {
        TURNS.iter().find(|(turn, _)| *turn == number % ROUND).map_or(Honest, |(_, kind)| *kind)
    }

    /// Runs it, and tells what is wrong with its end.
    pub(crate) async fn run(self, sandbox: &Sandbox, plans: &Plans, number: usize) -> Result<(), String> {
        // At every moment of a job's life: before its sandbox is there, while it starts, while it runs.
        let moment = Duration::from_micros(number as u64 * 37 % 9000);
        let job = job(plans.0[&self].clone());
        let cancel = job.cancel.clone();
        let running = sandbox.run(job);
        let ended = match self {
            CallerGone => match tokio::time::timeout(moment, running).await {
                Ok(ended) => Err(format!("it ended: {:?}", ended.map(|outcome| outcome.end))),
                Err(_) => return Ok(()),
            }?,
            Cancelled => {
                let cancelling = async {
                    tokio::time::sleep(moment).await;
                    cancel.cancel();
                };
                tokio::join!(running, cancelling).0
            }
            _ => running.await,
        };
        match (self, ended) {
            (Cancelled, Err(NotRun { error: RunError::Cancelled, .. })) => Ok(()),
            (NoSuchCommand, Err(NotRun { error: RunError::Setup(error), .. }))
                if error.stage.name() == "exec" =>
            {
                Ok(())
            }
            (NoSuchCommand, Ok(_)) => Err("it ran".to_owned()),
            (_, Ok(outcome)) => self.judge(&outcome),
            (_, Err(error)) => Err(error.to_string()),
        }
    }

    fn judge(self, outcome: &Outcome) -> Result<(), String> {
        let output = &outcome.outputs;
        let as_it_must = match (self, outcome.end) {
            (Honest, End::Exited(0)) => outcome.stdout.bytes == b"out\n" && outcome.stderr.bytes == b"err\n",
            (WithOutput, End::Exited(0)) => output[0].state == OutputState::File(b"{}\n".to_vec()),
            (Link, End::Exited(0)) => output[0].state == OutputState::Not(NotCollected::Symlink),
            (ForkBomb | Endless, End::TimedOut)
            | (MemoryBomb, End::OutOfMemory)
            | (Flood, End::LimitExceeded(Limit::Output))
            | (FillsDisk, End::Exited(7))
            | (Survivors, End::Exited(3))
            | (Cancelled, End::Cancelled) => true,
            // What the bomb's shells write as their forks are refused.
            (ForkBomb, End::LimitExceeded(Limit::Output | Limit::CpuTime) | End::Exited(2)) => true,
            _ => false,
        };
        if as_it_must { Ok(()) } else { Err(format!("{:?}, {output:?}", outcome.end)) }
    }
}
