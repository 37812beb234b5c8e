//! Who needed a right, by which call, how often.

use std::collections::BTreeMap;

use stockade_plan::Fact;

use super::trace::Trace;
use crate::seccomp;

/// What asked for one line of a policy.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Evidence(BTreeMap<(String, &'static str), u32>);

impl Evidence {
    pub(super) fn add(&mut self, trace: &Trace, fact: &Fact, times: u32) {
        let call = seccomp::numbered(fact.call).map_or("?", seccomp::Call::name);
        let count = self.0.entry((trace.program(fact).to_owned(), call)).or_default();
        *count = count.saturating_add(times);
    }

    pub(super) fn merge(&mut self, other: &Self) {
        for (who, times) in &other.0 {
            let count = self.0.entry(who.clone()).or_default();
            *count = count.saturating_add(*times);
        }
    }
}

impl std::fmt::Display for Evidence {
    /// The one that asked most often, and how many others there are.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let most = self.0.iter().max_by_key(|(who, times)| (**times, std::cmp::Reverse(*who)));
        let Some(((program, call), times)) = most else { return f.write_str("nobody") };
        let times = if *times == 1 { "once".to_owned() } else { format!("{times} times") };
        write!(f, "{program}: {call}, {times}")?;
        match self.0.len() {
            1 => Ok(()),
            more => write!(f, "; {} more", more - 1),
        }
    }
}
