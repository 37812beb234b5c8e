//! The one place that writes to standard output and standard error for people and programs.
//!
//! Whatever may hold a stranger's text goes through [`visible`] on its way to a terminal; JSON is escaped by its own
//! rules. A reader that has gone away (`stockade jobs list | head -1`) is no error.

use std::io::{self, Write};

use serde::Serialize;

use crate::text::visible;

/// Prints one line.
///
/// # Errors
/// If standard output cannot be written to for another reason than that nobody reads it.
pub fn line(text: &str) -> io::Result<()> {
    unless_closed(writeln!(io::stdout().lock(), "{}", visible(text)))
}

/// Prints several lines that we made ourselves; each is made visible by itself.
///
/// # Errors
/// As [`line()`].
pub fn lines(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    text.lines().try_for_each(|text| unless_closed(writeln!(out, "{}", visible(text))))
}

/// Prints one value as JSON on one line.
///
/// # Errors
/// As [`line()`].
pub fn json<T: Serialize>(value: &T) -> io::Result<()> {
    let text = serde_json::to_string(value).map_err(io::Error::other)?;
    unless_closed(writeln!(io::stdout().lock(), "{text}"))
}

/// Tells the person at the terminal what went wrong. There is nobody left to tell if that fails.
pub fn complain(text: &str) {
    let mut err = io::stderr().lock();
    for (index, text) in text.lines().enumerate() {
        let _ = writeln!(err, "{}{}", if index == 0 { "stockade: " } else { "" }, visible(text));
    }
}

/// Prints rows in columns under a heading; the widths follow the widest cell.
///
/// # Errors
/// As [`line()`].
pub fn table<const COLUMNS: usize>(heading: [&str; COLUMNS], rows: &[[String; COLUMNS]]) -> io::Result<()> {
    let rows: Vec<[String; COLUMNS]> =
        rows.iter().map(|row| row.each_ref().map(|cell| visible(cell).into_owned())).collect();
    let mut widths = heading.map(width);
    for row in &rows {
        for (widest, cell) in widths.iter_mut().zip(row) {
            *widest = (*widest).max(width(cell));
        }
    }
    let mut out = io::stdout().lock();
    let mut print = |cells: [&str; COLUMNS]| unless_closed(writeln!(out, "{}", aligned(cells, widths)));
    print(heading)?;
    rows.iter().try_for_each(|row| print(row.each_ref().map(String::as_str)))
}

fn aligned<const COLUMNS: usize>(cells: [&str; COLUMNS], widths: [usize; COLUMNS]) -> String {
    let mut line = String::new();
    for (cell, widest) in cells.into_iter().zip(widths) {
        line.push_str(cell);
        line.extend(std::iter::repeat_n(' ', (widest + 2).saturating_sub(width(cell))));
    }
    line.truncate(line.trim_end().len());
    line
}

/// In characters: what we print is Latin for the most part, and nothing else hangs on the columns.
fn width(cell: &str) -> usize {
    cell.chars().count()
}

fn unless_closed(written: io::Result<()>) -> io::Result<()> {
    match written {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => written,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_whatever_is_in_them() {
        assert_eq!(aligned(["a", "b"], [3, 1]), "a    b");
        assert_eq!(aligned(["é", "b"], [3, 1]), "é    b");
        assert_eq!(aligned(["abc", ""], [3, 1]), "abc");
    }

    #[test]
    fn a_reader_that_went_away_is_no_error() {
        assert!(unless_closed(Err(io::ErrorKind::BrokenPipe.into())).is_ok());
        assert!(unless_closed(Err(io::ErrorKind::StorageFull.into())).is_err());
    }
}
