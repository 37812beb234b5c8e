//! Whether the doctor says of each layer what this kernel can do, what a gap costs and what to do about it.

use serde_json::Value;

use crate::kernel::Kernel;
use crate::verdict::step;

/// What it has to find, and a part of how it says so.
const EVERYWHERE: [(&str, &str, &str); 14] = [
    ("cgroups", "good", "memory in v2, pids in v2, cpu in v2, io in v2"),
    ("cgroup_memory", "good", "no swap, cgroup v2"),
    ("cgroup_pids", "good", "cgroup v2"),
    ("cgroup_cpu", "good", "cgroup v2"),
    ("kill", "good", "was gone after"),
    ("peaks", "good", "of memory and of processes"),
    ("seccomp", "good", "filter mode"),
    ("seccomp actions", "good", "user_notif"),
    ("user namespaces", "good", "at a time"),
    ("user_namespace", "good", "the host's is"),
    ("disk limits", "good", "controller `io` of cgroup v2"),
    ("swap", "good", "255 MiB, of which a job gets nothing"),
    ("audit", "gap", "does not report to it"),
    ("environment development", "good", "jobs run"),
];

/// What it gets wrong.
pub(crate) fn problems(kernel: &Kernel, results: &str) -> Vec<String> {
    let report = report(results, "doctor");
    let abi = format!("ABI {} of the kernel's {}", kernel.landlock_abi, kernel.landlock_abi);
    let (landlock, strict) = if kernel.has_all_of_landlock() { ("good", "good") } else { ("gap", "missing") };
    let why = if kernel.has_all_of_landlock() { "jobs run" } else { "landlock" };
    let expected = EVERYWHERE.into_iter().chain([
        ("cgroup parent", "good", "/sys/fs/cgroup/stockade, a group of our own"),
        ("landlock", landlock, abi.as_str()),
        ("environment staging", strict, why),
        ("environment production", strict, why),
    ]);
    let mut problems: Vec<String> = expected.filter_map(|expected| wrong(&report, expected)).collect();
    let service =
        "/sys/fs/cgroup/system.slice/examined.service/stockade, within the group that was delegated";
    problems.extend(wrong(&self::report(results, "delegated-doctor"), ("cgroup parent", "good", service)));
    problems.extend(for_people(results, &report));
    problems
}

fn report(results: &str, name: &str) -> Value {
    let line = step(results, name).find(|line| line.starts_with('{'));
    line.and_then(|line| serde_json::from_str(line).ok()).unwrap_or_default()
}

/// Whether a check says something else. A gap has to say what it costs and what to do.
fn wrong(report: &Value, (name, standing, part): (&str, &str, &str)) -> Option<String> {
    let check = report["checks"].as_array().into_iter().flatten().find(|check| check["name"] == name);
    let Some(check) = check else { return Some(format!("the doctor says nothing of {name}")) };
    let told = check["found"].as_str().is_some_and(|found| found.contains(part));
    let advised = standing == "good" || check["cost"].is_string() && check["remedy"].is_string();
    let right = check["standing"] == standing && told && advised;
    (!right).then(|| format!("the doctor says of {name}: {check}"))
}

/// The page for people names every check of the report, and the advice on each gap.
fn for_people(results: &str, report: &Value) -> Vec<String> {
    let page: Vec<&str> = step(results, "doctor-for-people").collect();
    let has = |text: &Value| text.as_str().is_none_or(|text| page.iter().any(|line| line.contains(text)));
    let checks = report["checks"].as_array().into_iter().flatten();
    let missing = checks.filter(|check| !["name", "cost", "remedy"].iter().all(|part| has(&check[part])));
    missing.map(|check| format!("the page for people lacks {check}")).collect()
}
