#!/bin/sh
# Fuzzes every target (or those named) for FUZZ_SECONDS of processor time each, as many at a time as there are cores.
# Built with the stable compiler: rustc's own sanitizer-coverage pass, and libFuzzer linked in. What a run finds to be
# interesting stays in the build directory; what breaks a target is written to fuzz/artifacts/TARGET, and belongs, once
# repaired, into fuzz/regressions/TARGET.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
build=$(realpath -m "${CARGO_TARGET_DIR:-$root/target}")/fuzz
cd "$root/fuzz"

seconds=${FUZZ_SECONDS:-600}
triple=$(rustc -vV | sed -n 's/^host: //p')
targets=${*:-policy registry request task reply report recording job egress audit function}

# -sanitizer-coverage-level=4: edges, and those that need a block of their own.
RUSTFLAGS="-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
-Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
-Cllvm-args=-sanitizer-coverage-trace-compares" \
    "${CARGO:-cargo}" build --quiet --locked --release --features libfuzzer --bins --target "$triple" --target-dir "$build"

# The longest input worth trying: of texts a page or two, of frames the largest plan among the seeds.
max_len() {
    case $1 in
        request) echo 16384 ;;
        policy | registry) echo 8192 ;;
        *) echo 4096 ;;
    esac
}

# What times(1) has written to a file as seconds: of the shell's children, which have run nothing else that counts.
spent() {
    sed -n '2s/\([0-9]*\)m\([0-9]*\)[.0-9]*s \([0-9]*\)m\([0-9]*\)[.0-9]*s/\1 * 60 + \2 + \3 * 60 + \4/p' "$1"
}

# fuzz TARGET: prints one line; fails on a crash, a time-out or too much memory. On a machine that is busy a run of
# so many seconds is less processor time, so runs follow one another until enough was had.
fuzz() {
    found=$build/corpus/$1
    log=$build/$1.log
    mkdir -p "$found" "artifacts/$1" "regressions/$1"
    value() { sed -n "s/^stat::$1: *//p" "$log"; }
    runs=0
    had=0
    while [ "$had" -lt "$seconds" ]; do
        if ! "$build/$triple/release/$1" "$found" "corpus/$1" "regressions/$1" -max_total_time="$((seconds - had))" \
            -max_len="$(max_len "$1")" -timeout=5 -rss_limit_mb=512 -print_final_stats=1 \
            -artifact_prefix="artifacts/$1/" >"$log" 2>&1; then
            echo "$1: broken; the end of $log:"
            tail -n 30 "$log"
            return 1
        fi
        runs=$((runs + $(value number_of_executed_units)))
        # Not in a substitution: that is a shell of its own, without children.
        times >"$log.times"
        had=$(($(spent "$log.times")))
    done
    coverage=$(sed -n 's/.* cov: \([0-9]*\).*/\1/p' "$log" | tail -n 1)
    printf '%-9s %9s runs in %s s of processor time, %6s a second, %5s edges, %4s MB, slowest input %s s: nothing found\n' \
        "$1" "$runs" "$had" "$((runs / had))" "$coverage" "$(value peak_rss_mb)" "$(value slowest_unit_time_sec)"
}

# Not more at a time than there are cores, so that seconds are seconds of processor time.
cores=$(nproc)
failed=0
running=
for target in $targets; do
    fuzz "$target" &
    running="$running $!"
    # The names are meant to be split.
    # shellcheck disable=SC2086
    set -- $running
    if [ $# -ge "$cores" ]; then
        wait "$1" || failed=1
        shift
        running="$*"
    fi
done
for process in $running; do
    wait "$process" || failed=1
done
exit $failed
