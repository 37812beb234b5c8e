//! Every seed and every input that once broke something, through its target: without libFuzzer, on any machine.

use std::path::{Path, PathBuf};
use std::time::Duration;

use stockade_fuzz::TARGETS;
use stockade_plan::FRAME_MAX;

/// The bound that `make fuzz` sets; this build is not even optimized.
const BOUND: Duration = Duration::from_secs(5);

/// Processor time of this thread so far: a bound on it holds on a busy machine too. The first number of its `schedstat` is
/// nanoseconds, Documentation/scheduler/sched-stats.rst of the kernel.
fn spent() -> Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    Duration::from_nanos(text.split(' ').next().unwrap().parse().unwrap())
}

/// What `work` takes of it.
fn taken(work: impl FnOnce()) -> Duration {
    let before = spent();
    work();
    spent() - before
}

fn files(kind: &str, target: &str) -> Vec<PathBuf> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join(kind).join(target);
    let Ok(entries) = std::fs::read_dir(&directory) else { return Vec::new() };
    entries.map(|entry| entry.unwrap().path()).collect()
}

#[test]
fn every_seed_and_every_regression_goes_through_its_target_within_bounds() {
    for (name, target) in TARGETS {
        for path in files("corpus", name).into_iter().chain(files("regressions", name)) {
            let bytes = std::fs::read(&path).unwrap();
            let taken = taken(|| target(&bytes));
            assert!(taken < BOUND, "{} took {taken:?}", path.display());
        }
    }
}

/// As large as a frame may be, and as a file may be: larger ones are refused unread.
const SIZES: [(&str, usize); TARGETS.len()] = [
    ("policy", 1 << 20),
    ("registry", 1 << 20),
    ("request", FRAME_MAX),
    ("task", FRAME_MAX),
    ("reply", FRAME_MAX),
    ("report", FRAME_MAX),
    ("recording", FRAME_MAX),
    ("job", 1 << 20),
    ("audit", 16 * 1024),
    ("egress", 1 << 20),
    ("function", 1 << 20),
];

#[test]
fn the_largest_inputs_take_bounded_time_whatever_they_repeat() {
    for (name, size) in SIZES {
        let (_, target) = TARGETS.into_iter().find(|(target, _)| *target == name).unwrap();
        for pattern in ["\0", "\x01", "\u{7f}", "[", "{a: ", "- ", "a: b\n", "\"", "#", "\n", "!", "\\u0000,"]
        {
            let taken = taken(|| target(pattern.repeat(size / pattern.len()).as_bytes()));
            assert!(taken < BOUND, "{name}: {pattern:?} took {taken:?}");
        }
        target(&vec![0xff; size]);
    }
}

const SERVICE: &str = "services:\n  - name: s\n    execution_type: http\n    operations:\n";

fn lines(count: usize, line: impl Fn(usize) -> String) -> String {
    (0..count).map(line).collect()
}

/// An operation whose input is described by what stands under `keyword`.
fn operation(number: usize, keyword: &str, under: &str) -> String {
    format!(
        "      - name: o{number}\n        input_schema:\n          \
         $schema: https://json-schema.org/draft/2020-12/schema\n          {keyword}:\n{under}"
    )
}

/// What is dear in JSON Schemas: patterns that compile to much, references to references up to what all of them may come to,
/// long names far in.
fn dear_schemas() -> [(&'static str, String); 3] {
    let patterns = lines(100, |n| {
        format!("            p{n}: {{pattern: \"^(\\\\w[^{n}]{{1,60}}.{{1,60}}){{1,4}}$\"}}\n")
    });
    let doubling = lines(9, |n| {
        let next = format!("{{$ref: \"#/$defs/d{}\"}}", n + 1);
        format!("            d{n}: {{allOf: [{next}, {next}]}}\n")
    });
    let doubling = format!("{doubling}            d9: {{minLength: 1}}\n");
    let name = "n".repeat(100_000);
    let leaves = lines(2_000, |n| format!("l{n}: true, "));
    let named =
        format!("            \"{name}\": {{properties: {{\"{name}\": {{properties: {{{leaves}}}}}}}}}\n");
    [
        ("patterns", operation(0, "properties", &patterns)),
        ("references", lines(16, |n| operation(n, "$ref: \"#/$defs/d0\"\n          $defs", &doubling))),
        ("names", operation(0, "properties", &named)),
    ]
    .map(|(what, operations)| (what, format!("{SERVICE}{operations}")))
}

#[test]
fn json_schemas_that_are_as_dear_as_they_may_be_take_bounded_time() {
    for (what, text) in dear_schemas() {
        let taken = taken(|| stockade_fuzz::registry(text.as_bytes()));
        println!("{what}: {taken:?}");
        assert!(taken < BOUND, "{what} took {taken:?}");
    }
}

#[test]
fn every_target_has_seeds() {
    for (name, _) in TARGETS {
        let seeds = files("corpus", name).len();
        assert!((10..=100).contains(&seeds), "`{name}` has {seeds} seeds");
    }
}

#[test]
fn every_directory_of_inputs_belongs_to_a_target() {
    // Git keeps no empty directory: without a regression there is none for them.
    for kind in ["corpus", "regressions"] {
        let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join(kind);
        for entry in std::fs::read_dir(directory).into_iter().flatten() {
            let name = entry.unwrap().file_name();
            assert!(TARGETS.iter().any(|(target, _)| *target == name), "{kind}/{}", name.display());
        }
    }
}
