//! The draft as text: one right a line, each with what asked for it.

use std::collections::BTreeSet;
use std::fmt::Display;
use std::fmt::Write as _;

use stockade_plan::{AbsPath, RelPath};

use super::calls::Needed;
use super::evidence::Evidence;
use super::files::Files;
use super::limits::limits;
use super::notes::Notes;
use super::programs::Programs;
use super::trace::shown;
use super::{Draft, Study};
use crate::policy::{self, OutputName, SyscallProfile};

/// As many outputs as a plan takes.
const OUTPUTS_MAX: usize = 64;

/// The text under construction.
struct Page(String);

/// What the text is made of.
pub(super) struct Parts {
    pub(super) programs: Programs,
    pub(super) files: Files,
    pub(super) calls: Needed,
    /// Paths that were read, and that the program did without.
    pub(super) left_out: Vec<(AbsPath, Evidence)>,
}

pub(super) fn render(study: &Study<'_>, parts: &Parts, notes: Notes) -> Draft {
    let Parts { programs, files, calls, left_out } = parts;
    let refused = notes.lines(study.trace);
    let mut page = Page(String::new());
    page.head(study);
    page.list("commands", 0, programs.lines());
    page.limits(study);
    if !(files.read.is_empty() && files.execute.is_empty() && files.write.is_empty()) {
        page.line(0, "filesystem:", "");
        page.list("read", 2, &files.read);
        page.list("execute", 2, &files.execute);
        page.list("write", 2, &files.write);
    }
    page.calls(calls);
    page.outputs(study);
    page.environment(study);
    if !left_out.is_empty() {
        page.line(0, "", "");
        page.comment(
            "Read in the recording, and not granted: without them the program did and printed the same.",
        );
        left_out.iter().for_each(|(path, why)| page.comment(&format!("  {path} ({why})")));
    }
    if !refused.is_empty() {
        page.line(0, "", "");
        page.comment("Tried in the recording, and not granted:");
        refused.iter().for_each(|line| page.comment(&format!("  {line}")));
    }
    let paths = files.read.keys().chain(files.execute.keys()).cloned().collect();
    Draft { text: page.0, refused, paths }
}

impl Page {
    /// A line with its comment. Whatever is in either, a line is one line.
    fn line(&mut self, indent: usize, text: &str, comment: &str) {
        let comment = shown(comment.as_bytes());
        let text = format!("{:indent$}{text}", "");
        // Writing to a string cannot fail.
        let _ = match comment.is_empty() {
            true => writeln!(self.0, "{}", text.trim_end()),
            false => writeln!(self.0, "{text:<44}  # {comment}"),
        };
    }

    fn comment(&mut self, text: &str) {
        let mut line = String::new();
        for c in text.chars() {
            match crate::yaml::is_steering(c) {
                true => line.extend(c.escape_unicode()),
                false => line.push(c),
            }
        }
        let _ = writeln!(self.0, "# {line}");
    }

    fn head(&mut self, study: &Study<'_>) {
        self.comment("A draft, learned from one run. It grants what that run used and no more: another input may need more,");
        self.comment(
            "and what the program should not have done stands here like what it should. Read every line.",
        );
        self.line(0, &format!("policy: {}", study.name), "");
        self.line(0, "version: 1", "");
        let description = format!("Learned from a run of {}.", shown(study.command.as_str().as_bytes()));
        self.line(0, &format!("description: {}", quoted(&description)), "");
    }

    fn list<'l, T: Display + 'l>(
        &mut self,
        key: &str,
        indent: usize,
        items: impl IntoIterator<Item = (&'l T, &'l Evidence)>,
    ) {
        let mut items = items.into_iter().peekable();
        if items.peek().is_some() {
            self.line(indent, &format!("{key}:"), "");
        }
        for (item, why) in items {
            self.line(indent + 2, &format!("- {}", quoted(&item.to_string())), &why.to_string());
        }
    }

    fn limits(&mut self, study: &Study<'_>) {
        self.line(0, "resource_limits:", "");
        let largest = study.trace.left().map(|(_, size)| size).max().unwrap_or(0);
        for limit in limits(&study.measured, study.trace.recorded(), largest) {
            self.line(2, &format!("{}: {}", limit.key, limit.key.show(limit.value)), &limit.why);
        }
    }

    fn calls(&mut self, calls: &Needed) {
        let why = match &calls.because {
            _ if calls.profile == SyscallProfile::Strict => "the smallest".to_owned(),
            Some((call, why)) => format!("for `{}` as it was called ({why})", call.name()),
            None => String::new(),
        };
        self.line(0, "syscalls:", "");
        self.line(2, &format!("profile: {}", calls.profile.name()), &why);
        self.list("add", 2, &calls.add);
        if !calls.remove.is_empty() {
            self.line(2, "remove:", "");
        }
        for (name, what) in &calls.remove {
            self.line(4, &format!("- {}", quoted(name)), &format!("never needed: {what}"));
        }
    }

    fn outputs(&mut self, study: &Study<'_>) {
        let inputs = |path: &RelPath| study.inputs.iter().any(|input| input == path.as_str());
        let left = study.trace.left().filter_map(|(path, _)| output_name(path));
        let left: BTreeSet<RelPath> = match study.outputs.is_empty() {
            true => left.filter(|path| !inputs(path)).collect(),
            false => study.outputs.iter().cloned().collect(),
        };
        let why = if study.outputs.is_empty() { "left there in the recording" } else { "as asked" };
        if !left.is_empty() {
            self.line(0, "outputs:", "");
        }
        for path in left.iter().take(OUTPUTS_MAX) {
            self.line(2, &format!("- {}", quoted(path.as_str())), why);
        }
    }

    fn environment(&mut self, study: &Study<'_>) {
        if !study.pass.is_empty() {
            self.line(0, "environment:", "");
            self.line(2, "pass:", "");
        }
        for name in study.pass.iter().collect::<BTreeSet<_>>() {
            self.line(4, &format!("- {}", quoted(name.as_str())), "as asked");
        }
    }
}

/// The name of a file in `/job` that a policy can state; `*` would say something else there.
pub(super) fn output_name(path: &[u8]) -> Option<RelPath> {
    match policy::output_name(str::from_utf8(path).ok()?) {
        Ok(OutputName::File(path)) if !path.as_str().chars().any(crate::yaml::is_steering) => Some(path),
        _ => None,
    }
}

/// A scalar that is read as this text and nothing else: as it is if it cannot be mistaken, else in double quotes.
fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '.' | '_' | '-' | '+');
    let is_path = text.starts_with('/') && text.chars().all(plain);
    let is_call = text.starts_with(|c: char| c.is_ascii_lowercase()) && crate::seccomp::named(text).is_ok();
    if is_path || is_call {
        return text.to_owned();
    }
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_be_mistaken_is_quoted() {
        assert_eq!(quoted("/usr/bin/c++"), "/usr/bin/c++");
        assert_eq!(quoted("mknod"), "mknod");
        assert_eq!(quoted("@memory-exec"), "\"@memory-exec\"");
        assert_eq!(quoted("/usr/share/a: \"b\" # \\c"), "\"/usr/share/a: \\\"b\\\" # \\\\c\"");
        for word in ["true", "null", "1e3", "~", "result.json"] {
            assert_eq!(quoted(word), format!("\"{word}\""));
        }
    }
}
