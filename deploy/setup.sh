#!/bin/sh
# Installs what is missing on a Debian host and makes the account Stockade runs under. Idempotent: a second run
# changes nothing. Takes the kind of use as its argument: build, run (build and what jobs and Postgres need),
# test (run and what the tests need), bench (run and the peers that are measured beside Stockade), fuzz (build and
# what libFuzzer is made of).
set -eu

use=${1:-run}
missing=

# need PROGRAM PACKAGE: remembers the package when the program is not there.
need() {
    command -v "$1" >/dev/null 2>&1 || missing="$missing $2"
}

# need_file PATTERN PACKAGE: the same for a file.
need_file() {
    # The pattern is meant to expand.
    # shellcheck disable=SC2086
    for file in $1; do
        [ -e "$file" ] && return 0
    done
    missing="$missing $2"
}

need cc gcc
need_file /usr/include/stdio.h libc6-dev
need make make
if [ "$use" = fuzz ]; then
    need c++ g++
fi
if [ "$use" != build ] && [ "$use" != fuzz ]; then
    need_file '/usr/lib/postgresql/*/bin/postgres' postgresql
    need /usr/bin/python3 python3-minimal
    need setpriv util-linux
fi
if [ "$use" = test ]; then
    need busybox busybox-static
    # Engines that the tests start themselves, on sockets of their own; tests/tests/docker.rs and podman.rs.
    need dockerd docker.io
    need docker docker.io
    need podman podman
    need runsc runsc
    # What other kernels are booted with; tests/tests/kernels.rs.
    need qemu-system-x86_64 qemu-system-x86
    need cpio cpio
    need mke2fs e2fsprogs
    need xz xz-utils
    # What the shipped policies are for; tests/tests/library.rs runs each.
    need /usr/bin/curl curl
    need /usr/bin/gcc gcc
    need /usr/bin/jq jq
    need /usr/bin/node nodejs
    need /usr/bin/openssl openssl
    need ip iproute2
    need /usr/bin/sqlite3 sqlite3
    need /usr/bin/unzip unzip
    need /usr/bin/xz xz-utils
    need_file '/usr/lib/python3.*/csv.py' python3
    need_file /usr/lib/python3/dist-packages/pip/__init__.py python3-pip
    need_file /usr/lib/python3/dist-packages/yaml/__init__.py python3-yaml
    need_file '/usr/share/perl/5.*/JSON/PP.pm' perl
    need_file /usr/share/zoneinfo/Europe/Zurich tzdata
fi
if [ "$use" = bench ]; then
    need bwrap bubblewrap
    need crun crun
    need busybox busybox-static
    need dockerd docker.io
    need docker docker.io
    need firejail firejail
    need hyperfine hyperfine
    need runc runc
    need runsc runsc
    # hakoniwa, which Debian does not have, is built against it.
    need_file '/usr/include/seccomp.h' libseccomp-dev
fi

if ! command -v cargo >/dev/null 2>&1; then
    echo "setup: cargo is missing; install Rust 1.95 or newer (rustup.rs), then run this again" >&2
    exit 1
fi

if [ -n "$missing" ]; then
    if [ "$(id -u)" != 0 ]; then
        echo "setup: run as root, or install yourself:$missing" >&2
        exit 1
    fi
    echo "setup: installing$missing"
    apt-get update -q
    # The names are meant to be split.
    # shellcheck disable=SC2086
    DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends $missing
fi

if [ "$use" != build ] && [ "$use" != fuzz ] && ! id stockade >/dev/null 2>&1; then
    if [ "$(id -u)" != 0 ]; then
        echo "setup: run as root once, to make the account \`stockade\`" >&2
        exit 1
    fi
    useradd --system --user-group --no-create-home --home-dir /var/lib/stockade --shell /usr/sbin/nologin stockade
fi
