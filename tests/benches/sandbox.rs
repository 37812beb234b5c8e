//! What a sandbox costs: `true` bare, under Stockade with nothing, with the common part, and with all of a sandbox
//! made ahead, and under its peers, in turns in one run, so that all meet the same machine; and how many of them a
//! second there can be. `make bench`; needs root. `--json FILE` writes the figures there as well.
#![expect(
    clippy::print_stdout,
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a benchmark prints, starts what it measures, and fails loudly"
)]

#[path = "sandbox/layers.rs"]
mod layers;
#[path = "sandbox/peers.rs"]
mod peers;
#[path = "sandbox/report.rs"]
mod report;
#[path = "sandbox/stockade.rs"]
mod stockade;
#[path = "sandbox/summary.rs"]
mod summary;

use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use peers::{Peer, Start};
use report::{Rate, Report};

const ROUNDS: usize = 200;
const WARM_UP: usize = 20;
/// How long runs are started one behind the other to find out how many a second there can be.
const RATE_TIME: Duration = Duration::from_secs(2);
const AT_A_TIME: [usize; 3] = [1, 4, 16];
const TRUE: &str = "/usr/bin/true";

/// Something that runs `true` once and tells how long it took, milliseconds.
struct Contestant {
    name: String,
    run: Box<dyn FnMut() -> f64>,
    times: Vec<f64>,
}

impl Contestant {
    fn new(name: &str, run: impl FnMut() -> f64 + 'static) -> Self {
        Self { name: name.to_owned(), run: Box::new(run), times: Vec::new() }
    }

    /// A command run whole, from fork to exit.
    fn command(name: &str, start: Start) -> Self {
        Self::new(name, move || timed(|| run(start())))
    }
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().collect();
    let value_of = |name: &str| {
        arguments.iter().position(|argument| argument == name).and_then(|at| arguments.get(at + 1))
    };
    if let Some(scenario) = value_of("--serve") {
        return stockade::serve(scenario);
    }
    if !rustix::process::geteuid().is_root() {
        println!("make bench needs root, to build sandboxes");
        return ExitCode::FAILURE;
    }
    let place = tempfile::tempdir().expect("a directory");
    let report = measure(peers::all(place.path()));
    report.print();
    if let Some(file) = value_of("--json") {
        std::fs::write(file, report.json().to_string()).expect("write the figures");
    }
    report.verdict()
}

fn bare() -> Start {
    Box::new(|| Command::new(TRUE))
}

fn measure(peers: Vec<Peer>) -> Report {
    let mut contestants = vec![
        Contestant::command("bare fork and exec", bare()),
        stockade::contestant("stockade, cold, nothing made ahead", "nothing"),
        stockade::contestant("stockade, cold, common part made ahead", "spare"),
        stockade::contestant("stockade, warm", "ready"),
    ];
    let mut rates = vec![
        Rate::of("bare fork and exec", |at_a_time| rate(&bare(), at_a_time)),
        Rate::of("stockade, cold, nothing made ahead", |at_a_time| stockade::rate("nothing", at_a_time)),
        Rate::of("stockade, as many as can be made ahead", |at_a_time| stockade::rate("ready", at_a_time)),
    ];
    let mut layers = vec![("stockade".to_owned(), stockade::layers_in_force())];
    let mut absent = Vec::new();
    for Peer { name, runs } in peers {
        match runs {
            Ok(runs) => {
                rates.push(Rate::of(name, |at_a_time| rate(&runs.start, at_a_time)));
                contestants.push(Contestant::command(name, runs.start));
                layers.push((name.to_owned(), runs.layers));
            }
            Err(why) => absent.push((name.to_owned(), why)),
        }
    }
    for round in 0..WARM_UP + ROUNDS {
        for contestant in &mut contestants {
            let ms = (contestant.run)();
            if round >= WARM_UP {
                contestant.times.push(ms);
            }
        }
    }
    Report::new(&contestants, rates, layers, absent)
}

/// How many runs of a command a second, so many at a time.
fn rate(start: &Start, at_a_time: usize) -> f64 {
    let began = Instant::now();
    let one = || {
        let mut runs = 0_u32;
        while began.elapsed() < RATE_TIME {
            run(start());
            runs += 1;
        }
        runs
    };
    let runs: u32 = std::thread::scope(|scope| {
        let callers: Vec<_> = (0..at_a_time).map(|_| scope.spawn(one)).collect();
        callers.into_iter().map(|caller| caller.join().expect("caller")).sum()
    });
    f64::from(runs) / began.elapsed().as_secs_f64()
}

/// How long `work` takes, milliseconds.
fn timed(work: impl FnOnce()) -> f64 {
    let began = Instant::now();
    work();
    began.elapsed().as_secs_f64() * 1000.0
}

fn run(mut command: Command) {
    // Some peers have a line to say each time; what goes wrong shows in the status.
    let status = command.stdin(Stdio::null()).stderr(Stdio::null()).status().expect("the program starts");
    assert!(status.success(), "{command:?}: {status}");
}
