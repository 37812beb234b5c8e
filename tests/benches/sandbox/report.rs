//! The figures, printed and judged.

use std::process::ExitCode;

use serde_json::{Value, json};

use crate::summary::Summary;
use crate::{AT_A_TIME, Contestant, ROUNDS, WARM_UP};

/// What must hold for the medians of the same run: docs/architecture.md. Over bare fork and exec, milliseconds.
const COLD_BOUND_MS: f64 = 3.0;
const WARM_BOUND_MS: f64 = 1.0;
/// Times as fast as bubblewrap.
const COLD_TIMES: f64 = 2.0;
const WARM_TIMES: f64 = 4.0;
/// Sandboxes a second, at the best number at a time.
const RATE_BOUND: f64 = 300.0;

/// Runs a second at each of [`AT_A_TIME`].
pub(crate) struct Rate {
    name: String,
    a_second: [f64; AT_A_TIME.len()],
}

impl Rate {
    pub(crate) fn of(name: &str, rate: impl Fn(usize) -> f64) -> Self {
        Self { name: name.to_owned(), a_second: AT_A_TIME.map(rate) }
    }
}

/// Everything that was measured. The first four contestants are bare fork and exec, and Stockade with nothing, with
/// the common part and with all made ahead.
pub(crate) struct Report {
    times: Vec<(String, Summary)>,
    rates: Vec<Rate>,
    layers: Vec<(String, String)>,
    absent: Vec<(String, String)>,
}

impl Report {
    pub(crate) fn new(
        contestants: &[Contestant],
        rates: Vec<Rate>,
        layers: Vec<(String, String)>,
        absent: Vec<(String, String)>,
    ) -> Self {
        let times = contestants.iter().map(|one| (one.name.clone(), Summary::of(&one.times))).collect();
        Self { times, rates, layers, absent }
    }

    fn median(&self, index: usize) -> f64 {
        self.times[index].1.median
    }

    pub(crate) fn print(&self) {
        println!(
            "running `true`, {ROUNDS} rounds in turns after {WARM_UP} to warm up, milliseconds; in brackets how many"
        );
        println!("times as fast Stockade is: cold with nothing made ahead, with the common part, warm\n");
        println!("{:<42} {:>8} {:>8} {:>10}", "", "median", "p95", "over bare");
        for (index, (name, Summary { median, p95 })) in self.times.iter().enumerate() {
            let times = [1, 2, 3].map(|stockade| format!("{:.1}", median / self.median(stockade))).join(", ");
            let times = if index > 3 { format!("   ({times})") } else { String::new() };
            println!("{name:<42} {median:>8.2} {p95:>8.2} {:>+10.2}{times}", median - self.median(0));
        }
        for (name, why) in &self.absent {
            println!("{name:<42} not measured: {why}");
        }
        let heads = AT_A_TIME.map(|at_a_time| format!("{at_a_time:>8}")).join("");
        println!("\n{:<42}{heads}", "runs a second, so many at a time");
        for Rate { name, a_second } in &self.rates {
            println!("{name:<42}{}", a_second.map(|rate| format!("{rate:>8.0}")).join(""));
        }
        println!("\nin force, as read inside");
        for (name, layers) in &self.layers {
            println!("{name:<11} {layers}");
        }
    }

    pub(crate) fn json(&self) -> Value {
        let times = self
            .times
            .iter()
            .map(|(name, Summary { median, p95 })| json!({"name": name, "median_ms": median, "p95_ms": p95}));
        let rates = self.rates.iter().map(
            |Rate { name, a_second }| json!({"name": name, "at_a_time": AT_A_TIME, "a_second": a_second}),
        );
        json!({
            "rounds": ROUNDS,
            "times": times.collect::<Vec<_>>(),
            "rates": rates.collect::<Vec<_>>(),
            "layers": self.layers,
            "not_measured": self.absent,
        })
    }

    /// Fails, and says why, when a bound is not kept.
    pub(crate) fn verdict(&self) -> ExitCode {
        let bwrap = self.times.iter().find(|(name, _)| name == "bubblewrap").map(|(_, times)| times.median);
        let [bare, cold, spare, warm] = [0, 1, 2, 3].map(|index| self.median(index));
        let best =
            self.rates.iter().filter(|rate| rate.name.starts_with("stockade")).flat_map(|rate| rate.a_second);
        let best = best.fold(0.0, f64::max);
        let mut missed = Vec::new();
        let mut bound = |holds: bool, what: String| missed.extend((!holds).then_some(what));
        bound(
            cold - bare <= COLD_BOUND_MS,
            format!("cold adds {:.2} ms, the bound is {COLD_BOUND_MS}", cold - bare),
        );
        bound(
            warm - bare <= WARM_BOUND_MS,
            format!("warm adds {:.2} ms, the bound is {WARM_BOUND_MS}", warm - bare),
        );
        bound(best >= RATE_BOUND, format!("{best:.0} sandboxes a second, the bound is {RATE_BOUND}"));
        if let Some(bwrap) = bwrap {
            for (name, median, times) in [("cold", spare, COLD_TIMES), ("warm", warm, WARM_TIMES)] {
                let is = bwrap / median;
                bound(
                    is >= times,
                    format!("{name} is {is:.2} times as fast as bubblewrap, the bound is {times}"),
                );
            }
        }
        for what in &missed {
            println!("FAILED: {what}");
        }
        if missed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }
}
