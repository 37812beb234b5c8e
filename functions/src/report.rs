//! What the end of a function's log says that the call used.
//!
//! The platform writes its report into the same log as the function writes its own lines, so a function can write one
//! that looks the same. What is done about it: only a report for this call's own request id counts, the last one counts
//! (the platform writes when the function has ended), and one that contradicts itself or our own clock counts as none.
//! What remains: where the platform's own report is not in the tail, a function's is taken for it.

use std::time::Duration;

use serde::Deserialize;

use crate::Metered;

/// A report may say this much more than we have measured: the clocks are two.
const SLACK_MS: f64 = 1_000.0;
/// The most memory a function can have, with room for what is to come; MiB.
const MEMORY_MAX_MB: f64 = 1024.0 * 1024.0;

/// Reads the tail of a log. `request_id` is the call's, as the answer's header has it; `took` is how long the call took
/// by our own clock.
pub fn read(tail: &[u8], request_id: Option<&str>, took: Duration) -> Metered {
    let unknown = |reason: &str| Metered { unknown: Some(reason.to_owned()), ..Metered::default() };
    if tail.is_empty() {
        return unknown("the platform sent no end of the log");
    }
    let text = String::from_utf8_lossy(tail);
    let of_call = |report: &Report| request_id.is_none_or(|id| report.request_id.as_deref() == Some(id));
    let Some(report) = text.lines().rev().filter_map(line).find(of_call) else {
        return unknown("the end of the log has no report of this call");
    };
    match report.metered.duration_ms {
        _ if !plausible(&report.metered) => unknown("the report in the log contradicts itself"),
        Some(ms) if ms > took.as_secs_f64() * 1e3 + SLACK_MS => {
            unknown("the report in the log says more time than the call took")
        }
        _ => report.metered,
    }
}

struct Report {
    request_id: Option<String>,
    metered: Metered,
}

/// The report that a line is, in either form.
fn line(line: &str) -> Option<Report> {
    let line = line.trim();
    match line.strip_prefix("REPORT") {
        Some(rest) if rest.starts_with(char::is_whitespace) => Some(plain(rest)),
        _ if line.starts_with('{') => json(line),
        _ => None,
    }
}

/// `RequestId: ID Duration: 1.5 ms Billed Duration: 2 ms Memory Size: 128 MB Max Memory Used: 36 MB Init Duration: 120 ms`,
/// the parts divided by any white space. What is not known is passed over.
fn plain(text: &str) -> Report {
    let mut report = Report { request_id: None, metered: Metered::default() };
    let (mut key, mut words) = (String::new(), text.split_whitespace());
    while let Some(word) = words.next() {
        let Some(last) = word.strip_suffix(':') else {
            match word {
                // The unit of the value before.
                "ms" | "MB" => {}
                _ => push(&mut key, word),
            }
            continue;
        };
        push(&mut key, last);
        let value = words.next().unwrap_or("");
        set(&mut report, &key, value);
        key.clear();
    }
    report
}

fn push(key: &mut String, word: &str) {
    if !key.is_empty() {
        key.push(' ');
    }
    key.push_str(word);
}

fn set(report: &mut Report, key: &str, value: &str) {
    let number = || value.parse::<f64>().ok();
    let metered = &mut report.metered;
    match key {
        "RequestId" => report.request_id = Some(value.to_owned()),
        "Duration" => metered.duration_ms = number(),
        "Billed Duration" => metered.billed_ms = number(),
        "Init Duration" => metered.init_ms = number(),
        "Memory Size" => metered.memory_size_mb = number(),
        "Max Memory Used" => metered.peak_memory_mb = number(),
        _ => {}
    }
}

/// One line of a log in JSON.
#[derive(Deserialize)]
struct Line {
    #[serde(rename = "type")]
    kind: String,
    record: Record,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Record {
    request_id: Option<String>,
    metrics: Metrics,
}

#[derive(Deserialize)]
struct Metrics {
    #[serde(rename = "durationMs")]
    duration: Option<f64>,
    #[serde(rename = "billedDurationMs")]
    billed: Option<f64>,
    #[serde(rename = "initDurationMs")]
    init: Option<f64>,
    #[serde(rename = "memorySizeMB")]
    memory_size: Option<f64>,
    #[serde(rename = "maxMemoryUsedMB")]
    memory_used: Option<f64>,
}

fn json(line: &str) -> Option<Report> {
    let Line { kind, record } = serde_json::from_str(line).ok()?;
    let Record { request_id, metrics } = record;
    (kind == "platform.report").then_some(Report {
        request_id,
        metered: Metered {
            duration_ms: metrics.duration,
            billed_ms: metrics.billed,
            init_ms: metrics.init,
            memory_size_mb: metrics.memory_size,
            peak_memory_mb: metrics.memory_used,
            unknown: None,
        },
    })
}

/// Whether every figure can be one, and the memory used is no more than there was.
fn plausible(metered: &Metered) -> bool {
    let times = [metered.duration_ms, metered.billed_ms, metered.init_ms];
    let memory = [metered.memory_size_mb, metered.peak_memory_mb];
    // A day: no function runs so long.
    let time = |ms: f64| (0.0..=86_400_000.0).contains(&ms);
    let fits = match (metered.peak_memory_mb, metered.memory_size_mb) {
        (Some(used), Some(size)) => used <= size,
        _ => true,
    };
    let all = times.into_iter().flatten().all(time);
    all && fits && memory.into_iter().flatten().all(|mb| (0.0..=MEMORY_MAX_MB).contains(&mb))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "8f507cfc-0000-4697-b07a-ac58fc914c95";
    const TOOK: Duration = Duration::from_secs(2);

    fn of(text: &str) -> Metered {
        read(text.as_bytes(), Some(ID), TOOK)
    }

    fn plain_report(id: &str, used: u32) -> String {
        format!(
            "REPORT RequestId: {id}\tDuration: 102.25 ms\tBilled Duration: 103 ms\tMemory Size: 128 MB\tMax Memory Used: {used} MB\tInit Duration: 120.5 ms\t\n"
        )
    }

    fn json_report(id: &str, metrics: &str) -> String {
        format!(
            r#"{{"time":"2026-01-01T00:00:00Z","type":"platform.report","record":{{"requestId":"{id}","metrics":{metrics},"status":"success"}}}}"#
        )
    }

    fn expected() -> Metered {
        Metered {
            duration_ms: Some(102.25),
            billed_ms: Some(103.0),
            init_ms: Some(120.5),
            memory_size_mb: Some(128.0),
            peak_memory_mb: Some(36.0),
            unknown: None,
        }
    }

    #[test]
    fn both_forms_say_the_same() {
        let start = format!("START RequestId: {ID} Version: 7\nhello\nEND RequestId: {ID}\n");
        assert_eq!(
            of(&format!("{start}{}XRAY TraceId: 1-2\tSegmentId: 3\n", plain_report(ID, 36))),
            expected()
        );
        let metrics = r#"{"durationMs":102.25,"billedDurationMs":103,"memorySizeMB":128,"maxMemoryUsedMB":36,"initDurationMs":120.5}"#;
        assert_eq!(of(&json_report(ID, metrics)), expected());
    }

    #[test]
    fn the_parts_may_be_divided_by_any_white_space() {
        let spaced = plain_report(ID, 36).replace('\t', "    ").replace(": ", ":  \t");
        assert_eq!(of(&spaced), expected());
        assert_eq!(of(&plain_report(ID, 36).replace('\t', " ")), expected());
    }

    #[test]
    fn what_the_platform_leaves_out_is_not_known() {
        let found = of(&format!("REPORT RequestId: {ID}\tDuration: 3000.00 ms\tStatus: timeout"));
        assert_eq!((found.duration_ms, found.billed_ms, found.peak_memory_mb), (Some(3000.0), None, None));
        assert!(of("").unknown.is_some_and(|reason| reason.contains("no end of the log")));
        assert!(of("hello\n").unknown.is_some_and(|reason| reason.contains("no report")));
    }

    #[test]
    fn a_report_that_a_function_prints_is_not_taken_for_the_platforms() {
        let other = plain_report("00000000-0000-0000-0000-000000000000", 1);
        // Of another call; before the platform's own; after it, of another call.
        assert_eq!(of(&format!("{}{}{other}", plain_report(ID, 1), plain_report(ID, 36))), expected());
        assert!(of(&other).unknown.is_some());
        // One that is behind a text of the function's is no line of its own.
        assert!(of(&format!("> {}", plain_report(ID, 36))).unknown.is_some());
    }

    #[test]
    fn a_report_that_contradicts_itself_or_our_clock_is_none() {
        for text in [
            plain_report(ID, 4096),
            plain_report(ID, 36).replace("102.25", "-1"),
            plain_report(ID, 36).replace("102.25", "inf"),
            plain_report(ID, 36).replace("102.25", "NaN"),
            plain_report(ID, 36).replace("102.25", "9000"),
            json_report(ID, r#"{"durationMs":1e300}"#),
        ] {
            let found = of(&text);
            assert!(found.unknown.is_some() && found.duration_ms.is_none(), "{text}");
        }
    }

    #[test]
    fn no_bytes_whatever_break_the_parser() {
        let seeds =
            [plain_report(ID, 36), json_report(ID, "{}"), "REPORT".to_owned(), "REPORT :::: : ms".to_owned()];
        for seed in seeds {
            for at in 0..seed.len() {
                let mut bytes = seed.clone().into_bytes();
                bytes[at] = 0xff;
                let _read = read(&bytes, Some(ID), TOOK);
                bytes.truncate(at);
                let _cut = read(&bytes, None, TOOK);
            }
        }
    }
}
