#!/bin/sh
# Install the programs, and a C header, that tests of `make test-tools` and benchmarks use; no Python packages.
# usage: scripts/tools.sh [PROGRAM ...]      (default: all of them)
# As root on Debian what is missing is installed; elsewhere one line says what to install.
set -eu

# Each with its Debian package; what is a header stands in this folder.
headers=${HEADERS:-/usr/include}
tools='h2load:nghttp2-client wrk:wrk chromium:chromium prometheus:prometheus simde/x86/avx512.h:libsimde-dev nginx:nginx'

missing=
packages=
for tool in $tools; do
    program=${tool%%:*}
    case " ${*:-$program} " in
        *" $program "*) ;;
        *) continue ;;
    esac
    if ! command -v "$program" >/dev/null && ! [ -f "$headers/$program" ]; then
        missing="$missing $program"
        packages="$packages ${tool#*:}"
    fi
done
[ -n "$missing" ] || exit 0

if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
    echo "tools: not found:$missing: install them (Debian, as root: apt-get install$packages)" >&2
    exit 1
fi
echo "tools: installing$packages" >&2
export DEBIAN_FRONTEND=noninteractive
# shellcheck disable=SC2086 # a list of words
if ! output=$( (apt-get update && apt-get install --yes --no-install-recommends $packages) 2>&1); then
    echo "$output" >&2
    echo "tools: apt-get could not install$packages" >&2
    exit 1
fi
