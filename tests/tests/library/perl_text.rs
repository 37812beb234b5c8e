//! `perl-text`.

use crate::Policy;
use crate::desk::{Desk, Ran};

pub(crate) const POLICY: Policy = Policy { name: "perl-text", honest };

/// Counts words, with modules of each of the directories that the policy shows, in the locale that every job has.
const SCRIPT: &str = r#"
use strict; use warnings; use utf8;
use POSIX qw(setlocale LC_CTYPE);
use List::Util qw(max);
use Digest::SHA qw(sha256_hex);
use JSON::PP;
setlocale(LC_CTYPE, "") or die "no locale";
open my $in, "<:encoding(UTF-8)", "words.txt" or die $!;
my %count;
while (<$in>) { $count{lc $_}++ for /\w+/g }
open my $out, ">", "result.json" or die $!;
print $out JSON::PP->new->utf8->canonical->encode(\%count);
print max(values %count), " ", substr(sha256_hex("abc"), 0, 8), "\n";
"#;

fn honest(desk: &Desk) -> Result<(), String> {
    desk.file("words.txt", "Über allen Gipfeln ist Ruh, über\n".as_bytes());
    let ran = perl(desk, &["words.txt"], SCRIPT).good()?;
    let result = ran.files.get("result.json").map(|bytes| String::from_utf8_lossy(bytes).into_owned());
    let expected = r#"{"allen":1,"gipfeln":1,"ist":1,"ruh":1,"über":2}"#;
    match result {
        Some(result) if result == expected && ran.stdout == "2 ba7816bf\n" && ran.stderr.is_empty() => Ok(()),
        _ => Err(format!("{ran:?}")),
    }
}

fn perl(desk: &Desk, inputs: &[&str], script: &str) -> Ran {
    desk.run(inputs, &["/usr/bin/perl", "-e", script])
}

#[test]
fn system_and_backquotes_find_no_program() {
    let script =
        r#"system("/bin/echo", "one"); print `echo two`; exec "/bin/echo", "three" or print "none\n""#;
    perl(&Desk::new("perl-text"), &[], script).printed("none\n").unwrap();
    let wider = Desk::wider(
        "commands: [/usr/bin/perl, /bin/sh, /bin/echo]\nfilesystem: {read: [/usr/lib/x86_64-linux-gnu/perl-base]}",
    );
    perl(&wider, &[], script).printed("one\ntwo\nthree\n").unwrap();
}

#[test]
fn there_are_no_sockets() {
    let script = r#"print socket(my $socket, 2, 1, 0) ? "socket\n" : "none\n""#;
    perl(&Desk::new("perl-text"), &[], script).printed("none\n").unwrap();
    let outside = crate::desk::outside(&Desk::new(""), &["/usr/bin/perl", "-e", script]);
    assert_eq!(outside.stdout, b"socket\n");
}

#[test]
fn an_expression_that_backtracks_for_ever_uses_up_its_processor_time() {
    let desk = Desk::with_text("policy: mine\nextends: perl-text\nresource_limits: {cpu_seconds: 1}\n");
    let matching = |length: u32| format!(r#"("a" x {length}) =~ /^(a|aa)+(??{{"x"}})/; print "end\n""#);
    perl(&desk, &[], &matching(8)).printed("end\n").unwrap();
    let ran = perl(&desk, &[], &matching(60));
    assert_eq!((ran.code, ran.status.as_str()), (152, "limit_exceeded"), "{ran:?}");
}

#[test]
fn forks_end_at_the_limit_of_processes() {
    let script = r#"my $made = 0; while ($made < N) { my $pid = fork; last unless defined $pid;
        if (!$pid) { sleep 60; exit } $made++; push @made, $pid } kill 9, @made; print "$made\n""#;
    let forks = |wanted: &str| perl(&Desk::new("perl-text"), &[], &script.replace('N', wanted)).stdout;
    assert_eq!(forks("2"), "2\n");
    assert!(forks("1000").trim().parse::<u32>().unwrap() < 5, "of a thousand");
}
