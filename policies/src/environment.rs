//! Where jobs run, and the ceiling over what any policy may grant there.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::sync::OnceLock;

use serde::Serialize;

use crate::diagnostic::Diagnostics;
use crate::effective::{Layer, Origin, Rights};
use crate::policy::{self, LayerName, LimitKey, Stated, SyscallClause};
use crate::yaml::{Fields, Node, Reader, Source, Spanned, parse};

/// Where jobs run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Environment {
    /// A layer that the host lacks may be missing, and is shown as degraded.
    Development,
    /// Everything is enforced; limits are those of a shared test machine.
    Staging,
    /// Everything is enforced.
    Production,
}

impl Environment {
    /// Every environment.
    pub const ALL: [Self; 3] = [Self::Development, Self::Staging, Self::Production];

    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Development => "development",
            Self::Staging => "staging",
            Self::Production => "production",
        }
    }

    pub(crate) const fn may_degrade(self) -> bool {
        matches!(self, Self::Development)
    }

    const fn text(self) -> &'static str {
        match self {
            Self::Development => include_str!("../environments/development.yaml"),
            Self::Staging => include_str!("../environments/staging.yaml"),
            Self::Production => include_str!("../environments/production.yaml"),
        }
    }

    /// What no policy exceeds here.
    pub(crate) fn ceiling(self) -> Result<&'static Ceiling, Diagnostics> {
        static CEILINGS: [OnceLock<Result<Ceiling, Diagnostics>>; 3] = [const { OnceLock::new() }; 3];
        let [development, staging, production] = &CEILINGS;
        let known = match self {
            Self::Development => development,
            Self::Staging => staging,
            Self::Production => production,
        };
        known.get_or_init(|| self.read_ceiling()).as_ref().map_err(Clone::clone)
    }

    fn read_ceiling(self) -> Result<Ceiling, Diagnostics> {
        let source = Source::new(format!("environments/{self}.yaml"), self.text());
        parse(&source, |reader, root| Ceiling::decode(reader, root, self)).map(|(ceiling, _)| ceiling)
    }
}

impl fmt::Display for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A text names no environment.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not an environment; expected `development`, `staging` or `production`")]
pub struct UnknownEnvironment(String);

impl FromStr for Environment {
    type Err = UnknownEnvironment;

    fn from_str(text: &str) -> Result<Self, UnknownEnvironment> {
        Self::ALL
            .into_iter()
            .find(|environment| environment.name() == text)
            .ok_or_else(|| UnknownEnvironment(text.to_owned()))
    }
}

/// The most that any policy grants in an environment. Policies are shared between environments, so what exceeds
/// it is lowered, with the environment as its origin, rather than refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ceiling {
    environment: Environment,
    limits: BTreeMap<LimitKey, Spanned<u64>>,
    syscalls: Option<SyscallClause>,
    require: Stated<LayerName>,
}

impl Ceiling {
    fn decode(reader: &Reader, root: &Node, environment: Environment) -> Option<Self> {
        let mut fields = Fields::of(reader, root, "an environment")?;
        let words = Environment::ALL.map(|environment| (environment.name(), environment));
        let named =
            fields.required("environment").and_then(|node| reader.word(node, "an environment", &words));
        let described = fields.required("description").and_then(|node| reader.prose(node, "a description"));
        let limits = fields.optional("resource_limits").map(|node| policy::limits(reader, node));
        let syscalls = fields.optional("syscalls").and_then(|node| policy::syscalls(reader, node));
        let require = fields.optional("require").and_then(|node| policy::require(reader, node));
        fields.finish();
        described?;
        (named? == environment).then(|| Self {
            environment,
            limits: limits.unwrap_or_default(),
            syscalls,
            require,
        })
    }

    /// `granted`, no higher than this.
    pub(crate) fn over(&self, granted: &Rights) -> Rights {
        let mut rights = granted.clone();
        self.cap(&mut rights);
        rights
    }

    fn cap(&self, rights: &mut Rights) {
        let layer = Layer::Environment(self.environment);
        for (key, most) in &self.limits {
            rights.cap(*key, most.value, &Origin::new(&layer, &most.at));
        }
        if let Some(most) = &self.syscalls {
            rights.syscalls = Some(rights.calls().under(most, &layer));
        }
        for required in self.require.iter().flatten() {
            let origin = || Origin::new(&layer, &required.at);
            rights.require.entry(required.value).or_insert_with(origin);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_environment_has_a_ceiling_that_parses() {
        for environment in Environment::ALL {
            assert!(environment.ceiling().is_ok(), "{environment}");
            assert_eq!(environment.name().parse(), Ok(environment));
        }
    }

    #[test]
    fn where_strangers_jobs_run_every_layer_is_required() {
        for environment in [Environment::Staging, Environment::Production] {
            let required = environment.ceiling().unwrap().require.iter().flatten();
            let names: std::collections::BTreeSet<&str> = required.map(|layer| layer.value.name()).collect();
            assert_eq!(names, policy::LAYERS.into_iter().collect(), "{environment}");
        }
        assert_eq!(Environment::Development.ceiling().unwrap().require, None);
    }

    #[test]
    fn a_ceiling_lowers_what_exceeds_it_and_says_so() {
        let mut rights = Rights::default();
        rights.close();
        rights.cap(LimitKey::MemoryMb, 64, &Origin::DEFAULT);
        let before = rights.limit(LimitKey::MemoryMb);
        Environment::Production.ceiling().unwrap().cap(&mut rights);
        assert_eq!(rights.limit(LimitKey::MemoryMb), before);
        rights.limits.entry(LimitKey::MemoryMb).and_modify(|memory| memory.value = 1024 * 1024);
        Environment::Production.ceiling().unwrap().cap(&mut rights);
        let memory = &rights.limits[&LimitKey::MemoryMb];
        assert!(memory.value < 1024 * 1024);
        assert!(memory.origin.to_string().starts_with("environment `production` ("));
    }
}
