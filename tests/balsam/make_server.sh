#!/usr/bin/env bash
# The environment of Balsam's server, whose requirements are old: made once, found again by what it is made of.
#   make_server.sh PYTHON     prints the folder
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
python=${1:-python3}
mark=$({ cat "$here/server-requirements.txt"; "$python" --version; } | sha256sum | cut -c1-12)
folder=${XDG_CACHE_HOME:-$HOME/.cache}/ambs-hpc/balsam-server-$mark
if [ ! -e "$folder/complete" ]; then
    rm -rf "$folder"
    mkdir -p "$(dirname "$folder")"
    "$python" -m venv "$folder" >&2
    "$folder/bin/python" -m pip install --quiet --disable-pip-version-check -r "$here/server-requirements.txt" >&2
    touch "$folder/complete"
fi
echo "$folder"
