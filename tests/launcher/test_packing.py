"""No two evaluations share what is one's own, whatever comes and goes."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ambs_hpc.launcher.packing import Node, Packing, Slot
from ambs_hpc.records import Resources

ONE_GPU = Resources(gpus=1)
NODES = tuple(
    Node(
        f"n{index}",
        tuple(range(16)),
        ("0", "1", "2", "3"),
        64.0,
        {str(gpu): tuple(range(12 - 4 * gpu, 16 - 4 * gpu)) for gpu in range(4)},  # reversed, as on Polaris
    )
    for index in range(3)
)
shapes = st.builds(
    Resources,
    cores=st.integers(1, 20),
    gpus=st.integers(0, 5),
    memory_gib=st.sampled_from([0.0, 8.0, 40.0, 70.0]),
    nodes=st.integers(1, 4),
    whole_node=st.booleans(),
)


def occupied(slots: list[Slot]) -> tuple[Counter[tuple[str, int]], Counter[tuple[str, str]], Counter[str]]:
    shares = [share for slot in slots for share in slot.shares]
    memory: Counter[str] = Counter()
    for share in shares:
        memory[share.node] += int(share.memory_gib)
    return (
        Counter((share.node, core) for share in shares for core in share.cores),
        Counter((share.node, gpu) for share in shares for gpu in share.gpus),
        memory,
    )


@given(st.lists(st.tuples(shapes, st.booleans()), max_size=40))
def test_nothing_is_given_twice(requests: list[tuple[Resources, bool]]) -> None:
    """Cores, GPUs and memory are never over, and freeing gives all of it back."""
    packing = Packing(NODES)
    slots: list[Slot] = []
    for shape, then_free in requests:
        possible = packing.count(shape)
        slot = packing.place(shape)
        assert (slot is not None) == (possible > 0)
        if slot is not None:
            assert not packing.never_fits(shape)
            assert len({share.node for share in slot.shares}) == shape.nodes
            assert all(len(share.cores) >= shape.cores for share in slot.shares)
            assert all(len(share.gpus) >= shape.gpus for share in slot.shares)
            slots.append(slot)
        cores, gpus, memory = occupied(slots)
        assert max([*cores.values(), *gpus.values()], default=0) <= 1
        assert max(memory.values(), default=0) <= 64
        if then_free and slots:
            packing.free(slots.pop(0))
    for slot in slots:
        packing.free(slot)
    assert packing.room() == Resources(cores=16, gpus=4, memory_gib=64.0, nodes=3, whole_node=True)
    assert packing.count(Resources(cores=16, gpus=4, memory_gib=64.0, nodes=3)) == 1


@given(shapes)
def test_what_never_fits_is_told_from_what_does_not_fit_now(shape: Resources) -> None:
    """Otherwise an impossible evaluation waits for ever."""
    empty = Packing(NODES)
    assert empty.never_fits(shape) == (empty.count(shape) == 0)


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        (Resources(cores=2, gpus=1), [("0", 12, 13), ("1", 8, 9), ("2", 4, 5), ("3", 0, 1)]),
        (Resources(cores=8, gpus=2), [("01", *range(8, 16)), ("23", *range(8))]),
        (Resources(cores=16, gpus=4), [("0123", *range(16))]),
    ],
    ids=["one", "two", "four"],
)
def test_cores_lie_near_the_gpus(shape: Resources, expected: list[tuple[object, ...]]) -> None:
    """The site's map says which processors reach which GPU fast."""
    packing = Packing(NODES[:1])
    shares = [slot.shares[0] for _ in expected if (slot := packing.place(shape))]
    assert [("".join(share.gpus), *sorted(share.cores)) for share in shares] == expected
    assert packing.count(shape) == 0


def test_gpu_is_chosen_where_cores_near_it_are_free() -> None:
    """Evaluations without GPUs may have taken those next to the first."""
    packing = Packing(NODES[:1])
    low, first, high = (packing.place(shape) for shape in (Resources(cores=12), ONE_GPU, Resources(cores=3)))
    assert low is not None and first is not None and high is not None
    packing.free(low)
    packing.free(first)
    slot = packing.place(Resources(cores=4, gpus=1))
    assert slot is not None
    assert (slot.shares[0].gpus, slot.shares[0].cores) == (("1",), (8, 9, 10, 11))


def test_small_ones_leave_whole_nodes_free() -> None:
    """Else an evaluation of whole nodes would starve beside small ones."""
    packing = Packing(NODES)
    for _ in range(16):
        assert packing.place(Resources(cores=1))
    assert packing.place(Resources(cores=16, nodes=2)) is not None


@pytest.mark.parametrize("slots", [1, 3])
def test_slots_limit_how_many_run_at_once(slots: int) -> None:
    """`--slots K` is kept whatever the machine could hold."""
    packing = Packing(NODES, slots)
    placed = [packing.place(Resources()) for _ in range(5)]
    assert sum(slot is not None for slot in placed) == slots
    assert packing.room() is None


def test_processors_may_be_shared_when_slots_say_so() -> None:
    """More slots than processors: each id is given as often as it is listed."""
    packing = Packing([Node("n", (0, 1, 0, 1))], 4)
    cores = [slot.shares[0].cores for _ in range(4) if (slot := packing.place(Resources()))]
    assert sorted(cores) == [(0,), (0,), (1,), (1,)]


def test_large_one_is_not_starved_by_small_ones() -> None:
    """What ends on the nodes kept for it makes room for it, not for the next small one."""
    packing = Packing(NODES[:2])
    small = [slot for _ in range(32) if (slot := packing.place(Resources()))]
    large = Resources(cores=16)
    assert packing.place(large, 7) is None
    packing.keep_for(7, large)
    kept = None
    for slot in small:
        packing.free(slot)
        if packing.place(Resources(), 8) is None:
            kept = slot.node
        if (placed := packing.place(large, 7)) is not None:
            assert placed.node == kept
            break
    else:
        pytest.fail("never placed")
    assert packing.count(Resources()) == 0
    packing.free(placed)
    assert packing.count(Resources()) == 16


def test_kept_nodes_are_open_again_when_nobody_waits() -> None:
    """The one that they were kept for may be cancelled."""
    packing = Packing(NODES[:1])
    first = packing.place(Resources())
    packing.keep_for(7, Resources(whole_node=True))
    packing.keep_for(8, Resources(cores=16))
    assert packing.room() is None
    packing.stop_keeping(8)
    assert packing.count(Resources()) == 0
    packing.stop_keeping(7)
    assert packing.count(Resources()) == 15
    assert first is not None


def test_several_nodes_are_whole_ones() -> None:
    """Nothing else runs beside ranks that wait for one another."""
    packing = Packing(NODES)
    assert packing.place(Resources(cores=2))
    slot = packing.place(Resources(cores=4, nodes=2))
    assert slot is not None
    assert [len(share.cores) for share in slot.shares] == [16, 16]
    assert packing.place(Resources(nodes=2)) is None
    assert packing.capacity() == Resources(cores=16, gpus=4, memory_gib=64.0, nodes=3, whole_node=True)


def test_a_node_may_be_limited_to_some_more_evaluations() -> None:
    """One that was in trouble is tried with one evaluation before it gets as many as fit."""
    packing = Packing([Node("a", (0, 1, 2)), Node("b", (0, 1))])
    packing.limit("a", 0)
    packing.limit("b", 1)
    assert packing.count(Resources()) == 1
    slot = packing.place(Resources())
    assert slot is not None
    assert slot.node == "b"
    assert packing.place(Resources()) is None
    assert packing.room() is None
    packing.free(slot)
    assert packing.count(Resources()) == 0, "a limit counts what begins, not what runs"
    packing.limit("b", None)
    assert packing.count(Resources()) == 2
    assert packing.most(Resources()) == 5
    packing.limit("a", None)
    assert packing.count(Resources()) == 5


def test_nodes_in_trouble_are_not_kept() -> None:
    """A large evaluation would wait for one of them while another node could be had."""
    packing = Packing([Node("a", (0, 1, 2)), Node("b", (0, 1))])
    small = packing.place(Resources())
    assert small is not None
    assert small.node == "b"
    large = Resources(cores=2)
    packing.limit("a", 0)
    packing.keep_for(2, large)
    packing.free(small)
    assert packing.place(Resources(), 3) is None, "b is kept"
    assert packing.place(large, 2) is not None
    packing.keep_for(4, Resources(cores=3))
    packing.limit("a", None)
    assert packing.count(Resources(cores=3)) == 1, "nothing was kept while no node could be"


def test_evaluations_of_several_nodes_get_neighbours() -> None:
    """Some launch commands reach no others; the shortest such run leaves the longer ones to larger shapes."""
    two, whole = Resources(nodes=2), Resources(whole_node=True)
    packing = Packing([Node(f"n{index}", (0,)) for index in range(6)])
    slots = [slot for _ in range(6) if (slot := packing.place(whole))]
    for index in (0, 2, 4, 5):
        packing.free(slots[index])
    placed = packing.place(two)
    assert placed is not None and [share.node for share in placed.shares] == ["n4", "n5"]
    apart = packing.place(two)
    assert apart is not None and [share.node for share in apart.shares] == ["n0", "n2"]


def test_neighbours_are_kept_for_who_waits_for_them() -> None:
    """Those that are free already may never become neighbours: one of them waits for what runs between."""
    two, whole = Resources(nodes=2), Resources(whole_node=True)
    packing = Packing([Node(f"n{index}", (0,)) for index in range(3)])
    slots = {slot.node: slot for _ in range(3) if (slot := packing.place(whole))}
    packing.free(slots["n0"])
    packing.free(slots["n2"])
    packing.keep_for(7, two)
    assert packing.count(whole) == 1  # n0 or n2, the other is kept with n1
    packing.free(slots["n1"])
    placed = packing.place(two, 7)
    assert placed is not None and {share.node for share in placed.shares} in ({"n0", "n1"}, {"n1", "n2"})


def test_neighbours_are_never_free_when_a_node_between_is_lost() -> None:
    """Then nothing is worth to be waited for."""
    two = Resources(nodes=2)
    packing = Packing([Node(f"n{index}", (0,)) for index in range(3)])
    assert packing.has_neighbours(two)
    packing.lose("n1")
    assert not packing.has_neighbours(two)
