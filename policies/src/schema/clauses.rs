//! The clauses that a policy file and a `security_policy` share.

use serde_json::{Value, json};

use super::pattern::{
    ABSOLUTE, ADDRESS, FUNCTION, HEADER, HOST, IMAGE, OUTPUT, PREFIX, SECRET, SIZE, TIME, VARIABLE,
};
use super::{Keys, integer, list, text, thousandths, words};
use crate::policy::{
    HttpCap, LIST_MAX, LimitKey, NetworkMode, OUTPUTS_MAX, SyscallProfile, Unit, WRITABLE, method_names,
    required_names,
};
use crate::seccomp::{addable_names, removable_names};

/// The keys so far, and those of the clauses.
pub(super) fn clauses(keys: Keys) -> Keys {
    keys.key("commands", "Programs that may be executed, by absolute path.", paths())
        .key("resource_limits", "How much a job may use up, all its processes together.", limits())
        .key("filesystem", "Which files a job sees, and where it writes.", filesystem())
        .key("network", "How far the network reaches.", network())
        .key("syscalls", "Which system calls pass.", syscalls())
        .key(
            "require",
            "Layers of the confinement without which no job runs; `cgroup` is all three controllers.",
            list(words(required_names()), LIST_MAX),
        )
        .key(
            "outputs",
            "Files collected from `/job` when the job has ended; `*` lets a service name others.",
            list(text(OUTPUT), OUTPUTS_MAX),
        )
        .key("environment", "Variables of a job. Nothing else of the caller's reaches it.", environment())
        .key("images", "Container images by digest: `NAME@sha256:…`.", list(text(IMAGE), LIST_MAX))
        .key(
            "functions",
            "Functions with their version: by ARN, or by the address of a revision.",
            list(text(FUNCTION), LIST_MAX),
        )
        .key("http", "What an HTTP call may be.", http())
        .key(
            "secrets",
            "References to secrets: `env:NAME`, `file:/PATH`, `credential:NAME`. Never the secret itself.",
            list(text(SECRET), LIST_MAX),
        )
}

/// A list of absolute paths.
pub(super) fn paths() -> Value {
    list(text(ABSOLUTE), LIST_MAX)
}

pub(super) fn limits() -> Value {
    let mut keys = Keys::new("Limits. Those with a unit in their value have a key of their own.");
    for key in LimitKey::ALL {
        let value = match key {
            LimitKey::CpuCores => thousandths(key.range()),
            _ => integer(key.range()),
        };
        let closed = key.show(key.closed());
        keys = keys.key(key.name(), &format!("{} If no policy says: {closed}.", meaning(key)), value);
        let Some((name, unit)) = key.with_unit() else { continue };
        let (value, example) = match unit {
            Some(Unit::Seconds) => (text(TIME), "A time such as `1m30s`."),
            Some(Unit::Kibibytes | Unit::Mebibytes) => (text(SIZE), "A size such as `512MiB`."),
            None => (thousandths(key.range()), "A number such as `1.5`."),
        };
        keys = keys.key(name, &format!("{} {example}", meaning(key)), value).not_both(key.name(), name);
    }
    keys.schema()
}

const fn meaning(key: LimitKey) -> &'static str {
    match key {
        LimitKey::MemoryMb => "Memory, page cache and `/job`, `/tmp` included; MiB.",
        LimitKey::CpuCores => "Processor cores, up to three decimal places.",
        LimitKey::CpuSeconds => "Processor time; seconds.",
        LimitKey::WallSeconds => "Time from start to end; seconds.",
        LimitKey::Pids => "Processes and threads.",
        LimitKey::DiskMb => "Size of `/job`, `/tmp` and `/dev/shm` together; MiB.",
        LimitKey::DiskReadMbPerSecond => "Reading from each disk whose files the job is shown; MiB a second.",
        LimitKey::Files => "Files, directories and links in them.",
        LimitKey::OpenFiles => "Open descriptors of one process.",
        LimitKey::OutputKb => "Standard output, standard error, and each collected output; KiB.",
    }
}

fn filesystem() -> Value {
    let image = Keys::new("A prepared directory.").required(
        "image",
        "The directory that becomes the root of jobs.",
        text(ABSOLUTE),
    );
    Keys::new("Files.")
        .key(
            "root",
            "Whose files a job sees: `host`, or those of a prepared directory.",
            json!({"anyOf": [{"const": "host"}, image.schema()], "default": "host"}),
        )
        .key("read", "Files and directories that are shown, read-only.", list(some_path(), LIST_MAX))
        .key(
            "execute",
            "Files and directories that are shown and whose programs may be executed, beyond `commands`.",
            list(some_path(), LIST_MAX),
        )
        .key("write", "Where a job may write: a tmpfs that ends with it.", list(words(WRITABLE), LIST_MAX))
        .schema()
}

/// A path, or one that need not be there.
fn some_path() -> Value {
    let long = Keys::new("A path that may be missing.").required("path", "The path.", text(ABSOLUTE)).key(
        "optional",
        "`true`: a host without it runs jobs all the same.",
        json!({"type": "boolean"}),
    );
    json!({"anyOf": [text(ABSOLUTE), long.schema()]})
}

fn network() -> Value {
    let mode = NetworkMode::Allowlist.name();
    Keys::new("The network.")
        .required(
            "mode",
            "`none`; `loopback`: its own; `allowlist`: the destinations listed.",
            words(NetworkMode::WORDS.map(|(word, _)| word)),
        )
        .key(
            "hosts",
            "Destinations `host:port`; `*.example.com:443` is every host one label below.",
            list(text(HOST), LIST_MAX),
        )
        .key(
            "addresses",
            "Destinations `192.0.2.7:443`, `192.0.2.0/24:443`, `[2001:db8::]/32:443`.",
            list(text(ADDRESS), LIST_MAX),
        )
        .rule(json!({
            "if": {"properties": {"mode": {"const": mode}}, "required": ["mode"]},
            "then": {"anyOf": [{"required": ["hosts"]}, {"required": ["addresses"]}]},
            "else": {"properties": {"hosts": false, "addresses": false}},
        }))
        .schema()
}

fn syscalls() -> Value {
    Keys::new("System calls.")
        .key(
            "profile",
            "The set to begin with, from the smallest: `strict`, `standard`, `compiler`.",
            words(SyscallProfile::WORDS.map(|(word, _)| word)),
        )
        .key("add", "Calls and groups that pass too.", call_list(addable_names()))
        .key("remove", "Calls and groups that do not pass.", call_list(removable_names()))
        .schema()
}

/// Two names may stand for the same call, and the same name may stand there twice.
fn call_list(names: Vec<&'static str>) -> Value {
    json!({"type": "array", "items": words(names)})
}

fn environment() -> Value {
    Keys::new("Variables.")
        .key("pass", "Copied from whoever starts the job.", list(text(VARIABLE), LIST_MAX))
        .key(
            "set",
            "Fixed values; quote what looks like a number.",
            json!({
                "type": "object",
                "propertyNames": text(VARIABLE),
                "additionalProperties": {"type": "string"},
            }),
        )
        .schema()
}

fn http() -> Value {
    let mut keys = Keys::new("HTTP.")
        .key("hosts", "Destinations `host:port`, as in `network.hosts`.", list(text(HOST), LIST_MAX))
        .key(
            "addresses",
            "Addresses that are not public and may be called all the same, as in `network.addresses`.",
            list(text(ADDRESS), LIST_MAX),
        )
        .key("methods", "Methods.", list(words(method_names()), LIST_MAX))
        .key(
            "path_prefixes",
            "Whole components: `/v1` covers `/v1/charges` and not `/v10`.",
            list(text(PREFIX), LIST_MAX),
        )
        .key(
            "headers",
            "Fields that a job may set, in lower case; never those that frame a message.",
            list(text(HEADER), LIST_MAX),
        );
    for cap in HttpCap::ALL {
        let what = format!("The largest body. If no policy says: {} KiB.", cap.closed());
        keys = keys
            .key(cap.name(), &format!("{what} KiB."), integer(HttpCap::RANGE))
            .key(cap.with_unit(), &format!("{what} A size such as `64KiB`."), text(SIZE))
            .not_both(cap.name(), cap.with_unit());
    }
    keys.schema()
}
