//! The worker's process: runs as many jobs as it is told, some at a time, and checks what becomes of each.

use std::io::Write;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use stockade_sandbox::Warm;
use stockade_tests::Rig;

use super::jobs::{Kind, Plans};

/// Four jobs of at most nine processes each with their inits, and what is made ahead: below 64 processes.
const AT_A_TIME: usize = 4;
const WARM: Warm = Warm { ready: 4, spare: 1, idle: Duration::from_secs(60) };

pub(crate) fn main() -> ExitCode {
    let rig = Rig::start_with(None, WARM);
    let plans = Arc::new(Plans::new(&rig));
    let facts = rig.sandbox.facts();
    let mut answers = std::io::stdout();
    writeln!(answers, "{} {}", facts.uid_base, facts.uid_slots).unwrap();
    let done = Arc::new(AtomicUsize::new(0));
    for line in std::io::stdin().lines() {
        let jobs: usize = line.unwrap().parse().unwrap();
        let wrong = run(&rig, &plans, &done, jobs);
        // What waits for a next job would be taken for something left behind.
        rig.runtime.block_on(async { rig.sandbox.drain() });
        let answer = wrong.first().map_or("as they must", String::as_str);
        writeln!(answers, "{}", answer.replace('\n', " ")).unwrap();
    }
    rig.close();
    ExitCode::SUCCESS
}

/// What did not end as it must.
fn run(rig: &Rig, plans: &Arc<Plans>, done: &Arc<AtomicUsize>, jobs: usize) -> Vec<String> {
    let until = done.load(Ordering::SeqCst) + jobs;
    let callers: Vec<_> = (0..AT_A_TIME)
        .map(|_| {
            let (sandbox, plans, done) = (rig.sandbox.clone(), Arc::clone(plans), Arc::clone(done));
            rig.runtime.spawn(async move {
                let mut wrong = Vec::new();
                loop {
                    let number = done.fetch_add(1, Ordering::SeqCst);
                    if number >= until {
                        return wrong;
                    }
                    let kind = Kind::of(number);
                    if let Err(what) = kind.run(&sandbox, &plans, number).await {
                        wrong.push(format!("job {number}, {kind:?}: {what}"));
                    }
                }
            })
        })
        .collect();
    let wrong = callers.into_iter().flat_map(|caller| rig.runtime.block_on(caller).unwrap()).collect();
    done.store(until, Ordering::SeqCst);
    wrong
}
