#!/bin/sh
# fetch.sh SERIES DIRECTORY: the newest of Debian's cloud kernels of a series (6.1, 6.12), from the sources apt has on
# this host, unpacked into DIRECTORY as `vmlinuz` and `modules/*.ko`. Nothing is installed. A kernel that is there
# already and still the newest is left as it is.
set -eu

series=$1
directory=$2
# What the virtual disk needs and what the suite's controls open, each after what it needs itself; built in where there
# is no such file.
modules="virtio_ring virtio virtio_pci_legacy_dev virtio_pci_modern_dev virtio_pci virtio_blk xfrm_algo xfrm_user nfnetlink"

newest() {
    pattern=$(printf '%s' "$series" | sed 's/\./\\./g')
    apt-cache search --names-only "^linux-image-$pattern\\.[0-9].*-cloud-amd64\$" | cut -d' ' -f1 | sort -V | tail -n 1
}

fail() {
    echo "fetch: $*" >&2
    exit 1
}

# download PACKAGE: into the present directory.
download() {
    rm -f ./*.deb
    apt-get download -q -o APT::Sandbox::User=root "$1"
}

package=$(newest)
if [ -z "$package" ]; then
    apt-get update -q
    package=$(newest)
fi
[ -n "$package" ] || fail "apt has no linux-image-$series.*-cloud-amd64; Debian 12 has 6.1 and 6.12 in bookworm-security:" \
    "add it to apt's sources and run this again"

mkdir -p "$directory"
cd "$directory"
# With the modules that are wanted, as another version of this script may want others.
[ "$(cat package 2>/dev/null)" = "$package $modules" ] && exit 0
rm -rf package vmlinuz modules tree
# A list that is older than the mirror names files that are gone.
download "$package" || { apt-get update -q && package=$(newest) && download "$package"; } || fail "cannot download $package"
mkdir tree modules
dpkg-deb --fsys-tarfile ./*.deb | tar -x -C tree --wildcards './boot/vmlinuz-*' '*/drivers/virtio/*' '*/virtio_blk.ko*' \
    '*/xfrm/*' '*/nfnetlink.ko*'
mv tree/boot/vmlinuz-* vmlinuz
number=0
for module in $modules; do
    number=$((number + 1))
    place=modules/$(printf '%02d' "$number")-$module.ko
    file=$(find tree -name "$module.ko" -o -name "$module.ko.xz")
    case $file in
        '') ;;
        *.xz) xz -dc "$file" >"$place" ;;
        *) cp "$file" "$place" ;;
    esac
done
rm -rf tree ./*.deb
echo "$package $modules" >package
