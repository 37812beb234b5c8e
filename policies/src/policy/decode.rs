//! Tree to clauses.

use std::collections::BTreeMap;

use stockade_plan::{AbsPath, Arg, EnvName, NameError, RelPath};

use super::clauses::{Clauses, NetworkMode, OutputName, Setting, Stated, SyscallProfile};
use super::limits::LimitKey;
use super::path::{ReadPath, WRITABLE, check_executable, check_readable};
use crate::yaml::{Fields, Node, Reader, Spanned, Value, one_of, shorten};

/// The keys of the clauses, as every layer that has them lists them.
pub(crate) fn clauses(fields: &mut Fields<'_, '_>) -> Clauses {
    let reader = fields.reader();
    let mut clauses = Clauses {
        commands: fields.optional("commands").and_then(|node| commands(reader, node)),
        limits: fields.optional("resource_limits").map(|node| limits(reader, node)).unwrap_or_default(),
        network: fields.optional("network").and_then(|node| network(reader, node)),
        syscalls: fields.optional("syscalls").and_then(|node| syscalls(reader, node)),
        outputs: fields.optional("outputs").and_then(|node| outputs(reader, node)),
        ..Clauses::default()
    };
    if let Some(node) = fields.optional("filesystem") {
        filesystem(reader, node, &mut clauses);
    }
    if let Some(node) = fields.optional("environment") {
        environment(reader, node, &mut clauses);
    }
    clauses
}

pub(crate) fn commands(reader: &Reader, node: &Node) -> Stated<AbsPath> {
    distinct(reader, reader.list_of(node, "a list of absolute paths of programs", command)?)
}

fn command(reader: &Reader, node: &Node) -> Option<AbsPath> {
    let path = absolute(reader, node)?;
    if let Err(reason) = check_executable(&path) {
        let message = format!("the command `{}` {reason}", shorten(path.as_str()));
        reader.report(
            reader
                .at(node.span)
                .error("unsafe-path", message)
                .help("commands lie where programs are installed"),
        );
        return None;
    }
    Some(path)
}

fn absolute(reader: &Reader, node: &Node) -> Option<AbsPath> {
    reader.parsed(node, "an absolute path without `.`, `..` and `//`", |text| AbsPath::new(text))
}

/// A longer list in a clause is refused: no review would read it, and no plan could hold it.
const LIST_MAX: usize = 200;

/// Reports what a list says twice, or too much of.
fn distinct<T: Ord>(reader: &Reader, items: Vec<Spanned<T>>) -> Stated<T> {
    if let Some(first_beyond) = items.get(LIST_MAX) {
        let message = format!("{} elements, at most {LIST_MAX} are allowed", items.len());
        reader.report(first_beyond.at.error("out-of-range", message));
        return None;
    }
    let mut seen = std::collections::BTreeSet::new();
    for item in &items {
        if !seen.insert(&item.value) {
            reader.report(
                item.at.error("duplicate-element", "this is listed twice").help("keep one of the two"),
            );
        }
    }
    Some(items)
}

pub(crate) fn limits(reader: &Reader, node: &Node) -> BTreeMap<LimitKey, Spanned<u64>> {
    let mut limits = BTreeMap::new();
    let Some(mut fields) = Fields::of(reader, node, "`resource_limits`") else { return limits };
    for key in LimitKey::ALL {
        if let Some(node) = fields.optional(key.name())
            && let Some(value) = key.decode(reader, node)
        {
            limits.insert(key, reader.spanned(node, value));
        }
    }
    fields.finish();
    limits
}

fn filesystem(reader: &Reader, node: &Node, clauses: &mut Clauses) {
    let Some(mut fields) = Fields::of(reader, node, "`filesystem`") else { return };
    if let Some(node) = fields.optional("read") {
        clauses.read = reader
            .list_of(node, "a list of absolute paths", read_path)
            .and_then(|paths| distinct(reader, paths));
    }
    if let Some(node) = fields.optional("write") {
        clauses.write = reader
            .list_of(node, "a list of `/job` and `/tmp`", write_path)
            .and_then(|paths| distinct(reader, paths));
    }
    fields.finish();
}

/// A path, or `{path: …, optional: true}`.
fn read_path(reader: &Reader, node: &Node) -> Option<ReadPath> {
    let (path_node, optional) = match &node.value {
        Value::Map(_) => {
            let mut fields = Fields::of(reader, node, "a path")?;
            let path = fields.required("path");
            let optional = fields.optional("optional").and_then(|node| reader.boolean(node));
            fields.finish();
            (path?, optional.unwrap_or(false))
        }
        Value::Scalar(_) | Value::List(_) => (node, false),
    };
    let path = absolute(reader, path_node)?;
    if let Err(reason) = check_readable(&path) {
        let message = format!("reading `{}` {reason}", shorten(path.as_str()));
        reader.report(reader.at(path_node.span).error("unsafe-path", message).help(reason.help()));
        return None;
    }
    Some(ReadPath { path, optional })
}

fn write_path(reader: &Reader, node: &Node) -> Option<AbsPath> {
    let path = absolute(reader, node)?;
    if WRITABLE.contains(&path.as_str()) {
        return Some(path);
    }
    let message = format!("`{}` cannot be made writable", shorten(path.as_str()));
    let help = format!("a job writes to {}; nothing of the host is ever writable", one_of(&WRITABLE));
    reader.report(reader.at(node.span).error("unsafe-path", message).help(help));
    None
}

fn network(reader: &Reader, node: &Node) -> Option<Spanned<NetworkMode>> {
    reader.map(node, "a map such as `{mode: none}`")?;
    let mut fields = Fields::of(reader, node, "`network`")?;
    let mode = fields.required("mode");
    fields.finish();
    let mode = mode?;
    let word = reader.word(mode, "a network mode", &NetworkMode::WORDS)?;
    Some(reader.spanned(mode, word))
}

pub(crate) fn syscalls(reader: &Reader, node: &Node) -> Option<Spanned<SyscallProfile>> {
    reader.map(node, "a map such as `{profile: strict}`")?;
    let mut fields = Fields::of(reader, node, "`syscalls`")?;
    let profile = fields.required("profile");
    fields.finish();
    let profile = profile?;
    let word = reader.word(profile, "a system-call profile", &SyscallProfile::WORDS)?;
    Some(reader.spanned(profile, word))
}

/// As many as a plan can hold.
const OUTPUTS_MAX: usize = 64;

fn outputs(reader: &Reader, node: &Node) -> Stated<OutputName> {
    let names = reader.list_of(node, "a list of file names in `/job`", |reader, item| {
        reader.parsed(item, "a path relative to `/job`, or `\"*\"`", output_name)
    })?;
    if names.len() > OUTPUTS_MAX {
        let message = format!("{} outputs, at most {OUTPUTS_MAX} are allowed", names.len());
        reader.report(reader.at(node.span).error("out-of-range", message));
    }
    distinct(reader, names)
}

fn output_name(text: &str) -> Result<OutputName, NameError> {
    match text {
        "*" => Ok(OutputName::Any),
        _ if text.contains(['*', '?', '[']) => Err(NameError::Character),
        _ => RelPath::new(text).map(OutputName::File),
    }
}

fn environment(reader: &Reader, node: &Node, clauses: &mut Clauses) {
    let Some(mut fields) = Fields::of(reader, node, "`environment`") else { return };
    if let Some(node) = fields.optional("pass") {
        clauses.pass = reader
            .list_of(node, "a list of variable names", |reader, item| reader.parsed(item, VARIABLE, variable))
            .and_then(|names| distinct(reader, names));
    }
    if let Some(node) = fields.optional("set") {
        clauses.set = settings(reader, node);
    }
    fields.finish();
}

const VARIABLE: &str = "the name of an environment variable";

/// Names that change which code the dynamic loader runs; ld.so(8).
fn variable(text: &str) -> Result<EnvName, String> {
    if text.starts_with("LD_") || text == "GLIBC_TUNABLES" {
        return Err("steers the dynamic loader and is never given to a job".to_owned());
    }
    EnvName::new(text).map_err(|error| error.to_string())
}

fn settings(reader: &Reader, node: &Node) -> Stated<Setting> {
    let mut settings = Vec::new();
    for (key, value) in reader.map(node, "a map of variables to values")? {
        let at = reader.at(key.span);
        let name = match variable(&key.text) {
            Ok(name) => name,
            Err(error) => {
                let message = format!("`{}` {error}", shorten(&key.text));
                reader.report(at.error("bad-value", message).help(format!("expected {VARIABLE}")));
                continue;
            }
        };
        if let Some(value) = reader.parsed(value, "the variable's value", |text| Arg::new(text)) {
            settings.push(Spanned { value: Setting { name, value }, at });
        }
    }
    Some(settings)
}
