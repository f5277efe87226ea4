#!/bin/sh
# Install one dependency group, pinned and hashed, and Canopy itself into .venv.
# usage: scripts/setup.sh runtime|train|trees|catboost|loadtest|dev [SOURCE ...]
# PYTHON names the interpreter, default python3. Canopy is not built again if it was since all SOURCEs changed, if any is
# named: with the compiler that takes a minute.
set -eu

cd "$(dirname "$0")/.."
group=${1:?the dependency group to install}
shift
python=${PYTHON:-python3}
venv=.venv
log=$venv/setup.log
built=$venv/.built

die() {
    echo "setup: $*" >&2
    exit 1
}

[ -f "requirements/$group.txt" ] || die "there is no requirements/$group.txt"
command -v "$python" >/dev/null ||
    die "$python was not found: install Python 3.11 or newer (Debian: apt-get install python3 python3-venv)"
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
    die "$("$python" --version) is too old: install Python 3.11 or newer and name it with PYTHON=..."

# An environment without pip (interrupted) or of another Python is made anew rather than repaired.
version='import sys; print(sys.version_info[:2])'
if ! "$venv/bin/python" -m pip --version >/dev/null 2>&1 ||
    [ "$("$venv/bin/python" -c "$version")" != "$("$python" -c "$version")" ]; then
    "$python" -c 'import ensurepip, venv' 2>/dev/null ||
        die "$python has no venv module: install it (Debian: apt-get install python3-venv)"
    "$python" -m venv --clear "$venv"
fi

install() {
    "$venv/bin/python" -m pip install --disable-pip-version-check --no-input "$@" >>"$log" 2>&1 && return
    if grep -qE "Python\.h: No such file|command '[^']*(cc|gcc|clang)[^']*' failed: No such file|No C compiler|unable to execute" "$log"; then
        die "a package has no wheel for this machine and building it needs a C compiler and Python's headers" \
            "(Debian: apt-get install gcc python3-dev); the build's output is in $log"
    fi
    die "pip failed: $(grep -E '^ *ERROR' "$log" | tail -n 1) (all of it in $log)"
}

echo "setup: installing requirements/$group.txt into $venv (a minute or two the first time)" >&2
: >"$log"
touch "$venv/.begun" # what changes from now on is neither installed nor built
install --require-hashes -r "requirements/$group.txt"
if [ $# -eq 0 ] || [ ! -e "$built" ] ||
    [ -n "$(find pyproject.toml "requirements/$group.txt" "$@" -newer "$built")" ]; then
    rm -f "$built"
    install --no-deps --no-build-isolation --editable .
    whole=yes
    "$venv/bin/python" scripts/all_or_none.py || whole=no
    if ! "$venv/bin/python" -c 'import forest.native._kernel, forest.native._layout, forest.native._links' 2>>"$log"; then
        whole=no
        echo "setup: the forest kernel could not be built, so scikit-learn will serve, many times slower. It needs a C" \
            "compiler and Python's headers (Debian: apt-get install gcc python3-dev); then run rm $venv/.$group and" \
            "this again. The build's output is in $log" >&2
    fi
    [ $whole = no ] || touch -r "$venv/.begun" "$built"
fi
mv "$venv/.begun" "$venv/.$group"
