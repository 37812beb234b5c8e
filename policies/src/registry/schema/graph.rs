//! Which schema leads to which, and what that comes to.

use std::borrow::Cow;
use std::collections::HashMap;

use crate::yaml::Span;

/// References that lead to references, one after the other.
const CHAIN_MAX: u32 = 32;
/// Schemas that one JSON Schema comes to, every reference written out.
pub(super) const SCHEMAS_MAX: u32 = 10_000;

/// Where a schema stands within the one around it: a keyword, and a name or number if the keyword has several.
type Place<'n> = (&'static str, Option<Cow<'n, str>>);

/// The schemas of one document; the first is the document's own.
#[derive(Debug, Default)]
pub(super) struct Graph<'n> {
    schemas: Vec<Schema<'n>>,
    places: HashMap<(usize, Place<'n>), usize>,
}

#[derive(Debug, Default)]
struct Schema<'n> {
    inner: Vec<usize>,
    reference: Option<(&'n str, Span)>,
    size: Size,
}

/// How many schemas one comes to.
#[derive(Debug, Clone, Copy, Default)]
enum Size {
    #[default]
    Unknown,
    /// It is being found out: who comes here again has gone in a circle.
    Open,
    Known(u32),
}

/// A reference that cannot be followed.
#[derive(Debug)]
pub(super) struct BadReference {
    pub(super) at: Span,
    pub(super) message: String,
    pub(super) help: String,
}

impl<'n> Graph<'n> {
    /// Takes in a schema.
    pub(super) fn add(&mut self) -> usize {
        self.schemas.push(Schema::default());
        self.schemas.len() - 1
    }

    /// Notes that `inner` stands in `outer`.
    pub(super) fn nest(&mut self, outer: usize, place: Place<'n>, inner: usize) {
        if let Some(schema) = self.schemas.get_mut(outer) {
            schema.inner.push(inner);
        }
        self.places.insert((outer, place), inner);
    }

    /// Notes what `schema` refers to.
    pub(super) fn refer(&mut self, schema: usize, target: &'n str, at: Span) {
        if let Some(schema) = self.schemas.get_mut(schema) {
            schema.reference = Some((target, at));
        }
    }

    /// Every reference that leads nowhere or outside.
    pub(super) fn lost(&self) -> Vec<BadReference> {
        let references = self.schemas.iter().filter_map(|schema| schema.reference);
        references
            .filter(|(target, _)| self.target(target).is_none())
            .map(|(target, at)| lost(target, at))
            .collect()
    }

    /// How many schemas the document comes to.
    ///
    /// # Errors
    /// A reference that leads in a circle, or through too many others.
    pub(super) fn size(&mut self) -> Result<u32, BadReference> {
        self.size_of(0, 0)
    }

    fn size_of(&mut self, index: usize, chain: u32) -> Result<u32, BadReference> {
        let Some(schema) = self.schemas.get_mut(index) else { return Ok(0) };
        if let Size::Known(size) = schema.size {
            return Ok(size);
        }
        schema.size = Size::Open;
        let (inner, reference) = (std::mem::take(&mut schema.inner), schema.reference);
        let mut size: u32 = 1;
        for index in inner {
            size = size.saturating_add(self.size_of(index, chain)?);
        }
        if let Some((target, at)) = reference
            && let Some(index) = self.target(target)
        {
            size = size.saturating_add(self.referred(index, chain, at)?);
        }
        if let Some(schema) = self.schemas.get_mut(index) {
            schema.size = Size::Known(size);
        }
        Ok(size)
    }

    fn referred(&mut self, index: usize, chain: u32, at: Span) -> Result<u32, BadReference> {
        if self.schemas.get(index).is_some_and(|schema| matches!(schema.size, Size::Open)) {
            let message = "this reference leads to a schema that it stands in".to_owned();
            let help =
                "how long a check takes must not be for a job to say: write out as many levels as there are";
            return Err(BadReference { at, message, help: help.to_owned() });
        }
        if chain >= CHAIN_MAX {
            let message = format!("this reference is reached through more than {CHAIN_MAX} others");
            let help = "refer to the schema that is meant".to_owned();
            return Err(BadReference { at, message, help });
        }
        self.size_of(index, chain + 1)
    }

    /// The schema that `target` (`#/$defs/name`) leads to; RFC 6901, 6.
    fn target(&self, target: &str) -> Option<usize> {
        let way = target.strip_prefix('#')?;
        if way.is_empty() {
            return Some(0);
        }
        let mut steps = way.strip_prefix('/')?.split('/');
        let mut index = 0;
        while let Some(keyword) = steps.next() {
            let find = |name| self.places.get(&(index, (known(keyword)?, name))).copied();
            index = match find(None) {
                Some(inner) => inner,
                None => find(Some(Cow::Owned(unescaped(steps.next()?))))?,
            };
        }
        Some(index)
    }
}

/// The keyword of that name as the table has it.
fn known(name: &str) -> Option<&'static str> {
    let dialects = [super::dialect::Dialect::Draft202012, super::dialect::Dialect::Draft7];
    let mut all = dialects.into_iter().flat_map(super::keyword::keywords);
    all.find(|(keyword, _)| *keyword == name).map(|(keyword, _)| keyword)
}

/// RFC 6901, 4. What is percent-encoded is no step: it could be read in two ways.
fn unescaped(step: &str) -> String {
    if step.contains('%') { String::new() } else { step.replace("~1", "/").replace("~0", "~") }
}

fn lost(target: &str, at: Span) -> BadReference {
    let shown = crate::yaml::shorten(target);
    let (message, help) = match target.starts_with('#') {
        true => (
            format!("there is no schema at `{shown}`"),
            "expected `#/$defs/NAME`, `#/definitions/NAME` or the way to another schema of this document",
        ),
        false => (
            format!("`{shown}` is outside this document"),
            "nothing is fetched: write the schema under `$defs`, and refer to it as `#/$defs/NAME`",
        ),
    };
    BadReference { at, message, help: help.to_owned() }
}
