//! A text and the places in it.

use std::fs::{File, OpenOptions};
use std::io::Read;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::sync::Arc;

use stockade_plan::Digest;

use super::tree::visible;
use crate::diagnostic::{Diagnostic, Severity};

/// The largest file that is read, bytes.
pub(crate) const FILE_MAX: u64 = 1024 * 1024;

/// A file's name and text.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Source {
    pub(crate) name: String,
    pub(crate) text: String,
    /// Where each line begins, so that a text with many findings is not gone through for each.
    lines: Vec<usize>,
}

impl Source {
    pub(crate) fn new(name: impl Into<String>, text: impl Into<String>) -> Arc<Self> {
        let text = text.into();
        let lines = [0].into_iter().chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect();
        Arc::new(Self { name: name.into(), text, lines })
    }

    /// Reads a file that decides what jobs may do: nobody but its owner may write it.
    pub(crate) fn read_trusted(path: &Path) -> Result<Arc<Self>, Diagnostic> {
        match Self::read(path)? {
            (_, Some(writable)) => Err(writable),
            (source, None) => Ok(source),
        }
    }

    /// Reads a file, with a finding if others can write it. What is no small regular file in UTF-8 is refused
    /// before a byte of it is parsed.
    pub(crate) fn read(path: &Path) -> Result<(Arc<Self>, Option<Diagnostic>), Diagnostic> {
        let name = path.display().to_string();
        let refuse = |message: String| Diagnostic::about_file("unreadable-file", &name, message);
        let file = open(path).map_err(|error| refuse(why_unopened(&name, &error)))?;
        let metadata = file.metadata().map_err(|error| refuse(format!("cannot stat `{name}`: {error}")))?;
        if !metadata.is_file() {
            return Err(refuse(format!("`{name}` is not a regular file")));
        }
        let bytes = read_bounded(file).map_err(|error| refuse(format!("cannot read `{name}`: {error}")))?;
        if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > FILE_MAX {
            let message = format!("`{name}` is larger than {FILE_MAX} bytes");
            return Err(Diagnostic::about_file("too-large", &name, message));
        }
        let source = Self::new(name.clone(), decode(&name, bytes)?);
        Ok((source, writable_by_others(&name, metadata.mode())))
    }

    pub(crate) fn digest(&self) -> Digest {
        Digest::of(self.text.as_bytes())
    }

    /// The line of that number (from 1), without what would move a cursor.
    fn line(&self, number: u32) -> String {
        let index = usize::try_from(number.saturating_sub(1)).unwrap_or(usize::MAX);
        let rest = self.lines.get(index).and_then(|start| self.text.get(*start..)).unwrap_or("");
        let line = rest.split('\n').next().unwrap_or("");
        line.trim_end_matches('\r').chars().map(visible).collect()
    }
}

/// A symbolic link is refused: its target can change between review and use. `O_NONBLOCK` keeps a FIFO from
/// holding us; open(2).
fn open(path: &Path) -> std::io::Result<File> {
    OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK | libc::O_CLOEXEC)
        .open(path)
}

fn writable_by_others(name: &str, mode: u32) -> Option<Diagnostic> {
    (mode & 0o022 != 0).then(|| {
        let message = format!("`{name}` can be written by others (mode {:04o})", mode & 0o7777);
        let help = format!("it decides what jobs may do; run `chmod go-w {name}`");
        Diagnostic::about_file("writable-by-others", name, message).help(help)
    })
}

fn why_unopened(name: &str, error: &std::io::Error) -> String {
    if error.raw_os_error() == Some(libc::ELOOP) {
        format!("`{name}` is a symbolic link; name the file itself")
    } else {
        format!("cannot open `{name}`: {error}")
    }
}

fn read_bounded(file: File) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.take(FILE_MAX + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn decode(name: &str, bytes: Vec<u8>) -> Result<String, Diagnostic> {
    String::from_utf8(bytes).map_err(|error| {
        let good = error.utf8_error().valid_up_to();
        let before = String::from_utf8_lossy(error.as_bytes().get(..good).unwrap_or_default()).into_owned();
        let source = Source::new(name, before);
        let last = source.text.rsplit('\n').next().unwrap_or("");
        let place =
            Span::point(count(source.text.matches('\n').count()) + 1, count(last.chars().count()) + 1);
        At { source: Arc::clone(&source), span: place }.error("not-utf8", "a byte here is not UTF-8")
    })
}

/// A number of lines or characters of a text that is at most [`FILE_MAX`] bytes long.
pub(crate) fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

/// A range of a text: lines and columns from 1, columns in characters, the end exclusive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Span {
    pub(crate) line: u32,
    pub(crate) column: u32,
    pub(crate) end_line: u32,
    pub(crate) end_column: u32,
}

impl Span {
    pub(crate) fn point(line: u32, column: u32) -> Self {
        Self { line, column, end_line: line, end_column: column + 1 }
    }
}

/// A place in a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct At {
    pub(crate) source: Arc<Source>,
    pub(crate) span: Span,
}

impl At {
    /// A finding here that refuses the text.
    pub(crate) fn error(&self, code: &'static str, message: impl Into<String>) -> Diagnostic {
        let text = self.source.line(self.span.line);
        let end_of_line = count(text.trim_end().chars().count()) + 1;
        let end_column = match self.span.end_line == self.span.line {
            true => self.span.end_column,
            false => end_of_line,
        };
        Diagnostic {
            severity: Severity::Error,
            code,
            file: self.source.name.as_str().into(),
            line: self.span.line,
            column: self.span.column,
            end_column: end_column.clamp(self.span.column + 1, end_of_line.max(self.span.column + 1)),
            message: message.into(),
            help: None,
            text: text.into(),
        }
    }
}
