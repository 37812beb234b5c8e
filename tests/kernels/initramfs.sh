#!/bin/sh
# initramfs.sh OUTPUT MODULES: what a machine starts with: busybox, the kernel modules in the directory MODULES, and
# `first-init`.
set -eu

output=$1
modules=$2
here=$(cd "$(dirname "$0")" && pwd)
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT

mkdir "$root/bin" "$root/dev" "$root/root" "$root/modules"
cp "$(command -v busybox)" "$root/bin/busybox"
cp "$here/first-init" "$root/init"
find "$modules" -name '*.ko' -exec cp {} "$root/modules" \;
cd "$root"
find . | cpio --quiet -o -H newc -R 0:0 >"$output"
