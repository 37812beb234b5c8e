//! The attack corpus: small programs under `tests/corpus`, each with a header that says what it tries, which claim it
//! belongs to, what a sandbox must answer, what shows that the program is sound, and what the record should hold.

use std::path::{Path, PathBuf};
use std::process::{Child, Command};

/// One program of the corpus.
#[derive(Debug, Clone)]
pub struct Case {
    /// The name of its file, without the ending; no two cases share one.
    pub name: String,
    /// Its directory.
    pub class: String,
    /// Its file.
    pub path: PathBuf,
    /// What is in it; read once, as whoever runs it may have no right to its directory by then.
    text: String,
    /// What it tries.
    pub attack: String,
    /// The claim of SECURITY.md that it puts to the test; `served` if it shows what a job may do.
    pub claim: String,
    /// What a sandbox answers: `ok`, the name of an error, `killed SIGSYS`, a word that the case prints.
    pub expect: Vec<String>,
    /// What a sandbox answers instead where Landlock has an ABI before this one.
    pub before_abi: Option<(u8, Vec<String>)>,
    /// What shows that the case asks the right question.
    pub controls: Vec<Control>,
    /// What the record should hold of it, or why it holds nothing.
    pub evidence: String,
    /// A line more for its policy.
    pub policy: Option<String>,
    /// A directory more that it may read.
    pub read: Option<String>,
    /// The mode of its program.
    pub mode: u32,
}

/// The same program where one thing is different, and what it says there.
#[derive(Debug, Clone)]
pub struct Control {
    /// Where.
    pub place: Place,
    /// What it says there.
    pub expect: Vec<String>,
}

/// Where a case can be run beside a sandbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// In a sandbox with one layer open, or two.
    Without {
        /// With a filter that lets every call pass.
        seccomp: bool,
        /// With everything granted that the view has, and no rule on networks.
        landlock: bool,
    },
    /// On the bare host, as an account without any right.
    Bare,
    /// On the host as root, in mount, pid, network, ipc, uts and control group namespaces of its own.
    Root,
    /// Nowhere: this call is put to the filter itself. For what the host does not have.
    Filter {
        /// Name or number of the call.
        call: String,
        /// Its arguments; the rest are zero.
        arguments: Vec<u64>,
    },
    /// Nowhere, for the reason given.
    None,
}

/// The key of what is answered with an older Landlock.
const BEFORE: &str = "before abi ";
/// Where the corpus and its programs lie ready, for a machine without a compiler.
const READY: &str = "STOCKADE_PROBES";

impl Case {
    /// Every case, by class and name.
    pub fn all() -> Vec<Self> {
        let mut cases: Vec<Self> = files(&directory()).iter().map(|path| Self::read(path)).collect();
        cases.sort_by(|a, b| (&a.class, &a.name).cmp(&(&b.class, &b.name)));
        for pair in cases.windows(2) {
            assert_ne!(pair[0].name, pair[1].name, "two cases of one name");
        }
        cases
    }

    fn read(path: &Path) -> Self {
        let text = std::fs::read_to_string(path).unwrap();
        let lines = text.lines().map_while(|line| {
            let line = line.strip_prefix("//").or_else(|| line.strip_prefix('#'))?;
            line.strip_prefix(' ')?.split_once(": ")
        });
        let lines: Vec<(&str, &str)> = lines.collect();
        let maybe =
            |key: &str| lines.iter().find(|(name, _)| *name == key).map(|(_, value)| (*value).to_owned());
        let must = |key: &str| maybe(key).unwrap_or_else(|| panic!("{}: no `{key}`", path.display()));
        let name = |path: &Path| path.file_stem().unwrap().to_str().unwrap().to_owned();
        for (key, _) in &lines {
            let known =
                ["attack", "seen", "claim", "expect", "control", "evidence", "policy", "read", "mode"];
            let is_known = known.contains(key) || key.starts_with(BEFORE);
            assert!(is_known, "{}: `{key}` is no key", path.display());
        }
        let before_abi = lines
            .iter()
            .find_map(|(key, value)| Some((key.strip_prefix(BEFORE)?.parse().unwrap(), words(value))));
        let controls = lines.iter().filter(|(key, _)| *key == "control");
        let case = Self {
            name: name(path),
            class: name(path.parent().unwrap()),
            path: path.to_owned(),
            text: text.clone(),
            attack: must("attack"),
            claim: must("claim"),
            expect: words(&must("expect")),
            before_abi,
            controls: controls.map(|(_, text)| Control::parse(text)).collect(),
            evidence: must("evidence"),
            policy: maybe("policy"),
            read: maybe("read"),
            mode: maybe("mode").map_or(0o755, |mode| u32::from_str_radix(&mode, 8).unwrap()),
        };
        assert!(case.has_a_control(), "{}: no control tells its refusal from a broken case", path.display());
        case
    }

    /// A refusal needs a place where the same program is answered otherwise, or the word of the filter itself.
    fn has_a_control(&self) -> bool {
        self.expect.iter().any(|word| word == "ok")
            || self.controls.iter().any(|control| match control.place {
                Place::Filter { .. } | Place::None => true,
                _ => control.expect.iter().all(|word| !self.expect.contains(word)),
            })
    }

    /// What a sandbox answers where Landlock has this ABI.
    pub fn answers(&self, abi: u8) -> &[String] {
        match &self.before_abi {
            Some((since, before)) if abi < *since => before,
            _ => &self.expect,
        }
    }

    /// The denials that the record must hold of it, each as its layer, what it is, and its target.
    pub fn evidence(&self) -> Vec<&str> {
        match self.evidence.starts_with("none: ") {
            true => Vec::new(),
            false => self.evidence.split(" & ").collect(),
        }
    }

    /// Whether it is to be compiled.
    pub fn is_compiled(&self) -> bool {
        self.path.extension().is_some_and(|ending| ending == "c")
    }

    /// How it is started; `directory` has the compiled ones.
    pub fn command(&self, directory: &Path) -> Vec<String> {
        match self.path.extension().and_then(|ending| ending.to_str()) {
            Some("c") => vec![directory.join(&self.name).to_str().unwrap().to_owned()],
            Some("py") => vec!["/usr/bin/python3".to_owned(), "-c".to_owned(), self.text.clone()],
            Some("sh") => vec!["/bin/sh".to_owned(), "-c".to_owned(), self.text.clone()],
            _ => panic!("{}: neither C nor Python nor shell", self.path.display()),
        }
    }

    /// The policy it runs under.
    pub fn policy(&self, directory: &Path) -> String {
        let program = self.command(directory).remove(0);
        let (commands, mut read) = match self.is_compiled() {
            true => (program, String::new()),
            false => (
                "/usr/bin/python3, /bin/sh".to_owned(),
                "/usr/lib/x86_64-linux-gnu, {path: /usr/lib/python3.11, optional: true}, \
                 {path: /usr/lib/python3.13, optional: true}"
                    .to_owned(),
            ),
        };
        read.extend(self.read.iter().map(|path| format!(", {path}")));
        format!(
            "policy: corpus\nversion: 1\ndescription: One case of the attack corpus.\nextends: base\n\
             commands: [{commands}]\nfilesystem: {{read: [{read}], write: [/job, /tmp]}}\n\
             resource_limits: {{memory_mb: 64, pids: 32, open_files: 48, disk_mb: 32, wall_seconds: 30}}\n{}\n",
            self.policy.as_deref().unwrap_or_default()
        )
    }
}

impl Control {
    /// `without seccomp: ok`, `bare: EPERM | EACCES`, `filter socket(38, 5, 0): EPERM`, `none: why`.
    fn parse(text: &str) -> Self {
        let (place, expect) = text.split_once(": ").unwrap_or_else(|| panic!("`{text}` is no control"));
        let place = match place.split_once(' ') {
            None if place == "bare" => Place::Bare,
            None if place == "root" => Place::Root,
            None if place == "none" => Place::None,
            Some(("without", layers)) => {
                Place::Without { seccomp: layers.contains("seccomp"), landlock: layers.contains("landlock") }
            }
            Some(("filter", call)) => {
                let (call, arguments) = call.trim_end_matches(')').split_once('(').unwrap();
                let arguments = arguments.split(", ").filter(|argument| !argument.is_empty());
                Place::Filter { call: call.to_owned(), arguments: arguments.map(number).collect() }
            }
            _ => panic!("`{place}` is no place for a control"),
        };
        Self { place, expect: words(expect) }
    }
}

fn number(text: &str) -> u64 {
    let parsed = text.strip_prefix("0x").map_or_else(|| text.parse(), |hex| u64::from_str_radix(hex, 16));
    parsed.unwrap_or_else(|error| panic!("`{text}`: {error}"))
}

fn words(text: &str) -> Vec<String> {
    text.split(" | ").map(str::to_owned).collect()
}

fn directory() -> PathBuf {
    ready().unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()).join("corpus")
}

fn ready() -> Option<PathBuf> {
    std::env::var_os(READY).map(PathBuf::from)
}

/// Copies the corpus, and compiles all that is in C, for a machine that finds it in the directory that
/// `STOCKADE_PROBES` names there.
pub fn gather(into: &Path) {
    let copied = Command::new("cp").arg("-r").arg(directory()).arg(into).status().expect("cp runs");
    assert!(copied.success());
    std::fs::create_dir(into.join("programs")).unwrap();
    compile(&Case::all(), &into.join("programs"));
    compile_program("every_call", &into.join("programs"));
}

/// Compiles one of `tests/programs`, or takes it as it lies ready.
pub fn compile_program(name: &str, into: &Path) -> PathBuf {
    let program = into.join(name);
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("programs").join(name).with_extension("c");
    let mut making = start_making(name, &source, into);
    assert!(making.wait().unwrap().success(), "{name} does not compile");
    program
}

fn files(directory: &Path) -> Vec<PathBuf> {
    let classes = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    let classes = classes.filter(|path| path.is_dir());
    classes.flat_map(|class| std::fs::read_dir(class).unwrap().map(|entry| entry.unwrap().path())).collect()
}

/// Compiles those of `cases` that are in C, into `into`.
pub fn compile(cases: &[Case], into: &Path) {
    let cases: Vec<&Case> = cases.iter().filter(|case| case.is_compiled()).collect();
    for some in cases.chunks(8) {
        let started: Vec<(&Case, Child)> =
            some.iter().map(|case| (*case, start_making(&case.name, &case.path, into))).collect();
        for (case, mut compiler) in started {
            assert!(compiler.wait().unwrap().success(), "{} does not compile", case.path.display());
            let mode = std::os::unix::fs::PermissionsExt::from_mode(case.mode);
            std::fs::set_permissions(into.join(&case.name), mode).unwrap();
        }
    }
}

fn start_making(name: &str, source: &Path, into: &Path) -> Child {
    let mut command = match ready() {
        Some(ready) => {
            let mut copy = Command::new("cp");
            copy.arg(ready.join("programs").join(name));
            copy
        }
        None => {
            let mut compiler = Command::new("cc");
            compiler.args(["-O1", "-Wall", "-Wextra", "-Werror"]).arg(source).arg("-o");
            compiler
        }
    };
    command.arg(into.join(name)).spawn().expect("a compiler, or a copy")
}
