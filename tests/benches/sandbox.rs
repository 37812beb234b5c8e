//! What a sandbox costs: `true` bare, under Stockade with nothing, with the common part, and with all of a sandbox
//! made ahead, and under the peers that are installed, in turns in one run, so that all meet the same machine.
//! `make bench`; needs root.
#![expect(
    clippy::print_stdout,
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a benchmark prints, starts what it measures, and fails loudly"
)]

#[path = "sandbox/peers.rs"]
mod peers;
#[path = "sandbox/stockade.rs"]
mod stockade;
#[path = "sandbox/summary.rs"]
mod summary;

use std::process::{Command, ExitCode, Stdio};
use std::time::Instant;

use summary::Summary;

const ROUNDS: usize = 300;
const WARM_UP: usize = 20;
/// The bounds that a sandbox must keep, milliseconds over bare fork and exec at the median: docs/architecture.md.
const COLD_BOUND_MS: f64 = 3.0;
const WARM_BOUND_MS: f64 = 1.0;

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
    fn command(name: &str, command: impl Fn() -> Command + 'static) -> Self {
        Self::new(name, move || timed(|| run(&mut command())))
    }

    fn median(&self) -> f64 {
        Summary::of(&self.times).median
    }
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().collect();
    if let Some(at) = arguments.iter().position(|argument| argument == "--serve") {
        return stockade::serve(&arguments[at + 1]);
    }
    if !rustix::process::geteuid().is_root() {
        println!("make bench needs root, to build sandboxes");
        return ExitCode::FAILURE;
    }
    let mut contestants = vec![
        Contestant::command("bare fork and exec", || Command::new("/usr/bin/true")),
        stockade::contestant("stockade, cold, nothing made ahead", "nothing"),
        stockade::contestant("stockade, cold, common part made ahead", "spare"),
        stockade::contestant("stockade, warm", "ready"),
    ];
    contestants.extend(peers::installed());
    for round in 0..WARM_UP + ROUNDS {
        for contestant in &mut contestants {
            let ms = (contestant.run)();
            if round >= WARM_UP {
                contestant.times.push(ms);
            }
        }
    }
    report(&contestants)
}

fn report(contestants: &[Contestant]) -> ExitCode {
    println!(
        "{:<42} {:>10} {:>10} {:>10}",
        "running `true`, in turns, milliseconds", "median", "p95", "over bare"
    );
    let bare = contestants[0].median();
    for contestant in contestants {
        let Summary { median, p95 } = Summary::of(&contestant.times);
        println!("{:<42} {median:>10.2} {p95:>10.2} {:>+10.2}", contestant.name, median - bare);
    }
    let [cold, spare, warm] = [1, 2, 3].map(|index| contestants[index].median());
    for peer in &contestants[4..] {
        let median = peer.median();
        println!(
            "over {:<16} cold {:.2}, with the common part made {:.2}, warm {:.2} times as fast",
            peer.name,
            median / cold,
            median / spare,
            median / warm
        );
    }
    for at_a_time in [1, 4, 16] {
        println!("sandboxes a second, {at_a_time:>2} at a time: {:.0}", stockade::rate(at_a_time));
    }
    let kept = [("cold", cold, COLD_BOUND_MS), ("warm", warm, WARM_BOUND_MS)];
    let missed: Vec<_> = kept.iter().filter(|(_, median, bound)| median - bare > *bound).collect();
    for (name, median, bound) in &missed {
        println!("FAILED: {name} adds {:.2} ms, the bound is {bound} ms", median - bare);
    }
    if missed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// How long `work` takes, milliseconds.
fn timed(work: impl FnOnce()) -> f64 {
    let began = Instant::now();
    work();
    began.elapsed().as_secs_f64() * 1000.0
}

fn run(command: &mut Command) {
    let status = command.stdin(Stdio::null()).status().expect("the program starts");
    assert!(status.success());
}
