//! `archive-unpack`.

use crate::Policy;
use crate::desk::{Desk, make, outside};

pub(crate) const POLICY: Policy = Policy { name: "archive-unpack", honest };

const REPORT: &str = "city,total\nZürich,42\n";

/// Packs a report with each tool, and unpacks it in the sandbox.
fn honest(desk: &Desk) -> Result<(), String> {
    desk.file("report.csv", REPORT.as_bytes());
    make(desk, &["/usr/bin/tar", "-czf", "a.tgz", "report.csv"]);
    make(desk, &["/usr/bin/tar", "-cJf", "a.txz", "report.csv"]);
    let zip = "import zipfile; zipfile.ZipFile('a.zip', 'w', zipfile.ZIP_DEFLATED).write('report.csv')";
    make(desk, &["/usr/bin/python3", "-c", zip]);
    desk.run(&["a.tgz"], &["/usr/bin/tar", "-xzvf", "a.tgz"]).printed("report.csv\n")?;
    desk.run(&["a.txz"], &["/usr/bin/tar", "-xJOf", "a.txz"]).printed(REPORT)?;
    let unzipped = desk.run(&["a.zip"], &["/usr/bin/unzip", "a.zip"]).good()?;
    if !unzipped.stdout.contains("inflating: report.csv") {
        return Err(unzipped.stdout);
    }
    desk.run(&["a.zip"], &["/usr/bin/unzip", "-p", "a.zip"]).printed(REPORT)
}

#[test]
fn a_service_collects_what_it_names_of_an_archive() {
    let desk = Desk::with_text("policy: mine\nextends: archive-unpack\noutputs: [report.csv]\n");
    desk.file("report.csv", REPORT.as_bytes());
    make(&desk, &["/usr/bin/tar", "-czf", "a.tgz", "report.csv"]);
    let ran = desk.run(&["a.tgz"], &["/usr/bin/tar", "-xzf", "a.tgz"]).good().unwrap();
    assert_eq!(ran.files["report.csv"], REPORT.as_bytes());
}

/// Two ways out of a directory: a name that climbs, and a link that is then written through.
const CLIMBING: &str = "
import io, tarfile
with tarfile.open('climbs.tar', 'w') as tar:
    def add(name):
        member = tarfile.TarInfo(name); member.size = 4
        tar.addfile(member, io.BytesIO(b'evil'))
    add('../climbed')
    link = tarfile.TarInfo('link'); link.type = tarfile.SYMTYPE; link.linkname = '..'
    tar.addfile(link)
    add('link/through')
    add('honest')
";

#[test]
fn what_climbs_out_of_an_archive_finds_nothing_to_write_to() {
    let desk = Desk::with_text("policy: mine\nextends: archive-unpack\noutputs: [honest]\n");
    make(&desk, &["/usr/bin/python3", "-c", CLIMBING]);
    let ran = desk.run(&["climbs.tar"], &["/usr/bin/tar", "-xPf", "climbs.tar"]);
    assert_eq!(ran.code, 2, "{ran:?}");
    assert!(ran.says("../climbed: Cannot open") && ran.says("link/through: Cannot open"), "{ran:?}");
    assert_eq!(ran.files["honest"], b"evil", "the rest is unpacked");
    // The same archive outside: both ways lead out.
    std::fs::create_dir(desk.path("deep")).unwrap();
    make(&desk, &["/usr/bin/tar", "-C", "deep", "-xPf", "climbs.tar"]);
    assert!(desk.path("climbed").is_file() && desk.path("through").is_file());
}

/// Files of 300 MiB of nothing, which pack to a thousandth.
const BOMB: &str = "
import sys, zipfile
with zipfile.ZipFile('bomb.zip', 'w', zipfile.ZIP_DEFLATED, compresslevel=1) as bomb:
    for name in sys.argv[1:]:
        bomb.writestr(name, bytes(300 << 20))
";

#[test]
fn a_bomb_fills_the_room_that_the_policy_gives_and_no_more() {
    let desk = Desk::new("archive-unpack");
    make(&desk, &["/usr/bin/python3", "-c", BOMB, "one"]);
    desk.run(&["bomb.zip"], &["/usr/bin/unzip", "bomb.zip"]).good().unwrap();
    make(&desk, &["/usr/bin/python3", "-c", BOMB, "one", "two"]);
    let ran = desk.run(&["bomb.zip"], &["/usr/bin/unzip", "bomb.zip"]);
    assert!(ran.code != 0 && (ran.says("disk full") || ran.says("No space left")), "{ran:?}");
}

#[test]
fn a_program_that_an_archive_brings_is_not_run() {
    let desk = Desk::new("archive-unpack");
    let evil = desk.file("evil", b"#!/bin/sh\necho evil ran\ncat\n");
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(evil, mode).unwrap();
    make(&desk, &["/usr/bin/tar", "-czf", "a.tgz", "evil"]);
    let command = ["/usr/bin/tar", "--checkpoint=1", "--checkpoint-action=exec=./evil", "-xzf", "a.tgz"];
    let ran = desk.run(&["a.tgz"], &command);
    assert!(!ran.stdout.contains("evil ran") && !ran.says("evil ran"), "{ran:?}");
    let outside = outside(&desk, &command);
    assert!(String::from_utf8_lossy(&outside.stdout).contains("evil ran"), "{outside:?}");
}
