//! The network of a job whose policy names destinations: what it reaches, and what it does not. Everything happens in
//! network namespaces that the test makes; who is there, `tests/probes/world.py` says.

#[path = "egress/bounds.rs"]
mod bounds;
#[path = "egress/hostile.rs"]
mod hostile;
#[path = "egress/net.rs"]
mod net;
#[path = "egress/programs.rs"]
mod programs;

use stockade_tests::Suite;

use net::Net;

pub(crate) fn run(suite: &mut Suite) {
    let net = Net::enter();
    suite.test("programs_that_know_of_proxies_reach_hosts_that_are_named", || programs::by_proxy(&net));
    suite.test("programs_that_know_no_proxy_reach_them_unchanged", || programs::without_proxy(&net));
    suite.test("what_is_sent_and_received_arrives_whole", || programs::bytes(&net));
    suite.test("other_protocols_pass_where_no_host_can_be_asked_for", || programs::other_protocols(&net));
    suite.test("hosts_that_are_not_named_are_refused_and_recorded", || hostile::not_named(&net));
    suite.test("names_that_programs_read_differently_are_refused", || hostile::names(&net));
    suite.test("addresses_are_reached_only_if_they_are_named", || hostile::addresses(&net));
    suite.test("names_that_lead_inside_are_refused", || hostile::inside(&net));
    suite.test("a_name_that_changes_its_address_is_judged_again", || hostile::rebinding(&net));
    suite.test("tls_for_another_host_is_refused", || hostile::fronting_by_tls(&net));
    suite.test("http_for_another_host_is_refused", || hostile::fronting_by_http(&net));
    suite.test("requests_that_hide_another_are_refused", || hostile::smuggling(&net));
    suite.test("no_name_leaves_by_dns", || hostile::dns(&net));
    suite.test("nothing_but_the_proxy_answers_in_the_namespace", || hostile::namespace(&net));
    suite.test("another_jobs_proxy_is_out_of_reach", || hostile::other_job(&net));
    suite.test("a_flood_of_connections_stays_bounded", || bounds::flood(&net));
    suite.test("connections_end_with_their_job", || bounds::death(&net));
    suite.test("a_job_without_a_network_has_no_listener", || bounds::none(&net));
    suite.test("a_sandbox_made_ahead_has_its_listeners", || bounds::made_ahead(&net));
}
