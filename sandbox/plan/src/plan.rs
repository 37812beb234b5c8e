//! The plan itself.

use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::{CodecError, Confinement, Task, encode};

/// The version of this format; supervisor and launcher must agree on it.
pub const PLAN_VERSION: u16 = 5;

/// A policy compiled for one job on one host: pure, bounded data.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Plan {
    /// [`PLAN_VERSION`].
    pub version: u16,
    /// What the job runs in: the same for every job under a policy.
    pub confinement: Confinement,
    /// What is run in it.
    pub task: Task,
}

impl Plan {
    /// SHA-256 over the encoded plan: what the record names.
    ///
    /// # Errors
    /// [`CodecError`] if the plan is larger than a frame may be.
    pub fn digest(&self) -> Result<Digest, CodecError> {
        Ok(Digest(Sha256::digest(encode(self)?).into()))
    }
}

/// A SHA-256 digest; shown and stored in lower-case hexadecimal.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest(pub [u8; 32]);

impl Digest {
    /// The digest of `bytes`.
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Digest({self})")
    }
}

impl Serialize for Digest {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_is_shown_as_sha256sum_shows_it() {
        assert_eq!(
            Digest::of(b"").to_string(),
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
        );
    }
}
