#!/bin/sh
# Install the clients that tests/clients runs, in an environment of their own: they want other versions of what Canopy has.
# By uv, which takes a quarter of pip's time for so many.
set -eu

cd "$(dirname "$0")/.."
venv=.venv-clients
echo "setup: installing requirements/clients.txt into $venv (a minute or two the first time)" >&2
.venv/bin/uv venv --quiet --clear --python .venv/bin/python "$venv"
.venv/bin/uv pip install --quiet --python "$venv" --require-hashes -r requirements/clients.txt
touch "$venv/.done"
