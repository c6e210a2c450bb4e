"""A headless Chromium over its DevTools pipe: a page is opened, asked, clicked on, and printed.

    with Browser(folder) as browser:
        browser.open(page, width=360)
        browser.evaluate("document.title")

No port is opened and nothing is fetched: the pipe is two descriptors, and messages are JSON that
ends with a zero byte.
"""

import base64
import fcntl
import json
import os
import select
import shutil
import signal
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from waiting import LIMIT

PATH = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), "")
_FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    *("--disable-dev-shm-usage", "--hide-scrollbars", "--remote-debugging-pipe"),
)
#: Chromium reads commands from the one and writes to the other.
_TO_BROWSER, _FROM_BROWSER = 3, 4


class Browser:
    """One tab.

    Attributes:
        requests: addresses that the page that is open asked for, its own first.
        complaints: its errors, warnings and failed requests, as the console tells them.
    """

    def __init__(self, folder: Path) -> None:
        self.requests: list[str] = []
        self.complaints: list[str] = []
        self._number = 0
        self._session: str | None = None
        self._unread = b""
        self._is_loaded = False
        their_input, self._input = os.pipe()
        self._output, their_output = os.pipe()
        log = os.open(folder / "chromium.log", os.O_WRONLY | os.O_CREAT)
        # Theirs first go where no descriptor is that they are to become.
        far = [fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 10) for fd in (their_input, their_output)]
        self._pid = os.posix_spawn(
            PATH,
            [PATH, *_FLAGS, f"--user-data-dir={folder / 'profile'}", "about:blank"],
            os.environ,
            file_actions=[
                (os.POSIX_SPAWN_DUP2, log, 1),
                (os.POSIX_SPAWN_DUP2, log, 2),
                (os.POSIX_SPAWN_DUP2, far[0], _TO_BROWSER),
                (os.POSIX_SPAWN_DUP2, far[1], _FROM_BROWSER),
            ],
            setpgroup=0,
        )
        for descriptor in (their_input, their_output, log, *far):
            os.close(descriptor)

    def __enter__(self) -> Self:
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        attached = self.call("Target.attachToTarget", targetId=target, flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Network", "Log", "Runtime"):
            self.call(f"{domain}.enable")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        # All of its processes are in the group that was made for it.
        os.killpg(self._pid, signal.SIGKILL)
        os.waitpid(self._pid, 0)
        os.close(self._input)
        os.close(self._output)

    def open(self, page: Path, width: int, *, is_dark: bool = False) -> None:
        """Loads a page on a screen of this many pixels."""
        self.call(
            "Emulation.setDeviceMetricsOverride",
            **{"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": width < 600},
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if is_dark else "light"}
        self.call("Emulation.setEmulatedMedia", features=[scheme])
        self._is_loaded = False
        self.requests.clear()
        self.complaints.clear()
        self.call("Page.navigate", url=page.resolve().as_uri())
        while not self._is_loaded:
            self._note(self._message())

    def evaluate(self, expression: str) -> Any:
        """The value of a JavaScript expression on the page."""
        answer = self.call("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def double_click(self, x: float, y: float) -> None:
        """What a person does to select a word."""
        for count in (1, 2):
            for kind in ("mousePressed", "mouseReleased"):
                self.call(
                    "Input.dispatchMouseEvent",
                    **{"type": kind, "x": x, "y": y, "button": "left", "clickCount": count},
                )

    def print_pdf(self) -> bytes:
        """The page as it is printed, on A4."""
        answer = self.call("Page.printToPDF", preferCSSPageSize=True, printBackground=False)
        return base64.b64decode(answer["data"])

    def screenshot(self) -> bytes:
        """All of the page, as PNG."""
        answer = self.call("Page.captureScreenshot", captureBeyondViewport=True)
        return base64.b64decode(answer["data"])

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Gives a command of the DevTools protocol, and waits for its result."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._input, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._message()
            if answer.get("id") == self._number:
                assert "error" not in answer, f"{method}: {answer['error']}"
                return dict(answer["result"])
            self._note(answer)

    def _message(self) -> dict[str, Any]:
        while b"\0" not in self._unread:
            ready, _, _ = select.select([self._output], [], [], LIMIT)
            assert ready, f"no message from the browser in {LIMIT:.0f} s"
            data = os.read(self._output, 1 << 20)
            assert data, "the browser ended"
            self._unread += data
        message, _, self._unread = self._unread.partition(b"\0")
        return dict(json.loads(message))

    def _note(self, event: dict[str, Any]) -> None:
        """Keeps what the tests ask for of an event."""
        kind, what = event.get("method"), event.get("params", {})
        if kind == "Page.loadEventFired":
            self._is_loaded = True
        elif kind == "Network.requestWillBeSent":
            self.requests.append(what["request"]["url"])
        elif kind == "Network.loadingFailed":
            self.complaints.append(f"{what['type']}: {what['errorText']}")
        elif kind == "Log.entryAdded":
            self.complaints.append(f"{what['entry']['level']}: {what['entry']['text']}")
        elif kind in ("Runtime.exceptionThrown", "Runtime.consoleAPICalled"):
            self.complaints.append(json.dumps(what))
