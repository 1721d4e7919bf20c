"""The checks of a profile beyond types: values that are impossible alone or together; pure."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping

from ambs_hpc.errors import nearest
from ambs_hpc.problem.containers.container import container_errors
from ambs_hpc.problem.containers.registry import PROGRAM_NAMES
from ambs_hpc.schedulers import registered
from ambs_hpc.sites.profile import NodeShape, Queue, Site, core_numbers
from ambs_hpc.sites.script_safety import wrong_directive, wrong_environment, wrong_name


def profile_errors(site: Site) -> Iterator[tuple[str, str]]:
    """(path, error) for every value that is impossible alone or together with others."""
    yield from _node_errors(site.node)
    for name, queue in site.queues.items():
        yield from _queue_errors(f"queues.{name}", queue, site.nodes)
    if site.default_queue and site.queues and site.default_queue not in site.queues:
        yield "default_queue", f"no such queue. {nearest(site.default_queue, site.queues)}"
    if site.node_name and "%" not in site.node_name:
        yield "node_name", "write the place of the number, as in nid%05d"
    yield from _script_errors(site)
    for name, seen, remedy in container_errors(site.container.to_json(), PROGRAM_NAMES):
        yield f"container.{name}", f"{seen}. {remedy}"
    yield from _estimate_errors(site)
    yield from _recognition_errors(site)


def _estimate_errors(site: Site) -> Iterator[tuple[str, str]]:
    for index, path in enumerate(site.estimated):
        value: object = site
        for key in path.split("."):
            known = [*value] if isinstance(value, Mapping) else [*getattr(value, "__struct_fields__", ())]
            if key not in known:
                hint = f" {nearest(key, known)}" if known else ""
                yield f"estimated[{index}]", f"{path!r}: this profile has no {key!r} there.{hint}"
                break
            value = value[key] if isinstance(value, Mapping) else getattr(value, key)


def _recognition_errors(site: Site) -> Iterator[tuple[str, str]]:
    for index, pattern in enumerate(site.recognised_by.hosts):
        if not re.search("[A-Za-z0-9]", pattern):
            yield (
                f"recognised_by.hosts[{index}]",
                f"{pattern!r}: every host has such a name; write more of it",
            )
    for name, pattern in site.recognised_by.environment.items():
        if not re.search("[A-Za-z0-9]", pattern):
            yield (
                f"recognised_by.environment.{name}",
                f"{pattern!r}: write the value that the variable has on this machine",
            )


def _script_errors(site: Site) -> Iterator[tuple[str, str]]:
    yield from _unasked_errors(site)
    lists = {"directives": site.directives}
    lists.update({f"queues.{name}.directives": queue.directives for name, queue in site.queues.items()})
    for path, directives in lists.items():
        for index, directive in enumerate(directives):
            if words := wrong_directive(site.scheduler, directive):
                yield f"{path}[{index}]", words
    for variable, words in wrong_environment(site.environment):
        yield f"environment.{variable}", words
    if site.gpu_variable in site.environment:
        yield f"environment.{site.gpu_variable}", "each evaluation gets its own; leave it out"


def _unasked_errors(site: Site) -> Iterator[tuple[str, str]]:
    """Words that the script would not contain, or that would break it."""
    kind = registered(site.scheduler)
    if site.select and not kind.has_chunks:
        yield "select", f"{site.scheduler} has no chunks: write options of the submit command as `directives`"
    if re.search(r"[\s#]", site.select):
        yield "select", f"{site.select!r}: write the words with colons between them, and no blanks or remarks"
    for name, queue in site.queues.items():
        if queue.unit == "gpu" and not kind.counts_gpus:
            yield f"queues.{name}.unit", f"'gpu': {site.scheduler} would be asked for as many whole nodes"
        elif queue.unit == "gpu" and "--exclusive" in site.directives:
            advice = "give --exclusive, which asks for whole nodes, to the `directives` of the other queues"
            yield f"queues.{name}.unit", f"'gpu': {advice}"
    named = {"default_queue": site.default_queue}
    named.update({f"filesystems[{index}]": one for index, one in enumerate(site.filesystems)})
    for path, text in named.items():
        if words := wrong_name(path.partition("[")[0], text):
            yield path, words


def _node_errors(node: NodeShape) -> Iterator[tuple[str, str]]:
    if node.found and (node.gpus or node.reserved_cores or node.memory_gib):
        yield "node.found", "a node that is taken as it is found has no figures; give its `cores` too"
    if node.job_threads_per_core is not None and node.job_threads_per_core > node.threads_per_core:
        threads = f"a core has {node.threads_per_core}"
        yield "node.job_threads_per_core", f"{node.job_threads_per_core}: {threads} (`threads_per_core`)"
    if node.gpu_memory != "separate" and not node.gpus:
        yield "node.gpu_memory", f"{node.gpu_memory!r}: the node has no GPUs"
    if node.gpu_names and len(node.gpu_names) != node.gpus:
        yield "node.gpu_names", f"{len(node.gpu_names)} names for {node.gpus} GPUs"
    if node.gpu_cores and len(node.gpu_cores) != node.gpus:
        yield "node.gpu_cores", f"cores for {len(node.gpu_cores)} of {node.gpus} GPUs"
    for field, texts in (("reserved_cores", [node.reserved_cores]), ("gpu_cores", node.gpu_cores)):
        for text in texts:
            try:
                beyond = [core for core in core_numbers(text) if core >= node.cores]
            except ValueError:
                yield f"node.{field}", f"{text!r}: write numbers and ranges, as in 0-7,32"
                return
            reserved = set(core_numbers(node.reserved_cores)) if field == "gpu_cores" else set()
            if taken := sorted(reserved.intersection(core_numbers(text))):
                yield f"node.{field}", f"{text!r}: core {taken[0]} is reserved"
            if beyond:
                yield f"node.{field}", f"{text!r}: the node has cores 0 to {node.cores - 1}"
    named = Counter(core for text in node.gpu_cores for core in set(core_numbers(text)))
    if named and max(named.values()) > 1 and not node.gpus_share_cores:
        core = named.most_common(1)[0][0]
        yield "node.gpu_cores", f"core {core} is beside two GPUs; if that is so, set `gpus_share_cores: true`"


def _queue_errors(path: str, queue: Queue, nodes: int | None) -> Iterator[tuple[str, str]]:
    if queue.charged_nodes > queue.max_nodes:
        yield f"{path}.charged_nodes", f"{queue.charged_nodes}: the queue ends at {queue.max_nodes}"
    least, longest = max(1, queue.min_minutes), max(tier.max_minutes for tier in queue.tiers)
    if queue.default_minutes is not None and not least <= queue.default_minutes <= longest:
        words = f"{queue.default_minutes}: the queue takes {least} to {longest} minutes"
        yield f"{path}.default_minutes", words
    if queue.max_user_nodes is not None and queue.max_user_nodes < queue.min_nodes:
        yield f"{path}.max_user_nodes", f"{queue.max_user_nodes}: the queue begins at {queue.min_nodes}"
    if queue.max_node_minutes is not None and queue.max_node_minutes < queue.min_nodes * least:
        least_words = f"{queue.min_nodes} nodes have" if queue.min_nodes > 1 else "one node has"
        yield f"{path}.max_node_minutes", f"{queue.max_node_minutes}: {least_words} {least} minutes at least"
    for index, size in enumerate(queue.sizes):
        if not any(tier.min_nodes <= size <= tier.max_nodes for tier in queue.tiers):
            yield f"{path}.sizes[{index}]", f"{size}: no tier takes it"
    last = 0
    for index, tier in enumerate(queue.tiers):
        here = f"{path}.tiers[{index}]"
        if tier.min_nodes <= last or tier.max_nodes < tier.min_nodes:
            yield here, f"{tier.min_nodes} to {tier.max_nodes} nodes: tiers ascend and do not overlap"
        if tier.max_minutes < max(1, queue.min_minutes):
            yield f"{here}.max_minutes", f"{tier.max_minutes}: at least {max(1, queue.min_minutes)} minutes"
        if nodes is not None and queue.unit == "node" and tier.max_nodes > nodes:
            yield f"{here}.max_nodes", f"{tier.max_nodes}: the site has {nodes} nodes"
        last = tier.max_nodes
