//! A list of tests that share one sandbox: starting it needs one thread, which the standard harness does not
//! offer.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::time::Instant;

/// Runs tests one after the other and counts.
#[derive(Debug, Default)]
pub struct Suite {
    passed: u32,
    failed: u32,
    /// Only tell the tests' names.
    listing: bool,
}

impl Suite {
    /// One that runs no test and prints the names of all.
    pub fn listing() -> Self {
        Self { listing: true, ..Self::default() }
    }

    /// Runs one test; it fails by panicking.
    pub fn test(&mut self, name: &str, test: impl FnOnce()) {
        if self.listing {
            println!("test {name}");
            self.passed += 1;
            return;
        }
        let began = Instant::now();
        let passed = catch_unwind(AssertUnwindSafe(test)).is_ok();
        let verdict = if passed { "ok" } else { "FAILED" };
        println!("test {name} ... {verdict} ({} ms)", began.elapsed().as_millis());
        if passed { self.passed += 1 } else { self.failed += 1 }
    }

    /// Adds what another process counted: its last line is that of [`Suite::finish`].
    pub fn add(&mut self, output: &str) {
        let counts = output.lines().rev().find_map(|line| {
            let (passed, rest) = line.split_once(" passed, ")?;
            Some((passed.parse::<u32>().ok()?, rest.split_once(" failed")?.0.parse::<u32>().ok()?))
        });
        let (passed, failed) = counts.unwrap_or((0, 1));
        self.passed += passed;
        self.failed += failed;
    }

    /// Prints the counts; success only if something ran and nothing failed.
    pub fn finish(self) -> ExitCode {
        if self.listing {
            return if self.passed > 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE };
        }
        println!("{} passed, {} failed", self.passed, self.failed);
        if self.failed == 0 && self.passed > 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }
}
