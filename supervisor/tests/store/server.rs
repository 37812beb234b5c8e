//! The embedded server: made once, reused, and there again after every way of losing it.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::Path,
    process::Stdio,
    time::{Duration, Instant},
};

use crate::support::{begun, data_of, job, program, scratch, superuser, worker_with_lease};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use stockade::{
    postgres::{EmbeddedPostgres, PostgresError},
    store::{Access, After, AttemptEnd, Completion, Database, Store, StoreError, Verdict, migrate},
};

async fn start(state_dir: &Path) -> EmbeddedPostgres {
    EmbeddedPostgres::start(state_dir).await.unwrap()
}

async fn store(server: &EmbeddedPostgres) -> Store {
    migrate(&server.database()).await.unwrap();
    Store::connect(&server.database(), Access::Worker, 2).await.unwrap()
}

fn is_alive(pid: i32) -> bool {
    kill(Pid::from_raw(pid), None).is_ok()
}

async fn until(what: &str, mut condition: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !condition().await {
        assert!(Instant::now() < deadline, "waited too long until {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn data_is_there_again_after_a_clean_stop() {
    let state = scratch();
    let server = start(state.path()).await;
    let pid = server.pid().unwrap();
    let group = nix::unistd::getpgid(Some(Pid::from_raw(pid))).unwrap();
    assert_ne!(group, nix::unistd::getpgrp(), "Ctrl-C would reach the server");
    let first = store(&server).await;
    let id = first.submit(&job()).await.unwrap();
    first.close().await;
    server.stop().await;
    assert!(!is_alive(pid));
    assert!(fs::metadata(data_of(state.path()).join("postmaster.pid")).is_err());

    let server = start(state.path()).await;
    assert!(store(&server).await.job(id).await.unwrap().is_some());
    server.stop().await;
}

#[tokio::test]
async fn nobody_but_us_can_reach_the_server() {
    let state = scratch();
    let server = start(state.path()).await;
    let Database::Socket { directory, .. } = server.database() else { unreachable!() };
    assert_eq!(fs::metadata(&directory).unwrap().permissions().mode() & 0o777, 0o700);
    let sql = superuser(&server.database()).await;
    let setting = async |name: &str| -> String {
        sqlx::query_scalar("SELECT current_setting($1)").bind(name).fetch_one(&sql).await.unwrap()
    };
    assert_eq!(setting("listen_addresses").await, "");
    let rules: Vec<String> = sqlx::query_scalar("SELECT type || ' ' || auth_method FROM pg_hba_file_rules")
        .fetch_all(&sql)
        .await
        .unwrap();
    assert_eq!(rules, ["local peer"]);
    let stranger = Database::Socket { directory, user: "postgres".into(), name: "postgres".into() };
    let refused = Store::connect(&stranger, Access::Worker, 1).await.unwrap_err();
    assert!(refused.to_string().contains("Peer authentication failed"), "{refused}");
    server.stop().await;
}

#[tokio::test]
async fn a_server_that_is_killed_comes_back_and_the_store_with_it() {
    let state = scratch();
    let server = start(state.path()).await;
    let store = store(&server).await;
    let id = store.submit(&job()).await.unwrap();
    let killed = server.pid().unwrap();
    kill(Pid::from_raw(killed), Signal::SIGKILL).unwrap();

    let mut lost = 0;
    until("the store is back", async || match store.job(id).await {
        Ok(found) => found.is_some() && server.pid().is_some_and(|pid| pid != killed),
        Err(error) => {
            assert!(error.is_connection_lost(), "{error:?}");
            lost += 1;
            false
        }
    })
    .await;
    assert!(lost > 0, "the store never noticed");
    store.submit(&job()).await.unwrap();
    server.stop().await;
}

#[tokio::test]
async fn a_stale_pid_file_is_no_hindrance_even_with_a_number_that_lives() {
    let state = scratch();
    start(state.path()).await.stop().await;
    let file = data_of(state.path()).join("postmaster.pid");
    let mut other = sleeper();
    for content in [other.id().to_string(), "999999999".into(), "no number".into(), String::new()] {
        fs::write(&file, format!("{content}\n")).unwrap();
        start(state.path()).await.stop().await;
    }
    assert!(is_alive(other.id().cast_signed()), "a process that only had the number was killed");
    other.kill().unwrap();
    other.wait().unwrap();
}

#[tokio::test]
async fn a_server_left_running_is_stopped_and_its_data_kept() {
    let state = scratch();
    let server = start(state.path()).await;
    let id = store(&server).await.submit(&job()).await.unwrap();
    server.stop().await;
    // As an earlier supervisor would have left it: running, with nobody to stop it.
    let mut orphan = orphan_server(state.path());
    until("the orphan is ready", async || pid_file(state.path()).contains("ready")).await;

    let server = start(state.path()).await;
    assert!(orphan.wait().unwrap().success());
    assert!(store(&server).await.job(id).await.unwrap().is_some());
    server.stop().await;
}

#[tokio::test]
async fn an_interrupted_initdb_is_done_again() {
    let state = scratch();
    let unfinished = state.path().join("postgres/data.new/base");
    fs::create_dir_all(&unfinished).unwrap();
    fs::write(unfinished.parent().unwrap().join("PG_VERSION"), "15\n").unwrap();
    start(state.path()).await.stop().await;
    assert!(fs::metadata(state.path().join("postgres/data.new")).is_err());
    assert!(fs::metadata(data_of(state.path()).join("global/pg_control")).is_ok());
}

#[tokio::test]
async fn what_is_no_cluster_is_left_alone_and_named() {
    let state = scratch();
    fs::create_dir_all(data_of(state.path())).unwrap();
    fs::write(data_of(state.path()).join("precious"), "mine").unwrap();
    let error = EmbeddedPostgres::start(state.path()).await.unwrap_err();
    assert!(matches!(&error, PostgresError::NotACluster(path) if path.ends_with("postgres/data")), "{error}");
    assert_eq!(fs::read(data_of(state.path()).join("precious")).unwrap(), b"mine");
}

#[tokio::test]
async fn two_supervisors_cannot_share_a_state_directory() {
    let state = scratch();
    let first = start(state.path()).await;
    let error = EmbeddedPostgres::start(state.path()).await.unwrap_err();
    assert!(matches!(error, PostgresError::InUse(_)), "{error}");
    first.stop().await;
    start(state.path()).await.stop().await;
}

#[tokio::test]
async fn a_path_too_long_for_a_socket_is_refused_with_the_reason() {
    let state = scratch();
    let long = state.path().join("x".repeat(100));
    let error = EmbeddedPostgres::start(&long).await.unwrap_err();
    assert!(matches!(error, PostgresError::PathTooLong { max: 107, .. }), "{error}");
    assert!(error.to_string().contains("shorter `--state-dir`"), "{error}");
    start(&state.path().join("with a space, and a comma")).await.stop().await;
}

#[tokio::test]
async fn a_server_that_cannot_start_says_why() {
    let state = scratch();
    start(state.path()).await.stop().await;
    fs::write(data_of(state.path()).join("postgresql.auto.conf"), "no_such_setting = 1\n").unwrap();
    let error = EmbeddedPostgres::start(state.path()).await.unwrap_err().to_string();
    assert!(error.contains("no_such_setting"), "{error}");
}

#[tokio::test]
async fn a_database_that_was_not_migrated_is_refused_until_it_is() {
    let state = scratch();
    let server = start(state.path()).await;
    let error = Store::connect(&server.database(), Access::Worker, 1).await.unwrap_err();
    assert!(matches!(error, StoreError::SchemaOutdated { found: 0, .. }), "{error}");
    assert!(error.to_string().contains("stockade migrate"), "{error}");
    store(&server).await;
    server.stop().await;
}

#[tokio::test]
async fn a_lease_that_ran_out_while_the_server_was_away_is_not_held_against_its_worker() {
    let state = scratch();
    let server = start(state.path()).await;
    let before = store(&server).await;
    let me = worker_with_lease(&before, "me", Duration::from_secs(5)).await;
    let attempt = begun(&before, me, &job()).await;
    before.close().await;
    server.stop().await;
    tokio::time::sleep(Duration::from_millis(5100)).await;

    let server = start(state.path()).await;
    let after = store(&server).await;
    assert!(after.requeue_lost().await.unwrap().is_empty());
    assert_eq!(after.heartbeat(me).await.unwrap().held.len(), 1);
    let done = after.complete(&attempt, &AttemptEnd::new(Verdict::Completed)).await.unwrap();
    assert_eq!(done, Completion::Recorded(After::Completed));
    server.stop().await;
}

#[tokio::test]
async fn entries_to_be_written_fail_soon_while_the_server_is_away() {
    let state = scratch();
    let server = start(state.path()).await;
    let store = store(&server).await;
    let me = worker_with_lease(&store, "me", Duration::from_secs(60)).await;
    let attempt = begun(&store, me, &job()).await;
    server.stop().await;
    let began = Instant::now();
    let writers = (0..20).map(|_| {
        let store = store.clone();
        tokio::spawn(async move { store.complete(&attempt, &AttemptEnd::new(Verdict::Completed)).await })
    });
    for writer in writers.collect::<Vec<_>>() {
        let error = writer.await.unwrap().unwrap_err();
        assert!(error.is_connection_lost(), "{error:?}");
    }
    assert!(began.elapsed() < Duration::from_secs(30), "{:?}", began.elapsed());

    let server = start(state.path()).await;
    until("the attempt is completed", async || {
        store.complete(&attempt, &AttemptEnd::new(Verdict::Completed)).await.is_ok()
    })
    .await;
    server.stop().await;
}

#[tokio::test]
async fn an_owner_that_may_not_make_roles_is_told_which_to_ask_for() {
    let state = scratch();
    let server = start(state.path()).await;
    let mut sql = superuser(&server.database()).await.acquire().await.unwrap();
    sqlx::raw_sql("CREATE ROLE plain; GRANT CREATE ON DATABASE postgres TO plain; SET ROLE plain")
        .execute(&mut *sql)
        .await
        .unwrap();
    let first = include_str!("../../../migrations/0001_job_run.sql");
    let refused = sqlx::raw_sql(first).execute(&mut *sql).await.unwrap_err().to_string();
    assert!(
        refused.contains("role \"stockade_worker\" does not exist and \"plain\" may not create it"),
        "{refused}"
    );
    sqlx::raw_sql("RESET ROLE; ALTER ROLE plain CREATEROLE; SET ROLE plain")
        .execute(&mut *sql)
        .await
        .unwrap();
    sqlx::raw_sql(first).execute(&mut *sql).await.unwrap();
    drop(sql);
    server.stop().await;
}

fn pid_file(state_dir: &Path) -> String {
    fs::read_to_string(data_of(state_dir).join("postmaster.pid")).unwrap_or_default()
}

fn sleeper() -> std::process::Child {
    program("/usr/bin/sleep").arg("600").spawn().unwrap()
}

fn orphan_server(state_dir: &Path) -> std::process::Child {
    let programs =
        fs::read_dir("/usr/lib/postgresql").unwrap().map(|entry| entry.unwrap().path().join("bin/postgres"));
    program(programs.max().unwrap())
        .arg("-D")
        .arg(data_of(state_dir))
        .args(["-c", "listen_addresses=", "-c"])
        .arg(format!("unix_socket_directories={}", state_dir.join("postgres/socket").display()))
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}
