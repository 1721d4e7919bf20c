"""A profile is values and pure questions to them: who asks must get what the machine would say."""

from __future__ import annotations

import msgspec
import pytest

from ambs_hpc.errors import NotFound
from ambs_hpc.sites import Queue, Site, Tier, core_numbers, load_site, site_names


def test_walltime_is_a_step_function_of_nodes() -> None:
    """The published tables, at both ends of every step."""
    frontier = load_site("frontier").queue("batch")
    steps = {1: 120, 91: 120, 92: 360, 183: 360, 184: 720, 9472: 720}
    assert {nodes: frontier.longest_minutes(nodes) for nodes in steps} == steps
    theta = load_site("theta").queue("default")
    steps = {255: 180, 256: 360, 383: 360, 384: 540, 639: 540, 640: 720, 801: 720, 802: 1440, 4100: 1440}
    assert {nodes: theta.longest_minutes(nodes) for nodes in steps} == steps


@pytest.mark.parametrize("nodes", [9, 497])
def test_size_outside_all_tiers_has_no_walltime(nodes: int) -> None:
    """Polaris takes 10 to 496 nodes in prod; others vanish there without an error."""
    assert load_site("polaris").queue("prod").longest_minutes(nodes) is None


def test_size_between_tiers_has_no_walltime() -> None:
    """A gap between two tiers is a refusal too."""
    queue = Queue(tiers=[Tier(1, 2, 60), Tier(8, 16, 30)])
    assert [queue.longest_minutes(nodes) for nodes in (2, 3, 8)] == [60, None, 30]


def test_only_listed_sizes_are_taken() -> None:
    """Three GPUs are refused on Sophia, though the tier goes from one to eight."""
    by_gpu = load_site("sophia").queue("by-gpu")
    assert [by_gpu.longest_minutes(gpus) for gpus in (2, 3, 4)] == [1440, None, 1440]


def test_few_nodes_are_charged_as_the_minimum() -> None:
    """14 nodes for an hour cost as much as 128 on Theta."""
    default = load_site("theta").queue("default")
    assert [default.charged(nodes, 60) for nodes in (14, 128, 256)] == [128, 128, 256]


def test_charge_follows_time_and_factor() -> None:
    """Half an hour at a quarter of the price."""
    assert load_site("perlmutter-gpu").queue("preempt").charged(8, 30) == 8 * 0.5 * 0.25


def test_unknown_queue_is_told_with_the_nearest() -> None:
    """A mistyped queue is found at once."""
    with pytest.raises(NotFound, match=r"polaris has no queue 'prdo'.*'prod'"):
        load_site("polaris").queue("prdo")


@pytest.mark.parametrize(
    ("text", "numbers"),
    [("", []), ("7", [7]), ("0-3,7", [0, 1, 2, 3, 7]), (" 0 - 1 , 52 ", [0, 1, 52]), ("4-4", [4])],
)
def test_core_numbers_are_read(text: str, numbers: list[int]) -> None:
    """As centres write them."""
    assert core_numbers(text) == numbers


@pytest.mark.parametrize("text", ["3-1", "a", "1-", "-1", "1-2-3", "0x2", "0-9999999999"])
def test_other_texts_are_no_core_numbers(text: str) -> None:
    """A range that means nothing must not become an empty one."""
    with pytest.raises(ValueError):
        core_numbers(text)


@pytest.mark.parametrize("name", site_names())
def test_each_processor_belongs_to_one_core(name: str) -> None:
    """Two evaluations on two cores must never share a processor."""
    node = load_site(name).node
    for numbering in ("spread", "adjacent"):
        own = msgspec.structs.replace(node, thread_numbering=numbering)
        processors = [processor for core in range(own.cores) for processor in own.processors_of(core)]
        assert sorted(processors) == list(range(node.cores * node.threads_per_core))


@pytest.mark.parametrize("name", site_names())
def test_no_core_is_beside_two_gpus(name: str) -> None:
    """A slip in a GPU map would give two evaluations the same cores."""
    node = load_site(name).node
    cores = [core for text in node.gpu_cores for core in core_numbers(text)]
    assert (len(cores) > len(set(cores))) == node.gpus_share_cores


# (site, GPU): processors beside it, of both hardware threads, as the centre publishes them.
PUBLISHED = {
    ("polaris", 0): "24-31,56-63",
    ("polaris", 3): "0-7,32-39",
    ("aurora", 0): "1-8,105-112",
    ("aurora", 6): "53-60,157-164",
    ("frontier", 0): "49-55,113-119",
    ("frontier", 4): "1-7,65-71",
}


@pytest.mark.parametrize(("name", "gpu"), PUBLISHED)
def test_gpus_are_beside_the_published_processors(name: str, gpu: int) -> None:
    """GPU numbers do not follow core numbers; on Frontier the first core of each cache is reserved."""
    node = load_site(name).node
    cores = core_numbers(node.gpu_cores[gpu])
    processors = sorted(processor for core in cores for processor in node.processors_of(core))
    assert processors == sorted(core_numbers(PUBLISHED[name, gpu]))


RULES = {
    "a queue charges more nodes than asked for": lambda: (
        load_site("theta").queue("default").charged_nodes == 128
    ),
    "routes are named": lambda: (
        [t.route for t in load_site("aurora").queue("prod").tiers] == ["small", "medium", "large"]
    ),
    "a launch command cannot pack": lambda: not load_site("theta").launch.packs,
    "a launch command has a most at once": lambda: load_site("theta").launch.most_at_once == 990,
    "a script runs on a service node": lambda: load_site("theta").script_host == "mom",
    "a script runs on the first node": lambda: load_site("cooley").script_host == "compute",
    "cores are reserved": lambda: not {0, 52} & set(load_site("aurora").node.usable_cores),
    "a GPU variable per vendor": lambda: (
        {load_site(name).gpu_variable for name in ("polaris", "frontier", "aurora")}
        == {"CUDA_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES", "ZE_AFFINITY_MASK"}
    ),
    "GPUs narrowed already": lambda: load_site("sophia").gpus_are_narrowed,
    "a budget on login nodes": lambda: load_site("polaris").login_tasks == 256,
    "nodes by number": lambda: load_site("theta").node_name % 1001 == "nid01001",
    "an array too wide": lambda: load_site("polaris").queue("prod").max_array == 10,
}


@pytest.mark.parametrize("rule", RULES)
def test_rule_of_a_centre_is_expressed(rule: str) -> None:
    """What the centres' pages say must have a place in a profile, and be in it."""
    assert RULES[rule]()


def test_profile_cannot_be_changed() -> None:
    """It is shared by all that ask."""
    site: Site = load_site("local")
    with pytest.raises(AttributeError):
        site.name = "other"  # type: ignore[misc]
