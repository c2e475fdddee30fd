"""The service's SQLite file: accounts, browser sessions and jobs. Any number of processes may use it at once."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

FILE = "service.sqlite3"
SCHEMA = """
CREATE TABLE IF NOT EXISTS accounts (name TEXT PRIMARY KEY, token_hash TEXT NOT NULL UNIQUE, created REAL NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS sessions (
  hash TEXT PRIMARY KEY, account TEXT NOT NULL REFERENCES accounts(name) ON DELETE CASCADE, expires REAL NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS jobs (
  number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, account TEXT NOT NULL, key TEXT NOT NULL,
  request TEXT NOT NULL, intake TEXT NOT NULL, state TEXT NOT NULL DEFAULT 'queued',
  submitted REAL NOT NULL, started REAL, finished REAL,
  stage TEXT NOT NULL DEFAULT '', fraction REAL NOT NULL DEFAULT 0, losses INTEGER NOT NULL DEFAULT 0,
  code TEXT NOT NULL DEFAULT '', message TEXT NOT NULL DEFAULT '', verdict TEXT NOT NULL DEFAULT '') STRICT;
CREATE UNIQUE INDEX IF NOT EXISTS one_job_per_measurement ON jobs (key) WHERE state IN ('queued', 'running', 'finished');
"""


@dataclass(frozen=True)
class Database:
    """``folder``: where the file is."""

    folder: Path

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        with self.connect() as connection:
            connection.executescript(SCHEMA)
        (self.folder / FILE).chmod(0o600)

    @contextmanager
    def connect(self) -> Iterator[sqlite3.Connection]:
        """A connection whose statements are one transaction: all of them are on disk at the end, or none."""
        with closing(sqlite3.connect(self.folder / FILE, timeout=30)) as connection:
            connection.row_factory = sqlite3.Row
            connection.execute("PRAGMA foreign_keys = ON")
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
            with connection:
                yield connection
