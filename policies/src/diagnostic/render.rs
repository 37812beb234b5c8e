//! A finding as people read it: the message, the place, the line with a caret underline, the help.

use std::fmt;

use super::{Diagnostic, Severity};

/// A longer line is shown around the finding only, characters.
const WIDTH_MAX: usize = 120;
/// How much of a long line is shown before the finding, characters.
const BEFORE: usize = 40;

pub(super) fn render(found: &Diagnostic, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let severity = match found.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    };
    write!(f, "{severity}[{}]: {}", found.code, found.message)?;
    match found.line {
        0 => write!(f, "\n --> {}", found.file)?,
        _ => excerpt(found, f)?,
    }
    match &found.help {
        Some(help) => write!(f, "\n  = help: {help}"),
        None => Ok(()),
    }
}

fn excerpt(found: &Diagnostic, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let number = found.line.to_string();
    let margin = " ".repeat(number.len());
    let (text, before, marked) = window(found);
    write!(f, "\n{margin}--> {}:{}:{}", found.file, found.line, found.column)?;
    write!(f, "\n{margin} |\n{number} | {text}\n{margin} | ")?;
    write!(f, "{}{}", " ".repeat(before), "^".repeat(marked))
}

/// The part of the line to show, how many characters of it lie before the finding, and how many are marked.
fn window(found: &Diagnostic) -> (String, usize, usize) {
    let start = index(found.column);
    let end = index(found.end_column).max(start + 1);
    let length = found.text.chars().count();
    if length <= WIDTH_MAX {
        return (found.text.to_string(), start, end - start);
    }
    let skip = start.saturating_sub(BEFORE);
    let shown: String = found.text.chars().skip(skip).take(WIDTH_MAX).collect();
    let lead = if skip > 0 { "…" } else { "" };
    let tail = if skip + WIDTH_MAX < length { "…" } else { "" };
    let marked = end.min(skip + WIDTH_MAX).saturating_sub(start).max(1);
    (format!("{lead}{shown}{tail}"), start - skip + lead.chars().count(), marked)
}

fn index(column: u32) -> usize {
    usize::try_from(column.saturating_sub(1)).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str, column: u32, end_column: u32) -> Diagnostic {
        Diagnostic {
            severity: Severity::Error,
            code: "unknown-key",
            file: "a.yaml".into(),
            line: 12,
            column,
            end_column,
            message: "`colour` is not a key here".to_owned(),
            help: Some("did you mean `color`?".to_owned()),
            text: text.into(),
        }
    }

    #[test]
    fn a_finding_shows_the_line_with_a_caret_under_the_place() {
        let expected = "error[unknown-key]: `colour` is not a key here\n  --> a.yaml:12:3\n   |\n12 |   colour: red\n   |   ^^^^^^\n  = help: did you mean `color`?";
        assert_eq!(found("  colour: red", 3, 9).to_string(), expected);
    }

    #[test]
    fn a_long_line_is_shown_around_the_finding_only() {
        let text = format!("{}colour{}", "a".repeat(300), "b".repeat(300));
        let shown = found(&text, 301, 307).to_string();
        let lines: Vec<&str> = shown.lines().collect();
        assert!(lines[3].chars().count() < 140, "{}", lines[3]);
        let caret = lines[4].chars().position(|c| c == '^').unwrap();
        assert_eq!(lines[3].chars().skip(caret).take(6).collect::<String>(), "colour");
    }
}
