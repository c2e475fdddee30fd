"""The Hub's client, with its many failures told in one line each: what failed, what it means, what to do."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager

from huggingface_hub import errors

from unconceal.errors import CheckFailed, EnvironmentFault, UnconcealError

LOG_IN = "log in with `hf auth login`, or set HF_TOKEN"
BUSY, CONFLICT, MOVED = 429, 409, 412
HTTP_ERROR: type[BaseException] = errors.HfHubHTTPError.__mro__[1]
"""What the client's HTTP library raises, whichever that is: the Hub's errors are kinds of it."""


@contextmanager
def translate_errors(what: str) -> Iterator[None]:
    """Whatever the Hub's client raises while it is asked for ``what``, in our words."""
    try:
        yield
    except (errors.HfHubHTTPError, errors.OfflineModeIsEnabled, errors.LocalEntryNotFoundError, HTTP_ERROR, OSError) as error:
        raise translated_error(what, error) from error
    except (errors.HFValidationError, ValueError) as error:
        raise CheckFailed(
            "hub.bad-name", what, f"is no name that the Hub accepts ({str(error).splitlines()[0][:120]})", "correct it"
        ) from error


def translated_error(what: str, error: BaseException) -> UnconcealError:
    """The kind of failure, the most telling first: some of the client's errors are kinds of others."""
    if isinstance(error, errors.GatedRepoError):
        return EnvironmentFault("hub.gated", what, "is gated, and you have not been let in", f"accept its terms on its page and {LOG_IN}")
    if isinstance(error, errors.RevisionNotFoundError):
        return CheckFailed(
            "hub.unknown-revision", what, "has no such revision", "name a commit that exists; commits of deleted branches vanish"
        )
    if isinstance(error, errors.LocalEntryNotFoundError | errors.OfflineModeIsEnabled):
        return EnvironmentFault(
            "hub.offline", what, "is not in the cache, and the Hub is not reached", "connect once, or unset HF_HUB_OFFLINE"
        )
    if isinstance(error, errors.RepositoryNotFoundError):
        return CheckFailed("hub.not-found", what, "does not exist on the Hub, or is private", f"check its name; if it is private, {LOG_IN}")
    if isinstance(error, errors.EntryNotFoundError):
        return CheckFailed("hub.not-found", what, "does not exist in that revision", "check the name of the file or folder")
    if isinstance(error, errors.HfHubHTTPError):
        return _answered(what, error)
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        return EnvironmentFault(
            "environment.disk-full",
            what,
            "was not stored: the disk is full",
            "free some space, or point HF_HOME elsewhere; what is there is kept",
        )
    reason = type(error).__name__ if not isinstance(error, OSError) else error.strerror or type(error).__name__
    return EnvironmentFault(
        "hub.not-reached", what, f"was not reached ({reason})", "check the connection and run again: what was downloaded is kept"
    )


def _answered(what: str, error: errors.HfHubHTTPError) -> UnconcealError:
    status = error.response.status_code if error.response is not None else 0
    if status in (401, 403):
        return EnvironmentFault(
            "hub.not-authorized", what, f"is refused to you (HTTP {status})", f"{LOG_IN}, and check that the token may read it"
        )
    if status in (CONFLICT, MOVED):
        consequence = f"was changed by someone else meanwhile (HTTP {status}), so nothing was written"
        return CheckFailed("hub.conflict", what, consequence, "look at it, and run again")
    if status == BUSY:
        return EnvironmentFault(
            "hub.rate-limited",
            what,
            "is refused for now: too many requests (HTTP 429)",
            f"wait some minutes, and {LOG_IN} for a higher limit",
        )
    return EnvironmentFault("hub.server-error", what, f"is not delivered (HTTP {status})", "run again later: what was downloaded is kept")
