//! Bytes to values and back, within bounds.

use serde::Serialize;
use serde::de::DeserializeOwned;

/// The largest request or reply, bytes. A datagram of this size fits the kernel's default socket buffer
/// (`net.core.wmem_default`, 212992, of which each datagram's bookkeeping takes a part).
pub const FRAME_MAX: usize = 160 * 1024;
/// The largest report on the status pipe, bytes.
pub const STATUS_FRAME_MAX: usize = 96 * 1024;

/// Why a value could not be encoded or decoded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CodecError {
    /// More bytes than a frame may have.
    #[error("a frame of {len} bytes, at most {max} are allowed")]
    TooLarge {
        /// How many there were.
        len: usize,
        /// How many there may be.
        max: usize,
    },
    /// Bytes were left over after a whole value.
    #[error("{0} bytes after the end of the frame")]
    Trailing(usize),
    /// The bytes are not such a value, or a part of it is out of bounds.
    #[error("malformed frame: {0}")]
    Malformed(String),
}

/// The bytes of `value`: postcard's wire format, which has one encoding per value.
///
/// # Errors
/// [`CodecError::TooLarge`] above [`FRAME_MAX`].
pub fn encode<T: Serialize>(value: &T) -> Result<Vec<u8>, CodecError> {
    let bytes = postcard::to_stdvec(value).map_err(|error| CodecError::Malformed(error.to_string()))?;
    within(bytes.len())?;
    Ok(bytes)
}

/// The value of exactly these bytes.
///
/// # Errors
/// [`CodecError`] if they are too many, malformed, out of bounds, or not used up.
pub fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, CodecError> {
    within(bytes.len())?;
    let (value, rest) =
        postcard::take_from_bytes(bytes).map_err(|error| CodecError::Malformed(error.to_string()))?;
    match rest.len() {
        0 => Ok(value),
        left => Err(CodecError::Trailing(left)),
    }
}

fn within(len: usize) -> Result<(), CodecError> {
    if len > FRAME_MAX { Err(CodecError::TooLarge { len, max: FRAME_MAX }) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_encoded_decodes_and_nothing_else_does() {
        let bytes = encode(&(7_u32, "job".to_owned())).unwrap();
        assert_eq!(decode::<(u32, String)>(&bytes).unwrap(), (7, "job".to_owned()));
        let mut longer = bytes.clone();
        longer.push(0);
        assert_eq!(decode::<(u32, String)>(&longer), Err(CodecError::Trailing(1)));
        assert!(decode::<(u32, String)>(&bytes[..bytes.len() - 1]).is_err());
    }

    #[test]
    fn a_frame_above_the_bound_is_refused_both_ways() {
        assert!(matches!(encode(&vec![0_u8; FRAME_MAX + 1]), Err(CodecError::TooLarge { .. })));
        assert!(matches!(decode::<Vec<u8>>(&vec![0; FRAME_MAX + 1]), Err(CodecError::TooLarge { .. })));
    }
}
