#!/bin/sh
# Make the Dockerfile's base image out of Debian's packages, for a machine that can pull no image.
# Debian 12's Python is 3.11 too. Needs root, debootstrap and a Docker Engine; leaves an image there that exists already.
# usage: deploy/stand-in/base.sh
set -eu

cd "$(dirname "$0")/../.."
image=$(sed -n 's/^ARG PYTHON_IMAGE=//p' Dockerfile)
if docker image inspect "$image" >/dev/null 2>&1; then
    exit 0
fi
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT

echo "stand-in: making $image out of Debian's packages" >&2
# The official image has Python's headers as well; here they come with the compiler, see BUILD_PACKAGES in the Makefile.
debootstrap --variant=minbase --include=ca-certificates,python-is-python3,python3-venv \
    bookworm "$root" >&2
# Builds reach package indexes the way this machine does.
cp /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/ca-certificates.crt"
if [ -f /etc/pip.conf ]; then cp /etc/pip.conf "$root/etc/pip.conf"; fi
rm -rf "$root"/var/cache/apt/archives/*.deb "$root"/var/lib/apt/lists/* "$root"/usr/share/doc "$root"/usr/share/man \
    "$root"/usr/share/locale
tar -C "$root" -c . | docker import --change 'CMD ["python"]' --message "stand-in from Debian's packages" - "$image" >&2
