"""The whole service as a user sees it: a real browser, the real command, a real evaluation, a stand-in Hub, and a kill in between."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from chromium import chromium, free_port, violations, wait_until_listening
from evaluation.tiny import tiny_root
from hub.server import Hub, serving
from unconceal.paths import DataRoot
from unconceal.service.accounts import Accounts
from unconceal.service.database import Database
from unconceal.service.job_queue import JobQueue
from unconceal.specs.loader import load_submission
from unconceal.specs.record import read_record

if TYPE_CHECKING:
    from playwright.sync_api import Page

REPO, SECONDS = "someone/erased", 420
pytestmark = pytest.mark.slow


@contextmanager
def service(data: Path, root: Path, hub: Hub, port: int) -> Iterator[subprocess.Popen[bytes]]:
    """`unconceal serve start`, with a Hub and a cache of its own; killed at the end."""
    environment = {**os.environ, "HF_ENDPOINT": hub.address, "HF_HOME": str(data / "hub"), "HF_HUB_DISABLE_XET": "1", "HF_HUB_OFFLINE": "0"}
    environment |= {"PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "UNCONCEAL_STORE": str(data / "store")}
    command = [sys.executable, "-m", "unconceal", "serve", "start", "--data", str(data), "--root", str(root), "--port", str(port)]
    process = subprocess.Popen([*command, "--threads", "1", "--batch-size", "32", "--device", "cpu"], env=environment)
    try:
        wait_until_listening(port)
        yield process
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()


def sign_in(page: Page, address: str, token: str) -> None:
    page.goto(address)
    assert violations(page) == []
    page.get_by_label("Token").fill("wrong")
    page.get_by_role("button", name="Sign in").click()
    assert page.get_by_role("alert").is_visible()
    page.get_by_label("Token").fill(token)
    page.get_by_role("button", name="Sign in").click()


def submit(page: Page, reference: str) -> None:
    page.get_by_label("Checkpoint on the Hub").fill(reference)
    page.get_by_label("Tier").select_option("quick")
    for label, value in (("Name", "my-method"), ("Title", "My <b>method</b>"), ("Description", "It erases.")):
        page.get_by_label(label, exact=False).last.fill(value)
    page.get_by_role("button", name="Check and queue").click()


def wait_for(queue: JobQueue, job: str, states: set[str], deadline: float) -> str:
    while (state := queue.job(job).state) not in states and time.monotonic() < deadline:
        time.sleep(0.3)
    return state


def test_an_author_submits_and_gets_a_report_although_the_service_is_killed(tmp_path: Path) -> None:
    data, port, deadline = tmp_path / "service", free_port(), time.monotonic() + SECONDS
    (tmp_path / "root").mkdir()
    root = tiny_root(tmp_path / "root")
    (root.submissions / "tiny/esd-x.yaml").unlink()
    hub, address, queue = Hub(), f"http://127.0.0.1:{port}/", JobQueue(Database(data))
    token = Accounts(queue.database).issue_token("jane")
    commit = hub.add(REPO, {"star.safetensors": (tmp_path / "root/models/esd-x.safetensors").read_bytes()})
    with serving(hub), chromium() as browser:
        page = browser.new_page()
        messages: list[str] = []
        page.on("pageerror", lambda error: messages.append(str(error)))
        with service(data, tmp_path / "root", hub, port) as process:
            sign_in(page, address, token)
            assert violations(page) == []
            submit(page, f"http://127.0.0.1:{port}/someone/erased")
            assert page.get_by_role("alert").inner_text().endswith("[request.bad-reference]")
            assert page.get_by_label("Title").input_value() == "My <b>method</b>", "what was typed stays"
            submit(page, f"{REPO}@{commit}/star.safetensors")
            assert page.get_by_role("heading", name="My <b>method</b>").is_visible() and violations(page) == []
            job = page.url.rpartition("/")[2]
            assert wait_for(queue, job, {"running"}, deadline) == "running"
            time.sleep(2)
            process.send_signal(signal.SIGKILL)
        with service(data, tmp_path / "root", hub, port):
            page.reload()
            assert wait_for(queue, job, {"finished", "refused", "failed"}, deadline) == "finished", queue.job(job).message
            page.get_by_text("Verdict:").wait_for(timeout=20_000)
            assert violations(page) == [] and messages == []
            with page.expect_download() as download:
                page.get_by_role("link", name="my-method.standard-quick.json").click()
            record = read_record(Path(download.value.path()).rename(tmp_path / "record.json"))
            page.get_by_role("link", name="Report").click()
            assert page.get_by_role("heading", level=1).inner_text() == "My <b>method</b>"
    published = DataRoot.find(tmp_path / "root")
    pull_request = data / "jobs" / job / "pull-request"
    clone = DataRoot(published.tasks, pull_request / "submissions", pull_request / "results", data / "store", read_only=False)
    assert read_record(record.path(clone.results)) == record and record.submission == "my-method"
    assert load_submission(clone, "tiny/my-method").checkpoints["object/star"].revision == commit
    assert record.checkpoint.sha256 is not None and queue.job(job).losses == 0
