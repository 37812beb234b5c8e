//! Many measurements as two numbers.

/// Of one contestant, milliseconds.
pub(crate) struct Summary {
    pub(crate) median: f64,
    pub(crate) p95: f64,
}

impl Summary {
    pub(crate) fn of(times: &[f64]) -> Self {
        let mut sorted = times.to_vec();
        sorted.sort_by(f64::total_cmp);
        let at = |percent: usize| sorted.get(sorted.len() * percent / 100).copied().unwrap_or(f64::NAN);
        Self { median: at(50), p95: at(95) }
    }
}
