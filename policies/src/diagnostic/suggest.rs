//! Near misses.

/// The candidate that `text` was most likely meant to be, if one is near enough.
pub(crate) fn did_you_mean<'a>(text: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let near = text.chars().count().div_ceil(3).min(3);
    candidates
        .into_iter()
        .map(|candidate| (distance(&fold(text), &fold(candidate)), candidate))
        .filter(|(distance, _)| *distance <= near)
        .min()
        .map(|(_, candidate)| candidate)
}

/// Hyphens, underscores and case are what people mix up most.
fn fold(text: &str) -> Vec<char> {
    text.chars().take(64).map(|c| if c == '-' { '_' } else { c.to_ascii_lowercase() }).collect()
}

/// Edit distance where a swap of neighbours counts once (optimal string alignment).
fn distance(a: &[char], b: &[char]) -> usize {
    let mut before_last: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, y) in b.iter().enumerate() {
            let at = |line: &[usize], column: usize| line.get(column).copied().unwrap_or(usize::MAX / 2);
            let mut best =
                (at(&last, j) + usize::from(x != y)).min(at(&last, j + 1) + 1).min(at(&row, j) + 1);
            if i > 0 && j > 0 && a.get(i - 1) == Some(y) && b.get(j - 1) == Some(x) {
                best = best.min(at(&before_last, j - 1) + 1);
            }
            row.push(best);
        }
        before_last = last;
        last = row;
    }
    last.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEYS: [&str; 4] = ["memory_mb", "cpu_cores", "pids", "disk_mb"];

    #[test]
    fn a_near_miss_is_found() {
        assert_eq!(did_you_mean("memory-mb", KEYS), Some("memory_mb"));
        assert_eq!(did_you_mean("memroy_mb", KEYS), Some("memory_mb"));
        assert_eq!(did_you_mean("cpu_core", KEYS), Some("cpu_cores"));
        assert_eq!(did_you_mean("PIDS", KEYS), Some("pids"));
    }

    #[test]
    fn what_is_near_nothing_gets_no_suggestion() {
        assert_eq!(did_you_mean("wallclock", KEYS), None);
        assert_eq!(did_you_mean("x", KEYS), None);
        assert_eq!(did_you_mean("", KEYS), None);
    }
}
