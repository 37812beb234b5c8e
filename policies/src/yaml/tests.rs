//! Texts to trees: places, bounds, and whatever else a text may hold.

use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::diagnostic::Diagnostic;
use crate::policy::Policy;

fn tree(text: &str) -> (Option<Node>, Vec<Diagnostic>) {
    load(&Source::new("text", text))
}

fn codes(text: &str) -> Vec<&'static str> {
    tree(text).1.iter().map(|found| found.code).collect()
}

#[test]
fn values_know_their_places_in_block_and_flow_style() {
    let (root, found) = tree("a: 1\nlist:\n  - {b: \"två\", c: x}\n");
    assert!(found.is_empty());
    let Some(Value::Map(entries)) = root.map(|root| root.value) else { panic!() };
    let place = |span: Span| (span.line, span.column, span.end_column);
    assert_eq!(place(entries[0].0.span), (1, 1, 2));
    assert_eq!(place(entries[0].1.span), (1, 4, 5));
    let Value::List(items) = &entries[1].1.value else { panic!() };
    assert_eq!(place(items[0].span), (3, 5, 21));
    let Value::Map(inner) = &items[0].value else { panic!() };
    assert_eq!(place(inner[0].1.span), (3, 9, 14));
    assert_eq!(place(inner[1].0.span), (3, 16, 17));
}

#[test]
fn nesting_is_bounded() {
    let nested = |depth: usize| format!("{}1{}", "[".repeat(depth), "]".repeat(depth));
    assert!(codes(&nested(32)).is_empty());
    assert_eq!(codes(&nested(33)), ["too-deep"]);
    // The parser has a bound of its own, which it meets while it looks ahead.
    assert_eq!(codes(&"[".repeat(100_000)), ["yaml-syntax"]);
    assert_eq!(codes(&"- ".repeat(100_000)), ["too-deep"]);
    assert_eq!(codes(&"? ".repeat(1000)), ["yaml-feature"]);
}

#[test]
fn the_number_of_values_is_bounded() {
    assert!(codes(&"- 1\n".repeat(49_999)).is_empty());
    assert_eq!(codes(&"- 1\n".repeat(100_000)), ["too-large"]);
}

#[test]
fn a_bomb_of_aliases_is_refused_line_by_line_and_gives_no_tree() {
    let bomb = "a: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]\n";
    assert_eq!(codes(bomb), ["yaml-feature"; 4]);
    for text in [bomb, "x: &a y\n*a : 1\n*a : 2\n", "<<: {a: 1}\n<<: {a: 2}\n", "{<<: a, <<: b}\n"] {
        let (root, found) = super::load(&Source::new("text", text));
        assert!(root.is_none() && !found.is_empty(), "{text}");
    }
    assert!(super::load(&Source::new("text", "a: [b]\n")).0.is_some());
}

#[test]
fn keys_that_differ_only_in_quotes_are_the_same_key() {
    assert_eq!(codes("a: 1\n\"a\": 2\n'a': 3\n"), ["duplicate-key", "duplicate-key"]);
    assert!(codes("a: {a: 1}\nb: {a: 1}\n").is_empty());
}

#[test]
fn a_file_wrong_all_over_gives_its_first_findings_and_says_that_there_are_more() {
    let text = format!("policy: many\n{}", (0..2000).map(|n| format!("key{n}: 1\n")).collect::<String>());
    let found = Policy::parse(&Source::new("text", text)).unwrap_err();
    assert_eq!(found.len(), 501);
    assert_eq!(found.iter().next().unwrap().code, "too-many-errors");
}

/// Pieces that mean something to a YAML parser or to ours.
fn piece() -> impl Strategy<Value = String> {
    prop_oneof![
        8 => proptest::sample::select(vec![
            ":", ": ", "- ", "? ", "[", "]", "{", "}", ",", "#", "&a ", "*a", "!t ", "|", ">", "'", "\"", "%", "@", "`",
            "\n", "\n  ", "\n\n", "---\n", "...\n", "<<: ", "\\", "\\x00", "\r\n", "\t", "~", "null", "true", "1e9", "0x1",
            "-1", ".5", "policy", "commands", "filesystem", "read", "resource_limits", "memory_mb", "services", "name",
            "operations", "/usr/lib", "script-standard", "é", "\u{feff}", "\u{202e}", "\0",
        ]).prop_map(str::to_owned),
        1 => any::<char>().prop_map(String::from),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn no_text_makes_the_parser_panic_and_every_finding_has_a_place_in_it(
        pieces in proptest::collection::vec(piece(), 0..60),
        prefix in proptest::sample::select(vec!["", "policy: x\n", "services:\n  - name: s\n    ", "services: {s: {"]),
    ) {
        let text = format!("{prefix}{}", pieces.concat());
        let source = Source::new("text", text.as_str());
        let lines = u32::try_from(text.matches('\n').count()).unwrap() + 2;
        if let Err(found) = Policy::parse(&Arc::clone(&source)) {
            for finding in &found {
                prop_assert!(finding.line <= lines, "{finding}");
                prop_assert!(finding.line == 0 || finding.column < finding.end_column, "{finding}");
            }
            prop_assert!(found.to_string().chars().all(|c| c == '\n' || !c.is_control()));
        }
    }
}
