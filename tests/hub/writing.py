"""The part of the Hub's protocol that writes: repositories, uploads, commits and tags.

- ``POST /api/repos/create``; ``GET /api/{kind}/{repo}/refs``; ``POST /api/{kind}/{repo}/tag/{revision}``
- ``POST /api/{kind}/{repo}/preupload/{branch}``: files from ``LARGE`` bytes on go through LFS
- ``POST /{repo}.git/info/lfs/objects/batch`` and ``PUT /lfs/{sha256}``: their bytes
- ``POST /api/{kind}/{repo}/commit/{branch}``: refused with 412 unless ``parentCommit`` is the branch's head
- ``POST /api/{kind}/{repo}/paths-info/{revision}``; ``POST /api/validate-yaml``
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from hub.server import LARGE, REPO, Hub, ReadingHandler, directory, entry, repo_of


class WritingHub(Hub):
    """A hub that can be written to."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: set[tuple[str, str]] = set()
        self.uploads: dict[str, bytes] = {}
        self.intruders: list[str] = []
        """Repositories to which somebody else commits just before the next commit arrives."""
        self.broken: list[str] = []
        """Parts of paths whose next request fails with 500."""


class WritingHandler(ReadingHandler):
    served: WritingHub

    def answer(self) -> None:
        result = re.fullmatch(rf"{REPO}/refs", urlsplit(self.path).path)
        if result:
            self.served.seen.append(f"{self.command} {self.path}")
            return self.refs(repo_of(result))
        return super().answer()

    def do_PUT(self) -> None:
        self.served.uploads[self.path.removeprefix("/lfs/")] = self.body()
        self.reply(200, b"")

    def do_POST(self) -> None:
        hub, path = self.served, unquote(urlsplit(self.path).path)
        hub.seen.append(f"POST {path}")
        content = self.body()
        if any(part in path for part in hub.broken):
            hub.broken.clear()
            return self.reply(500, b"")
        if path == "/api/repos/create":
            return self.create(json.loads(content))
        if path == "/api/validate-yaml":
            return self.say({"errors": [], "warnings": []})
        if result := re.fullmatch(r"/((?:datasets/)?[^/]+/[^/]+)\.git/info/lfs/objects/batch", path):
            return self.batch(json.loads(content))
        if result := re.fullmatch(rf"{REPO}/(preupload|commit|tag|paths-info)/(.+)", path):
            return getattr(self, result[3].replace("-", "_"))(repo_of(result), result[4], content)  # type: ignore[no-any-return]
        return self.reply(404, b"")

    def body(self) -> bytes:
        """The request's body, whole or in chunks."""
        if "chunked" not in self.headers.get("Transfer-Encoding", ""):
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        parts = []
        while size := int(self.rfile.readline(), 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)

    def say(self, value: Any) -> None:
        self.reply(200, json.dumps(value).encode())

    def refs(self, repo: str) -> None:
        if not self.files(repo, "main"):
            return
        hub, refs = self.served, {"branches": [], "tags": [], "converts": []}  # type: Hub, dict[str, list[dict[str, str]]]
        for (suite, name), commit in hub.branches.items():
            if suite == repo:
                kind = "tags" if (repo, name) in self.served.tags else "branches"
                refs[kind].append({"name": name, "ref": f"refs/{kind}/{name}", "targetCommit": commit})
        self.say(refs)

    def create(self, request: dict[str, Any]) -> None:
        name = f"{request['organization']}/{request['name']}" if request.get("organization") else request["name"]
        repo = f"datasets/{name}" if request.get("type") == "dataset" else name
        if repo in self.served.commits:
            return self.reply(409, b"{}")
        self.served.add(repo, {".gitattributes": b"*.parquet filter=lfs\n"})
        self.say({"url": f"{self.served.address}/{repo}", "name": name})

    def preupload(self, repo: str, branch: str, content: bytes) -> None:
        result = self.files(repo, branch)
        if not result:
            return
        files = []
        for request in json.loads(content)["files"]:
            existing = result[1].get(request["path"])
            oid = hashlib.sha1(b"blob %d\0" % len(existing) + existing).hexdigest() if existing is not None else None
            mode = "lfs" if request["size"] >= LARGE else "regular"
            files.append({"path": request["path"], "uploadMode": mode, "shouldIgnore": False, "oid": oid})
        self.say({"files": files})

    def batch(self, request: dict[str, Any]) -> None:
        actions = {"upload": {"href": f"{self.served.address}/lfs/"}}
        objects = [
            {**item, "actions": {"upload": {"href": actions["upload"]["href"] + item["oid"], "header": {}}}} for item in request["objects"]
        ]
        self.say({"transfer": "basic", "objects": objects})

    def commit(self, repo: str, branch: str, content: bytes) -> None:
        hub = self.served
        if repo in hub.intruders:
            hub.intruders.remove(repo)
            hub.add(repo, {**hub.commits[repo][hub.branches[repo, branch]], "intruder.txt": b"first"})
        lines = [json.loads(line) for line in content.splitlines() if line]
        head = hub.branches[repo, branch]
        if lines[0]["value"].get("parentCommit", head) != head:
            return self.reply(412, b'{"error": "A commit has happened since. Please refresh and try again."}')
        files = dict(hub.commits[repo][head])
        for line in lines[1:]:
            value = line["value"]
            if line["key"] == "deletedFile":
                files.pop(value["path"])
            else:
                files[value["path"]] = base64.b64decode(value["content"]) if line["key"] == "file" else hub.uploads[value["oid"]]
        oid = hub.add(repo, files, branch)
        self.say({"success": True, "commitOid": oid, "commitUrl": f"{hub.address}/{repo}/commit/{oid}", "hookOutput": ""})

    def tag(self, repo: str, revision: str, content: bytes) -> None:
        hub, name = self.served, json.loads(content)["tag"]
        if (repo, name) in hub.tags:
            return self.reply(409, b'{"error": "Tag reference exists already"}')
        hub.branches[repo, name] = hub.branches.get((repo, revision), revision)
        hub.tags.add((repo, name))
        self.say({})

    def paths_info(self, repo: str, revision: str, content: bytes) -> None:
        result = self.files(repo, revision)
        if not result:
            return
        request = parse_qs(content.decode()).get("paths", [])
        text: list[dict[str, object]] = [entry(path, result[1][path]) for path in request if path in result[1]]
        folders = [path for path in request if path not in result[1] and any(name.startswith(f"{path}/") for name in result[1])]
        self.say([*text, *map(directory, folders)])
