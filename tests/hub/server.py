"""A server on loopback that speaks as much of the Hub's protocol as the real client asks of it.

Endpoints covered:

- ``GET /api/models/{repo}[/revision/{revision}]``: what a branch, tag or commit means
- ``GET /api/models/{repo}/tree/{revision}[/{folder}]?recursive=…``: names and sizes, in pages linked by ``Link``
- ``HEAD`` and ``GET [/datasets]/{repo}/resolve/{revision}/{file}``: commit, ETag, size; large files are redirected
- ``GET /blobs/{sha256}``: the bytes of large files, whole or by ``Range``

for models and datasets (whose names begin with ``datasets/`` here), and the failures
401, 403 (gated), 404 (repository, revision, file), 429, 500, and a connection that is cut half-way.
"""

from __future__ import annotations

import hashlib
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

REPO = r"/api/(models|datasets)/([^/]+/[^/]+)"
LARGE, PAGE = 2_000, 3
"""Bytes from which a file is redirected, as files under LFS are; entries in a page of a listing."""


@dataclass
class Hub:
    """``commits``: repo to commit to file to bytes; ``branches``: (repo, name) to commit. The rest says what goes wrong."""

    commits: dict[str, dict[str, dict[str, bytes]]] = field(default_factory=dict)
    branches: dict[tuple[str, str], str] = field(default_factory=dict)
    gated: set[str] = field(default_factory=set)
    private: set[str] = field(default_factory=set)
    statuses: list[int] = field(default_factory=list)
    """Answers that the next requests get whatever they ask."""
    cuts: list[int] = field(default_factory=list)
    """After so many bytes the next large downloads break off."""
    seen: list[str] = field(default_factory=list)
    """Method and path of every request, with its range."""
    address: str = ""

    def add(self, repo: str, files: dict[str, bytes], branch: str = "main") -> str:
        """A new commit on a branch."""
        commit = hashlib.sha1(json.dumps([repo, sorted(files), len(self.commits.get(repo, {}))]).encode()).hexdigest()
        self.commits.setdefault(repo, {})[commit] = files
        self.branches[repo, branch] = commit
        return commit


def repo_of(match: re.Match[str]) -> str:
    """The repository that a path of the API names."""
    return f"{'datasets/' if match[1] == 'datasets' else ''}{match[2]}"


def entry(name: str, content: bytes) -> dict[str, object]:
    """A file as listings show it."""
    return {"type": "file", "path": name, "size": len(content), "oid": hashlib.sha1(content).hexdigest()}


def directory(name: str) -> dict[str, object]:
    """A folder as listings show it."""
    return {"type": "directory", "path": name, "size": 0, "oid": "0" * 40}


def level(names: list[str], folder: str) -> list[str]:
    """The files and folders right below a folder."""
    start = len(f"{folder}/") if folder else 0
    return sorted({name[:start] + name[start:].split("/")[0] for name in names})


@contextmanager
def serving(hub: Hub, handler: type[BaseHTTPRequestHandler] | None = None) -> Iterator[Hub]:
    """The hub at ``hub.address`` while it lasts."""
    answering = type("Handler", (handler or ReadingHandler,), {"served": hub})
    server = ThreadingHTTPServer(("127.0.0.1", 0), answering)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    hub.address = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class ReadingHandler(BaseHTTPRequestHandler):
    served: Hub
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: object) -> None:
        """Quiet."""

    def do_HEAD(self) -> None:
        self.answer()

    def do_GET(self) -> None:
        self.answer()

    def answer(self) -> None:
        hub, url = self.served, urlsplit(self.path)
        hub.seen.append(f"{self.command} {url.path} {self.headers.get('Range', '')}".strip())
        if hub.statuses:
            return self.reply(hub.statuses.pop(0), b"")
        if result := re.fullmatch(r"/blobs/([0-9a-f]{64})", url.path):
            return self.blob(result[1])
        if result := re.fullmatch(rf"{REPO}(?:/revision/(.+))?", url.path):
            return self.about(repo_of(result), result[3] or "main")
        if result := re.fullmatch(rf"{REPO}/tree/([^/]+)(?:/(.*))?", url.path):
            request = parse_qs(url.query)
            deep = request.get("recursive", ["false"])[0].lower() in ("true", "1")
            return self.tree(repo_of(result), result[3], result[4] or "", int(request.get("page", ["0"])[0]), deep)
        if result := re.fullmatch(r"/((?:datasets/)?[^/]+/[^/]+)/resolve/([^/]+)/(.+)", url.path):
            return self.file(result[1], result[2], result[3])
        return self.reply(404, b"")

    def files(self, repo: str, revision: str) -> tuple[str, dict[str, bytes]] | None:
        """Commit and files, or None once a refusal has been sent."""
        hub = self.served
        if repo in hub.gated:
            self.reply(403, b"", {"X-Error-Code": "GatedRepo"})
            return None
        if repo in hub.private or repo not in hub.commits:
            self.reply(401, b"", {"X-Error-Code": "RepoNotFound", "X-Error-Message": "Repository not found"})
            return None
        commit = hub.branches.get((repo, revision), revision)
        if commit not in hub.commits[repo]:
            self.reply(404, b"", {"X-Error-Code": "RevisionNotFound", "X-Error-Message": f"Invalid rev id: {revision}"})
            return None
        return commit, hub.commits[repo][commit]

    def about(self, repo: str, revision: str) -> None:
        result = self.files(repo, revision)
        if result:
            files = [{"rfilename": name} for name in sorted(result[1])]
            message = {
                "id": repo.removeprefix("datasets/"),
                "sha": result[0],
                "tags": [],
                "siblings": files,
                "private": False,
                "downloads": 0,
            }
            self.reply(200, json.dumps(message).encode())

    def tree(self, repo: str, revision: str, folder: str, page: int, deep: bool) -> None:
        result = self.files(repo, revision)
        if not result:
            return
        inside = [name for name in sorted(result[1]) if not folder or name.startswith(f"{folder}/")]
        if folder and not inside:
            return self.reply(404, b"", {"X-Error-Code": "EntryNotFound", "X-Error-Message": "no such folder"})
        listed = inside if deep else level(inside, folder)
        output = listed[page * PAGE : (page + 1) * PAGE]
        entries = [entry(name, result[1][name]) if name in result[1] else directory(name) for name in output]
        more = (page + 1) * PAGE < len(listed)
        link = f'<{self.served.address}{urlsplit(self.path).path}?recursive={deep}&page={page + 1}>; rel="next"'
        self.reply(200, json.dumps(entries).encode(), {"Link": link} if more else {})

    def file(self, repo: str, revision: str, name: str) -> None:
        result = self.files(repo, revision)
        if not result:
            return
        if name not in result[1]:
            return self.reply(404, b"", {"X-Error-Code": "EntryNotFound", "X-Error-Message": "Entry not found", "X-Repo-Commit": result[0]})
        data = result[1][name]
        digest = hashlib.sha256(data).hexdigest()
        about = {"X-Repo-Commit": result[0], "ETag": f'"{hashlib.sha1(data).hexdigest()}"'}
        if len(data) < LARGE:
            return self.reply(200, data, about)
        linked = {"X-Linked-Size": str(len(data)), "X-Linked-ETag": f'"{digest}"', "Location": f"{self.elsewhere}/blobs/{digest}"}
        self.reply(302, b"", about | linked)

    @property
    def elsewhere(self) -> str:
        """This server under another host's name: the Hub keeps large files elsewhere, and the client follows no such redirect blindly."""
        return self.served.address.replace("127.0.0.1", "localhost")

    def blob(self, digest: str) -> None:
        every = (data for commits in self.served.commits.values() for files in commits.values() for data in files.values())
        data = next(data for data in every if hashlib.sha256(data).hexdigest() == digest)
        start = int(result[1]) if (result := re.match(r"bytes=(\d+)-", self.headers.get("Range", ""))) else 0
        part = data[start:]
        cut = self.served.cuts.pop(0) if self.served.cuts and self.command == "GET" else None
        ranged = {"Content-Range": f"bytes {start}-{len(data) - 1}/{len(data)}"} if start else {}
        self.reply(206 if start else 200, part, {"ETag": f'"{digest}"', "Accept-Ranges": "bytes", **ranged}, cut)

    def reply(self, status: int, body: bytes, headers: dict[str, str] | None = None, cut: int | None = None) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body[:cut])
        if cut is not None:
            self.wfile.flush()
            self.close_connection = True
            self.connection.shutdown(2)
