//! The jobs of the demo. Their scripts are those of `examples/`.

use serde_json::{Value, json};

use super::expect::{functions, honest, hostile};
use super::function::FUNCTION;
use super::observed::{Observed, Surroundings};

/// The registry they call.
pub(super) const SERVICES: &str = include_str!("../../../examples/services.yaml");
/// What is called in it beside what the examples have; `KEY` is a file.
pub(super) const FUNCTIONS: &str = include_str!("functions.yaml");
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
    /// The execution type of that.
    pub(super) kind: &'static str,
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
    /// The orders, for a function.
    Payload,
    /// A function that no policy names.
    OtherFunction,
    /// Nothing at all: it is a call of the web service.
    Call,
}

impl Case {
    /// Whether it means harm.
    pub(super) fn is_hostile(&self) -> bool {
        self.calls.0 == "tenant_scripts" || self.calls.1 == "onward" || self.given == Given::OtherFunction
    }

    /// Its input.
    pub(super) fn input(&self, around: &Surroundings) -> Value {
        match self.given {
            Given::Nothing => json!({"script": self.script}),
            Given::Orders => json!({"script": self.script, "csv": ORDERS}),
            Given::Port => json!({"script": self.script, "port": around.trap.port()}),
            Given::Call => json!({}),
            Given::Path => json!({"script": self.script, "path": around.plant}),
            Given::Payload => json!({"payload": {"csv": ORDERS}}),
            Given::OtherFunction => {
                json!({"payload": {}, "function_name": FUNCTION.replace("count-orders", "delete-orders")})
            }
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
    kind: "shell",
    script: "",
    given: Given::Nothing,
    timeout_seconds: None,
    judge: hostile::read_shadow,
};

/// Every job, in the order of the table.
pub(super) const ALL: [Case; 17] = [
    Case {
        name: "transform a CSV",
        calls: ("reports", "from_csv"),
        kind: "shell",
        script: script!("honest/revenue_by_country.py"),
        given: Given::Orders,
        timeout_seconds: None,
        judge: honest::revenue,
    },
    Case {
        name: "shell pipeline",
        calls: ("text_tools", "pipeline"),
        kind: "shell",
        script: script!("honest/orders_per_category.sh"),
        given: Given::Orders,
        timeout_seconds: None,
        judge: honest::categories,
    },
    Case {
        name: "call a function",
        calls: ("functions", "call"),
        kind: "serverless",
        script: "",
        given: Given::Payload,
        timeout_seconds: None,
        judge: functions::counted,
    },
    Case {
        name: "call a web service",
        calls: ("rates", "today"),
        kind: "http",
        script: "",
        given: Given::Call,
        timeout_seconds: None,
        judge: honest::rates,
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
        name: "be sent on to the host",
        calls: ("rates", "onward"),
        kind: "http",
        given: Given::Call,
        judge: hostile::sent_on,
        ..HOSTILE
    },
    Case {
        name: "outlive the job",
        script: script!("hostile/outlive.py"),
        judge: hostile::outlive,
        ..HOSTILE
    },
    Case {
        name: "call another function",
        calls: ("functions", "call"),
        kind: "serverless",
        given: Given::OtherFunction,
        judge: functions::not_granted,
        ..HOSTILE
    },
];

#[cfg(test)]
mod tests {
    use stockade_policies::{Capabilities, Environment, Library, Registry};

    use crate::demo::web::Web;

    use super::*;

    #[tokio::test]
    async fn the_examples_are_a_registry_that_loads_and_every_case_calls_an_operation_of_it() {
        let library = Library::shipped().unwrap();
        let can = Capabilities::shipped();
        let web = Web::open(1).await.unwrap().services();
        let text = format!("{SERVICES}{web}{}", FUNCTIONS.replace("KEY", "/srv/key"));
        for environment in Environment::ALL {
            assert!(Registry::parse("services.yaml", SERVICES, &library, environment, &can).is_ok());
            let registry = Registry::parse("services.yaml", &text, &library, environment, &can).unwrap();
            for case in ALL {
                let operation = registry.operation(case.calls.0, case.calls.1).unwrap();
                assert_eq!(operation.execution_type().as_str(), case.kind);
            }
        }
    }

    #[test]
    fn no_two_jobs_have_one_name() {
        let names: std::collections::BTreeSet<&str> = ALL.iter().map(|case| case.name).collect();
        assert_eq!(names.len(), ALL.len());
    }
}
