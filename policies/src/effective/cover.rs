//! What it means for one element of a set of rights to be within another.

use std::fmt::Display;

use stockade_plan::{AbsPath, EnvName};

use crate::policy::{
    AddressRange, FunctionArn, HeaderName, HostPattern, Image, Method, OutputName, PathPrefix, ReadPath,
    SecretRef, Setting,
};

/// An element of a set of rights.
pub(crate) trait Right: Ord + Clone + Display {
    /// Whether who has this has `asked` too.
    fn covers(&self, asked: &Self) -> bool {
        self == asked
    }

    /// What this gives to who asks for it and has `granting`, all of which cover it.
    fn narrowed(&self, _granting: &[&Self]) -> Self {
        self.clone()
    }

    /// As an explanation shows it.
    fn line(&self) -> String {
        self.to_string()
    }
}

impl Right for AbsPath {}
impl Right for EnvName {}
impl Right for Setting {}
impl Right for Image {}
impl Right for FunctionArn {}
impl Right for Method {}
impl Right for HeaderName {}
impl Right for SecretRef {}

impl Right for ReadPath {
    fn covers(&self, asked: &Self) -> bool {
        asked.path.is_beneath(&self.path)
    }

    /// The nearest path above it counts: one that names it outright has said where it may lead.
    fn narrowed(&self, granting: &[&Self]) -> Self {
        let Some(nearest) = granting.iter().max_by_key(|path| path.path.as_str().len()) else {
            return self.clone();
        };
        let mut within = nearest.within.clone();
        if nearest.path != self.path {
            within.push(nearest.path.clone());
        }
        Self { within, ..self.clone() }
    }

    fn line(&self) -> String {
        if self.optional { format!("{self} (if present)") } else { self.to_string() }
    }
}

impl Right for OutputName {
    fn covers(&self, asked: &Self) -> bool {
        *self == Self::Any || self == asked
    }
}

impl Right for HostPattern {
    fn covers(&self, asked: &Self) -> bool {
        Self::covers(self, asked)
    }
}

impl Right for AddressRange {
    fn covers(&self, asked: &Self) -> bool {
        Self::covers(self, asked)
    }
}

impl Right for PathPrefix {
    fn covers(&self, asked: &Self) -> bool {
        Self::covers(self, asked)
    }
}
