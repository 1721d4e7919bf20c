"""Site files are data that a person edits: mistakes are told with line and nearest right key."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import msgspec
import pytest
import yaml

from ambs_hpc.errors import NotFound, SiteInvalid, UsageError
from ambs_hpc.sites import load_site, refuse_unless_found_again, site_configs_folder, site_names, site_text
from ambs_hpc.sites.json_schema import site_schema


@pytest.mark.parametrize("name", site_names())
def test_each_site_is_valid_and_says_where_it_is_from(name: str) -> None:
    """Figures without date and source cannot be trusted when a centre changes its rules."""
    site = load_site(name)
    assert site.name == name
    assert site.source
    assert site.description
    plain = json.loads(
        json.dumps(yaml.safe_load((site_configs_folder() / f"{name}.yml").read_text()), default=str)
    )
    jsonschema.validate(plain, site_schema())


@pytest.mark.parametrize(
    "text",
    [
        "extends: polaris\nnodez: 3\n",
        "extends: polaris\nnode: {coers: 3}\n",
        "extends: polaris\nnodes: 0\n",
        "extends: polaris\nqueues: {debug: {tiers: []}}\n",
        "extends: polaris\nlaunch: {family: qrun}\n",
        "node: {cores: 4}\n",
    ],
)
def test_schema_refuses_what_the_loader_refuses(text: str) -> None:
    """An editor that uses it marks the mistake while it is typed."""
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(yaml.safe_load(text), site_schema())


def test_profiles_asked_for_are_there() -> None:
    """The machines this project was begun for, and today's."""
    asked = "theta cooley polaris aurora sophia crux perlmutter-gpu perlmutter-cpu frontier slurm pbs local"
    assert set(asked.split()) <= set(site_names())


def test_numbering_and_reserved_cores_are_expressible() -> None:
    """Aurora leaves two cores to the system, Frontier the first of each cache; GPU 0 of Polaris is last."""
    assert len(load_site("aurora").node.usable_cores) == 102
    assert len(load_site("frontier").node.usable_cores) == 56
    assert load_site("polaris").node.gpu_cores[0] == "24-31"
    assert load_site("aurora").node.names_of_gpus[-1] == "5.1"
    assert load_site("polaris").node.names_of_gpus == ["0", "1", "2", "3"]


def test_own_site_extends_one_of_ours(tmp_path: Path) -> None:
    """Mappings are merged, lists and values replaced; the same name means the one that is extended."""
    (tmp_path / "polaris.yml").write_text(
        "extends: polaris\ndefault_queue: debug\npreamble: [module load me]\n"
        "queues:\n  debug:\n    note: mine\n"
    )
    own, ours = load_site("polaris", tmp_path), load_site("polaris")
    assert own.default_queue == "debug"
    assert own.preamble == ["module load me"]
    assert own.queues["debug"].note == "mine"
    assert own.queues["debug"].tiers == ours.queues["debug"].tiers
    assert own.queues["prod"] == ours.queues["prod"]


def test_inherited_queue_and_variable_are_removed_by_null(tmp_path: Path) -> None:
    """A partition that the nodes of this profile do not have must not be offered as the cheapest."""
    (tmp_path / "mine.yml").write_text(
        "extends: polaris\nqueues: {debug: null}\nenvironment: {TMPDIR: null, A: b}\n"
    )
    own, ours = load_site("mine", tmp_path), load_site("polaris")
    assert set(ours.queues) - set(own.queues) == {"debug"}
    assert set(own.environment) ^ set(ours.environment) == {"TMPDIR", "A"}
    jsonschema.validate(yaml.safe_load((tmp_path / "mine.yml").read_text()), site_schema())


WRONG = {
    "extends: polaris\nnodez: 3\n": (2, "nodez", "'node'"),
    "extends: polaris\nnode:\n  coers: 3\n": (3, "node.coers", "'cores'"),
    "extends: polaris\nqueues:\n  debug:\n    min_minute: 5\n": (4, "debug.min_minute", "'min_minutes'"),
    "extends: polaris\nnode:\n  cores: many\n": (3, "node.cores", "Expected `int`"),
    "extends: polaris\nnode:\n  cores: 0\n": (3, "node.cores", "`int` >= 1; seen: 0"),
    "extends: polaris\nqueues:\n  debug:\n    tiers: [{min_nodes: 5, max_nodes: 2, max_minutes: 3}]\n": (
        4, "tiers[0]", "5 to 2 nodes",
    ),
    "extends: polaris\nnode:\n  gpu_cores: ['0-7']\n": (3, "node.gpu_cores", "1 of 4 GPUs"),
    "extends: polaris\nnode:\n  reserved_cores: '0,99'\n": (3, "node.reserved_cores", "0 to 31"),
    "extends: polaris\nnode:\n  reserved_cores: first\n": (3, "node.reserved_cores", "numbers and ranges"),
    "extends: polaris\ndefault_queue: prdo\n": (2, "default_queue", "'prod'"),
    "scheduler: sge\nas_of: 2024-01-01\nsource: x\nnode: {cores: 4}\n": (1, "scheduler", "sge"),
    "extends: polaris\nnode:\n  cores: 4\nqueues:\n  debug:\n    max_running: -1\n": (
        6, "queues.debug.max_running", ">= 1; seen: -1",
    ),
    "extends: polaris\nnode:\n  memory_gib: -3\n": (3, "node.memory_gib", ">= 0"),
    "extends: polaris\nqueues:\n  debug:\n    tiers: []\n": (4, "queues.debug.tiers", "length >= 1"),
    "extends: polaris\nqueues:\n  debug:\n    charged_nodes: 9\n": (4, "charged_nodes", "ends at 2"),
    "extends: polaris\nqueues:\n  debug:\n    sizes: [1, 5]\n": (4, "sizes[1]", "5: no tier takes it"),
    "extends: polaris\nqueues:\n  debug:\n    unit: core\n": (4, "debug.unit", "Accepted: node, gpu"),
    "extends: slurm\nselect: ncpus=4\n": (2, "select", "slurm has no chunks"),
    "extends: polaris\nselect: 'ncpus=4 # all'\n": (2, "select", "no blanks or remarks"),
    "extends: slurm\ndefault_queue: my queue\n": (2, "default_queue", "without blanks"),
    "extends: polaris\nfilesystems: [home, 'a b']\n": (2, "filesystems[1]", "without blanks"),
    "extends: summit\nqueues:\n  batch:\n    unit: gpu\n": (
        4, "queues.batch.unit", "lsf would be asked for as many whole nodes",
    ),
    "extends: frontera\ndirectives: [--exclusive]\nqueues:\n  normal:\n    unit: gpu\n": (
        5, "queues.normal.unit", "to the `directives` of the other queues",
    ),
    "extends: polaris\nlaunch: {family: qrun}\n": (2, "launch.family", "seen: 'qrun'"),
    "extends: polaris\nnode:\n  gpus: 1\n  gpu_cores: ['7-0']\n": (4, "node.gpu_cores", "numbers and ranges"),
    "extends: frontier\nnode:\n  gpus: 1\n  gpu_cores: ['0-7']\n": (4, "node.gpu_cores", "core 0 is res"),
    "extends: frontier\ndirectives:\n  - --array=0-9\n": (3, "directives[0]", "never an array"),
    "extends: polaris\ndirectives: ['-J 0-9']\n": (2, "directives[0]", "never an array"),
    "extends: frontier\ndirectives: ['--mem=0 # all']\n": (2, "directives[0]", "no remark"),
    "extends: frontier\ndirectives: [mem]\n": (2, "directives[0]", "one option"),
    "extends: theta\ndirectives: ['a=b=c']\n": (2, "directives[0]", "key=value"),
    "extends: polaris\nenvironment:\n  A-B: x\n": (3, "environment.A-B", "letters, digits"),
    "extends: polaris\nenvironment:\n  PATH: /opt/bin:$PATH\n": (
        3, "environment.PATH", 'Write a line of `preamble`: export PATH="/opt/bin:$PATH"',
    ),
    "extends: frontier\ndirectives: [--clusters=wice]\n": (2, "directives[0]", "Set SLURM_CLUSTERS"),
    "extends: frontier\ndirectives: ['-M wice']\n": (2, "directives[0]", "Set SLURM_CLUSTERS"),
    "extends: polaris\nenvironment:\n  A: 3\n": (3, "environment.A", "Expected `str`"),
    "extends: polaris\nenvironment:\n  MY_TOKEN: x\n": (3, "environment.MY_TOKEN", "no secret"),
    "extends: polaris\nenvironment:\n  CUDA_VISIBLE_DEVICES: '0'\n": (3, "CUDA_VISIBLE", "gets its own"),
    "extends: polaris\nnode: {cores: 4}\nnode: {gpus: 0}\n": (3, "node", "line 2 already"),
    "extends: slurm\nnode:\n  gpus: 4\n": (2, "node.found", "give its `cores` too"),
    "extends: polaris\nqueues:\n  on: {max_queued: 3}\n": (3, "on", "in quotes"),
    "extends: polaris\nenvironment:\n  A: b\n  1: c\n": (4, "1", "in quotes"),
    "extends: polarsi\n": (1, "extends", "'polaris'"),
    "extends: polaris\nnode:\n  architecture: arm64\n": (
        3, "node.architecture", "Accepted: x86_64, aarch64, ppc64le; seen: 'arm64'",
    ),
    "extends: polaris\nnode:\n  job_threads_per_core: 3\n": (
        3, "node.job_threads_per_core", "3: a core has 2 (`threads_per_core`)",
    ),
    "extends: polaris\nnode:\n  gpu_cores: ['0-7', '7-9', '16', '17']\n": (
        3, "node.gpu_cores", "core 7 is beside two GPUs; if that is so, set `gpus_share_cores: true`",
    ),
    "extends: crux\nnode:\n  gpu_memory: unified\n": (3, "node.gpu_memory", "the node has no GPUs"),
    "extends: polaris\nqueues:\n  debug:\n    max_node_minutes: 4\n": (
        4, "queues.debug.max_node_minutes", "4: one node has 5 minutes at least",
    ),
    "extends: polaris\nqueues:\n  debug:\n    max_user_nodes: 0\n": (
        4, "queues.debug.max_user_nodes", "`int` >= 1; seen: 0",
    ),
    "extends: polaris\nqueues:\n  prod:\n    max_user_nodes: 9\n": (
        4, "queues.prod.max_user_nodes", "9: the queue begins at 10",
    ),
    "extends: polaris\nqueues:\n  debug:\n    default_minutes: 90\n": (
        4, "queues.debug.default_minutes", "90: the queue takes 5 to 60 minutes",
    ),
    "extends: polaris\nqueues:\n  debgu: null\n": (3, "queues.debgu", "Did you mean 'debug'"),
    "extends: polaris\nqueues:\n  debug: null\ndefault_queue: debug\n": (4, "default_queue", "no such queue"),
    "extends: polaris\nenvironment:\n  TMP: null\n": (3, "environment.TMP", "nothing of that name is"),
    "extends: polaris\ncompute_internet: never\n": (
        2, "compute_internet", "Accepted: unknown, direct, proxy, none; seen: 'never'",
    ),
    "extends: polaris\nlogin_cpu_minutes: 0\n": (2, "login_cpu_minutes", ">= 1; seen: 0"),
    "extends: polaris\nestimated: [node.memory]\n": (2, "estimated[0]", "Did you mean 'memory_gib'"),
    "extends: polaris\nrecognised_by:\n  host: [x]\n": (3, "recognised_by.host", "'hosts'"),
    "extends: polaris\nrecognised_by:\n  hosts: ['*']\n": (3, "recognised_by.hosts[0]", "every host has"),
    "extends: polaris\nrecognised_by:\n  environment: {A: '*'}\n": (3, "environment.A", "value"),
    "extends: polaris\nas_of: last year\n": (2, "as_of", "seen: 'last year'"),
    "extends: polaris\nas_of: 2024-13-01\n": (1, "file", "not YAML"),
    "- polaris\n": (1, "file", "mapping"),
    "": (1, "file", "mapping"),
    "a: [\n": (2, "file", "not YAML"),
    "extends: mine\n": (1, "extends", "itself"),
}  # fmt: skip


@pytest.mark.parametrize("text", WRONG)
def test_wrong_site_is_told(text: str, tmp_path: Path) -> None:
    """File, line, key, and what is accepted."""
    (tmp_path / "mine.yml").write_text(text)
    line, key, part = WRONG[text]
    if "extends: mine" in text:
        (tmp_path / "mine.yml").write_text("extends: yours\n")
        (tmp_path / "yours.yml").write_text("extends: mine\n")
    with pytest.raises(SiteInvalid) as caught:
        load_site("mine", tmp_path)
    assert key in str(caught.value)
    assert part in str(caught.value)
    assert caught.value.line == line


def test_mistake_is_told_of_the_file_that_makes_it(tmp_path: Path) -> None:
    """Not of the one that extends it."""
    (tmp_path / "base.yml").write_text("extends: polaris\n\nnodez: 3\n")
    (tmp_path / "mine.yml").write_text("extends: base\n")
    with pytest.raises(SiteInvalid) as caught:
        load_site("mine", tmp_path)
    assert (caught.value.file, caught.value.line) == (tmp_path / "base.yml", 3)


def test_values_may_be_shared_within_a_file(tmp_path: Path) -> None:
    """YAML's own anchors and merge keys are as good as words."""
    (tmp_path / "mine.yml").write_text(
        "extends: polaris\nqueues:\n  debug: &short\n    note: mine\n  demand:\n    <<: *short\n"
    )
    queues = load_site("mine", tmp_path).queues
    assert queues["debug"].note == queues["demand"].note == "mine"


def test_shown_site_is_a_site_file(tmp_path: Path) -> None:
    """What `ambs site show` prints may be the beginning of one's own."""
    for name in site_names():
        (tmp_path / "own.yml").write_text(site_text(load_site(name)))
        assert load_site("own", tmp_path) == load_site(name)


def test_file_that_is_no_text_is_told(tmp_path: Path) -> None:
    """As one message, not as a traceback."""
    (tmp_path / "mine.yml").write_bytes(b"\xff\xfe")
    with pytest.raises(SiteInvalid, match="UTF-8"):
        load_site("mine", tmp_path)


def test_numbering_of_hardware_threads() -> None:
    """Theta's core 3 has threads 3, 67, 131, 195; some Slurm clusters count core by core."""
    theta = load_site("theta").node
    assert theta.processors_of(3) == [3, 67, 131, 195]
    other = msgspec.structs.replace(theta, thread_numbering="adjacent")
    assert other.processors_of(3) == [12, 13, 14, 15]


def test_unknown_site_is_told() -> None:
    """With the nearest name."""
    with pytest.raises(NotFound, match="Did you mean 'polaris'"):
        load_site("polarus")


def test_a_site_that_a_launcher_would_not_find_is_refused(tmp_path: Path) -> None:
    """A script names its site: the launcher would take another one, or end at once in a paid allocation."""
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "polaris.yml").write_text("extends: polaris\nnodes: 900\n")
    (tmp_path / "mine.yml").write_text("extends: polaris\nname: other\n")
    (tmp_path / "good.yml").write_text("extends: polaris\nnodes: 900\n")
    put = "Put the file there as polaris.yml, and give --site polaris"
    for name, words in (
        ("sub/polaris.yml", f"would find another site in .*{put}"),
        ("mine.yml", "named 'other': .* would find no site"),
    ):
        with pytest.raises(UsageError, match=words):
            refuse_unless_found_again(load_site(name, tmp_path), name, tmp_path)
    for name in ("good", "good.yml", "polaris"):
        refuse_unless_found_again(load_site(name, tmp_path), name, tmp_path)
