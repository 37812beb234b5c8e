//! Waiting with an end.

use std::process::{Child, ExitStatus};
use std::time::{Duration, Instant};

/// How many times longer things take than on a machine of its own: on an emulated one, `STOCKADE_SLACK` says so. It
/// stretches how long a test waits for something, never what a limit of a job is.
pub fn slack() -> u32 {
    std::env::var("STOCKADE_SLACK").ok().and_then(|slack| slack.parse().ok()).unwrap_or(1)
}

/// `time`, stretched by [`slack`].
pub fn patience(time: Duration) -> Duration {
    time * slack()
}

const PAUSE: Duration = Duration::from_millis(40);

/// Asks until there is an answer; `None` if there is none `within` the time.
pub fn polled<T>(within: Duration, mut ask: impl FnMut() -> Option<T>) -> Option<T> {
    let deadline = Instant::now() + within;
    loop {
        let answer = ask();
        if answer.is_some() || Instant::now() >= deadline {
            return answer;
        }
        std::thread::sleep(PAUSE);
    }
}

/// Asks until there is an answer; fails the test if there is none `within` the time.
pub fn eventually<T>(what: &str, within: Duration, ask: impl FnMut() -> Option<T>) -> T {
    polled(within, ask).unwrap_or_else(|| panic!("{what}: not within {within:?}"))
}

/// Waits until a process of ours has ended; `None` if it has not `within` the time.
pub fn ended(child: &mut Child, within: Duration) -> Option<ExitStatus> {
    polled(within, || child.try_wait().expect("wait for a child"))
}
