//! Where calls may go: what names lead to, and what addresses are called.

use serde_json::json;
use stockade::runner::ErrorClass;
use stockade::store::Verdict;

use crate::desk::{Desk, Names, denials, load, nothing, service};
use crate::stage::{Stage, answer};

/// A service at a name and a port, which may reach these addresses beside public ones.
fn named(port: u16, addresses: &str, names: Names) -> Desk {
    let lines = format!(
        "base_url: http://api.example.com:{port}\ntimeout: 3\nsecurity_policy: {{http: {{addresses: [{addresses}]}}}}\n\
         operations: {{read: {{method: GET, path: /}}}}"
    );
    Desk::with(&service(&lines), names, None)
}

#[test]
fn a_name_leads_to_an_address_that_is_not_public_only_if_the_policy_names_it() {
    let stage = Stage::saying(answer("200 OK", "", "here"));
    let port = stage.address.port();
    let allowed = named(port, &format!("\"127.0.0.1:{port}\""), Names::answering(&[&["127.0.0.1"]]));
    let finished = allowed.call("read", nothing());
    assert_eq!((finished.verdict, &*finished.stdout.bytes), (Verdict::Completed, &b"here"[..]));
    assert_eq!(stage.heard()[0].field("host"), Some(format!("api.example.com:{port}").as_str()));
    assert_eq!(finished.target.unwrap()["address"], format!("127.0.0.1:{port}"));
    for address in [
        "127.0.0.1",
        "127.0.0.2",
        "0.0.0.0",
        "10.0.0.1",
        "172.16.3.4",
        "192.168.0.1",
        "169.254.169.254",
        "100.64.0.1",
        "::1",
        "::",
        "::ffff:127.0.0.1",
        "::ffff:169.254.169.254",
        "64:ff9b::7f00:1",
        "2002:7f00:1::1",
        "fd00::8",
        "fd00:ec2::254",
        "fe80::1",
    ] {
        let refused = named(port, "\"127.9.9.9:1\"", Names::answering(&[&[address]])).call("read", nothing());
        assert_eq!(
            (refused.verdict, refused.class),
            (Verdict::Refused, Some(ErrorClass::Permanent)),
            "{address}"
        );
        let target = format!("api.example.com:{port}");
        assert_eq!(denials(&refused), [("address".to_owned(), "connect".to_owned(), target)], "{address}");
        assert!(refused.error.unwrap().contains(address), "{address}");
    }
    assert_eq!(stage.heard().len(), 1, "nothing was sent to an address that is refused");
}

#[test]
fn of_many_addresses_those_that_are_refused_are_left_out() {
    let stage = Stage::saying(answer("200 OK", "", ""));
    let port = stage.address.port();
    let names = Names::answering(&[&["169.254.169.254", "10.0.0.1", "127.0.0.1"]]);
    let finished = named(port, &format!("\"127.0.0.1:{port}\""), names).call("read", nothing());
    assert_eq!(finished.verdict, Verdict::Completed);
    assert_eq!(finished.target.unwrap()["address"], format!("127.0.0.1:{port}"));
}

#[test]
fn a_name_is_looked_up_once_for_each_request_and_judged_again_on_a_redirect() {
    let stage = Stage::new(|heard, connection| {
        let to =
            if heard.line.starts_with("GET /again") { "200 OK" } else { "302 Found\r\nlocation: /again" };
        let _ = connection.write_all(&answer(to, "", ""));
    });
    let port = stage.address.port();
    let allowed = format!("\"127.0.0.1:{port}\"");
    // The same answer twice: followed.
    let steady = Names::answering(&[&["127.0.0.1"]]);
    assert_eq!(named(port, &allowed, steady.clone()).call("read", nothing()).verdict, Verdict::Completed);
    assert_eq!(steady.asked.lock().unwrap().len(), 2);
    // Another answer the second time: refused, and the server hears of it no more.
    for rebound in ["127.0.0.2", "169.254.169.254", "::1"] {
        let heard = stage.heard().len();
        let names = Names::answering(&[&["127.0.0.1"], &[rebound], &["127.0.0.1"]]);
        let finished = named(port, &allowed, names.clone()).call("read", nothing());
        assert_eq!((finished.verdict, finished.class), (Verdict::Failed, Some(ErrorClass::Permanent)));
        assert_eq!(denials(&finished)[0].0, "address");
        assert_eq!(names.asked.lock().unwrap().len(), 2, "judged and connected to is one look-up");
        assert_eq!(stage.heard().len(), heard + 1, "{rebound}");
    }
}

#[test]
fn a_name_without_an_address_may_have_one_later() {
    let finished = named(80, "\"127.0.0.1:80\"", Names::default()).call("read", nothing());
    assert_eq!((finished.verdict, finished.class), (Verdict::Failed, Some(ErrorClass::Retryable)));
    assert_eq!(finished.denials, json!([]));
}

#[test]
fn an_address_in_a_base_url_is_meant_and_one_in_disguise_is_refused_when_services_load() {
    let stage = Stage::saying(answer("200 OK", "", ""));
    let port = stage.address.port();
    let with = |host: &str| {
        service(&format!("base_url: http://{host}:{port}\noperations: {{read: {{method: GET, path: /}}}}"))
    };
    assert_eq!(Desk::new(&with("127.0.0.1")).call("read", nothing()).verdict, Verdict::Completed);
    for host in [
        "2130706433",
        "0x7f000001",
        "0x7f.1",
        "127.1",
        "0177.0.0.1",
        "127.0.0.01",
        "localhost",
        "api.localhost",
        "[::ffff:127.0.0.1]",
        "127.0.0.1.",
        "user:password@127.0.0.1",
        "a_b.example",
        "api.example.com\\\\@127.0.0.1",
    ] {
        let found = load(&with(host)).map(|_| ()).expect_err(host).to_string();
        assert!(found.contains("services.yaml:3:"), "{host}: {found}");
    }
    assert_eq!(stage.heard().len(), 1);
}
