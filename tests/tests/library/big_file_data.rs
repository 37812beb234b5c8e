//! `big-file-data`.

use std::fmt::Write as _;

use crate::Policy;
use crate::desk::{Desk, make};

pub(crate) const POLICY: Policy = Policy { name: "big-file-data", honest };

/// The same pipeline over a small file.
fn honest(desk: &Desk) -> Result<(), String> {
    report(desk, 20_000, "1M")
}

const CITIES: [&str; 5] = ["Aarau", "Bern", "Chur", "Genf", "Zürich"];

/// Sales joined with the names of their cities, added up, sorted; and a few counts.
const PIPELINE: &str = "set -e
gzip -dc cities.gz | LC_ALL=C sort > cities
LC_ALL=C sort -S $1 -k1,1 sales.txt > sorted
LC_ALL=C join -o 2.2,1.2 sorted cities |
    awk '{sum[$1] += $2} END {for (city in sum) printf \"%s,%.0f\\n\", city, sum[city]}' |
    sort | tr a-z A-Z > result.csv
cut -d' ' -f1 sorted | uniq -c | awk '{print $1, $2}' | sort -rn | head -n 1
grep -c '^c0 ' sales.txt
wc -l < sales.txt
wc -m < cities
";

/// Runs the pipeline over that many lines of a hundred bytes, and compares with what this test adds up itself.
fn report(desk: &Desk, lines: usize, buffer: &str) -> Result<(), String> {
    let mut sales = String::with_capacity(lines * 100);
    let (mut sums, mut counts) = ([0_u64; 5], [0_usize; 5]);
    let mut state: u64 = 1;
    for _ in 0..lines {
        // Knuth's constants (MMIX); the upper bits are the random ones.
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let (city, amount) = (usize::try_from(state >> 40).unwrap() % 5, (state >> 20) % 1_000_000);
        sums[city] += amount;
        counts[city] += 1;
        writeln!(sales, "c{city} {amount:06} {state:020} {:_>67}", "").unwrap();
    }
    desk.file("sales.txt", sales.as_bytes());
    let cities: String = CITIES.iter().enumerate().map(|(at, city)| format!("c{at} {city}\n")).collect();
    desk.file("cities", cities.as_bytes());
    make(desk, &["/bin/sh", "-c", "gzip -c cities > cities.gz"]);
    let ran = desk.run(&["sales.txt", "cities.gz"], &["/bin/sh", "-c", PIPELINE, "sh", buffer]).good()?;
    let most = (0..5).max_by_key(|city| (counts[*city], *city)).unwrap();
    let printed = format!("{} c{most}\n{}\n{lines}\n{}\n", counts[most], counts[0], cities.chars().count());
    let total = |at: usize| format!("{},{}\n", CITIES[at].replace('ü', "_").to_uppercase(), sums[at]);
    let totals: String = (0..5).map(total).collect();
    let result = String::from_utf8_lossy(&ran.files["result.csv"]).replace('ü', "_");
    if (ran.stdout.as_str(), result.as_str()) == (printed.as_str(), totals.as_str()) {
        Ok(())
    } else {
        Err(format!("expected {printed}{totals}, but {}{result}", ran.stdout))
    }
}

#[test]
fn a_hundred_megabytes_are_sorted_joined_and_added_up() {
    report(&Desk::new("big-file-data"), 1_000_000, "64M").unwrap();
}

#[test]
fn a_tool_cannot_be_made_to_start_a_program_that_is_not_on_the_list() {
    let sort = |desk: &Desk, with: &str| {
        let many: String = (0..600_000).map(|line| format!("{line}\n")).collect();
        desk.file("many", many.as_bytes());
        let with = format!("--compress-program={with}");
        desk.run(&["many"], &["/usr/bin/sort", "-S", "1M", "-o", "sorted", &with, "many"])
    };
    let desk = Desk::new("big-file-data");
    let ran = sort(&desk, "xz");
    assert!(ran.code != 0 && ran.says("couldn't execute compress program"), "{ran:?}");
    assert_eq!(sort(&desk, "gzip").code, 0, "one that is on the list");
    let wider = Desk::wider(
        "commands: [/usr/bin/sort, /usr/bin/xz]\nfilesystem: {write: [/job, /tmp]}\nsyscalls: {profile: strict}",
    );
    assert_eq!(sort(&wider, "xz").code, 0, "a policy that has it on the list");
}

#[test]
fn a_file_without_an_end_ends_where_the_room_does() {
    let desk = Desk::with_text("policy: mine\nextends: big-file-data\nresource_limits: {disk_mb: 64}\n");
    let fill = |size| desk.run(&[], &["/bin/sh", "-c", &format!("head -c {size} /dev/zero > /tmp/zeros")]);
    assert_eq!(fill("32M").code, 0);
    // A file of its own may be as large as all the room: the second finds none.
    let ran = desk.run(&[], &["/bin/sh", "-c", "for i in 1 2 3; do head -c 32M /dev/zero > /tmp/$i; done"]);
    assert!(ran.code != 0 && ran.says("No space left on device"), "{ran:?}");
}
