"""What launchers and supervisors tell each other survives the way."""

from __future__ import annotations

import pytest

from ambs_hpc.launcher.supervisor.messages import (
    KINDS,
    Alive,
    AttemptReport,
    ImportFailed,
    Message,
    NodeProbed,
    NodeTaken,
    ProbeOrder,
    Reported,
    StartRequest,
    StopOrder,
    SupervisorDied,
    decoded,
    encoded,
    from_json,
    to_json,
)

MESSAGES: list[Message] = [
    StartRequest(
        *(1, 2, {"x": 0.1, "name": "ä"}, "/runs/1-2", ["echo", "{}"]),
        cores=[3, 4],
        gpus=["0"],
        within=["env"],
        objectives=["loss", "seconds"],
    ),
    StopOrder([1, 2], 0.5),
    ProbeOrder("n", "/runs", 4, is_binding=True),
    NodeProbed("n", True, 1.5, "2 GPUs are there instead of 4", {"gpus": 2, "scratch": "/tmp"}),
    Alive(17),
    Alive(17, 3.5),
    ImportFailed("Traceback\n  'x'"),
    SupervisorDied(),
    Reported(1, 2, "token.1", [[3, 0.5, {"loss": 0.1}, 1.5, 0]], "step is -1"),
    NodeTaken("launcher 7 on n in cobalt allocation 12"),
    AttemptReport(1, 2, "n", 1.5, 2.5, objective=-1e308, metrics={"curve": [1, 2.5, None]}),
]


@pytest.mark.parametrize("message", MESSAGES, ids=lambda one: type(one).__name__)
def test_message_is_the_same_on_the_other_side(message: Message) -> None:
    """One line, whatever is in it: pipes to other nodes carry lines."""
    text = encoded(message)
    assert b"\n" not in text
    assert decoded(text) == message


def test_every_kind_is_tried() -> None:
    """A new message gets an example above."""
    assert {type(one) for one in MESSAGES} == set(KINDS.values())


@pytest.mark.parametrize(
    "text", ["[]", "1", "{}", '{"kind": "start"}', '{"kind": "launch", "id": 1}', "{", ""]
)
def test_what_is_no_message_is_refused(text: str) -> None:
    """One error to catch, whatever comes."""
    with pytest.raises(ValueError, match=r"message|StartRequest|Expecting"):
        decoded(text)


def test_unknown_keys_of_a_file_are_left_out() -> None:
    """A campaign goes on after an upgrade, with files of both versions."""
    report = AttemptReport(1, 2, "n", 1.5, 2.5, failure="ERROR", error="e", exit_status=1)
    text = to_json(report).replace("{", '{"from_the_future": 1, ', 1)
    assert from_json(AttemptReport, text) == report


def test_token_comes_from_the_environment() -> None:
    """Where every process of the attempt carries it."""
    request = StartRequest(1, 1, {}, "/f", ["true"])
    assert request.token == ""
    assert request.with_environment({"AMBS_ATTEMPT_TOKEN": "t"}).token == "t"
