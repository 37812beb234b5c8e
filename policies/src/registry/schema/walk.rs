//! A JSON Schema, keyword by keyword: what is misspelt must not silently check nothing.

use std::borrow::Cow;
use std::collections::HashSet;

use super::MARK;
use super::dialect::Dialect;
use super::graph::{BadReference, Graph, SCHEMAS_MAX};
use super::json::Compiler;
use super::keyword::{Under, keywords};
use crate::diagnostic::did_you_mean;
use crate::yaml::{Key, Kind, Node, Reader, Value, one_of, shorten};

const TYPES: [&str; 7] = ["string", "integer", "number", "boolean", "object", "array", "null"];

/// The formats of the standard; those that are checked here are found among them.
const FORMATS: [&str; 19] = [
    "date-time",
    "date",
    "time",
    "duration",
    "email",
    "idn-email",
    "hostname",
    "idn-hostname",
    "ipv4",
    "ipv6",
    "uri",
    "uri-reference",
    "iri",
    "iri-reference",
    "uuid",
    "uri-template",
    "json-pointer",
    "relative-json-pointer",
    "regex",
];

/// What may stand beside a `$ref` of draft-07, which makes everything else beside it count for nothing.
const BESIDE_REFERENCE: [&str; 9] =
    [MARK, "$id", "$comment", "$ref", "definitions", "title", "description", "default", "examples"];

/// A walk through one document.
pub(super) struct Walk<'r, 'n> {
    reader: &'r Reader,
    dialect: Dialect,
    compiler: &'r Compiler,
    graph: Graph<'n>,
    sound: bool,
}

impl<'r, 'n> Walk<'r, 'n> {
    /// How many schemas the document at `root` comes to, if nothing is wrong with it.
    pub(super) fn of(
        reader: &'r Reader,
        dialect: Dialect,
        compiler: &'r Compiler,
        root: &'n Node,
    ) -> Option<u32> {
        let mut walk = Self { reader, dialect, compiler, graph: Graph::default(), sound: true };
        walk.schema(root);
        for lost in walk.graph.lost() {
            walk.bad_reference(lost);
        }
        let size = match walk.graph.size() {
            Ok(size) => size,
            Err(circle) => {
                walk.bad_reference(circle);
                return None;
            }
        };
        if size > SCHEMAS_MAX {
            let message = format!("this JSON Schema comes to more than {SCHEMAS_MAX} schemas");
            reader.report(reader.at(root.span).error("schema-too-large", message));
            return None;
        }
        walk.sound.then_some(size)
    }

    fn wrong(&mut self, node: &Node, expected: &str) {
        self.sound = false;
        self.reader.report(self.reader.wrong(node, expected));
    }

    fn bad(&mut self, node: &Node, message: String, help: impl Into<String>) {
        self.sound = false;
        self.reader.report(self.reader.at(node.span).error("bad-value", message).help(help));
    }

    fn bad_reference(&mut self, found: BadReference) {
        self.sound = false;
        self.reader.report(self.reader.at(found.at).error("bad-reference", found.message).help(found.help));
    }

    /// Walks through the schema at `node`; the answer is its number.
    fn schema(&mut self, node: &'n Node) -> usize {
        let own = self.graph.add();
        match &node.value {
            Value::Map(entries) => {
                for (key, value) in entries {
                    self.entry(own, key, value);
                }
                self.alone(entries);
            }
            Value::Scalar(scalar) if matches!(scalar.kind(), Kind::Bool(_)) => {}
            _ => self.wrong(node, "a schema: a map of keywords, `true` or `false`"),
        }
        own
    }

    fn entry(&mut self, own: usize, key: &'n Key, node: &'n Node) {
        if own == 0 && (key.text == MARK || key.text == "$id") {
            return;
        }
        match keywords(self.dialect).find(|(keyword, _)| *keyword == key.text) {
            Some((keyword, under)) => self.keyword(own, keyword, under, node),
            None => self.unknown(key),
        }
    }

    fn unknown(&mut self, key: &Key) {
        self.sound = false;
        let known = keywords(self.dialect).map(|(keyword, _)| keyword);
        let help = match (key.text.as_str(), did_you_mean(&key.text, known)) {
            ("$id" | "$anchor" | "$dynamicRef" | "$dynamicAnchor" | "$recursiveRef", _) => {
                "refer to schemas by their place: `$ref: \"#/$defs/NAME\"`".to_owned()
            }
            (_, Some(near)) => format!("did you mean `{near}`?"),
            (_, None) => "what is not known checks nothing, and would look as if it did".to_owned(),
        };
        let message = format!("`{}` is not a keyword of JSON Schema that is read here", shorten(&key.text));
        self.reader.report(self.reader.at(key.span).error("unknown-key", message).help(help));
    }

    /// Under draft-07 a reference stands alone.
    fn alone(&mut self, entries: &[(Key, Node)]) {
        let Some((_, node)) = entries.iter().find(|(key, _)| key.text == "$ref") else { return };
        let beside = entries.iter().find(|(key, _)| !BESIDE_REFERENCE.contains(&key.text.as_str()));
        if let (Dialect::Draft7, Some((key, _))) = (self.dialect, beside) {
            let message =
                format!("under draft-07, `{}` beside `$ref` counts for nothing", shorten(&key.text));
            self.bad(node, message, "put the reference and the rest into a list under `allOf`");
        }
    }

    fn keyword(&mut self, own: usize, keyword: &'static str, under: Under, node: &'n Node) {
        match under {
            Under::Schema => self.inner(own, keyword, None, node),
            Under::Schemas => self.schemas(own, keyword, node),
            Under::SchemaOrSchemas if matches!(node.value, Value::List(_)) => {
                self.schemas(own, keyword, node);
            }
            Under::SchemaOrSchemas => self.inner(own, keyword, None, node),
            Under::NamedSchemas | Under::PatternSchemas => self.named(own, keyword, under, node),
            Under::Dependencies => self.dependencies(own, keyword, node),
            Under::Types => self.types(node),
            Under::Count | Under::Number | Under::Positive => self.number(under, node),
            Under::Flag => self.flag(node),
            Under::Pattern => self.pattern_at(node),
            Under::Format => self.format(node),
            Under::Names => self.names(node),
            Under::NamesByName => self.names_by_name(node),
            Under::Values => self.values(node),
            Under::Value => self.value(node),
            Under::Reference => match self.text(node, "`#/$defs/NAME`") {
                Some(target) => self.graph.refer(own, target, node.span),
                None => self.sound = false,
            },
            Under::Text => drop(self.text(node, "a text")),
        }
    }

    fn inner(&mut self, own: usize, keyword: &'static str, name: Option<Cow<'n, str>>, node: &'n Node) {
        let inner = self.schema(node);
        self.graph.nest(own, (keyword, name), inner);
    }

    fn schemas(&mut self, own: usize, keyword: &'static str, node: &'n Node) {
        match &node.value {
            Value::List(items) if !items.is_empty() => {
                for (index, item) in items.iter().enumerate() {
                    self.inner(own, keyword, Some(Cow::Owned(index.to_string())), item);
                }
            }
            _ => self.wrong(node, "a list of schemas, at least one"),
        }
    }

    fn named(&mut self, own: usize, keyword: &'static str, under: Under, node: &'n Node) {
        let Value::Map(entries) = &node.value else { return self.wrong(node, "a map of schemas") };
        for (key, value) in entries {
            if under == Under::PatternSchemas {
                self.pattern(&key.text, key.span);
            }
            self.inner(own, keyword, Some(Cow::Borrowed(&key.text)), value);
        }
    }

    fn dependencies(&mut self, own: usize, keyword: &'static str, node: &'n Node) {
        let Value::Map(entries) = &node.value else {
            return self.wrong(node, "a map of schemas or lists of names");
        };
        for (key, value) in entries {
            match &value.value {
                Value::List(_) => self.names(value),
                _ => self.inner(own, keyword, Some(Cow::Borrowed(&key.text)), value),
            }
        }
    }

    fn text(&mut self, node: &'n Node, expected: &str) -> Option<&'n str> {
        let text = self.reader.text(node, expected);
        self.sound &= text.is_some();
        text
    }

    fn types(&mut self, node: &'n Node) {
        let items = match &node.value {
            Value::List(items) if !items.is_empty() => items.as_slice(),
            Value::List(_) => return self.wrong(node, "the name of a type, or a list of them"),
            _ => std::slice::from_ref(node),
        };
        let words = TYPES.map(|word| (word, word));
        let known: Vec<&str> =
            items.iter().filter_map(|item| self.reader.word(item, "a type of JSON Schema", &words)).collect();
        self.sound &= known.len() == items.len();
        self.each_once(node, known.into_iter().map(str::to_owned));
    }

    fn each_once(&mut self, node: &Node, values: impl Iterator<Item = String>) {
        let mut seen = HashSet::new();
        for value in values {
            if seen.contains(&value) {
                let message = format!("`{}` stands here twice", shorten(&value));
                return self.bad(node, message, "leave one of them out");
            }
            seen.insert(value);
        }
    }

    fn number(&mut self, under: Under, node: &Node) {
        let number = json_number(node);
        let good = match under {
            Under::Count => number.as_ref().is_some_and(serde_json::Number::is_u64),
            Under::Positive => number.and_then(|number| number.as_f64()).is_some_and(|number| number > 0.0),
            _ => number.is_some(),
        };
        if !good {
            self.wrong(
                node,
                match under {
                    Under::Count => "a whole number, 0 or more",
                    Under::Positive => "a number above 0, in the digits of JSON",
                    _ => "a number, in the digits of JSON",
                },
            );
        }
    }

    fn flag(&mut self, node: &Node) {
        self.sound &= self.reader.boolean(node).is_some();
    }

    fn pattern_at(&mut self, node: &'n Node) {
        if let Some(pattern) = self.text(node, "a regular expression") {
            self.pattern(pattern, node.span);
        }
    }

    fn pattern(&mut self, pattern: &str, at: crate::yaml::Span) {
        let (code, message, help) = match self.compiler.takes_pattern(self.dialect, pattern) {
            Some(true) => return,
            Some(false) => (
                "bad-value",
                format!("`{}` is not a pattern that can be matched in linear time", shorten(pattern)),
                "expected a regular expression without back references and without looking ahead or behind; say lengths with `maxLength`",
            ),
            None => (
                "schema-too-large",
                "the JSON Schemas of this file have too many patterns".to_owned(),
                "use `enum`, `format` or `maxLength` where they say the same",
            ),
        };
        self.sound = false;
        self.reader.report(self.reader.at(at).error(code, message).help(help));
    }

    fn format(&mut self, node: &'n Node) {
        let Some(name) = self.text(node, "the name of a format") else { return };
        let options = self.compiler.options(self.dialect);
        let is_known = |name: &&str| options.is_known_format(self.dialect.draft(), name);
        if is_known(&name) {
            return;
        }
        let known: Vec<&str> = FORMATS.into_iter().filter(is_known).collect();
        let help = match did_you_mean(name, known.iter().copied()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("checked are {}", one_of(&known)),
        };
        self.bad(node, format!("`{}` is not a format that is checked", shorten(name)), help);
    }

    fn names(&mut self, node: &'n Node) {
        let Value::List(items) = &node.value else { return self.wrong(node, "a list of names") };
        let names: Vec<String> =
            items.iter().filter_map(|item| self.text(item, "a name").map(str::to_owned)).collect();
        self.each_once(node, names.into_iter());
    }

    fn names_by_name(&mut self, node: &'n Node) {
        match &node.value {
            Value::Map(entries) => entries.iter().for_each(|(_, names)| self.names(names)),
            _ => self.wrong(node, "a map of lists of names"),
        }
    }

    fn values(&mut self, node: &'n Node) {
        match &node.value {
            Value::List(items) if !items.is_empty() => {
                self.value(node);
                self.each_once(node, items.iter().map(|item| item.to_json().to_string()));
            }
            _ => self.wrong(node, "a list of values, at least one"),
        }
    }

    /// A number that JSON writes otherwise would be taken for a text.
    fn value(&mut self, node: &Node) {
        match &node.value {
            Value::List(items) => items.iter().for_each(|item| self.value(item)),
            Value::Map(entries) => entries.iter().for_each(|(_, value)| self.value(value)),
            Value::Scalar(scalar) => {
                let is_number = matches!(scalar.kind(), Kind::Integer | Kind::Decimal | Kind::OddNumber);
                if is_number && json_number(node).is_none() {
                    let message = format!("`{}` is not a number of JSON", shorten(&scalar.text));
                    self.bad(node, message, "write it in decimal digits, or quote it if a text is meant");
                }
            }
        }
    }
}

/// The number at `node`, if JSON writes it so as well.
fn json_number(node: &Node) -> Option<serde_json::Number> {
    match &node.value {
        Value::Scalar(scalar) if matches!(scalar.kind(), Kind::Integer | Kind::Decimal) => {
            serde_json::from_str(&scalar.text).ok()
        }
        _ => None,
    }
}
