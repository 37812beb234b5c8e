//! Tree to clauses.

use std::collections::BTreeMap;

use stockade_plan::{AbsPath, Arg, EnvName, NameError, RelPath};

use super::clauses::{Clauses, NotTaken, OutputName, RootDir, Setting, Stated};
use super::http::http;
use super::layers::require;
use super::limits::LimitKey;
use super::lists::{distinct, distinct_of};
use super::network::{network, taken};
use super::path::{ReadPath, WRITABLE, check_executable, check_image, check_readable};
use super::remote::{FunctionArn, Image, SecretRef};
use super::syscalls::syscalls;
use crate::yaml::{Fields, Node, Reader, Spanned, Value, one_of, shorten};

/// The keys of the clauses, as every layer that has them lists them.
pub(crate) fn clauses(fields: &mut Fields<'_, '_>) -> Clauses {
    let reader = fields.reader();
    let mut clauses = Clauses {
        commands: fields.optional("commands").and_then(|node| commands(reader, node)),
        limits: fields.optional("resource_limits").map(|node| limits(reader, node)).unwrap_or_default(),
        syscalls: fields.optional("syscalls").and_then(|node| syscalls(reader, node)),
        require: fields.optional("require").and_then(|node| require(reader, node)),
        outputs: fields.optional("outputs").and_then(|node| outputs(reader, node)),
        images: fields.optional("images").and_then(|node| images(reader, node)),
        functions: fields.optional("functions").and_then(|node| functions(reader, node)),
        secrets: fields.optional("secrets").and_then(|node| secrets(reader, node)),
        ..Clauses::default()
    };
    if let Some(node) = fields.optional("filesystem") {
        filesystem(reader, node, &mut clauses);
    }
    if let Some(node) = fields.optional("network") {
        network(reader, node, &mut clauses);
    }
    if let Some(node) = fields.optional("environment") {
        environment(reader, node, &mut clauses);
    }
    if let Some(node) = fields.optional("http") {
        http(reader, node, &mut clauses);
    }
    clauses
}

pub(crate) fn commands(reader: &Reader, node: &Node) -> Stated<AbsPath> {
    distinct_of(reader, node, "a list of absolute paths of programs", command)
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
    taken(reader, node, "an absolute path without `.`, `..` and `//`", absolute_path)
}

/// An absolute path. Nothing in it is expanded, so what looks as if it were is refused.
fn absolute_path(text: &str) -> Result<AbsPath, NotTaken> {
    let not = |reason: &str, help: &str| NotTaken { reason: reason.to_owned(), help: Some(help.to_owned()) };
    if text.starts_with('~') || text.contains(['*', '?', '$']) {
        let help = "`~`, `$` and patterns are not expanded; a directory stands for all that is in it";
        return Err(not("is not a plain path", help));
    }
    AbsPath::new(text).map_err(|error| match error {
        NameError::NotAbsolute if !text.contains('/') => not(
            &error.to_string(),
            &format!("write the whole path; for a program `command -v {}` tells it", shorten(text)),
        ),
        NameError::Component if !text.split('/').any(|part| part == "..") => {
            let parts = text.split('/').filter(|part| !matches!(*part, "" | "."));
            NotTaken::meant(error.to_string(), format!("/{}", parts.collect::<Vec<_>>().join("/")))
        }
        _ => NotTaken::new(error.to_string()),
    })
}

fn images(reader: &Reader, node: &Node) -> Stated<Image> {
    let image = |reader: &Reader, node: &Node| taken(reader, node, "an image `NAME@sha256:…`", Image::parse);
    distinct_of(reader, node, "a list of images `NAME@sha256:…`", image)
}

fn functions(reader: &Reader, node: &Node) -> Stated<FunctionArn> {
    let expected =
        "a function `arn:aws:lambda:REGION:ACCOUNT:function:NAME:VERSION` or `https://TAG---….run.app`";
    let function = |reader: &Reader, node: &Node| taken(reader, node, expected, FunctionArn::parse);
    distinct_of(reader, node, "a list of functions, each with its version", function)
}

/// The message does not repeat what stands there: it might be the secret.
fn secrets(reader: &Reader, node: &Node) -> Stated<SecretRef> {
    let expected = "`env:NAME`, `file:/PATH` or `credential:NAME`";
    let secret = |reader: &Reader, node: &Node| {
        let found = SecretRef::parse(reader.text(node, expected)?);
        if found.is_none() {
            let error = reader.at(node.span).error("bad-value", "this is no reference to a secret");
            let help = format!("expected {expected}; the secret itself never stands in a policy");
            reader.report(error.help(help));
        }
        found
    };
    distinct_of(reader, node, "a list of references to secrets", secret)
}

pub(crate) fn limits(reader: &Reader, node: &Node) -> BTreeMap<LimitKey, Spanned<u64>> {
    let mut limits = BTreeMap::new();
    let Some(mut fields) = Fields::of(reader, node, "`resource_limits`") else { return limits };
    for key in LimitKey::ALL {
        if let Some(value) = key.stated(&mut fields) {
            limits.insert(key, value);
        }
    }
    fields.finish();
    limits
}

fn filesystem(reader: &Reader, node: &Node, clauses: &mut Clauses) {
    let Some(mut fields) = Fields::of(reader, node, "`filesystem`") else { return };
    if let Some(node) = fields.optional("root") {
        clauses.root = root(reader, node).map(|root| reader.spanned(node, root));
    }
    if let Some(node) = fields.optional("read") {
        let read = |reader: &Reader, node: &Node| read_path(reader, node, "reading");
        clauses.read = distinct_of(reader, node, "a list of absolute paths", read);
    }
    if let Some(node) = fields.optional("execute") {
        let execute = |reader: &Reader, node: &Node| read_path(reader, node, "executing what is in");
        clauses.execute = distinct_of(reader, node, "a list of absolute paths", execute);
    }
    if let Some(node) = fields.optional("write") {
        clauses.write = distinct_of(reader, node, "a list of `/job` and `/tmp`", write_path);
    }
    fields.finish();
}

/// `host`, or `{image: DIRECTORY}`.
fn root(reader: &Reader, node: &Node) -> Option<RootDir> {
    if !matches!(node.value, Value::Map(_)) {
        let words = [("host", ())];
        return reader.word(node, "a root: `host` or `{image: DIRECTORY}`", &words).map(|()| RootDir::Host);
    }
    let mut fields = Fields::of(reader, node, "`root`")?;
    let image = fields.required("image");
    fields.finish();
    let image = image?;
    let path = absolute(reader, image)?;
    if let Err(reason) = check_image(&path) {
        let message = format!("the root `{}` {reason}", shorten(path.as_str()));
        reader.report(
            reader.at(image.span).error("unsafe-path", message).help("name a directory prepared for this"),
        );
        return None;
    }
    Some(RootDir::Image(path))
}

/// A path, or `{path: …, optional: true}`.
fn read_path(reader: &Reader, node: &Node, doing: &str) -> Option<ReadPath> {
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
        let message = format!("{doing} `{}` {reason}", shorten(path.as_str()));
        reader.report(reader.at(path_node.span).error("unsafe-path", message).help(reason.help()));
        return None;
    }
    Some(ReadPath { path, optional, within: Vec::new() })
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

/// As many as a plan can hold.
pub(crate) const OUTPUTS_MAX: usize = 64;

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

/// What `outputs` may name.
pub(crate) fn output_name(text: &str) -> Result<OutputName, NameError> {
    match text {
        "*" => Ok(OutputName::Any),
        _ if text.contains(['*', '?', '[']) => Err(NameError::Character),
        _ => RelPath::new(text).map(OutputName::File),
    }
}

fn environment(reader: &Reader, node: &Node, clauses: &mut Clauses) {
    let Some(mut fields) = Fields::of(reader, node, "`environment`") else { return };
    if let Some(node) = fields.optional("pass") {
        let name = |reader: &Reader, node: &Node| reader.parsed(node, VARIABLE, variable);
        clauses.pass = distinct_of(reader, node, "a list of variable names", name);
    }
    if let Some(node) = fields.optional("set") {
        clauses.set = settings(reader, node);
    }
    fields.finish();
}

const VARIABLE: &str = "the name of an environment variable";

/// Names that change which code the dynamic loader runs; ld.so(8).
pub(crate) fn variable(text: &str) -> Result<EnvName, String> {
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
