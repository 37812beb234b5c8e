//! The jobs of the demo. Their scripts are those of `examples/`.

use serde_json::{Value, json};

use super::expect::{honest, hostile};
use super::observed::{Observed, Surroundings};

/// The registry they call.
pub(super) const SERVICES: &str = include_str!("../../../examples/services.yaml");
/// What the honest ones work on.
pub(super) const ORDERS: &str = include_str!("../../../examples/orders.csv");

/// What stopped a job, or what it did; or in what way it came out otherwise than it must.
pub(super) type Judgement = Result<String, String>;

/// One job of the demo.
#[derive(Debug, Clone, Copy)]
pub(super) struct Case {
    /// What it is called in the table.
    pub(super) name: &'static str,
    /// The service and operation it calls.
    pub(super) calls: (&'static str, &'static str),
    /// The text of its script.
    pub(super) script: &'static str,
    /// What else it is given.
    pub(super) given: Given,
    /// Seconds it proposes to be ended after; the registry's bound is longer.
    pub(super) timeout_seconds: Option<i32>,
    /// Whether it came out as it must.
    pub(super) judge: fn(&Observed, &Surroundings) -> Judgement,
}

/// What a job is given beside its script.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Given {
    Nothing,
    Orders,
    Port,
    Path,
}

impl Case {
    /// Whether it means harm.
    pub(super) fn is_hostile(&self) -> bool {
        self.calls.0 == "tenant_scripts"
    }

    /// Its input.
    pub(super) fn input(&self, around: &Surroundings) -> Value {
        match self.given {
            Given::Nothing => json!({"script": self.script}),
            Given::Orders => json!({"script": self.script, "csv": ORDERS}),
            Given::Port => json!({"script": self.script, "port": around.trap.port()}),
            Given::Path => json!({"script": self.script, "path": around.plant}),
        }
    }
}

macro_rules! script {
    ($path:literal) => {
        include_str!(concat!("../../../examples/", $path))
    };
}

const HOSTILE: Case = Case {
    name: "",
    calls: ("tenant_scripts", "python"),
    script: "",
    given: Given::Nothing,
    timeout_seconds: None,
    judge: hostile::read_shadow,
};

/// Every job, in the order of the table.
pub(super) const ALL: [Case; 13] = [
    Case {
        name: "transform a CSV",
        calls: ("reports", "from_csv"),
        script: script!("honest/revenue_by_country.py"),
        given: Given::Orders,
        timeout_seconds: None,
        judge: honest::revenue,
    },
    Case {
        name: "shell pipeline",
        calls: ("text_tools", "pipeline"),
        script: script!("honest/orders_per_category.sh"),
        given: Given::Orders,
        timeout_seconds: None,
        judge: honest::categories,
    },
    Case { name: "read /etc/shadow", script: script!("hostile/read_shadow.py"), ..HOSTILE },
    Case {
        name: "write to /usr",
        script: script!("hostile/write_usr.py"),
        given: Given::Path,
        judge: hostile::write_usr,
        ..HOSTILE
    },
    Case {
        name: "bring and run a binary",
        script: script!("hostile/own_binary.py"),
        judge: hostile::own_binary,
        ..HOSTILE
    },
    Case {
        name: "run an unlisted command",
        script: script!("hostile/unlisted_command.py"),
        judge: hostile::unlisted_command,
        ..HOSTILE
    },
    Case {
        name: "connect out",
        script: script!("hostile/connect_out.py"),
        given: Given::Port,
        judge: hostile::connect_out,
        ..HOSTILE
    },
    Case {
        name: "fork bomb",
        script: script!("hostile/fork_bomb.py"),
        timeout_seconds: Some(3),
        judge: hostile::fork_bomb,
        ..HOSTILE
    },
    Case {
        name: "memory bomb",
        script: script!("hostile/memory_bomb.py"),
        judge: hostile::memory_bomb,
        ..HOSTILE
    },
    Case {
        name: "endless loop",
        script: script!("hostile/endless_loop.py"),
        timeout_seconds: Some(2),
        judge: hostile::endless_loop,
        ..HOSTILE
    },
    Case {
        name: "ten gigabytes of output",
        script: script!("hostile/ten_gigabytes.py"),
        judge: hostile::ten_gigabytes,
        ..HOSTILE
    },
    Case {
        name: "symlink as its result",
        script: script!("hostile/symlink_result.py"),
        judge: hostile::symlink_result,
        ..HOSTILE
    },
    Case {
        name: "outlive the job",
        script: script!("hostile/outlive.py"),
        judge: hostile::outlive,
        ..HOSTILE
    },
];

#[cfg(test)]
mod tests {
    use stockade_policies::{Capabilities, Environment, Library, Registry};

    use super::*;

    #[test]
    fn the_examples_are_a_registry_that_loads_and_every_case_calls_an_operation_of_it() {
        let library = Library::shipped().unwrap();
        let can = Capabilities::new().runner("shell", stockade_policies::SHELL_ENFORCES);
        for environment in Environment::ALL {
            let registry = Registry::parse("services.yaml", SERVICES, &library, environment, &can).unwrap();
            for case in ALL {
                registry.operation(case.calls.0, case.calls.1).unwrap();
            }
        }
    }

    #[test]
    fn no_two_jobs_have_one_name() {
        let names: std::collections::BTreeSet<&str> = ALL.iter().map(|case| case.name).collect();
        assert_eq!(names.len(), ALL.len());
    }
}
