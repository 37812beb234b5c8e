//! What a command about policies is about.

use std::path::Path;

use stockade_policies::{EffectivePolicy, Environment, Library, Operation, Registry};

use super::{CliError, registry};

/// An operation or a policy, found by what the command line calls it.
pub(super) struct Target {
    /// The policy, of the operation if there is one.
    pub(super) policy: EffectivePolicy,
    /// The operation.
    pub(super) operation: Option<Operation>,
}

impl Target {
    /// What has a `/` or ends in `.yaml` or `.yml` is a policy's file, other texts with a `.` are an operation of
    /// `services`, and the rest are names of policies.
    pub(super) fn find(
        name: &str,
        library: &Library,
        services: Option<&Path>,
        environment: Environment,
    ) -> Result<Self, CliError> {
        let is_path = name.contains('/') || name.ends_with(".yaml") || name.ends_with(".yml");
        if is_path || !name.contains('.') {
            return Ok(Self { policy: library.select(name, environment)?, operation: None });
        }
        let services = services.ok_or_else(|| {
            CliError::Other(format!(
                "`{name}` is an operation: name the registry that has it with `--services FILE`"
            ))
        })?;
        let registry = registry(services, library, environment)?;
        let operation = operation(&registry, name)?;
        Ok(Self { policy: operation.effective_policy(), operation: Some(operation.clone()) })
    }
}

/// Names may have dots of their own.
fn operation<'a>(registry: &'a Registry, name: &str) -> Result<&'a Operation, CliError> {
    let split =
        |(dot, _)| name.split_at_checked(dot).map(|(service, rest)| (service, rest.trim_start_matches('.')));
    let found =
        name.match_indices('.').filter_map(split).map(|(service, rest)| registry.operation(service, rest));
    let mut first_error = None;
    for found in found {
        match found {
            Ok(operation) => return Ok(operation),
            Err(unknown) => first_error = first_error.or(Some(unknown)),
        }
    }
    Err(CliError::Other(first_error.map_or_else(String::new, |unknown| unknown.to_string())))
}
