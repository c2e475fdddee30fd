"""Whether a process of the system still runs."""

from __future__ import annotations

from pathlib import Path


def is_running(pid: int) -> bool:
    """A zombie, whom nobody has waited for yet, does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
