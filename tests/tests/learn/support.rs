//! A program that is learned from, and the policy.

use std::path::PathBuf;
use std::process::{Output, Stdio};

use serde_json::Value;
use stockade_tests::{Leftovers, Place};

/// A policy that was learned.
pub(super) struct Learned {
    pub(super) place: Place,
    /// What `--json` says.
    pub(super) said: Value,
    pub(super) text: String,
    options: Vec<String>,
    command: Vec<String>,
}

/// Learns with these options; `None` if nothing was learned.
pub(super) fn try_learn(options: &[&str], command: &[&str]) -> Result<Learned, Output> {
    let place = Place::new("services: []\n");
    let arguments: Vec<&str> =
        ["policy", "learn", "--json"].iter().chain(options).chain(&["--"]).chain(command).copied().collect();
    let learning = place.command(&arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let worker = learning.id();
    let output = learning.wait_with_output().unwrap();
    Leftovers::assert_none_of(worker);
    if output.status.code() == Some(125) {
        return Err(output);
    }
    let said: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stderr)));
    let owned = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
    let text = said["text"].as_str().unwrap().to_owned();
    assert_eq!(said["ok"].as_bool(), Some(output.status.success()), "{said}");
    Ok(Learned { place, said, text, options: owned(options), command: owned(command) })
}

/// Learns, and the policy is proved.
pub(super) fn learn(options: &[&str], command: &[&str]) -> Learned {
    let learned = try_learn(options, command).unwrap_or_else(|output| panic!("{}", stderr(&output)));
    assert_eq!(learned.said["proof"]["same_end"], true, "{}", learned.said);
    learned.assert_is_policy();
    learned
}

/// What it said when nothing was learned.
pub(super) fn refusal(options: &[&str], command: &[&str]) -> String {
    match try_learn(options, command) {
        Ok(learned) => panic!("{}", learned.said),
        Err(output) => stderr(&output),
    }
}

pub(super) fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

impl Learned {
    /// The items of a list, as they are written.
    pub(super) fn items(&self, key: &str) -> Vec<String> {
        self.lines_of(key).into_iter().map(|(_, item)| item).collect()
    }

    fn lines_of(&self, key: &str) -> Vec<(usize, String)> {
        let lines =
            self.text.lines().enumerate().skip_while(|(_, line)| line.trim() != format!("{key}:")).skip(1);
        let items = lines.map_while(|(number, line)| Some((number, line.trim_start().strip_prefix("- ")?)));
        items.map(|(number, item)| (number, item.split("  #").next().unwrap().trim().to_owned())).collect()
    }

    /// The policy is one, under the strict parser and for this host.
    pub(super) fn assert_is_policy(&self) {
        let path = self.written(&self.text);
        let output = self.place.stockade(&["policy", "check", "--this-host", path.to_str().unwrap()]);
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success() && said.contains("0 errors"), "{said}{}", self.text);
        let tried = self.text.lines().filter(|line| !line.starts_with('#'));
        assert!(tried.clone().all(|line| !line.contains("shadow")), "{}", self.text);
    }

    /// Every command and every path is needed: without its line the program does something else.
    pub(super) fn assert_least(&self) {
        let before = self.exec(&self.text);
        assert_eq!(before.status.code(), Some(0), "{}", stderr(&before));
        for (number, item) in ["commands", "read", "execute"].iter().flat_map(|key| self.lines_of(key)) {
            let lines =
                self.text.lines().enumerate().filter(|(line, _)| *line != number).map(|(_, line)| line);
            let less = self.exec(&lines.collect::<Vec<_>>().join("\n"));
            let same = less.status.code() == before.status.code() && less.stdout == before.stdout;
            assert!(!same || less.stderr != before.stderr, "it runs without {item}:\n{}", self.text);
        }
    }

    /// Runs the program under a policy's text.
    pub(super) fn exec(&self, text: &str) -> Output {
        let path = self.written(text);
        let inputs = self.options.windows(2).filter(|pair| pair[0] == "--input").flatten();
        let mut arguments = vec!["exec", "--policy", path.to_str().unwrap()];
        arguments.extend(inputs.map(String::as_str));
        arguments.push("--");
        arguments.extend(self.command.iter().map(String::as_str));
        self.place.stockade(&arguments)
    }

    fn written(&self, text: &str) -> PathBuf {
        let path = self.place.path().join("learned.yaml");
        std::fs::write(&path, text).unwrap();
        path
    }

    /// Whether a comment at the end says that this was tried.
    pub(super) fn tells(&self, tried: &str) -> bool {
        self.said["refused"].as_array().unwrap().iter().any(|line| line.as_str().unwrap().contains(tried))
    }
}
