#!/bin/sh
# Install a dependency group into an environment of its own, for it wants other versions of what Canopy has, or is as much
# again. By uv, which takes a quarter of pip's time for so many.
# usage: scripts/apart.sh clients|airflow|ray
set -eu

cd "$(dirname "$0")/.."
group=${1:?the dependency group to install}
venv=.venv-$group
compile=
# Ray waits half a minute for its own processes, which import much; and it hosts Canopy itself.
[ "$group" != ray ] || compile=--compile-bytecode
echo "setup: installing requirements/$group.txt into $venv (a minute or two the first time)" >&2
.venv/bin/uv venv --quiet --clear --python .venv/bin/python "$venv"
.venv/bin/uv pip install --quiet --python "$venv" $compile --require-hashes -r "requirements/$group.txt"
[ "$group" != ray ] || .venv/bin/uv pip install --quiet --python "$venv" --no-deps --no-build-isolation --editable .
touch "$venv/.done"
