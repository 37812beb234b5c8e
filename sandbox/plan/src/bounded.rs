//! Lists that cannot be longer than they say, and numbers that lie between two others.

use std::fmt;

use serde::de::{Deserializer, Error};
use serde::{Deserialize, Serialize};

/// Decodes a number from `MIN` to `MAX`; any other is an error. For `#[serde(deserialize_with = …)]`.
pub(crate) fn between<'de, const MIN: u64, const MAX: u64, T, D>(deserializer: D) -> Result<T, D::Error>
where
    T: Deserialize<'de> + Copy + Into<u64>,
    D: Deserializer<'de>,
{
    let number = T::deserialize(deserializer)?;
    if (MIN..=MAX).contains(&number.into()) {
        Ok(number)
    } else {
        Err(D::Error::custom("a number out of bounds"))
    }
}

/// Like [`between`] for a number that need not be there.
pub(crate) fn between_if_any<'de, const MIN: u64, const MAX: u64, D>(
    deserializer: D,
) -> Result<Option<u64>, D::Error>
where
    D: Deserializer<'de>,
{
    let number = Option::<u64>::deserialize(deserializer)?;
    if number.is_none_or(|number| (MIN..=MAX).contains(&number)) {
        Ok(number)
    } else {
        Err(D::Error::custom("a number out of bounds"))
    }
}

/// A list of at most `MAX` elements; decoding a longer one fails.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "Vec<T>", into = "Vec<T>", bound(serialize = "T: Clone + Serialize"))]
pub struct List<T, const MAX: usize>(Vec<T>);

/// A list was longer than its type allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{len} elements where at most {max} are allowed")]
pub struct OutOfBounds {
    /// How many there were.
    pub len: usize,
    /// How many there may be.
    pub max: usize,
}

impl<T, const MAX: usize> List<T, MAX> {
    /// A list without elements.
    pub const fn empty() -> Self {
        Self(Vec::new())
    }

    /// The elements.
    pub fn as_slice(&self) -> &[T] {
        &self.0
    }

    /// The elements, by value.
    pub fn into_vec(self) -> Vec<T> {
        self.0
    }
}

impl<T, const MAX: usize> TryFrom<Vec<T>> for List<T, MAX> {
    type Error = OutOfBounds;

    fn try_from(elements: Vec<T>) -> Result<Self, OutOfBounds> {
        match elements.len() {
            len if len > MAX => Err(OutOfBounds { len, max: MAX }),
            _ => Ok(Self(elements)),
        }
    }
}

impl<T, const MAX: usize> From<List<T, MAX>> for Vec<T> {
    fn from(list: List<T, MAX>) -> Self {
        list.0
    }
}

impl<T, const MAX: usize> Default for List<T, MAX> {
    fn default() -> Self {
        Self::empty()
    }
}

impl<T, const MAX: usize> std::ops::Deref for List<T, MAX> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.0
    }
}

impl<'a, T, const MAX: usize> IntoIterator for &'a List<T, MAX> {
    type Item = &'a T;
    type IntoIter = std::slice::Iter<'a, T>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter()
    }
}

impl<T: fmt::Display, const MAX: usize> fmt::Display for List<T, MAX> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, element) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str(", ")?;
            }
            write!(f, "{element}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_holds_up_to_its_bound_and_not_one_more() {
        assert_eq!(List::<u8, 3>::try_from(vec![1, 2, 3]).unwrap().as_slice(), [1, 2, 3]);
        assert_eq!(List::<u8, 3>::try_from(vec![0; 4]), Err(OutOfBounds { len: 4, max: 3 }));
    }

    #[test]
    fn a_list_beyond_its_bound_does_not_decode() {
        let bytes = postcard::to_stdvec(&vec![0_u8; 4]).unwrap();
        assert!(postcard::from_bytes::<List<u8, 4>>(&bytes).is_ok());
        assert!(postcard::from_bytes::<List<u8, 3>>(&bytes).is_err());
    }

    #[test]
    fn a_limit_that_is_zero_or_absurd_does_not_decode() {
        use crate::{Limits, decode, encode};
        let good = Limits {
            memory_bytes: 64 << 20,
            pids: 16,
            cpu_quota_us: 100_000,
            cpu_time_ms: 1000,
            wall_time_ms: 1000,
            disk_bytes: 1 << 20,
            files: 16,
            disk_read_bytes_per_second: None,
            output_bytes: 1024,
        };
        let decodes = |limits: &Limits| decode::<Limits>(&encode(limits).unwrap()).is_ok();
        assert!(decodes(&good));
        assert!(!decodes(&Limits { pids: 0, ..good }) && !decodes(&Limits { pids: u32::MAX, ..good }));
        for absurd in [0, u64::MAX] {
            for bad in [
                Limits { memory_bytes: absurd, ..good },
                Limits { cpu_quota_us: absurd, ..good },
                Limits { cpu_time_ms: absurd, ..good },
                Limits { wall_time_ms: absurd, ..good },
                Limits { disk_bytes: absurd, ..good },
                Limits { files: absurd, ..good },
                Limits { disk_read_bytes_per_second: Some(absurd), ..good },
                Limits { output_bytes: absurd, ..good },
            ] {
                assert!(!decodes(&bad), "{bad:?}");
            }
        }
    }
}
