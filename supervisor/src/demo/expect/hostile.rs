//! Jobs that must not get away with it. Each of these is also proven to be possible without confinement, as far as that
//! can be done here: the file is there, the program is there, the port answers.

use nix::errno::Errno;

use super::{must, must_end_as};
use crate::demo::cases::Judgement;
use crate::demo::observed::{Observed, Surroundings};

/// The job failed, and said itself which error it got: one of these. The answer is what it said.
fn refused_with(observed: &Observed, errnos: &[Errno]) -> Judgement {
    must_end_as(observed, "failed")?;
    let words = observed.last_words();
    let refused = observed.errno().is_some_and(|errno| errnos.iter().any(|one| *one as i32 == errno));
    must(refused, || format!("it failed for another reason: {words}"))?;
    Ok(words)
}

fn must_exist(path: &str) -> Result<(), String> {
    must(std::fs::symlink_metadata(path).is_ok(), || format!("proves nothing: this host has no {path}"))
}

pub(in crate::demo) fn read_shadow(observed: &Observed, _: &Surroundings) -> Judgement {
    must_exist("/etc/shadow")?;
    refused_with(observed, &[Errno::ENOENT, Errno::EACCES])
}

pub(in crate::demo) fn write_usr(observed: &Observed, around: &Surroundings) -> Judgement {
    let planted = std::fs::symlink_metadata(&around.plant).is_ok();
    must(!planted, || format!("{} is on the host", around.plant))?;
    refused_with(observed, &[Errno::EROFS, Errno::EACCES])
}

pub(in crate::demo) fn own_binary(observed: &Observed, _: &Surroundings) -> Judgement {
    must(observed.stdout().starts_with("brought /job/tool"), || {
        format!("proves nothing: it could not bring its program: {}", observed.last_words())
    })?;
    refused_with(observed, &[Errno::EACCES, Errno::EPERM])
}

pub(in crate::demo) fn unlisted_command(observed: &Observed, _: &Surroundings) -> Judgement {
    must_exist("/usr/bin/id")?;
    refused_with(observed, &[Errno::ENOENT, Errno::EACCES])
}

pub(in crate::demo) fn connect_out(observed: &Observed, around: &Surroundings) -> Judgement {
    let visitors = around.trap.visitors();
    must(visitors == 0, || format!("{visitors} connections arrived at the host"))?;
    refused_with(observed, &[Errno::ENETUNREACH, Errno::EACCES, Errno::EPERM])
}

pub(in crate::demo) fn fork_bomb(observed: &Observed, _: &Surroundings) -> Judgement {
    must_end_as(observed, "timed_out")?;
    let denial = observed.denial("cgroup", "fork");
    let (target, count) = denial.ok_or("no fork was refused")?;
    let limit = observed.limit("pids").ok_or("no limit of processes is known")?;
    let peak = observed.usage("peak_processes").unwrap_or_default();
    must(peak <= approximate(limit), || format!("it had {peak} processes, with a limit of {limit}"))?;
    Ok(format!("fork refused {count} times by the {target}; {}", observed.error()))
}

pub(in crate::demo) fn memory_bomb(observed: &Observed, _: &Surroundings) -> Judgement {
    must_end_as(observed, "out_of_memory")?;
    let limit = observed.limit("memory_mb").ok_or("no limit of memory is known")?;
    let peak = observed.usage("peak_memory_mb").unwrap_or_default();
    must(peak <= approximate(limit), || format!("it had {peak:.0} MiB, with a limit of {limit}"))?;
    Ok(observed.error().to_owned())
}

pub(in crate::demo) fn endless_loop(observed: &Observed, _: &Surroundings) -> Judgement {
    must_end_as(observed, "timed_out")?;
    let limit = observed.limit("wall_seconds").ok_or("no limit of time is known")?;
    let ran = observed.usage("duration_seconds").unwrap_or_default();
    let in_time = ran >= approximate(limit) && ran <= approximate(limit) + 1.0;
    must(in_time, || format!("it ran for {ran:.1} s, with a limit of {limit}"))?;
    Ok(observed.error().to_owned())
}

pub(in crate::demo) fn ten_gigabytes(observed: &Observed, _: &Surroundings) -> Judgement {
    must_end_as(observed, "limit_exceeded")?;
    let limit = observed.limit("output_kb").ok_or("no limit of output is known")?;
    let stdout = &observed.attempt.stdout;
    let kept = u64::try_from(stdout.bytes.len()).unwrap_or(u64::MAX);
    must(stdout.truncated && kept == limit * 1024, || format!("{kept} bytes were kept of it"))?;
    Ok(observed.error().to_owned())
}

pub(in crate::demo) fn symlink_result(observed: &Observed, _: &Surroundings) -> Judgement {
    must_end_as(observed, "completed")?;
    must(observed.stdout().starts_with("left /etc/shadow"), || "proves nothing: it left no link".to_owned())?;
    let output = observed.output("result.json").ok_or("nothing is known of result.json")?;
    must(output.state == "symlink" && output.bytes.is_none(), || {
        format!("result.json was collected as a {}", output.state)
    })?;
    Ok(format!("result.json is a {}: not collected", output.state))
}

pub(in crate::demo) fn outlive(observed: &Observed, around: &Surroundings) -> Judgement {
    must_end_as(observed, "completed")?;
    must(observed.stdout().starts_with("left process"), || "proves nothing: it left no process".to_owned())?;
    let uid = observed.host_uid().ok_or("the id it ran as is not known")?;
    let left = around.left.of(uid);
    must(left.is_empty(), || format!("it is still there: process {left:?}"))?;
    Ok(format!("killed with its job: of {} processes none has its uid {uid}", around.left.count()))
}

/// Limits are small numbers.
fn approximate(limit: u64) -> f64 {
    u32::try_from(limit).map_or(f64::INFINITY, f64::from)
}

/// A server sends its caller on to the host's loopback device; nobody comes there.
pub(in crate::demo) fn sent_on(observed: &Observed, around: &Surroundings) -> Judgement {
    must_end_as(observed, "failed")?;
    let (target, _) = observed.denial("destination", "connect").ok_or("no denial says so")?;
    must(around.trap.visitors() == 0, || "somebody came".to_owned())?;
    Ok(format!("the HTTP runner: it did not follow the redirect to {target}"))
}
