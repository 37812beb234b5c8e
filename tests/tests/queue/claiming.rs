//! What a claim takes, and what it looks at. Asked in transactions that are never committed, so that no worker takes part.

use super::SERVER;

/// What statements say of a queue in which ten of these jobs lie behind 20,000 that nobody here takes.
fn asked(question: &str) -> String {
    let jobs = "
        SELECT jobs.register_worker('the test', 'here', 1, 'none', 30, '{http,shell}') AS worker \\gset
        INSERT INTO jobs.tb_job_run (identifier, service_name, operation, execution_type)
        SELECT 'untaken-' || n, 'none', 'none', 'docker' FROM generate_series(1, 20000) n;
        INSERT INTO jobs.tb_job_run (identifier, service_name, operation, execution_type)
        SELECT 'wanted-' || n, 'none', 'none', CASE WHEN n % 2 = 0 THEN 'http' ELSE 'shell' END FROM generate_series(0, 9) n;
        UPDATE jobs.tb_job_queue q
           SET run_at = now() + (n - 100) * interval '1 second' + CASE n WHEN 2 THEN interval '1 hour' ELSE '0' END,
               priority = CASE n WHEN 7 THEN 5 WHEN 8 THEN 5 WHEN 1 THEN -1 ELSE 0 END
          FROM (SELECT r.id, substr(r.identifier, 8)::integer AS n FROM jobs.tb_job_run r
                 WHERE r.identifier LIKE 'wanted-%') w
         WHERE q.job_id = w.id;
        ANALYZE jobs.tb_job_queue;";
    SERVER.sql(&format!("BEGIN;\n\\o /dev/null\n{jobs}\n{question}\nROLLBACK;"))
}

#[test]
fn the_highest_priority_comes_first_and_then_what_is_due_longest_whatever_its_type() {
    let claim = |types: &str, how_many: u32| {
        asked(&format!(
            "\\o\nSELECT string_agg(substr(c.identifier, 8), ' ')
               FROM jobs.claim(:'worker', {types}, {how_many}) c WHERE c.identifier LIKE 'wanted-%';"
        ))
    };
    assert_eq!(claim("'{http,shell}'", 5), "7 8 0 3 4");
    assert_eq!(claim("'{http,shell}'", 50), "7 8 0 3 4 5 6 9 1");
    assert_eq!(claim("'{shell,shell}'", 50), "7 3 5 9 1");
    assert_eq!(claim("NULL", 5), "7 8 0 3 4");
    assert_eq!(claim("'{}'", 5), "");
}

#[test]
fn a_claim_does_not_look_at_the_jobs_that_its_worker_does_not_take() {
    let looked_at = |types: &str| {
        let count = "SELECT seq_tup_read + idx_tup_fetch AS SEEN FROM pg_stat_xact_user_tables WHERE relname = 'tb_job_queue'";
        let seen = asked(&format!(
            "{before} \\gset\nSELECT count(*) FROM jobs.claim(:'worker', '{types}', 64);\n\\o\nSELECT seen - :before FROM ({after}) s;",
            before = count.replace("SEEN", "before"),
            after = count.replace("SEEN", "seen"),
        ));
        seen.parse::<u64>().unwrap()
    };
    assert!(looked_at("{http,shell}") < 500, "{}", looked_at("{http,shell}"));
    // Of those that it takes it does not look at more than it needs to either.
    assert!(looked_at("{docker}") < 2000, "{}", looked_at("{docker}"));
}
