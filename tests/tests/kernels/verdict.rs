//! Whether what a machine said is what it has to say.

use std::collections::BTreeSet;

use crate::doctor;
use crate::kernel::Kernel;
use crate::machine::Run;

/// The names of the tests that have to pass.
pub(crate) struct Expected {
    /// Of the suite.
    pub(crate) all: BTreeSet<String>,
    /// Of the suite in a group that has been delegated.
    pub(crate) delegated: BTreeSet<String>,
    /// Groups of the suite that are not run.
    pub(crate) not_run: BTreeSet<String>,
}

/// Prints what became of each test and gives the number of failures. Nothing passes by not having been said.
pub(crate) fn judge(kernel: &Kernel, run: &Run, expected: &Expected) -> usize {
    let series = kernel.series;
    let mut failures = problems(kernel, run, expected);
    if failures.is_empty() {
        println!(
            "kernel {series}: {} tests passed in {} s",
            expected.all.len() + expected.delegated.len(),
            run.took.as_secs()
        );
        return 0;
    }
    failures.sort();
    println!("kernel {series} said:\n{}\nits console:\n{}", run.results, run.console);
    for failure in &failures {
        println!("kernel {series}: {failure}");
    }
    failures.len()
}

fn problems(kernel: &Kernel, run: &Run, expected: &Expected) -> Vec<String> {
    let mut problems = tests(&run.results, "suite", &expected.all);
    problems.extend(tests(&run.results, "delegated-suite", &expected.delegated));
    let not_run: BTreeSet<String> = step(&run.results, "suite")
        .filter_map(|line| line.strip_prefix("not run "))
        .map(str::to_owned)
        .collect();
    if not_run != expected.not_run {
        problems.push(format!("{not_run:?} were not run, instead of {:?}", expected.not_run));
    }
    let mut check = |good: bool, problem: String| {
        if !good {
            problems.push(problem);
        }
    };
    check(run.in_time, format!("did not end within {} s", run.took.as_secs()));
    let booted = line(&run.results, "kernel ");
    check(booted.starts_with(&format!("{}.", kernel.series)), format!("`{booted}` was booted"));
    check(
        line(&run.results, "swap ") == "1",
        "no swap space: a limit that leaves it out would not show".into(),
    );
    let killed = line(&run.results, "groups out of memory ");
    check(
        killed.parse::<u32>().is_ok_and(|killed| killed > 0),
        format!("the kernel killed `{killed}` whole groups"),
    );
    // The doctor's status says whether every environment has all of its layers.
    let fit = if kernel.has_all_of_landlock() { "0" } else { "1" };
    for (step, wanted) in [
        ("suite", "0"),
        ("doctor", fit),
        ("doctor-for-people", fit),
        ("delegated-suite", "0"),
        ("delegated-doctor", fit),
    ] {
        let status = line(&run.results, &format!("end {step} "));
        check(status == wanted, format!("{step} ended with status `{status}`, not {wanted}"));
    }
    let last = run.results.lines().last().unwrap_or_default();
    check(last == "finished", format!("its last line is `{last}`"));
    problems.extend(doctor::problems(kernel, &run.results));
    problems
}

/// What follows `start` in the line that begins with it.
fn line<'a>(text: &'a str, start: &str) -> &'a str {
    text.lines().find_map(|line| line.strip_prefix(start)).unwrap_or_default()
}

/// The lines that a step printed.
pub(crate) fn step<'a>(results: &'a str, name: &str) -> impl Iterator<Item = &'a str> {
    let (begin, end) = (format!("begin {name}"), format!("end {name} "));
    results
        .lines()
        .skip_while(move |line| *line != begin)
        .skip(1)
        .take_while(move |line| !line.starts_with(&end))
}

/// Each test has to be told as passed, once.
fn tests(results: &str, suite: &str, expected: &BTreeSet<String>) -> Vec<String> {
    let told: Vec<&str> = step(results, suite).filter_map(|line| line.strip_prefix("test ")).collect();
    let passed: Vec<&str> =
        told.iter().filter_map(|line| line.split_once(" ... ok")).map(|(name, _)| name).collect();
    let missing = expected.iter().filter(|name| passed.iter().filter(|one| one == name).count() != 1);
    let mut problems: Vec<String> = missing.map(|name| format!("{suite}: {name} did not pass")).collect();
    problems
        .extend(told.iter().filter(|line| !line.contains(" ... ok")).map(|line| format!("{suite}: {line}")));
    problems
}
