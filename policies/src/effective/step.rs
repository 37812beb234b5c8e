//! One layer being applied, right by right.

use std::collections::BTreeMap;
use std::fmt::Display;

use super::cover::Right;
use super::origin::{Layer, Origin};
use super::rights::{Decided, Set};
use crate::diagnostic::Diagnostic;
use crate::policy::Stated;
use crate::yaml::Spanned;

/// One layer being applied.
pub(crate) struct Step<'a> {
    pub(crate) layer: &'a Layer,
    pub(crate) found: Vec<Diagnostic>,
}

impl Step<'_> {
    /// Narrows a set to what is asked for.
    pub(crate) fn set<T: Right>(&mut self, clause: &str, current: &mut Set<T>, asked: &Stated<T>) {
        let Some(asked) = asked else { return };
        let mut next = BTreeMap::new();
        for element in asked {
            let granting: Vec<&T> = current
                .iter()
                .flatten()
                .map(|(have, _)| have)
                .filter(|have| have.covers(&element.value))
                .collect();
            if current.is_none() || !granting.is_empty() {
                next.insert(element.value.narrowed(&granting), Origin::new(self.layer, &element.at));
            } else {
                let have = current.iter().flatten().map(|(have, origin)| (have.to_string(), origin));
                let want = element.value.to_string();
                self.found.push(wider_set(clause, self.layer, &want, element, have));
            }
        }
        *current = Some(next);
    }

    /// Lowers a value to what is asked for; says whether it could.
    pub(crate) fn one<T: Ord + Clone, S: Display>(
        &mut self,
        clause: &str,
        current: &mut Option<Decided<T>>,
        asked: &Spanned<T>,
        show: impl Fn(&T) -> S,
    ) -> bool {
        match current {
            Some(have) if asked.value > have.value => {
                let [want, has] = [show(&asked.value), show(&have.value)].map(|shown| shown.to_string());
                self.found.push(wider(clause, self.layer, asked, &want, &has, &have.origin));
                false
            }
            _ => {
                let origin = Origin::new(self.layer, &asked.at);
                *current = Some(Decided { value: asked.value.clone(), origin });
                true
            }
        }
    }

    /// Lowers an entry of a map.
    pub(crate) fn entry<K: Ord + Copy, S: Display>(
        &mut self,
        clause: &str,
        map: &mut BTreeMap<K, Decided<u64>>,
        key: K,
        asked: &Spanned<u64>,
        show: impl Fn(&u64) -> S,
    ) {
        let mut current = map.remove(&key);
        self.one(clause, &mut current, asked, show);
        map.extend(current.map(|decided| (key, decided)));
    }

    /// Decides what has no order: the first layer that says it has said it.
    pub(crate) fn same<T: PartialEq + Clone + Display>(
        &mut self,
        clause: &str,
        current: &mut Option<Decided<T>>,
        asked: &Spanned<T>,
    ) {
        match current {
            Some(have) if have.value != asked.value => {
                let (layer, want, has, origin) = (self.layer, &asked.value, &have.value, &have.origin);
                let message =
                    format!("{layer} asks for `{clause}` {want}, which is not the {has} of {origin}");
                let help = "neither is within the other; leave it out, or use another policy";
                self.found.push(asked.at.error("wider", message).help(help));
            }
            Some(_) => {}
            None => {
                let origin = Origin::new(self.layer, &asked.at);
                *current = Some(Decided { value: asked.value.clone(), origin });
            }
        }
    }
}

pub(crate) fn wider<T>(
    clause: &str,
    layer: &Layer,
    asked: &Spanned<T>,
    want: &str,
    has: &str,
    origin: &Origin,
) -> Diagnostic {
    let message = format!("{layer} asks for `{clause}` {want}, more than the {has} of {origin}");
    // With its key: the layer may have written the limit in another unit, under another one.
    let key = clause.rsplit('.').next().unwrap_or(clause);
    let help = match has.starts_with(|c: char| c.is_ascii_digit()) {
        true if matches!(layer, Layer::Service(_)) => {
            format!(
                "a layer can only tighten: write `{key}: {has}` or less, or `use` a policy that grants more"
            )
        }
        true => format!("a layer can only tighten: write `{key}: {has}` or less"),
        false => format!("a layer can only tighten: write `{has}`, or leave it out"),
    };
    asked.at.error("wider", message).help(help)
}

fn wider_set<'a, T>(
    clause: &str,
    layer: &Layer,
    want: &str,
    asked: &Spanned<T>,
    have: impl Iterator<Item = (String, &'a Origin)>,
) -> Diagnostic {
    let have: Vec<(String, &Origin)> = have.collect();
    let owner = have.first().map(|(_, origin)| format!(" (by {})", origin.layer)).unwrap_or_default();
    let names: Vec<String> = have.iter().take(8).map(|(name, _)| format!("`{name}`")).collect();
    let more = if have.len() > names.len() { ", …" } else { "" };
    let message = format!("{layer} asks for `{clause}` `{want}`, which the layers above it do not grant");
    let help = match names.is_empty() {
        true => "a layer can only tighten, and nothing is granted here".to_owned(),
        false => format!("a layer can only tighten; granted are {}{more}{owner}", names.join(", ")),
    };
    asked.at.error("wider", message).help(help)
}
