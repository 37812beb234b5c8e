//! `shell-utils`.

use crate::Policy;
use crate::desk::{Desk, outside};

pub(crate) const POLICY: Policy = Policy { name: "shell-utils", honest };

/// A report over a small table, by every tool of the list. Those that the shell has itself are started by `env`.
const SCRIPT: &str = r#"set -e
work=$(mktemp -d)
mkdir "$work/parts"
cat cities.txt | sort > "$work/parts/cities"
sed 's/;/ /' sales.txt | sort -k1,1 > "$work/parts/sales"
join "$work/parts/cities" "$work/parts/sales" | awk '{sum[$2] += $3} END {for (c in sum) print c, sum[c]}' |
    sort | tee "$work/sums" | head -n 1
tail -n 1 "$work/sums" | cut -d' ' -f2
cut -d' ' -f1 "$work/sums" | paste -s -d, -
grep -c Z "$work/parts/cities"
uniq -c "$work/parts/cities" | wc -l
tr a-z A-Z < cities.txt | wc -m
cp "$work/sums" "$work/copy"; mv "$work/copy" "$work/moved"; rm "$work/sums"; ls "$work"
md5sum < cities.txt | base64 | wc -c
sha256sum < cities.txt | cut -c1-8
basename "$work/moved"; basename "$(dirname /job/one/two)"
TZ=Asia/Tokyo date -d @0 +%H%z
expr 6 \* 7
seq 1 3 | xargs
sleep 0.01
env test -d "$work"; env true; env false || test $? = 1
echo kept > result.json
env printf '%s\n' done
"#;

fn honest(desk: &Desk) -> Result<(), String> {
    desk.file("cities.txt", "1 Bern\n2 Zürich\n".as_bytes());
    desk.file("sales.txt", b"2;30\n1;3\n2;12\n1;4\n");
    let printed =
        "Bern 7\n42\nBern,Zürich\n1\n2\n16\nmoved\nparts\n49\nSUM\nmoved\none\n09+0900\n42\n1 2 3\ndone\n";
    let sum = outside(desk, &["/bin/sh", "-c", "sha256sum < cities.txt | cut -c1-8"]).stdout;
    let expected = printed.replace("SUM\n", std::str::from_utf8(&sum).unwrap());
    desk.run(&["cities.txt", "sales.txt"], &["/bin/sh", "-c", SCRIPT]).printed(&expected)
}

#[test]
fn a_copied_program_does_not_run() {
    let script = "cp /usr/bin/true own; ls own; ./own; echo $?";
    let ran = Desk::new("shell-utils").run(&[], &["/bin/sh", "-c", script]);
    assert!(ran.stdout == "own\n126\n" && ran.says("Permission denied"), "{ran:?}");
    let outside = outside(&Desk::new(""), &["/bin/sh", "-c", script]);
    assert_eq!(outside.stdout, b"own\n0\n");
}

#[test]
fn a_program_that_is_not_on_the_list_is_not_found() {
    let script = ["/bin/sh", "-c", "/usr/bin/python3 -c 'print(6*7)'; echo $?"];
    Desk::new("shell-utils").run(&[], &script).printed("127\n").unwrap();
    Desk::new("script-standard").run(&[], &script).printed("42\n0\n").unwrap();
}

#[test]
fn a_fork_bomb_ends_at_the_limit_of_processes() {
    let desk =
        Desk::with_text("policy: mine\nextends: shell-utils\nresource_limits: {wall_seconds: 2, pids: 16}\n");
    let bomb = "for i in 1 2 3; do sleep 0.1 & done; wait; echo few; for i in $(seq 100); do sleep 5 & done; echo many";
    let ran = desk.run(&[], &["/bin/sh", "-c", bomb]);
    assert!(ran.stdout == "few\n" && ran.says("Cannot fork"), "{ran:?}");
}
