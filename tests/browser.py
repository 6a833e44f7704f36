"""A real Chromium, driven over its debugging pipe: it opens a page, logs in when asked, and tells what a person reads.

The pipe (`--remote-debugging-pipe`: commands on descriptor 3, answers on 4, JSON ended by a NUL) needs no library.
A login in the URL would not do: Chromium then refuses the page's own requests.
"""

from __future__ import annotations

import base64
import json
import os
import select
import subprocess
import time
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

FLAGS = (
    "--headless", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--remote-debugging-pipe",
)  # fmt: skip


@dataclass
class Page:
    """One tab. *asked* counts how often the server asked for the login."""

    commands: int
    answers: int
    login: tuple[str, str]
    session: str = ""
    asked: int = 0
    _number: int = 0
    _rest: bytes = b""
    _results: dict[int, dict[str, Any]] = field(default_factory=dict[int, dict[str, Any]])

    def open(self, url: str, headers: Mapping[str, str] | None = None) -> None:
        """Go to *url*, with the login ready for whoever asks; *headers* go with every request."""
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = str(self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"])
        self.call("Fetch.enable", handleAuthRequests=True)
        if headers:
            self.call("Network.enable")
            self.call("Network.setExtraHTTPHeaders", headers=dict(headers))
        self.call("Page.navigate", url=url)

    def text(self) -> str:
        """What stands on the page."""
        found = self.call("Runtime.evaluate", expression="document.body ? document.body.innerText : ''")
        return str(found["result"].get("value", ""))

    def run(self, script: str) -> Any:
        """The value of some JavaScript on the page; of a promise, what it comes to."""
        found = self.call("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        return found.get("result", {}).get("value")

    def picture(self, file: Path) -> None:
        """Write what a person sees, as a PNG."""
        file.write_bytes(base64.b64decode(self.call("Page.captureScreenshot")["data"]))

    def waits_for(self, words: str, *, seconds: float) -> bool:
        """Whether *words* come to stand on the page within *seconds*."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if words in self.text():
                return True
            self._hear(0.2)
        return False

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Send one command and wait for its result."""
        number = self._send(method, parameters)
        end = time.monotonic() + 30
        while number not in self._results and time.monotonic() < end:
            self._hear(1)
        return self._results.pop(number)

    def _send(self, method: str, parameters: dict[str, Any]) -> int:
        self._number += 1
        message: dict[str, Any] = {"id": self._number, "method": method, "params": parameters}
        if self.session and not method.startswith("Target."):
            message["sessionId"] = self.session
        os.write(self.commands, json.dumps(message).encode() + b"\0")
        return self._number

    def _hear(self, seconds: float) -> None:
        """Take in what comes within *seconds*, and answer requests that wait for us."""
        if not select.select([self.answers], [], [], seconds)[0]:
            return
        *whole, self._rest = (self._rest + os.read(self.answers, 1 << 20)).split(b"\0")
        for message in map(json.loads, whole):
            if "id" in message:
                self._results[message["id"]] = message.get("result", {})
            elif message["method"] == "Fetch.requestPaused":
                self._send("Fetch.continueRequest", {"requestId": message["params"]["requestId"]})
            elif message["method"] == "Fetch.authRequired":
                self.asked += 1
                user, password = self.login
                given = {"response": "ProvideCredentials", "username": user, "password": password}
                request = message["params"]["requestId"]
                self._send("Fetch.continueWithAuth", {"requestId": request, "authChallengeResponse": given})


@contextmanager
def browser(program: str, profile: Path, login: tuple[str, str], *flags: str) -> Generator[Page]:
    """A page of a Chromium that ends with the block; *login* is what it gives when asked, *flags* are its own."""
    read_commands, commands = os.pipe()
    answers, write_answers = os.pipe()
    root = ["--no-sandbox"] if os.geteuid() == 0 else []
    # The shell puts our two descriptors where Chromium looks for them, 3 and 4.
    script = f'exec "$@" 3<&{read_commands} 4>&{write_answers}'
    started = subprocess.Popen(
        ["bash", "-c", script, "bash", program, *FLAGS, *root, *flags, f"--user-data-dir={profile}"],
        pass_fds=(read_commands, write_answers), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    os.close(read_commands)
    os.close(write_answers)
    try:
        yield Page(commands, answers, login)
    finally:
        started.terminate()
        started.wait(30)
        os.close(commands)
        os.close(answers)
