"""Accounts and sessions. Tokens and session cookies are random; only their hashes are stored."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass

from unconceal.errors import UsageError
from unconceal.service.database import Database
from unconceal.specs.spec import NAME_PATTERN
from unconceal.web.forms import hashed, new_secret

SESSION_SECONDS = 7 * 86_400


@dataclass(frozen=True)
class Accounts:
    """The accounts of a service."""

    database: Database

    def issue_token(self, name: str) -> str:
        """A new token for an account, which is created if needed. An earlier token and its sessions end.

        Raises:
            UsageError: the name is not made of lower-case words, digits and hyphens.
        """
        if not re.fullmatch(NAME_PATTERN, name) or len(name) > 64:
            remedy = "use lower-case words and digits joined by hyphens"
            raise UsageError("account.bad-name", f"account {name!r}", "is no name of an account", remedy)
        token = new_secret()
        with self.database.connect() as connection:
            connection.execute("DELETE FROM accounts WHERE name = ?", (name,))
            connection.execute("INSERT INTO accounts VALUES (?, ?, ?)", (name, hashed(token), time.time()))
        return token

    def revoke(self, name: str) -> None:
        """Delete an account; its jobs stay.

        Raises:
            UsageError: there is no such account.
        """
        with self.database.connect() as connection:
            if not connection.execute("DELETE FROM accounts WHERE name = ?", (name,)).rowcount:
                raise UsageError(
                    "account.unknown", f"account {name!r}", "does not exist", f"choose from {', '.join(self.names()) or 'none'}"
                )

    def names(self) -> list[str]:
        """All accounts."""
        with self.database.connect() as connection:
            return [row["name"] for row in connection.execute("SELECT name FROM accounts ORDER BY name")]

    def of_token(self, token: str) -> str:
        """The account of a token.

        Raises:
            UsageError: it is nobody's.
        """
        with self.database.connect() as connection:
            row = connection.execute("SELECT name FROM accounts WHERE token_hash = ?", (hashed(token),)).fetchone()
        if row is None:
            raise UsageError("request.bad-token", "the token", "is none of this service's", "ask its maintainer for one")
        return str(row["name"])

    def open_session(self, account: str) -> str:
        """A cookie for a browser."""
        cookie, now = new_secret(), time.time()
        with self.database.connect() as connection:
            connection.execute("DELETE FROM sessions WHERE expires < ?", (now,))
            connection.execute("INSERT INTO sessions VALUES (?, ?, ?)", (hashed(cookie), account, now + SESSION_SECONDS))
        return cookie

    def of_session(self, cookie: str) -> str | None:
        """The account of a cookie; None if it is nobody's or has expired."""
        query = "SELECT account FROM sessions WHERE hash = ? AND expires > ?"
        with self.database.connect() as connection:
            row = connection.execute(query, (hashed(cookie), time.time())).fetchone()
        return None if row is None else str(row["account"])

    def close_session(self, cookie: str) -> None:
        """End a session."""
        with self.database.connect() as connection:
            connection.execute("DELETE FROM sessions WHERE hash = ?", (hashed(cookie),))
