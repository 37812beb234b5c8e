//! One thing that was looked at.

use serde::Serialize;

use super::advice::Advice;

/// How it stands with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// As it should be.
    Good,
    /// Less than it could be.
    Gap,
    /// Not there.
    Missing,
}

/// One thing that was looked at.
#[derive(Debug, Clone, Serialize)]
pub struct Check {
    /// What.
    pub name: String,
    /// How it stands with it.
    pub standing: Standing,
    /// Whether jobs can be run without it.
    pub required: bool,
    /// What was found.
    pub found: String,
    /// What the gap costs.
    pub cost: Option<String>,
    /// What to do about it.
    pub remedy: Option<String>,
}

impl Check {
    /// As it should be.
    pub(super) fn good(name: impl Into<String>, found: String) -> Self {
        Self { name: name.into(), standing: Standing::Good, required: true, found, cost: None, remedy: None }
    }

    /// Less than it could be; jobs run all the same.
    pub(super) fn gap(name: impl Into<String>, found: String) -> Self {
        Self { standing: Standing::Gap, required: false, ..Self::good(name, found) }
    }

    /// Not there, and no job runs without it.
    pub(super) fn missing(name: impl Into<String>, found: String) -> Self {
        Self { standing: Standing::Missing, ..Self::good(name, found) }
    }

    /// With what it costs and what to do.
    pub(super) fn advised(mut self, advice: Advice) -> Self {
        (self.cost, self.remedy) = (Some(advice.cost.to_owned()), Some(advice.remedy.to_owned()));
        self
    }
}
