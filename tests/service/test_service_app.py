"""Pages and API against a stand-in Hub: signing in, submitting, and everything that is refused in one line."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from huggingface_hub import constants

from hub.server import Hub, serving
from service.stub import request
from unconceal.service.accounts import Accounts
from unconceal.service.database import Database
from unconceal.service.evaluate_job import PULL_REQUEST, REPORT
from unconceal.service.job_queue import JobQueue
from unconceal.service.service_app import service_application
from unconceal.service.service_config import ServiceConfig
from unconceal.web.boundary import MAX_BODY, SECURITY_HEADERS

REPO, BASE = "someone/erased", "http://localhost"
pytest_plugins = ["hub.conftest"]


class Site:
    """A service without a worker, its Hub, and the token of jane."""

    def __init__(self, folder: Path, root: Path, hub: Hub) -> None:
        self.folder, self.hub = folder, hub
        self.commit = hub.add(
            REPO, {"star.safetensors": b"weights", "notes.txt": b"x", "docs/readme.txt": b"x", "big.safetensors": bytes(5000)}
        )
        self.token = Accounts(Database(folder)).issue_token("jane")
        self.config = ServiceConfig(folder, root, max_gigabytes=4000 / 2**30)
        self.queue = JobQueue(Database(folder))

    def client(self) -> TestClient:
        app = service_application(self.config, with_worker=False)
        return TestClient(app, base_url=BASE, raise_server_exceptions=False)

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"}

    def body(self, **changes: str) -> dict[str, Any]:
        reference = f"{REPO}@{self.commit}/star.safetensors"
        return request(reference=reference).model_dump(mode="json", exclude_none=True) | changes


@pytest.fixture
def site(tmp_path: Path, data_root: Path, empty_client: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    suite = data_root / "tasks/tiny/suite.yaml"
    suite.write_text(suite.read_text().replace("0" * 64, "1" * 64))  # pinned
    with serving(Hub()) as hub:
        monkeypatch.setattr(constants, "ENDPOINT", hub.address)
        yield Site(tmp_path / "service", data_root, hub)


def csrf(page: str) -> str:
    result = re.search(r'name="csrf" value="([0-9a-f]{64})"', page)
    assert result is not None
    return result[1]


def signed_in(site: Site) -> tuple[TestClient, str]:
    """A browser and the token of its forms."""
    browser = site.client()
    page = browser.post("/sign-in", data={"csrf": csrf(browser.get("/").text), "token": site.token}).text
    return browser, csrf(page)


def form_of(site: Site, **changes: str) -> dict[str, str]:
    body = {name: value for name, value in site.body().items() if name not in ("suite", "task")}
    return body | {"task": "tiny:object/star"} | changes


def test_a_program_submits_and_reads_the_queue(site: Site) -> None:
    api = site.client()
    created = api.post("/api/jobs", json=site.body(), headers=site.headers)
    assert created.status_code == 201
    job = created.json()
    assert (job["state"], job["position"], job["download_bytes"], job["downloads"]) == ("queued", 0, 7, ["star.safetensors"])
    assert [entry["id"] for entry in api.get("/api/jobs", headers=site.headers).json()] == [job["id"]]
    assert api.get("/api/tasks", headers=site.headers).json() == [{"suite": "tiny", "task": "object/star", "tiers": ["quick"]}]
    assert not any("blobs" in line or "resolve" in line for line in site.hub.seen), "the intake downloads nothing"


def test_a_browser_signs_in_submits_and_signs_out(site: Site) -> None:
    browser, token = signed_in(site)
    page = browser.post("/jobs", data=form_of(site) | {"csrf": token})
    assert page.status_code == 200 and "0 jobs before this one" in page.text and site.commit in page.text
    status = browser.get(f"{page.url.path}/status").json()
    assert status["state"] == "queued"
    assert "Sign in" in browser.post("/sign-out", data={"csrf": token}).text
    assert browser.get(page.url.path).status_code == 401


@pytest.mark.parametrize(
    ("changes", "status", "code"),
    [
        ({"reference": "http://127.0.0.1/x"}, 422, "request.bad-reference"),
        ({"reference": f"{REPO}@{'d' * 40}"}, 422, "hub.unknown-revision"),
        ({"reference": f"someone/absent@{'d' * 40}"}, 422, "hub.not-found"),
        ({"name": "esd-x"}, 400, "submission.exists"),
        ({"name": "control-mine"}, 422, "request.reserved-name"),
        ({"task": "object/absent"}, 400, "task.unknown"),
        ({"suite": "absent"}, 400, "suite.unknown"),
        ({"tier": "audit"}, 400, "suite.unknown-tier"),
        ({"colour": "red"}, 422, "request.invalid"),
        ({"title": ""}, 422, "request.invalid"),
        ({"description": "x" * (MAX_BODY + 1)}, 413, "request.too-large"),
    ],
    ids=str,
)
def test_wrong_requests(site: Site, changes: dict[str, str], status: int, code: str) -> None:
    reply = site.client().post("/api/jobs", json=site.body(**changes), headers=site.headers)
    assert (reply.status_code, reply.json()["code"]) == (status, code)
    assert "\n" not in reply.json()["error"] and len(reply.json()["error"]) <= 400
    assert site.queue.jobs() == []


def test_what_the_hub_has_but_is_no_checkpoint(site: Site) -> None:
    api = site.client()
    for inside, code in (
        ("/absent.safetensors", "checkpoint.no-weights"),
        ("/big.safetensors", "checkpoint.too-large"),
        ("/docs", "checkpoint.no-weights"),
    ):
        reply = api.post("/api/jobs", json=site.body(reference=f"{REPO}@{site.commit}{inside}"), headers=site.headers)
        assert (reply.status_code, reply.json()["code"]) == (422, code)
    reply = api.post("/api/jobs", json=site.body(reference=f"{REPO}@{site.commit}/notes.txt"), headers=site.headers)
    assert (reply.status_code, reply.json()["code"]) == (422, "submission.unknown-weights")
    site.hub.statuses = [500] * 40
    reply = api.post("/api/jobs", json=site.body(), headers=site.headers)
    assert (reply.status_code, reply.json()["code"]) == (503, "hub.server-error")


def test_repeated_requests(site: Site) -> None:
    api = site.client()
    assert api.post("/api/jobs", json=site.body(), headers=site.headers).status_code == 201
    reply = api.post("/api/jobs", json=site.body(name="again"), headers=site.headers)
    assert (reply.status_code, reply.json()["code"]) == (409, "request.duplicate")
    replies = [api.post("/api/jobs", json=site.body(name="again"), headers=site.headers) for _ in range(20)]
    assert replies[-1].status_code == 429 and replies[-1].json()["code"] == "request.too-many"
    assert api.get("/api/jobs", headers=site.headers).status_code == 200, "reading goes on"


PATHS = [
    "/api/jobs",
    "/api/tasks",
    "/api/jobs/x",
    "/api/jobs/x/report",
    "/api/jobs/x/files/y",
    "/jobs/x",
    "/jobs/x/status",
    "/jobs/x/report",
]


@pytest.mark.parametrize("path", PATHS)
def test_nothing_is_shown_to_strangers(site: Site, path: str) -> None:
    api = site.client()
    for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": "Basic eA=="}, {"Cookie": "session=wrong"}):
        reply = api.get(path, headers=headers)
        assert reply.status_code == 401 and reply.json()["code"] in ("request.not-signed-in", "request.bad-token")


def test_wrong_tokens_are_limited_and_good_ones_still_work(site: Site) -> None:
    api = site.client()
    codes = [api.get("/api/jobs", headers={"Authorization": f"Bearer {number}"}).status_code for number in range(12)]
    assert codes == [401] * 10 + [429] * 2
    assert api.get("/api/jobs", headers=site.headers).status_code == 200


def test_malformed_requests_leave_the_service_running(site: Site) -> None:
    api = site.client()
    for content, kind in ((b"{", "application/json"), (b"\xff\xfe", "application/json"), (b"[1]", "application/json"), (b"", "text/plain")):
        reply = api.post("/api/jobs", content=content, headers={**site.headers, "Content-Type": kind})
        assert 400 <= reply.status_code < 500 and "\n" not in reply.json()["error"]
    deep = b"[" * 8000 + b"]" * 8000
    assert 400 <= api.post("/api/jobs", content=deep, headers={**site.headers, "Content-Type": "application/json"}).status_code < 500
    chunks = (b"x" * 1000 for _ in range(50))
    assert 400 <= api.post("/api/jobs", content=chunks, headers=site.headers).status_code < 500
    assert api.put("/api/jobs", headers=site.headers).status_code == 405
    assert api.get("/absent").status_code == 404
    assert api.get("/assets/../../service/json_api.py").status_code == 404
    assert api.get("/assets/%2e%2e/application.py").status_code == 404
    assert api.get("/api/jobs/%00", headers=site.headers).status_code == 404
    assert api.get("/", headers={"Host": "evil.example"}).status_code == 400
    assert api.get("/api/health").json() == {"status": "ok"}


@pytest.mark.parametrize("path", ["/jobs", "/sign-in", "/sign-out"])
def test_forms_of_other_sites_are_refused(site: Site, path: str) -> None:
    browser, token = signed_in(site)
    _, other_token = signed_in(site)
    for value in ("", "0" * 64, other_token):
        reply = browser.post(path, data=form_of(site) | {"csrf": value})
        assert (reply.status_code, reply.json()["code"]) == (403, "request.not-confirmed")
    assert browser.post(path, json=form_of(site) | {"csrf": token}).status_code == 400, "no form"
    assert browser.post(path, content=b"csrf=%FF", headers={"Content-Type": "application/x-www-form-urlencoded"}).status_code == 400
    twice = f"csrf={token}&csrf={token}".encode()
    assert browser.post(path, content=twice, headers={"Content-Type": "application/x-www-form-urlencoded"}).status_code == 400
    assert site.queue.jobs() == []


def test_a_browser_cannot_act_through_the_api(site: Site) -> None:
    browser, _ = signed_in(site)
    assert browser.post("/api/jobs", json=site.body()).status_code == 401


def test_every_answer_has_security_headers(site: Site) -> None:
    browser, _ = signed_in(site)
    for path in ("/", "/api/jobs", "/absent", "/assets/web.css"):
        headers = browser.get(path).headers
        assert all(headers[name] == value for name, value in SECURITY_HEADERS.items()), path
    cookies = [line for line in site.client().get("/").headers.get_list("set-cookie")]
    assert cookies and all("HttpOnly" in line and "SameSite=strict" in line for line in cookies)
    app = service_application(site.config, secure=True, with_worker=False)
    assert "Secure" in TestClient(app, base_url=BASE).get("/").headers["set-cookie"]


def test_only_hashes_are_stored(site: Site) -> None:
    browser, _ = signed_in(site)
    content = b"".join(path.read_bytes() for path in site.folder.iterdir() if path.is_file())
    assert site.token.encode() not in content and browser.cookies["session"].encode() not in content
    Accounts(Database(site.folder)).revoke("jane")
    assert browser.get("/jobs/x").status_code == 401
    assert site.client().get("/api/jobs", headers=site.headers).status_code == 401


def test_files_of_a_finished_job(site: Site) -> None:
    api = site.client()
    job = api.post("/api/jobs", json=site.body(), headers=site.headers).json()["id"]
    folder = site.config.job_folder(job)
    (folder / PULL_REQUEST / "results").mkdir(parents=True)
    (folder / PULL_REQUEST / "results/record.json").write_text("{}")
    (folder / PULL_REQUEST / "results/secret.json").symlink_to(site.folder / ".key")
    (folder / REPORT).write_text("<h1>report</h1>")
    assert api.get(f"/api/jobs/{job}/report", headers=site.headers).status_code == 404, "not finished"
    site.queue.finish(job, "finished", verdict="forgets")
    details = api.get(f"/api/jobs/{job}", headers=site.headers).json()
    assert (details["state"], details["verdict"]) == ("finished", "forgets")
    reply = api.get(f"/api/jobs/{job}/files/results/record.json", headers=site.headers)
    assert reply.text == "{}" and "attachment" in reply.headers["content-disposition"]
    for name in ("results/secret.json", "../report.html", "%2e%2e/report.html", "/etc/passwd", "results", ".key", "results/record.json%00"):
        assert api.get(f"/api/jobs/{job}/files/{name}", headers=site.headers).status_code == 404, name
    report = api.get(f"/api/jobs/{job}/report", headers=site.headers)
    assert "sandbox" in report.headers["content-security-policy"] and "script-src" not in report.headers["content-security-policy"]
