#!/usr/bin/env bash
# The built wheel, in an empty environment and outside the checkout, runs a small campaign.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
python=${PYTHON:-$root/.venv/bin/python}
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT

"$python" -m build --quiet --wheel --outdir "$place" "$root"
"$python" -m venv "$place/empty"
"$place/empty/bin/python" -m pip install --quiet --disable-pip-version-check "$place"/ambs_hpc-*.whl
cp -r "$root/examples/command_line" "$place/campaign"
cd "$place/campaign"
export AMBS_CONFIG_DIR="$place/config"
"$place/empty/bin/ambs" run problem.py --max-evaluations 12 --slots 2
"$place/empty/bin/ambs" best --json >best.json
done_count=$("$place/empty/bin/ambs" sql "select count(*) from v_evaluations where state = 'DONE'" | tail -n 1)
[ "$done_count" -ge 1 ] || { echo "installed wheel: no evaluation is DONE" >&2; exit 1; }
"$place/empty/bin/python" -c 'from ambs_hpc.sites import data_files; assert data_files.job_templates_folder().is_dir()'
version=$("$place/empty/bin/ambs" --version)
[ "$("$place/empty/bin/ambs-hpc" --version)" = "$version" ] || { echo "installed wheel: two versions" >&2; exit 1; }
"$place/empty/bin/python" -c 'from importlib.resources import files; assert (files("ambs_hpc") / "py.typed").is_file()'
echo "installed wheel: campaign of $version ran outside the checkout"
