//! Text to tree, refusing every feature of YAML that lets a text mean something else than it seems to.

use std::collections::HashSet;
use std::sync::Arc;

use saphyr_parser::{Event, Marker, Parser, ScalarStyle};

use super::source::{At, Source, Span, count};
use super::tree::{Key, Node, Scalar, Value, is_invisible, shorten};
use crate::diagnostic::Diagnostic;

/// How deep lists and maps may nest.
const DEPTH_MAX: usize = 32;
/// How many values a file may have.
const NODES_MAX: usize = 100_000;

/// The one document of `source`, as far as it could be read, and what is wrong with it.
pub(crate) fn load(source: &Arc<Source>) -> (Option<Node>, Vec<Diagnostic>) {
    let found = bad_characters(source);
    if !found.is_empty() {
        return (None, found);
    }
    let mut loader =
        Loader { source, open: Vec::new(), root: None, is_withheld: false, nodes: 0, found: Vec::new() };
    let mut parser = Parser::new_from_str(&source.text);
    while let Some(next) = parser.next_event() {
        let step = match next {
            Ok((event, span)) => loader.take(event, Span::from(span)),
            Err(error) => {
                let at = loader.at(Span::from_marker(error.marker()));
                Err(at.error("yaml-syntax", plain(error.info())).maybe_help(meant(error.info())))
            }
        };
        if let Err(last) = step {
            loader.found.push(last);
            break;
        }
    }
    loader.finish()
}

/// The parser's own words, made one line in our style.
fn plain(info: &str) -> String {
    format!("this is not YAML: {}", shorten(info))
}

/// More findings in one file are not kept.
pub(super) const FOUND_MAX: usize = 500;

/// That there are more.
pub(super) fn too_many(file: &str) -> Diagnostic {
    let message = format!("more than {FOUND_MAX} errors; the rest of this file is not shown");
    Diagnostic::about_file("too-many-errors", file, message)
}

/// What people have mostly done where the parser says `info`.
fn meant(info: &str) -> Option<String> {
    let help = if info.contains("mapping values are not allowed") {
        "is this line indented further than the one above it? a text with `: ` in it needs quotes"
    } else if info.contains("illegal placement of ':'")
        || info.contains("',' or ']'")
        || info.contains("',' or '}'")
    {
        "is a `[` or `{` above not closed, or a comma missing?"
    } else if info.contains("did not find expected key") || info.contains("block mapping") {
        "the keys of a map begin in the same column"
    } else {
        return None;
    };
    Some(help.to_owned())
}

/// Characters that make a text read differently to a person and to a parser, the first of each line.
fn bad_characters(source: &Arc<Source>) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    for (line, text) in (1..).zip(source.text.split('\n')) {
        let text = text.strip_suffix('\r').unwrap_or(text);
        let bad = (1..).zip(text.chars()).find_map(|(column, c)| Some((column, c, name_bad(c)?)));
        let Some((column, c, what)) = bad else { continue };
        if found.len() >= FOUND_MAX {
            found.push(too_many(&source.name));
            break;
        }
        let at = At { source: Arc::clone(source), span: Span::point(line, column) };
        let help = match c {
            '\t' => "indent with spaces",
            '\u{feff}' => "save the file as UTF-8 without it",
            '\r' => "end lines with a line feed",
            _ => "delete it",
        };
        found.push(at.error("bad-character", format!("{what} is not allowed")).help(help));
    }
    found
}

fn name_bad(c: char) -> Option<String> {
    match c {
        '\n' => None,
        '\t' => Some("a tab".to_owned()),
        '\0' => Some("a NUL".to_owned()),
        '\u{feff}' => Some("a byte order mark".to_owned()),
        c if is_invisible(c) => Some(format!("the invisible character U+{:04X}", u32::from(c))),
        c if c.is_control() => Some(format!("the control character U+{:04X}", u32::from(c))),
        _ => None,
    }
}

impl Span {
    fn from_marker(marker: &Marker) -> Self {
        Self::point(count(marker.line()), count(marker.col()) + 1)
    }
}

impl From<saphyr_parser::Span> for Span {
    fn from(span: saphyr_parser::Span) -> Self {
        Self {
            line: count(span.start.line()),
            column: count(span.start.col()) + 1,
            end_line: count(span.end.line()),
            end_column: count(span.end.col()) + 1,
        }
    }
}

/// A list or map that has begun and not ended.
struct Open {
    value: Value,
    span: Span,
    /// A map's key that waits for its value.
    key: Option<Key>,
    seen: HashSet<String>,
}

struct Loader<'a> {
    source: &'a Arc<Source>,
    open: Vec<Open>,
    root: Option<Node>,
    /// Something in the tree stands in for what is not taken: it would be found wrong once more.
    is_withheld: bool,
    nodes: usize,
    /// What does not stop the loading: duplicates, tags, anchors, aliases, merge keys.
    found: Vec<Diagnostic>,
}

impl Loader<'_> {
    fn at(&self, span: Span) -> At {
        At { source: Arc::clone(self.source), span }
    }

    /// Takes one event; an error ends the loading.
    fn take(&mut self, event: Event<'_>, span: Span) -> Result<(), Diagnostic> {
        if self.found.len() >= FOUND_MAX {
            return Err(too_many(&self.source.name));
        }
        match event {
            Event::DocumentStart(_) if self.root.is_some() => {
                Err(self.at(span).error("yaml-feature", "a second document; a file holds one"))
            }
            Event::Nothing
            | Event::StreamStart
            | Event::StreamEnd
            | Event::DocumentStart(_)
            | Event::DocumentEnd => Ok(()),
            Event::Alias(_) => {
                self.withhold(span, "an alias; write the value out where it is used");
                self.stand_in(span)
            }
            Event::Scalar(text, style, anchor, tag) => {
                self.refuse_properties(anchor, tag.is_some(), span);
                let plain = style == ScalarStyle::Plain;
                self.scalar(Scalar { text: text.into_owned(), plain }, span)
            }
            Event::SequenceStart(anchor, tag) => {
                self.refuse_properties(anchor, tag.is_some(), span);
                self.begin(Value::List(Vec::new()), span)
            }
            Event::MappingStart(anchor, tag) => {
                self.refuse_properties(anchor, tag.is_some(), span);
                self.begin(Value::Map(Vec::new()), span)
            }
            Event::SequenceEnd | Event::MappingEnd => self.end(span),
        }
    }

    /// Reports a feature that is not taken, once for all that follow in the line, and looks on for more.
    fn withhold(&mut self, span: Span, what: &str) {
        let is_again = |last: &Diagnostic| last.line == span.line && last.message == what;
        if !self.found.last().is_some_and(is_again) {
            self.found.push(self.at(span).error("yaml-feature", what));
        }
        self.is_withheld = true;
    }

    /// Puts nothing where a key or value would be.
    fn stand_in(&mut self, span: Span) -> Result<(), Diagnostic> {
        self.counted(span)?;
        let wants_key = self.wants_key();
        match self.open.last_mut() {
            Some(open) if wants_key => {
                open.key = Some(Key { text: String::new(), span });
                Ok(())
            }
            _ => self.place(Node { value: Value::Scalar(Scalar { text: String::new(), plain: true }), span }),
        }
    }

    fn refuse_properties(&mut self, anchor: usize, tagged: bool, span: Span) {
        if anchor != 0 {
            self.found
                .push(self.at(span).error("yaml-feature", "an anchor; write the value out where it is used"));
        }
        if tagged {
            self.found.push(
                self.at(span).error("yaml-feature", "a tag; types are decided by the key, not by the value"),
            );
        }
    }

    fn counted(&mut self, span: Span) -> Result<(), Diagnostic> {
        self.nodes += 1;
        if self.nodes > NODES_MAX {
            return Err(self
                .at(span)
                .error("too-large", format!("more than {NODES_MAX} values in one file")));
        }
        Ok(())
    }

    fn scalar(&mut self, scalar: Scalar, span: Span) -> Result<(), Diagnostic> {
        self.counted(span)?;
        if scalar.text.contains('\0') {
            return Err(self.at(span).error("bad-character", "a NUL is not allowed"));
        }
        // Written as an escape, which the check of the text as a whole does not see.
        if let Some(what) = scalar.text.chars().find(|c| is_invisible(*c)).and_then(name_bad) {
            self.found.push(self.at(span).error("bad-character", format!("{what} is not allowed")));
        }
        if self.wants_key() {
            self.key(scalar, span)
        } else {
            self.place(Node { value: Value::Scalar(scalar), span })
        }
    }

    fn wants_key(&self) -> bool {
        self.open.last().is_some_and(|open| matches!(open.value, Value::Map(_)) && open.key.is_none())
    }

    fn key(&mut self, scalar: Scalar, span: Span) -> Result<(), Diagnostic> {
        let at = self.at(span);
        if scalar.plain && scalar.text == "<<" {
            self.withhold(span, "a merge key; write the keys out");
            return self.stand_in(span);
        }
        if scalar.plain && scalar.text.is_empty() {
            return Err(at.error("yaml-feature", "an entry without a key"));
        }
        let Some(open) = self.open.last_mut() else { return Ok(()) };
        if !open.seen.insert(scalar.text.clone()) {
            let message = format!("`{}` is given twice", shorten(&scalar.text));
            self.found.push(at.error("duplicate-key", message).help("keep one of the two"));
        }
        open.key = Some(Key { text: scalar.text, span });
        Ok(())
    }

    fn begin(&mut self, value: Value, span: Span) -> Result<(), Diagnostic> {
        self.counted(span)?;
        if self.wants_key() {
            return Err(self.at(span).error("yaml-feature", "a list or map as a key; keys are texts"));
        }
        if self.open.len() >= DEPTH_MAX {
            return Err(self
                .at(span)
                .error("too-deep", format!("lists and maps nest more than {DEPTH_MAX} deep")));
        }
        self.open.push(Open { value, span, key: None, seen: HashSet::new() });
        Ok(())
    }

    fn end(&mut self, span: Span) -> Result<(), Diagnostic> {
        let Some(open) = self.open.pop() else { return Ok(()) };
        let span = Span { end_line: span.end_line, end_column: span.end_column, ..open.span };
        self.place(Node { value: open.value, span })
    }

    fn place(&mut self, node: Node) -> Result<(), Diagnostic> {
        let Some(open) = self.open.last_mut() else {
            self.root = Some(node);
            return Ok(());
        };
        match (&mut open.value, open.key.take()) {
            (Value::List(items), _) => items.push(node),
            (Value::Map(entries), Some(key)) => entries.push((key, node)),
            (Value::Map(_) | Value::Scalar(_), _) => {}
        }
        Ok(())
    }

    fn finish(mut self) -> (Option<Node>, Vec<Diagnostic>) {
        if self.root.is_none() && self.found.is_empty() {
            let help = "a policy says `policy: NAME`, a registry has `services:`";
            let file = &self.source.name;
            self.found.push(Diagnostic::about_file("empty-file", file, "the file says nothing").help(help));
        }
        (self.root.filter(|_| !self.is_withheld), self.found)
    }
}
