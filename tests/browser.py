"""Drives a browser without a window, as the tests of the exported page need it: a Chromium by its DevTools protocol, a
Firefox by WebDriver BiDi.
"""

import base64
import json
import os
import re
import shutil
import subprocess
import tempfile
import time
import urllib.request
from pathlib import Path

from exporting.page import find_browser

SECONDS = 60


class Browser:
    """A Chromium with one tab and the network off.

    with Browser() as browser: browser.open(path); browser.run("1 + 1")
    """

    def __init__(self, width: int = 1280, height: int = 900, dark: bool = False) -> None:
        import websocket

        self.folder = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        options = ["--headless", "--disable-gpu", "--remote-debugging-port=0", f"--user-data-dir={self.folder.name}"]
        options += ["--remote-allow-origins=*", "--no-first-run", "about:blank"]
        if os.geteuid() == 0:
            options.insert(0, "--no-sandbox")
        nowhere = subprocess.DEVNULL
        self.process = subprocess.Popen([find_browser(), *options], stdout=nowhere, stderr=nowhere)
        port_file = Path(self.folder.name) / "DevToolsActivePort"
        self.wait(lambda: port_file.exists() and port_file.read_text().count("\n"))
        port = port_file.read_text().split()[0]
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/json/list") as answer:
            (tab,) = [entry for entry in json.load(answer) if entry["type"] == "page"]
        self.socket = websocket.create_connection(tab["webSocketDebuggerUrl"], timeout=SECONDS)
        self.number, self.events = 0, []
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")
        offline = {"offline": True, "latency": 0, "downloadThroughput": -1, "uploadThroughput": -1}
        self.call("Network.emulateNetworkConditions", **offline)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", features=[scheme])
        self.resize(width, height)

    def __enter__(self) -> "Browser":
        return self

    def __exit__(self, *error) -> None:
        self.socket.close()
        self.process.terminate()
        self.process.wait(SECONDS)
        self.folder.cleanup()

    def call(self, method: str, **parameters) -> dict:
        """One command and its answer; events that arrive before it are kept."""
        self.number += 1
        self.socket.send(json.dumps({"id": self.number, "method": method, "params": parameters}))
        while True:
            message = json.loads(self.socket.recv())
            if message.get("id") == self.number:
                assert "error" not in message, message
                return message["result"]
            self.events.append(message)

    def open(self, path: Path) -> None:
        self.call("Page.navigate", url=path.resolve().as_uri())
        self.wait(lambda: self.run("document.readyState") == "complete")

    def run(self, script: str):
        """The value of a JavaScript expression; a promise is waited for."""
        answer = self.call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def wait(self, condition) -> None:
        """Until `condition`, a function or a JavaScript expression, is true."""
        end = time.monotonic() + SECONDS
        while not (condition() if callable(condition) else self.run(condition)):
            assert time.monotonic() < end, f"{condition} did not come true"
            time.sleep(0.05)

    def press(self, key: str, code: int) -> None:
        for kind in ("keyDown", "keyUp"):
            self.call("Input.dispatchKeyEvent", type=kind, key=key, windowsVirtualKeyCode=code)

    def resize(self, width: int, height: int) -> None:
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
        self.call("Emulation.setDeviceMetricsOverride", **size)

    def screenshot(self, path: Path) -> None:
        data = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=True)["data"]
        path.write_bytes(base64.b64decode(data))

    def messages(self) -> list[str]:
        """What the page wrote to the console or asked the network for, besides its own file and blobs."""
        self.run("0")  # brings the events that wait
        console = ("Runtime.consoleAPICalled", "Runtime.exceptionThrown", "Log.entryAdded")
        found = [json.dumps(event) for event in self.events if event["method"] in console]
        requests = [event for event in self.events if event["method"] == "Network.requestWillBeSent"]
        addresses = [event["params"]["request"]["url"] for event in requests]
        return found + [address for address in addresses if not address.startswith(("file:", "blob:", "data:"))]


class Firefox:
    """A Firefox with one tab, in light colors; what it asks the network for is among its `messages`.

    with Firefox() as browser: browser.open(path); browser.run("1 + 1")
    """

    PROGRAMS = ("firefox", "firefox-esr")

    @classmethod
    def find(cls) -> str | None:
        """The name of the program; None where none is installed."""
        return next(filter(shutil.which, cls.PROGRAMS), None)

    def __init__(self) -> None:
        import websocket

        self.folder = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        words = Path(self.folder.name) / "words.txt"
        command = [self.find(), "--headless", "--remote-debugging-port", "0", "--profile", self.folder.name]
        with open(words, "w") as file:
            self.process = subprocess.Popen(command, stdout=file, stderr=file)
        address = re.compile(r"WebDriver BiDi listening on (ws://[\d.:]+)")
        self.wait(lambda: address.search(words.read_text()))
        url = f"{address.search(words.read_text())[1]}/session"
        self.socket = websocket.create_connection(url, timeout=SECONDS, suppress_origin=True)
        self.number, self.events = 0, []
        self.call("session.new", capabilities={})
        self.call("session.subscribe", events=["log.entryAdded", "network.beforeRequestSent"])
        self.tab = self.call("browsingContext.getTree")["contexts"][0]["context"]

    def __enter__(self) -> "Firefox":
        return self

    def __exit__(self, *error) -> None:
        self.call("browser.close")
        self.socket.close()
        self.process.wait(SECONDS)
        self.folder.cleanup()

    call = Browser.call
    wait = Browser.wait

    def open(self, path: Path) -> None:
        self.call("browsingContext.navigate", context=self.tab, url=path.resolve().as_uri(), wait="complete")

    def run(self, script: str):
        """The value of a JavaScript expression."""
        target = {"context": self.tab}
        expression = f"JSON.stringify({script}) ?? 'null'"
        answer = self.call("script.evaluate", expression=expression, target=target, awaitPromise=True)
        assert answer["type"] == "success", answer
        return json.loads(answer["result"]["value"])

    def resize(self, width: int, height: int) -> None:
        self.call("browsingContext.setViewport", context=self.tab, viewport={"width": width, "height": height})

    def messages(self) -> list[str]:
        """What the page wrote to the console or asked the network for, besides its own file and blobs."""
        self.run("0")  # brings the events that wait
        found = [json.dumps(event) for event in self.events if event.get("method") == "log.entryAdded"]
        requests = [event for event in self.events if event.get("method") == "network.beforeRequestSent"]
        addresses = [event["params"]["request"]["url"] for event in requests]
        return found + [address for address in addresses if not address.startswith(("file:", "blob:", "data:"))]
