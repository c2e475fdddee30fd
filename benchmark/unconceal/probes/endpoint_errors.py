"""An endpoint's many failures told in one line each: what failed, what it means, what to do. The key never stands in one."""

from __future__ import annotations

import os
from urllib.parse import urlsplit

import openai

from unconceal.errors import CheckFailed, EnvironmentFault, UnconcealError, UsageError

KEY = "UNCONCEAL_API_KEY"
"""The environment variable that holds the key. Not OPENAI_API_KEY: that one must not travel to whatever server a command names."""
HIDDEN, LEAST_KEY = "[key]", 8
"""What stands for the key where a server repeats it; shorter keys are no secrets, but words of any reply."""
AGAIN = "run the same command again later: replies so far are kept"


def key() -> str:
    """The key, empty where there is none.

    Raises:
        UsageError: it holds what no header may carry; the client would quote it in its own error.
    """
    found = os.environ.get(KEY, "").strip()
    if not all("!" <= character <= "~" for character in found):
        raise UsageError(KEY, "holds blanks or signs that no key has", "copy the key again")
    return found


def scrubbed(text: str) -> str:
    """Text of a server without the key."""
    secret = key()
    return text.replace(secret, HIDDEN) if len(secret) >= LEAST_KEY else text


def address(base_url: str) -> str:
    """A base address as messages may show it: no query, no password.

    Raises:
        UsageError: it is no address of the web, or carries a password.
    """
    try:
        parts = urlsplit(base_url)
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port = None, None
    if not host or parts.scheme not in ("http", "https"):
        raise UsageError("--base-url", "is no address of a server", "write http://host:port/v1 or https://host/v1")
    if parts.username or parts.password or parts.query:
        raise UsageError("--base-url", "carries a user, a password or a query, which would end up in messages", f"put the key into {KEY}")
    return f"{parts.scheme}://{host}{f':{port}' if port else ''}{parts.path}"


def told(what: str, error: openai.OpenAIError, timeout: float) -> UnconcealError:
    """The kind of failure, the most telling first: some of the client's errors are kinds of others."""
    if isinstance(error, openai.APITimeoutError):
        remedy = f"raise --timeout or lower --max-tokens; {AGAIN}"
        return EnvironmentFault(what, f"was silent for {timeout:g} s, so a sample is missing", remedy)
    if isinstance(error, openai.APIConnectionError):
        return _unconnected(what, error)
    if isinstance(error, openai.APIStatusError):
        return _answered(what, error)
    return EnvironmentFault(what, f"was not asked ({type(error).__name__})", AGAIN)


def no_completion(what: str, why: str) -> EnvironmentFault:
    """An answer that is no chat completion."""
    remedy = "check that --base-url ends where the server's API begins, often /v1"
    return EnvironmentFault(what, f"answers with something that is no chat completion ({scrubbed(why)})", remedy)


def _unconnected(what: str, error: openai.APIConnectionError) -> UnconcealError:
    reason = type(error.__cause__).__name__ if error.__cause__ else "no connection"
    if reason in ("ConnectError", "no connection"):
        return EnvironmentFault(what, f"was not reached ({reason})", "start the server, or correct --base-url; replies so far are kept")
    return EnvironmentFault(what, f"broke the connection off before it had answered ({reason})", AGAIN)


def _answered(what: str, error: openai.APIStatusError) -> UnconcealError:
    status = error.status_code
    if status in (401, 403):
        how = "refuses the key" if key() else "asks for a key"
        return EnvironmentFault(what, f"{how} (HTTP {status})", f"put one that is valid there into {KEY} in the environment")
    if status == 404:
        remedy = "check --model against the server's list, and that --base-url ends where its API begins, often /v1"
        return UsageError(what, "is not known there (HTTP 404)", remedy)
    if status == 429:
        return EnvironmentFault(what, "is refused for now: too many requests (HTTP 429)", f"wait some minutes, then {AGAIN}")
    if status in (400, 422):
        remedy = "check what the model takes: --max-tokens, --temperature, the length of the prompt"
        return CheckFailed(what, f"refuses the request (HTTP {status}: {_said(error)})", remedy)
    return EnvironmentFault(what, f"fails (HTTP {status})", AGAIN)


def _said(error: openai.APIStatusError) -> str:
    """What the server says of a bad request, shortened."""
    body = error.body
    said = body.get("message") if isinstance(body, dict) else body
    text = " ".join("".join(character if character.isprintable() else " " for character in scrubbed(str(said or ""))).split())
    return text[:160] or "no reason given"
