"""Checks before results are published: nothing uncommitted, valid records, an up-to-date leaderboard."""

from __future__ import annotations

import re
import subprocess

from unconceal.errors import CheckFailed, UsageError
from unconceal.leaderboard.leaderboard_file import check_up_to_date, leaderboard_pages
from unconceal.paths import DataRoot
from unconceal.results.check_results import check_results
from unconceal.specs.problems import SpecProblems

VERSION = re.compile(r"v[0-9]+(\.[0-9]+)*(-[a-z0-9.]+)?")


def check_publishable(root: DataRoot) -> None:
    """Raises CheckFailed if the data root cannot be published."""
    check_committed(root)
    _, problems = check_results(root, recompute=False)
    if problems:
        raise SpecProblems(problems)
    check_up_to_date(leaderboard_pages(root))


def check_committed(root: DataRoot) -> None:
    """Raises CheckFailed unless everything in the data root is committed, so that a version is reproducible."""
    folder = root.results.parent
    done = subprocess.run(
        ["git", "-C", str(folder), "status", "--porcelain", "--", "."], capture_output=True, text=True, timeout=60, check=False
    )
    if done.returncode:
        raise CheckFailed(
            "publish.no-repository", str(folder), "is no git checkout, so no commit would stand behind the version", "publish from a clone"
        )
    changed = done.stdout.splitlines()
    if changed:
        value = f"{changed[0][3:]}{f' and {len(changed) - 1} more' if len(changed) > 1 else ''}"
        raise CheckFailed("publish.uncommitted", value, "is not committed, so nobody could make this version again", "commit or remove it")


def check_version(version: str) -> None:
    """Raises UsageError unless the version is a tag like v1, v1.2, v2026.11-rc1."""
    if not VERSION.fullmatch(version):
        raise UsageError(
            "publish.bad-version", f"--version {version}", "is no version, which is a tag like v1 or v1.2", "begin it with v and a number"
        )
