#!/bin/sh
# Install Ray and Canopy into .venv-ray, an environment of its own: it is as much again as all that serves.
# By uv, which takes a quarter of pip's time for so many.
# Compiled at once, for Ray waits half a minute for its own processes, which import much.
set -eu

cd "$(dirname "$0")/.."
venv=.venv-ray
echo "setup: installing requirements/ray.txt into $venv (a minute or two the first time)" >&2
.venv/bin/uv venv --quiet --clear --python .venv/bin/python "$venv"
.venv/bin/uv pip install --quiet --python "$venv" --compile-bytecode --require-hashes -r requirements/ray.txt
.venv/bin/uv pip install --quiet --python "$venv" --no-deps --no-build-isolation --editable .
touch "$venv/.done"
