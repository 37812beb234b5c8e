//! Files of `/proc`.

use std::fs::File;
use std::io::{self, Read};

/// Longer than nearly all.
const USUAL_BYTES: usize = 2048;

/// The text of a file below `/proc`. It says its size is zero, so a reader that goes by that begins with a few bytes and
/// reads ten times as often.
///
/// # Errors
/// What opening or reading it answers; `InvalidData` if it is not UTF-8.
pub fn proc_text(path: &str) -> io::Result<String> {
    let mut text = String::with_capacity(USUAL_BYTES);
    File::open(path)?.read_to_string(&mut text)?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_whole_text_is_read_however_long_it_is() {
        assert!(proc_text("/proc/self/status").unwrap().contains("\nCapEff:"));
        let long = proc_text("/proc/kallsyms").unwrap();
        assert!(long.len() > 100 * USUAL_BYTES && long.ends_with('\n'));
        assert_eq!(proc_text("/proc/none").unwrap_err().kind(), io::ErrorKind::NotFound);
    }
}
