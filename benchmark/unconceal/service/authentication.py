"""Who sends a request: a token in the header for programs, a session cookie for browsers."""

from __future__ import annotations

from dataclasses import dataclass, field

from fastapi import Request

from unconceal.errors import UsageError
from unconceal.service.accounts import Accounts
from unconceal.web.forms import check_csrf, read_form
from unconceal.web.rate_limit import RateLimit, client_of

COOKIE = "session"
BEARER = "bearer "
MAX_SECRET = 200


@dataclass
class Authentication:
    """Checks requests. ``key``: of CSRF tokens."""

    accounts: Accounts
    key: bytes
    failures: RateLimit = field(default_factory=lambda: RateLimit("attempts to sign in", 10, 60))
    requests: RateLimit = field(default_factory=lambda: RateLimit("requests", 240, 60))
    submissions: RateLimit = field(default_factory=lambda: RateLimit("submissions", 20, 3600))

    def sign_in(self, request: Request, token: str) -> str:
        """The account of a token; attempts with wrong ones are limited.

        Raises:
            UsageError: the token is nobody's, or there were too many wrong ones.
        """
        try:
            return self.accounts.of_token(token[:MAX_SECRET])
        except UsageError:
            self.failures.check(client_of(request))
            raise

    def by_token(self, request: Request) -> str:
        """The account of a program; nothing else authorizes it, so that no other site's page can act through a browser.

        Raises:
            UsageError: there is no token, or it is nobody's.
        """
        header = request.headers.get("authorization", "")
        if not header.lower().startswith(BEARER):
            remedy = "send the header `Authorization: Bearer TOKEN`"
            raise UsageError("request.not-signed-in", "the request", "has no token", remedy)
        account = self.sign_in(request, header[len(BEARER) :].strip())
        self.requests.check(account)
        return account

    def by_session(self, request: Request) -> str:
        """The account of a browser.

        Raises:
            UsageError: nobody is signed in.
        """
        account = self.accounts.of_session(request.cookies.get(COOKIE, "")[:MAX_SECRET])
        if account is None:
            self.requests.check(client_of(request))
            raise UsageError("request.not-signed-in", "this page", "is for those who are signed in", "sign in on the first page")
        self.requests.check(account)
        return account

    async def form(self, request: Request) -> dict[str, str]:
        """The fields of a form that one of this session's pages sent.

        Raises:
            UsageError: it is malformed, or from elsewhere.
        """
        fields = await read_form(request)
        check_csrf(self.key, request.cookies.get(COOKIE), fields.pop("csrf", ""))
        return fields
