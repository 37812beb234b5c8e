//! Who said so.

use std::fmt;

use crate::environment::Environment;
use crate::policy::PolicyName;
use crate::yaml::At;

/// A layer of the composition, from the outermost inwards.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Layer {
    /// Nobody said anything.
    Default,
    /// A policy of the library.
    Policy(PolicyName),
    /// The ceiling of the environment.
    Environment(Environment),
    /// A service of the registry.
    Service(String),
    /// An operation of a service.
    Operation(String),
    /// The job itself.
    Job,
}

impl fmt::Display for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("the built-in default"),
            Self::Policy(name) => write!(f, "policy `{name}`"),
            Self::Environment(environment) => write!(f, "environment `{environment}`"),
            Self::Service(name) => write!(f, "service `{name}`"),
            Self::Operation(name) => write!(f, "operation `{name}`"),
            Self::Job => f.write_str("the job"),
        }
    }
}

/// The layer that decided a value, and the place in its text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Origin {
    pub(crate) layer: Layer,
    pub(crate) at: Option<At>,
}

impl Origin {
    pub(crate) const DEFAULT: Self = Self { layer: Layer::Default, at: None };

    pub(crate) fn new(layer: &Layer, at: &At) -> Self {
        Self { layer: layer.clone(), at: Some(at.clone()) }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.at {
            Some(at) => {
                write!(f, "{} ({}:{}:{})", self.layer, at.source.name, at.span.line, at.span.column)
            }
            None => write!(f, "{}", self.layer),
        }
    }
}
