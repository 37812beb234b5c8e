//! The feed, heard from a kernel of the tests' own.

use std::os::unix::net::UnixDatagram as Kernel;

use super::*;

const UID: u32 = 1000;

/// A feed that is told nothing, as if the kernel lost all it was to tell.
fn deaf() -> (Feed, Kernel) {
    let (kernel, ours) = Kernel::pair().unwrap();
    ours.set_nonblocking(true).unwrap();
    kernel.set_nonblocking(true).unwrap();
    let opened = Opened { socket: Ok(ours.into()), switch: Switch::default() };
    (Feed::new(opened, AUDITED_ABI, (UID, 8)).unwrap(), kernel)
}

async fn settled(feed: &Feed) -> Vec<Denial> {
    let mut hearing = feed.begin(UID);
    feed.mark(&mut hearing);
    feed.settle(hearing, End::Exited(0)).await
}

#[tokio::test]
async fn a_mark_that_does_not_come_is_an_incomplete_that_the_job_shows() {
    let (feed, _kernel) = deaf();
    let denials = settled(&feed).await;
    assert_eq!(denials.len(), 1, "{denials:?}");
    assert_eq!((denials[0].layer, denials[0].what), ("evidence", "incomplete"));
    assert!(denials[0].target.contains("was not heard to the job's end"), "{denials:?}");
}

/// A job, on a host whose audit has told of a first mark.
fn promised(feed: &Feed) -> (Hearing, InitMark) {
    feed.fence().unwrap().hear_first();
    let hearing = feed.begin(UID);
    let mark = hearing.promised().expect("a mark that init leaves");
    (hearing, mark)
}

/// What the kernel says of a call that a filter has recorded.
fn says(kernel: &Kernel, uid: u32, name: &[u8]) {
    let comm: String = name.iter().map(|byte| format!("{byte:02X}")).collect();
    let text = format!("audit(1.5:6): uid={uid} pid=9 comm={comm} sig=0 syscall=157 code=0x7ffc0000");
    let mut message = vec![0; 16];
    message[4..6].copy_from_slice(&1326_u16.to_ne_bytes());
    message.extend(text.as_bytes());
    kernel.send(&message).unwrap();
}

#[tokio::test]
async fn what_comes_before_the_mark_of_a_jobs_init_is_all_that_is_known_of_the_job() {
    let (feed, kernel) = deaf();
    let (mut hearing, mark) = promised(&feed);
    says(&kernel, UID, mark.name().as_bytes());
    feed.mark(&mut hearing);
    assert!(hearing.mark.is_none(), "nobody is woken for another one");
    let began = Instant::now();
    assert_eq!(feed.settle(hearing, End::Exited(0)).await, []);
    assert!(began.elapsed() < PROMISED_MARK);
    assert!(feed.begin(UID).promised().is_some_and(|next| next != mark));
}

#[tokio::test]
async fn a_mark_that_is_forged_is_none() {
    let (feed, kernel) = deaf();
    let (hearing, mark) = promised(&feed);
    says(&kernel, UID + 1, mark.name().as_bytes());
    says(&kernel, UID, b"stockade-launch");
    says(&kernel, UID, InitMark::of([0; InitMark::LENGTH]).name().as_bytes());
    let denials = feed.settle(hearing, End::Exited(0)).await;
    assert_eq!(denials.len(), 1, "{denials:?}");
    assert!(denials[0].target.contains("was not heard to the job's end"), "{denials:?}");
}

#[tokio::test]
async fn for_a_mark_that_does_not_come_another_is_made_and_none_is_asked_of_inits_for_a_while() {
    let (feed, _kernel) = deaf();
    let (mut hearing, _) = promised(&feed);
    feed.mark(&mut hearing);
    let began = Instant::now();
    let denials = feed.settle(hearing, End::Exited(0)).await;
    assert!(began.elapsed() > MARK, "it is waited for");
    assert_eq!((denials.len(), denials[0].what), (1, "incomplete"));
    assert!(feed.begin(UID).promised().is_none());
}

#[tokio::test]
async fn for_a_job_whose_init_was_killed_a_mark_is_made() {
    let (feed, _kernel) = deaf();
    let (mut hearing, _) = promised(&feed);
    hearing.init_is_gone();
    feed.mark(&mut hearing);
    assert!(hearing.mark.is_some());
}

#[tokio::test]
async fn an_audit_that_never_tells_is_no_evidence_and_keeps_nobody_waiting() {
    let (feed, _kernel) = deaf();
    assert!(feed.state().0);
    tokio::time::sleep(Duration::from_millis(1100)).await;
    let (whole, state) = feed.state();
    assert!(!whole && state.contains("its first mark did not come"), "{state}");
    let began = Instant::now();
    assert_eq!(settled(&feed).await, []);
    assert!(began.elapsed() < MARK);
}

#[tokio::test]
async fn a_job_during_whose_time_the_kernel_may_have_cut_says_so() {
    let (feed, kernel) = deaf();
    let hearing = feed.begin(UID);
    // Headers of messages that tell nothing of a sandbox.
    for _ in 0..2000 {
        while kernel.send(&[0; 16]).is_err() {
            feed.read_what_waits();
        }
    }
    let denials = feed.settle(hearing, End::Exited(0)).await;
    assert!(denials.iter().any(|denial| denial.target.contains("may be missing")), "{denials:?}");
}
