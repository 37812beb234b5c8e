//! What is on the host, beside what confines.

use std::io;
use std::path::Path;

use stockade_policies::{EffectivePolicy, Host, JobSpec, Library, compile};

use super::{Check, ENVIRONMENT, advice};
use crate::exec_record::{Broken, FILE_NAME, verify};
use crate::host::HostFacts;
use crate::postgres;

/// What commands are compiled for where the kernel could not be asked.
const SOME_LANDLOCK: u8 = 6;

/// Looks at the kernel, the database's programs, the commands that policies name, and the record of `exec`.
pub(super) fn examine(checks: &mut Vec<Check>, state_dir: &Path, host: &Host, landlock_abi: Option<u8>) {
    let facts = HostFacts::here();
    checks.push(Check::good("kernel", format!("{} on {}", facts.kernel, facts.machine)));
    checks.push(match postgres::programs() {
        Ok(found) => Check { required: false, ..Check::good("postgres", found) },
        Err(error) => Check::gap("postgres", error.to_string()).advised(advice::POSTGRES),
    });
    commands(checks, host, landlock_abi.unwrap_or(SOME_LANDLOCK));
    checks.push(record(state_dir));
}

/// The programs of each shipped policy: which of them a job can be given here.
fn commands(checks: &mut Vec<Check>, host: &Host, landlock_abi: u8) {
    let library = match Library::shipped() {
        Ok(library) => library,
        Err(found) => {
            return checks.push(Check::missing("policies", found.to_string()).advised(advice::SANDBOX));
        }
    };
    for name in library.names() {
        match library.effective(name.as_str(), ENVIRONMENT) {
            Ok(policy) => checks.extend(of_policy(&policy, host, landlock_abi)),
            Err(found) => checks
                .push(Check::missing(format!("policy {name}"), found.to_string()).advised(advice::SANDBOX)),
        }
    }
}

fn of_policy(policy: &EffectivePolicy, host: &Host, landlock_abi: u8) -> Option<Check> {
    let name = format!("commands of {}", policy.name());
    let mut unusable = Vec::new();
    let mut usable = 0_usize;
    for command in policy.commands() {
        let plan = JobSpec::command(vec![command.to_string()])
            .and_then(|job| compile(policy, &job, host, landlock_abi));
        match plan {
            Ok(_) => usable += 1,
            Err(error) => unusable.push(error.to_string()),
        }
    }
    match (usable, unusable.as_slice()) {
        // A policy that others extend need not name any.
        (0, []) => None,
        (usable, []) => {
            Some(Check { required: false, ..Check::good(name, format!("all {usable} can be run")) })
        }
        (_, unusable) => Some(Check::gap(name, unusable.join("; ")).advised(advice::COMMANDS)),
    }
}

fn record(state_dir: &Path) -> Check {
    let found = match verify(&state_dir.join(FILE_NAME)) {
        Ok(verified) => format!("{} entries, and the chain holds", verified.entries),
        Err(Broken::Io(error)) if error.kind() == io::ErrorKind::NotFound => "none yet".to_owned(),
        Err(Broken::Io(error)) if error.kind() == io::ErrorKind::PermissionDenied => {
            "not ours to read".to_owned()
        }
        Err(broken) => return Check::gap("record of exec", broken.to_string()).advised(advice::RECORD),
    };
    Check { required: false, ..Check::good("record of exec", found) }
}
