"""A real browser for tests of web applications, and the rules of accessibility."""

from __future__ import annotations

import shutil
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

QUIET = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]
SIZES = ({"width": 1280, "height": 800}, {"width": 390, "height": 800})


@contextmanager
def chromium() -> Iterator[Browser]:
    """The browser; tests are skipped where it is not installed."""
    executable = shutil.which("chromium") or shutil.which("chromium-browser")
    if executable is None:
        pytest.skip("chromium is not installed (Debian: chromium)")
    tool = pytest.importorskip("playwright.sync_api")
    with tool.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=executable, args=QUIET)
        yield browser
        browser.close()


def violations(page: Page) -> list[str]:
    """The rules of axe that a page breaks at 1,280 and 390 pixels, light and dark, and whether it scrolls sideways."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    broken = []
    for size in SIZES:
        page.set_viewport_size(size)  # type: ignore[arg-type]
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)
            broken += [f"{size['width']} {scheme} {rule['id']}" for rule in axe.run(page).response["violations"]]
        if page.evaluate("document.documentElement.scrollWidth > innerWidth"):
            broken.append(f"{size['width']} scrolls sideways")
    page.emulate_media(color_scheme="light")
    return broken


def free_port() -> int:
    """A port on which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def wait_until_listening(port: int, seconds: float = 120) -> None:
    """Wait for a server on this machine."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=1):
                return
        except OSError:
            time.sleep(0.2)
    pytest.fail(f"nobody listens on port {port}")
