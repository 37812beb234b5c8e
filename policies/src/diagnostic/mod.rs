//! What is wrong with a text, where, and what to do about it.

mod render;
mod suggest;

use std::fmt;

use serde::Serialize;

pub(crate) use suggest::did_you_mean;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The text is refused.
    Error,
    /// The text is accepted; somebody should look at it.
    Warning,
}

/// One finding in one file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Diagnostic {
    /// How bad it is.
    pub severity: Severity,
    /// A stable name of this kind of finding, for machines.
    pub code: &'static str,
    /// The file, as the user named it.
    pub file: Box<str>,
    /// Its line, from 1; 0 where the finding is about the file as a whole.
    pub line: u32,
    /// The column of its first character, from 1, in characters.
    pub column: u32,
    /// The column after its last character on that line.
    pub end_column: u32,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
    /// The line itself, control characters replaced.
    pub text: Box<str>,
}

impl Diagnostic {
    /// A finding about a file as a whole.
    pub(crate) fn about_file(code: &'static str, file: &str, message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Error,
            code,
            file: file.into(),
            line: 0,
            column: 0,
            end_column: 0,
            message: message.into(),
            help: None,
            text: Box::default(),
        }
    }

    pub(crate) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Adds `help` if there is any.
    pub(crate) fn maybe_help(mut self, help: Option<String>) -> Self {
        self.help = help.or(self.help);
        self
    }

    pub(crate) fn warning(mut self) -> Self {
        self.severity = Severity::Warning;
        self
    }

    fn position(&self) -> (&str, u32, u32, &'static str, &str) {
        (&self.file, self.line, self.column, self.code, &self.message)
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        render::render(self, f)
    }
}

/// All findings, in the order of their places.
///
/// `Display` renders every one of them for people; `Serialize` gives a list for machines.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Diagnostics(Vec<Diagnostic>);

impl Diagnostics {
    /// Whether nothing was found.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Each of them.
    pub fn iter(&self) -> std::slice::Iter<'_, Diagnostic> {
        self.0.iter()
    }

    /// Those that refuse the text.
    pub fn errors(&self) -> impl Iterator<Item = &Diagnostic> {
        self.0.iter().filter(|found| found.severity == Severity::Error)
    }

    /// Whether the text is refused.
    pub fn has_errors(&self) -> bool {
        self.errors().next().is_some()
    }

    /// These findings and those.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        self.0.into_iter().chain(other.0).collect()
    }

    /// `value` if no finding refuses it; it comes with the warnings.
    pub(crate) fn unless_errors<T>(self, value: Option<T>) -> Result<(T, Self), Self> {
        match value {
            Some(value) if !self.has_errors() => Ok((value, self)),
            _ => Err(self),
        }
    }
}

impl FromIterator<Diagnostic> for Diagnostics {
    fn from_iter<I: IntoIterator<Item = Diagnostic>>(found: I) -> Self {
        let mut found: Vec<Diagnostic> = found.into_iter().collect();
        found.sort_by(|a, b| a.position().cmp(&b.position()));
        found.dedup();
        Self(found)
    }
}

impl From<Diagnostic> for Diagnostics {
    fn from(found: Diagnostic) -> Self {
        Self(vec![found])
    }
}

impl IntoIterator for Diagnostics {
    type Item = Diagnostic;
    type IntoIter = std::vec::IntoIter<Diagnostic>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl<'a> IntoIterator for &'a Diagnostics {
    type Item = &'a Diagnostic;
    type IntoIter = std::slice::Iter<'a, Diagnostic>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter()
    }
}

impl fmt::Display for Diagnostics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, found) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str("\n\n")?;
            }
            write!(f, "{found}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Diagnostics {}
