//! The name of a policy.

use std::fmt;

use serde::Serialize;

/// The name of a policy: a lower-case letter, then lower-case letters, digits and hyphens; at most 64.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct PolicyName(String);

/// A text is not the name of a policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is not a policy name")]
pub struct PolicyNameError;

impl PolicyName {
    /// Parses `text`.
    ///
    /// # Errors
    /// [`PolicyNameError`] if it has another form.
    pub fn new(text: &str) -> Result<Self, PolicyNameError> {
        let tail = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        let good =
            text.starts_with(|c: char| c.is_ascii_lowercase()) && text.len() <= 64 && text.bytes().all(tail);
        if good { Ok(Self(text.to_owned())) } else { Err(PolicyNameError) }
    }

    /// What a recording is on record as.
    pub(crate) fn recording() -> Self {
        Self("recording".to_owned())
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for PolicyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::borrow::Borrow<str> for PolicyName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_lower_case_words_with_hyphens() {
        for good in ["base", "script-standard", "a1"] {
            assert!(PolicyName::new(good).is_ok(), "{good}");
        }
        for bad in ["", "Base", "1a", "-a", "a_b", "a/b", "a b", "é", &"a".repeat(65)] {
            assert!(PolicyName::new(bad).is_err(), "{bad}");
        }
    }
}
