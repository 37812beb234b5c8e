//! Policies of the other execution types: they load and compose, and the shell runner refuses them.

use stockade_policies::{Capabilities, Diagnostics, Environment, Library, Registry};

/// A policy for another runner than the shell's.
pub(crate) struct Other {
    pub(crate) name: &'static str,
    /// What a site says in a policy that extends it.
    names: &'static str,
    /// Clauses of such a policy that ask for more, and the clause that the error names.
    wider: &'static [(&'static str, &'static str)],
    /// Why the shell runner refuses it.
    refusal: &'static str,
}

pub(crate) const POLICIES: [Other; 4] = [
    Other {
        name: "container-batch",
        names: "images: [\"registry.example.com/team/batch@sha256:\
                0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\"]\n\
                resource_limits: {memory_mb: 512}\noutputs: [report.csv]\n",
        wider: &[
            ("images: [\"registry.example.com/team/batch:latest\"]", "names no digest"),
            ("resource_limits: {memory_mb: 4096}", "`resource_limits.memory_mb` 4096"),
            ("filesystem: {read: [/srv/data]}", "`filesystem.read` `/srv/data`"),
            ("network: {mode: allowlist, hosts: [\"example.com:443\"]}", "`network.mode` allowlist"),
        ],
        refusal: "the shell runner starts no containers",
    },
    Other {
        name: "function-call",
        names: "functions: [\"arn:aws:lambda:eu-central-1:123456789012:function:resize:7\"]\n\
                resource_limits: {wall_seconds: 60}\nsecrets: [\"credential:aws\"]\n",
        wider: &[
            (
                "functions: [\"arn:aws:lambda:eu-central-1:123456789012:function:resize:$LATEST\"]",
                "uploaded last",
            ),
            ("resource_limits: {wall_seconds: 901}", "`resource_limits.wall_seconds` 901"),
            ("http: {hosts: [\"example.com:443\"]}", "`http.hosts` `example.com:443`"),
        ],
        refusal: "the shell runner calls no functions",
    },
    Other {
        name: "http-webhook",
        names: "http: {hosts: [\"hooks.example.com:443\"], path_prefixes: [/services], request_kb: 16}\n\
                secrets: [\"env:WEBHOOK_TOKEN\"]\n",
        wider: &[
            ("http: {hosts: [\"hooks.example.com:443\"], methods: [DELETE]}", "`http.methods` `DELETE`"),
            (
                "http: {hosts: [\"hooks.example.com:443\"], headers: [x-forwarded-for]}",
                "`http.headers` `x-forwarded-for`",
            ),
            ("http: {hosts: [\"hooks.example.com:443\"], response_kb: 65}", "`http.response_kb` 65"),
            ("commands: [/usr/bin/python3]", "`commands` `/usr/bin/python3`"),
        ],
        refusal: "the shell runner makes no HTTP calls",
    },
    Other {
        name: "http-call",
        names: "http: {hosts: [\"api.example.com:443\"], methods: [GET]}\nsecrets: [\"env:API_TOKEN\"]\n",
        wider: &[("commands: [/usr/bin/python3]", "`commands` `/usr/bin/python3`")],
        refusal: "the shell runner makes no HTTP calls",
    },
];

fn site(other: &Other, clauses: &str) -> Result<Library, Diagnostics> {
    let text = format!("policy: mine\nextends: {}\n{clauses}\n", other.name);
    Library::shipped().unwrap().with_text("mine.yaml", &text).map(|(library, _)| library)
}

fn registry(library: &Library, execution_type: &str, operation: &str) -> Result<Registry, Diagnostics> {
    let text = format!(
        "services:\n  - name: service\n    execution_type: {execution_type}\n    security_policy: {{use: mine}}\n    \
         operations:\n      - {{name: run{operation}}}\n"
    );
    Registry::parse("services.yaml", &text, library, Environment::Production, &Capabilities::shipped())
}

#[test]
fn a_site_names_its_own_and_tightens_the_rest() {
    for other in &POLICIES {
        let library = site(other, other.names).unwrap_or_else(|found| panic!("{}: {found}", other.name));
        let policy = library.effective("mine", Environment::Production).unwrap();
        assert_eq!(policy.commands().count(), 0, "{}", other.name);
        let outer = library.effective(other.name, Environment::Production).unwrap();
        let (inner, outer) = (policy.limits(), outer.limits());
        assert!(inner.memory_mb <= outer.memory_mb && inner.wall_seconds <= outer.wall_seconds);
    }
}

#[test]
fn a_site_that_asks_for_more_is_refused_and_told_of_what() {
    for other in &POLICIES {
        for (clauses, clause) in other.wider {
            let found = site(other, clauses).expect_err(clauses).to_string();
            assert!(found.contains(clause), "{clause}: {found}");
        }
    }
}

#[test]
fn a_shell_operation_under_one_is_refused_when_services_load() {
    let command = ", runner_config: {command: [/usr/bin/python3]}";
    for other in &POLICIES {
        let library = site(other, other.names).unwrap();
        let found = registry(&library, "shell", command).unwrap_err().to_string();
        assert!(found.contains(other.refusal) && found.contains("cannot be enforced here"), "{found}");
    }
    // The same operation loads under a policy of the shell's own.
    let (library, _) =
        Library::shipped().unwrap().with_text("mine.yaml", "policy: mine\nextends: script-strict\n").unwrap();
    assert!(registry(&library, "shell", command).is_ok());
}

const NETWORKED: &str = "policy: mine\nimages: [\"batch@sha256:\
    0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\"]\nnetwork: {mode: allowlist, hosts: [\"example.com:443\"]}\nsyscalls: {profile: standard}\n";

#[test]
fn a_container_with_a_network_loads_and_is_refused_where_what_it_is_made_of_leaves_no_way_to_the_proxy() {
    let loads = |clauses: &str, config: &str| {
        let text =
            format!("{NETWORKED}{clauses}\n").replace("syscalls: {profile: standard}\nsyscalls", "syscalls");
        let (library, _) = Library::shipped().unwrap().with_text("mine.yaml", &text).unwrap();
        registry(&library, "docker", &format!(", runner_config: {{command: [/bin/train]{config}}}"))
            .map_err(|found| found.to_string())
    };
    loads("", "").unwrap_or_else(|found| panic!("{found}"));
    assert!(loads("", ", runtime: runc").is_ok());
    for (clauses, config, said) in [
        ("", ", runtime: runsc", "sockets in a container of the runtime `runsc` are its own"),
        ("syscalls: {profile: strict}", "", "the first process of a container needs `socket` to start"),
    ] {
        let found = loads(clauses, config).unwrap_err();
        assert!(found.contains("cannot be enforced by the docker runner") && found.contains(said), "{found}");
    }
    // Without a network none of that is in the way.
    let (library, _) = Library::shipped()
        .unwrap()
        .with_text("mine.yaml", "policy: mine\nextends: container-batch\nsyscalls: {profile: strict}\n")
        .unwrap();
    assert!(registry(&library, "docker", ", runner_config: {command: [/bin/train], runtime: runsc}").is_ok());
}

#[test]
fn a_container_that_is_to_have_no_network_and_one_of_the_policys_does_not_load() {
    let (library, _) = Library::shipped().unwrap().with_text("mine.yaml", NETWORKED).unwrap();
    let loads = |config: &str| {
        let text = format!(
            "services:\n  - name: service\n    execution_type: docker\n    runner_config: {{{config}}}\n    security_policy: \
             {{use: mine}}\n    operations:\n      - {{name: run, runner_config: {{command: [/bin/train]}}}}\n"
        );
        let capabilities = Capabilities::shipped();
        Registry::parse("services.yaml", &text, &library, Environment::Production, &capabilities)
    };
    loads("").unwrap_or_else(|found| panic!("{found}"));
    let found = loads("network_mode: none").unwrap_err().to_string();
    assert!(found.contains("leave one of them out"), "{found}");
    let found = loads("network_mode: bridge").unwrap_err().to_string();
    assert!(found.contains("joins no network of the engine's"), "{found}");
}

#[test]
fn a_service_of_its_own_execution_type_loads_under_it() {
    for (other, execution_type) in POLICIES.iter().zip(["docker", "serverless", "http", "http"]) {
        let library = site(other, other.names).unwrap();
        let registry =
            registry(&library, execution_type, "").unwrap_or_else(|found| panic!("{}: {found}", other.name));
        let policy = registry.operation("service", "run").unwrap().effective_policy();
        assert_eq!(policy.name().as_str(), "mine");
    }
}

#[test]
fn a_call_of_a_function_under_a_policy_that_asks_for_what_nobody_here_enforces_does_not_load() {
    let [_, function, ..] = &POLICIES;
    for (clause, named) in [
        ("resource_limits: {memory_mb: 64}", "`resource_limits.memory_mb`"),
        ("resource_limits: {cpu_cores: 0.5}", "`resource_limits.cpu_cores`"),
        ("syscalls: {profile: strict}", "`syscalls"),
    ] {
        let names = function.names.replace("resource_limits: {wall_seconds: 60}", clause);
        let library = site(function, &names).unwrap_or_else(|found| panic!("{found}"));
        let found = registry(&library, "serverless", "").unwrap_err().to_string();
        assert!(found.contains("cannot be enforced here") && found.contains(named), "{found}");
    }
}
