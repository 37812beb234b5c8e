#!/bin/sh
# image.sh OUTPUT PROGRAMS: a root file system for a virtual machine, as an ext4 image OUTPUT. It has what the suite's
# jobs run (the shell, coreutils, Python) and the libraries of all of it, taken from this host, and at /stockade what
# lies in the directory PROGRAMS.
set -eu

output=$1
programs=$2
here=$(cd "$(dirname "$0")" && pwd)
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT

# put PATH…: each at its place, and what it links to.
put() {
    for path; do
        while :; do
            directory=$(realpath "$(dirname "$path")")
            file=$directory/$(basename "$path")
            mkdir -p "$root$directory"
            [ -e "$root$file" ] || [ -L "$root$file" ] || cp -a "$file" "$root$directory"
            [ -L "$file" ] || break
            path=$(realpath -s -m "$directory/$(readlink "$file")")
            case $(readlink "$file") in /*) path=$(readlink "$file") ;; esac
        done
    done
}

# libraries FILE…: what the loader would map for each.
libraries() {
    ldd "$@" 2>/dev/null | grep -o '/[^ :]* (0x' | cut -d' ' -f1 | sort -u
}

for link in bin sbin lib lib64; do
    ln -s "usr/$link" "$root/$link"
done
mkdir -p "$root/usr/bin" "$root/usr/sbin" "$root/usr/lib64" "$root/usr/share" "$root/etc/ssl/certs" "$root/usr/share/zoneinfo"
mkdir -p "$root/proc" "$root/sys" "$root/dev" "$root/run" "$root/tmp" "$root/var/tmp" "$root/var/lib" "$root/root" "$root/home"
chmod 1777 "$root/tmp" "$root/var/tmp"

put /bin/sh /usr/bin/python3 /usr/bin/busybox /usr/bin/setpriv /usr/bin/unshare /usr/bin/mount /lib64/ld-linux-x86-64.so.2
# Of coreutils and its like, each that is a file.
for program in $(dpkg -L coreutils | grep '^/\(usr/\)\?bin/.'); do
    put "$program"
done
python=$(/usr/bin/python3 -c 'import sys; print("/usr/lib/python3.%d" % sys.version_info[1])')
put "$python"
# What cases of the corpus try to start, to load and to find.
put /usr/lib/apt/methods/copy /usr/lib/x86_64-linux-gnu/libz.so.1 /usr/lib/os-release
mkdir -p "$root/var/lib/dpkg"
: >"$root/var/lib/dpkg/status"
mkdir -p "$root/usr/lib/python3/dist-packages"
rm -rf "$root$python/test" "$root$python"/config-*
mkdir -p "$root/stockade"
cp -a "$programs/." "$root/stockade"
# Programs without their debugging information are a tenth in size.
find "$root/stockade" -type f -perm -u+x -exec strip {} +
# The list is meant to be split.
# shellcheck disable=SC2046
put $(libraries $(find "$root/usr/bin" "$root/usr/lib/apt" "$root/stockade" "$root$python/lib-dynload" -type f))
ldconfig -r "$root"

printf 'root:x:0:0::/root:/bin/sh\nnobody:x:65534:65534::/:/bin/false\nstockade:x:990:990::/var/lib/stockade:/bin/false\n' >"$root/etc/passwd"
printf 'root:x:0:\nnogroup:x:65534:\nstockade:x:990:\n' >"$root/etc/group"
printf 'root:*:20000::::::\n' >"$root/etc/shadow"
chmod 640 "$root/etc/shadow"
mkdir -p "$root/kernels"
cp "$here/init" "$root/kernels/init"

rm -f "$output"
mke2fs -q -t ext4 -d "$root" -E root_owner=0:0 "$output" 600m
