//! What `submit` says of a job before anybody runs it.

use std::process::Output;

use super::SERVER;

fn submit(operation: [&str; 2], input: &str, options: &[&str]) -> Output {
    let arguments = ["submit", operation[0], operation[1], "--input", input];
    SERVER.place().stockade(&[&arguments, options].concat())
}

fn errors(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn jobs_of(service: &str) -> String {
    SERVER.sql(&format!("SELECT count(*) FROM jobs.tb_job_run WHERE service_name = '{service}'"))
}

#[test]
fn an_operation_that_nobody_has_asked_for_before_is_handed_in_with_a_word_of_warning() {
    let [first, second] = [(); 2].map(|()| submit(["toools", "sh"], "{}", &[]));
    assert!(first.status.success() && second.status.success(), "{first:?} {second:?}");
    let said = errors(&first);
    assert!(said.contains("`toools.sh`") && said.contains("--services"), "{said}");
    let id = String::from_utf8_lossy(&first.stdout).trim().to_owned();
    assert!(said.contains(&format!("stockade jobs show {id}")), "{said}");
    assert_eq!(errors(&second), "", "it was said once");
    assert_eq!(jobs_of("toools"), "2");
}

#[test]
fn with_a_registry_what_it_does_not_have_is_not_handed_in() {
    let services = SERVER.place().services();
    let services = ["--services", services.to_str().unwrap()];
    let unknown = submit(["tols", "sh"], "{}", &services);
    assert_eq!((unknown.status.code(), jobs_of("tols").as_str()), (Some(1), "0"));
    let said = errors(&unknown);
    assert!(said.contains("no service `tols`; did you mean `tools`?") && unknown.stdout.is_empty(), "{said}");
    let said = errors(&submit(["tools", "sg"], "{}", &services));
    assert!(said.contains("no operation `sg`; did you mean `sh`?"), "{said}");

    let known = submit(["tools", "sh"], "{\"script\": \"true\"}", &services);
    assert_eq!((known.status.success(), errors(&known).as_str()), (true, ""), "{known:?}");
}

#[test]
fn with_a_registry_the_row_names_the_execution_type_of_its_service() {
    let services = SERVER.place().path().join("remote.yaml");
    let text = "services:\n  - name: remote\n    execution_type: http\n    base_url: https://api.example.com\n    \
                operations:\n      - {name: get, method: GET, path: /}\n";
    std::fs::write(&services, text).unwrap();
    let types = || {
        SERVER.sql("SELECT string_agg(execution_type, ' ' ORDER BY created_at) FROM jobs.tb_job_run WHERE service_name = 'remote'")
    };
    let named = submit(["remote", "get"], "{}", &["--services", services.to_str().unwrap()]);
    assert!(named.status.success(), "{named:?}");
    assert_eq!(types(), "http");
    assert!(submit(["remote", "get"], "{}", &[]).status.success());
    assert_eq!(types(), "http shell", "nobody said what it is");
}
