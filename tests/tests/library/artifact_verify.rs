//! `artifact-verify`.

use std::net::TcpListener;
use std::time::Duration;

use crate::Policy;
use crate::desk::{Desk, make, outside};

pub(crate) const POLICY: Policy = Policy { name: "artifact-verify", honest };

/// Checks a sum and a signature, and finds both wrong once the artifact has been touched.
fn honest(desk: &Desk) -> Result<(), String> {
    desk.file("artifact", b"what was built");
    make(desk, &["/usr/bin/openssl", "genrsa", "-out", "private.pem", "2048"]);
    make(desk, &["/usr/bin/openssl", "rsa", "-in", "private.pem", "-pubout", "-out", "public.pem"]);
    let sign = ["dgst", "-sha256", "-sign", "private.pem", "-out", "artifact.sig", "artifact"];
    make(desk, &[&["/usr/bin/openssl"], &sign[..]].concat());
    make(desk, &["/bin/sh", "-c", "/usr/bin/sha256sum artifact > SHA256SUMS"]);
    let sums = || desk.run(&["artifact", "SHA256SUMS"], &["/usr/bin/sha256sum", "-c", "SHA256SUMS"]);
    let signature = || {
        let verify = ["dgst", "-sha256", "-verify", "public.pem", "-signature", "artifact.sig", "artifact"];
        desk.run(&["artifact", "artifact.sig", "public.pem"], &[&["/usr/bin/openssl"], &verify[..]].concat())
    };
    sums().printed("artifact: OK\n")?;
    signature().printed("Verified OK\n")?;
    desk.file("artifact", b"what was put in its place");
    match (sums(), signature()) {
        (sums, signature)
            if sums.stdout == "artifact: FAILED\n" && signature.stdout == "Verification failure\n" =>
        {
            Ok(())
        }
        other => Err(format!("a forged artifact: {other:?}")),
    }
}

#[test]
fn nobody_is_told_of_what_is_verified() {
    let desk = Desk::new("artifact-verify");
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let command = ["/usr/bin/openssl", "s_client", "-connect", &address];
    let ran = desk.run(&[], &command);
    assert!(ran.code != 0 && listener.accept().is_err(), "{ran:?}");
    // Outside, the same command knocks. What hears it hangs up.
    let hang_up = std::thread::spawn(move || {
        stockade_tests::eventually("somebody to knock", Duration::from_secs(10), || listener.accept().ok());
    });
    outside(&desk, &command);
    hang_up.join().unwrap();
}

#[test]
fn other_files_are_not_there_and_nothing_is_written() {
    let desk = Desk::new("artifact-verify");
    desk.file("artifact", b"abc");
    let sum = |path| desk.run(&["artifact"], &["/usr/bin/sha256sum", path]);
    assert!(sum("artifact").code == 0 && sum("/etc/shadow").says("Permission denied"));
    let random = |arguments: &[&str]| desk.run(&[], &[&["/usr/bin/openssl", "rand"], arguments].concat());
    assert_eq!(random(&["-hex", "8"]).code, 0);
    let written = random(&["-out", "key", "8"]);
    assert!(written.code != 0 && written.says("Permission denied"), "{written:?}");
}
