#!/usr/bin/env bash
# Write requirements.txt: every package of the book and its tests at an exact version, for Python 3.11-3.13 on Linux and macOS.
# The ranges come from pyproject.toml. Versions already in requirements.txt stay unless they must move;
# `make lock UPGRADE=--upgrade` takes the newest of everything.
set -euo pipefail
cd "$(dirname "$0")/.."
"${UV:-uv}" pip compile pyproject.toml --extra book --extra test --universal --python-version 3.11 --quiet \
    --no-header --no-annotate --no-emit-index-url "$@" --output-file requirements.txt
{
    echo "# Exact versions that work together, made by \`make lock\` from pyproject.toml; do not edit by hand."
    cat requirements.txt
    echo "# The package itself, from this folder."
    echo "-e ."
} > requirements.tmp
mv requirements.tmp requirements.txt
