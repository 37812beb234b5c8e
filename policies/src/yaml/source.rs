//! A text and the places in it.

use std::fs::{File, OpenOptions};
use std::io::Read;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;

use stockade_plan::Digest;

use super::tree::visible;
use super::trust::Trust;
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

    /// Reads a file that decides what jobs may do, if nobody has a say in it whom `trust` does not name. Nothing is
    /// read of another.
    pub(crate) fn read_trusted(path: &Path, trust: &Trust) -> Result<Arc<Self>, Diagnostic> {
        let (file, doubts) = Self::open(path, trust)?;
        match doubts.into_iter().next().filter(|_| !trust.is_comparison()) {
            Some(doubt) => Err(doubt),
            None => Self::read_opened(path, file),
        }
    }

    /// Reads a file, with a finding for each reason not to trust it.
    pub(crate) fn read(path: &Path, trust: &Trust) -> Result<(Arc<Self>, Vec<Diagnostic>), Diagnostic> {
        let (file, doubts) = Self::open(path, trust)?;
        Ok((Self::read_opened(path, file)?, doubts))
    }

    /// Opens a regular file, and says what speaks against trusting it.
    fn open(path: &Path, trust: &Trust) -> Result<(File, Vec<Diagnostic>), Diagnostic> {
        let name = path.display().to_string();
        let refuse = |message: String| Diagnostic::about_file("unreadable-file", &name, message);
        let (file, link) = open(path).map_err(|error| refuse(format!("cannot open `{name}`: {error}")))?;
        let metadata = file.metadata().map_err(|error| refuse(format!("cannot stat `{name}`: {error}")))?;
        if !metadata.is_file() {
            return Err(refuse(format!("`{name}` is not a regular file")));
        }
        let link = link.then(|| symbolic_link(&name));
        Ok((file, link.into_iter().chain(trust.doubts(&name, &metadata)).collect()))
    }

    /// What is too large, or not in UTF-8, is refused before a byte of it is parsed.
    fn read_opened(path: &Path, file: File) -> Result<Arc<Self>, Diagnostic> {
        let name = path.display().to_string();
        let unreadable = |error| {
            Diagnostic::about_file("unreadable-file", &name, format!("cannot read `{name}`: {error}"))
        };
        let bytes = read_bounded(file).map_err(unreadable)?;
        if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > FILE_MAX {
            let message = format!("`{name}` is larger than {FILE_MAX} bytes");
            let help = "a policy or registry is a text that people review; is this one?";
            return Err(Diagnostic::about_file("too-large", &name, message).help(help));
        }
        let text = decode(&name, bytes)?;
        Ok(Self::new(name, text))
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

/// Opens a file, and says whether its name is a symbolic link. `O_NONBLOCK` keeps a FIFO from holding us; open(2).
fn open(path: &Path) -> std::io::Result<(File, bool)> {
    let open = |flags| OpenOptions::new().read(true).custom_flags(flags).open(path);
    let flags = libc::O_NONBLOCK | libc::O_CLOEXEC;
    match open(flags | libc::O_NOFOLLOW) {
        Err(error) if error.raw_os_error() == Some(libc::ELOOP) => Ok((open(flags)?, true)),
        opened => Ok((opened?, false)),
    }
}

/// Its target can change between review and use.
fn symbolic_link(name: &str) -> Diagnostic {
    let message = format!("`{name}` is a symbolic link, and what it leads to can change after review");
    Diagnostic::about_file("symbolic-link", name, message).help("name the file itself")
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
