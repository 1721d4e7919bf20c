"""A headless Chromium driven over its debugging pipe, so that tests need no library for it."""

from __future__ import annotations

import base64
import json
import os
import select
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

PROGRAM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
ANSWER_SECONDS = 30.0
Json = dict[str, Any]


class Page:
    """One page, with all that its console said and all that it asked the network for."""

    def __init__(self, commands: int, answers: int) -> None:
        self._commands, self._answers = commands, answers
        self._number, self._buffer, self._session = 0, b"", ""
        self.complaints: list[str] = []
        self.requests: list[str] = []
        self._events: list[str] = []

    def attach(self) -> None:
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def open(self, file: Path, *, dark: bool = False, width: int = 1100) -> None:
        """Open the file and wait until it has been loaded and its scripts have run."""
        self.open_url(file.resolve().as_uri(), dark=dark, width=width)

    def open_url(self, url: str, *, dark: bool = False, width: int = 1100) -> None:
        """The same for an address of any kind."""
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", features=[scheme])
        self.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=False
        )
        self._events.clear()
        self.call("Page.navigate", url=url)
        while "Page.loadEventFired" not in self._events:
            self._take(self._message())

    def value(self, expression: str) -> Any:
        """What the JavaScript expression is on the page."""
        told = self.call("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in told, told
        return told["result"].get("value")

    def wait(self, expression: str) -> None:
        """Until the JavaScript expression is true on the page, which may load anew meanwhile."""
        deadline = time.monotonic() + ANSWER_SECONDS
        while True:
            told = self.call("Runtime.evaluate", expression=expression, returnByValue=True)
            if told["result"].get("value") is True:
                return
            assert time.monotonic() < deadline, f"never: {expression}; {self.complaints}"
            select.select([], [], [], 0.05)

    def press(self, key: str, **more: int) -> None:
        """Press and release a key, as "ArrowUp"."""
        for kind in ("keyDown", "keyUp"):
            self.call("Input.dispatchKeyEvent", type=kind, key=key, **more)

    def drag(self, x: float, y: float, to_y: float) -> None:
        """Press the mouse there, move it up or down and let it go."""
        for kind, at in (
            ("mousePressed", y),
            ("mouseMoved", (y + to_y) / 2),
            ("mouseMoved", to_y),
            ("mouseReleased", to_y),
        ):
            self.call(
                "Input.dispatchMouseEvent", type=kind, x=x, y=at, button="left", buttons=1, clickCount=1
            )

    def picture(self, file: Path) -> None:
        """The whole page as PNG."""
        told = self.call("Page.captureScreenshot", captureBeyondViewport=True)
        file.write_bytes(base64.b64decode(told["data"]))

    def call(self, method: str, **parameters: object) -> Json:
        """The browser's answer to one command."""
        self._number += 1
        sent: Json = {"id": self._number, "method": method, "params": parameters}
        if self._session:
            sent["sessionId"] = self._session
        os.write(self._commands, json.dumps(sent).encode() + b"\0")
        while True:
            message = self._message()
            if message.get("id") == self._number:
                assert "error" not in message, f"{method}: {message['error']}"
                return dict(message["result"])
            self._take(message)

    def _message(self) -> Json:
        deadline = time.monotonic() + ANSWER_SECONDS
        while b"\0" not in self._buffer:
            readable, _, _ = select.select([self._answers], [], [], max(0.0, deadline - time.monotonic()))
            assert readable, "Chromium does not answer"
            piece = os.read(self._answers, 1 << 20)
            assert piece, "Chromium has ended"
            self._buffer += piece
        one, _, self._buffer = self._buffer.partition(b"\0")
        return dict(json.loads(one))

    def _take(self, message: Json) -> None:
        method, told = message.get("method", ""), message.get("params", {})
        self._events.append(method)
        if method in ("Runtime.exceptionThrown", "Log.entryAdded", "Runtime.consoleAPICalled"):
            self.complaints.append(json.dumps(told)[:600])
        elif method == "Network.requestWillBeSent":
            self.requests.append(told["request"]["url"])


@contextmanager
def browser(folder: Path) -> Iterator[Page]:
    """A page of a browser of its own, whose profile lies in the folder."""
    assert PROGRAM
    from_us, commands = os.pipe()
    answers, from_it = os.pipe()
    # The browser reads its commands from descriptor 3 and answers on 4. Root has no sandbox in a container.
    line = f'exec "$0" "$@" 3<&{from_us} 4>&{from_it}'
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"]
    process = subprocess.Popen(
        [
            "bash",
            "-c",
            line,
            PROGRAM,
            *options,
            "--remote-debugging-pipe",
            f"--user-data-dir={folder / 'profile'}",
        ],
        pass_fds=(from_us, from_it),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    os.close(from_us)
    os.close(from_it)
    try:
        page = Page(commands, answers)
        page.attach()
        yield page
    finally:
        os.close(commands)
        os.close(answers)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
