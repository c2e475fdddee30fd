"""Translates errors of the Hub's client into this project's one-line errors."""

from __future__ import annotations

import errno
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from huggingface_hub import errors

from unconceal.errors import CheckFailed, EnvironmentFault, UnconcealError

LOG_IN = "log in with `hf auth login`, or set HF_TOKEN"
BUSY, CONFLICT, MOVED = 429, 409, 412
PASSING = (BUSY, 500, 502, 503, 504)
"""HTTP states that pass: the Hub is asked again."""
ATTEMPTS, PAUSE = 3, 1.0
"""How often the Hub is asked, and seconds before the second time; each further pause is twice as long."""
Answer = TypeVar("Answer")
HTTP_ERROR: type[BaseException] = errors.HfHubHTTPError.__mro__[1]
"""Base class of the HTTP errors of the client's library; the Hub's errors derive from it."""


@contextmanager
def translate_errors(source: str) -> Iterator[None]:
    """Translate errors of the Hub's client while it accesses ``source``."""
    try:
        yield
    except (errors.HfHubHTTPError, errors.OfflineModeIsEnabled, errors.LocalEntryNotFoundError, HTTP_ERROR, OSError) as error:
        raise translated_error(source, error) from error
    except (errors.HFValidationError, ValueError) as error:
        raise CheckFailed(
            "hub.bad-name", source, f"is no name that the Hub accepts ({str(error).splitlines()[0][:120]})", "correct it"
        ) from error


def asked(source: str, ask: Callable[[], Answer]) -> Answer:
    """The Hub's answer. A state that passes, such as HTTP 503, is asked again; errors are translated."""
    with translate_errors(source):
        for attempt in range(1, ATTEMPTS):
            try:
                return ask()
            except errors.HfHubHTTPError as error:
                if error.response is None or error.response.status_code not in PASSING:
                    raise
                time.sleep(PAUSE * 2 ** (attempt - 1))
        return ask()


def translated_error(source: str, error: BaseException) -> UnconcealError:
    """This project's error for one of the client's. The most specific classes come first: some derive from others."""
    if isinstance(error, errors.GatedRepoError):
        return EnvironmentFault("hub.gated", source, "is gated, and you have not been let in", f"accept its terms on its page and {LOG_IN}")
    if isinstance(error, errors.RevisionNotFoundError):
        return CheckFailed(
            "hub.unknown-revision", source, "has no such revision", "name a commit that exists; commits of deleted branches vanish"
        )
    if isinstance(error, errors.LocalEntryNotFoundError | errors.OfflineModeIsEnabled):
        return EnvironmentFault(
            "hub.offline", source, "is not in the cache, and the Hub is not reached", "connect once, or unset HF_HUB_OFFLINE"
        )
    if isinstance(error, errors.RepositoryNotFoundError):
        return CheckFailed(
            "hub.not-found", source, "does not exist on the Hub, or is private", f"check its name; if it is private, {LOG_IN}"
        )
    if isinstance(error, errors.EntryNotFoundError):
        return CheckFailed("hub.not-found", source, "does not exist in that revision", "check the name of the file or folder")
    if isinstance(error, errors.HfHubHTTPError):
        return _status_error(source, error)
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        return EnvironmentFault(
            "environment.disk-full",
            source,
            "was not stored: the disk is full",
            "free some space, or point HF_HOME elsewhere; what is there is kept",
        )
    reason = type(error).__name__ if not isinstance(error, OSError) else error.strerror or type(error).__name__
    return EnvironmentFault(
        "hub.not-reached", source, f"was not reached ({reason})", "check the connection and run again: what was downloaded is kept"
    )


def _status_error(source: str, error: errors.HfHubHTTPError) -> UnconcealError:
    status = error.response.status_code if error.response is not None else 0
    if status in (401, 403):
        return EnvironmentFault(
            "hub.not-authorized", source, f"is refused to you (HTTP {status})", f"{LOG_IN}, and check that the token may read it"
        )
    if status in (CONFLICT, MOVED):
        consequence = f"was changed by someone else meanwhile (HTTP {status}), so nothing was written"
        return CheckFailed("hub.conflict", source, consequence, "look at it, and run again")
    if status == BUSY:
        return EnvironmentFault(
            "hub.rate-limited",
            source,
            "is refused for now: too many requests (HTTP 429)",
            f"wait some minutes, and {LOG_IN} for a higher limit",
        )
    return EnvironmentFault("hub.server-error", source, f"is not delivered (HTTP {status})", "run again later: what was downloaded is kept")
