//! One job: what is run and what it is given.

use std::collections::{BTreeMap, BTreeSet};

use stockade_plan::{Arg, FileName, Input, List};

use super::error::CompileError;

/// What is run, with what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobSpec {
    pub(crate) arguments: Vec<Arg>,
    pub(crate) inputs: Vec<Input>,
    pub(crate) caller_environment: BTreeMap<String, String>,
}

impl JobSpec {
    /// A job that runs `arguments`, the first of which is the path of a command.
    ///
    /// # Errors
    /// [`CompileError::NoCommand`] and [`CompileError::Argument`].
    pub fn command(arguments: Vec<String>) -> Result<Self, CompileError> {
        if arguments.is_empty() {
            return Err(CompileError::NoCommand);
        }
        let arguments = arguments
            .into_iter()
            .enumerate()
            .map(|(index, text)| Arg::new(text).map_err(|reason| CompileError::Argument { index, reason }))
            .collect::<Result<_, _>>()?;
        Ok(Self { arguments, inputs: Vec::new(), caller_environment: BTreeMap::new() })
    }

    /// With a file of `size` bytes in `/job`; its bytes travel beside the plan.
    #[must_use]
    pub fn with_input(mut self, name: FileName, size: u64) -> Self {
        self.inputs.push(Input { name, size });
        self
    }

    /// With the environment of whoever starts it. Only what the policy's `environment.pass` names is taken.
    #[must_use]
    pub fn with_caller_environment(mut self, variables: impl IntoIterator<Item = (String, String)>) -> Self {
        self.caller_environment.extend(variables);
        self
    }

    /// Its input files, in order.
    pub fn inputs(&self) -> &[Input] {
        &self.inputs
    }

    /// What is run.
    pub fn arguments(&self) -> &[Arg] {
        &self.arguments
    }

    pub(crate) fn checked_inputs(&self, disk_bytes: u64) -> Result<List<Input, 64>, CompileError> {
        let size = self.inputs.iter().fold(0_u64, |sum, input| sum.saturating_add(input.size));
        if size > disk_bytes {
            return Err(CompileError::InputsTooLarge { size, available: disk_bytes });
        }
        let mut names = BTreeSet::new();
        if let Some(twice) = self.inputs.iter().find(|input| !names.insert(&input.name)) {
            return Err(CompileError::InputTwice { name: twice.name.clone() });
        }
        bounded("inputs", self.inputs.clone())
    }
}

/// A list of the plan, if it is no longer than it may be.
pub(crate) fn bounded<T, const MAX: usize>(
    what: &'static str,
    items: Vec<T>,
) -> Result<List<T, MAX>, CompileError> {
    List::try_from(items).map_err(|error| CompileError::TooMany { what, count: error.len, max: error.max })
}
