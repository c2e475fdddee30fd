"""The commands of the container examples parse."""

from __future__ import annotations

import json
import re
import shlex

import pytest

from docs.pages import ROOT, parse_parameters

DOCKERFILES = ("examples/service/Dockerfile", "examples/space/Dockerfile")


def test_the_container_starts_the_service() -> None:
    text = (ROOT / DOCKERFILES[0]).read_text(encoding="utf-8")
    command = json.loads(re.findall(r"^CMD (.*)$", text, re.M)[0])
    assert command[0] == "unconceal" and parse_parameters("unconceal", command[1:])["host"] == "0.0.0.0"


def test_the_space_starts_the_service_on_its_port() -> None:
    folder = ROOT / "examples/space"
    lines = [line for line in (folder / "start.sh").read_text(encoding="utf-8").splitlines() if "unconceal serve" in line]
    first, second = (shlex.split(line[line.index("unconceal ") :]) for line in lines)
    assert parse_parameters("unconceal", first[1:])["name"] == "maintainer"
    port = re.findall(r"^app_port: (\d+)$", (folder / "README.md").read_text(encoding="utf-8"), re.M)[0]
    assert str(parse_parameters("unconceal", second[1:])["port"]) == port
    assert f"EXPOSE {port}" in (folder / "Dockerfile").read_text(encoding="utf-8")


@pytest.mark.parametrize("path", DOCKERFILES)
def test_the_extra_and_the_user(path: str) -> None:
    text = (ROOT / path).read_text(encoding="utf-8")
    assert "'/clone[serve]'" in text and "USER service" in text
