"""Endpoint failures as one-line errors. None of them contains the API key."""

from __future__ import annotations

import os
from urllib.parse import urlsplit

import openai

from unconceal.errors import CheckFailed, EnvironmentFault, UnconcealError, UsageError

KEY = "UNCONCEAL_API_KEY"
"""Environment variable of the API key. Not OPENAI_API_KEY, which must not reach arbitrary servers."""
REDACTED, MIN_KEY_LENGTH = "[key]", 8
"""Replacement for the key in server text; shorter keys are ordinary words and are not replaced."""
AGAIN = "run the same command again later; finished replies are kept"


def api_key() -> str:
    """The API key, or an empty string.

    Raises:
        UsageError: it contains characters that no HTTP header may carry.
    """
    value = os.environ.get(KEY, "").strip()
    if not all("!" <= character <= "~" for character in value):
        raise UsageError("endpoint.bad-key", KEY, "contains spaces or characters that no key has", "copy the key again")
    return value


def redact_key(text: str) -> str:
    """Server text with the API key redacted."""
    secret = api_key()
    return text.replace(secret, REDACTED) if len(secret) >= MIN_KEY_LENGTH else text


def display_url(base_url: str) -> str:
    """A base URL for messages, without query and password.

    Raises:
        UsageError: it is not an HTTP URL, or carries a password.
    """
    try:
        parts = urlsplit(base_url)
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port = None, None
    if not host or parts.scheme not in ("http", "https"):
        raise UsageError("endpoint.bad-address", "--base-url", "is not an HTTP URL", "write http://host:port/v1 or https://host/v1")
    if parts.username or parts.password or parts.query:
        raise UsageError(
            "endpoint.bad-address",
            "--base-url",
            "carries a user, a password or a query, which would end up in messages",
            f"put the key into {KEY}",
        )
    return f"{parts.scheme}://{host}{f':{port}' if port else ''}{parts.path}"


def to_unconceal_error(endpoint: str, error: openai.OpenAIError, timeout: float) -> UnconcealError:
    """Map a client error to ours. Subclasses are tested before their bases."""
    if isinstance(error, openai.APITimeoutError):
        remedy = f"raise --timeout or lower --max-tokens; {AGAIN}"
        return EnvironmentFault("endpoint.timeout", endpoint, f"did not answer within {timeout:g} s, so a sample is missing", remedy)
    if isinstance(error, openai.APIConnectionError):
        return _connection_error(endpoint, error)
    if isinstance(error, openai.APIStatusError):
        return _status_error(endpoint, error)
    return EnvironmentFault("endpoint.error", endpoint, f"failed ({type(error).__name__})", AGAIN)


def not_a_completion(endpoint: str, reason: str) -> EnvironmentFault:
    """The error for an answer that is not a chat completion."""
    remedy = "check that --base-url ends where the server's API begins, often /v1"
    consequence = f"does not answer with a chat completion ({redact_key(reason)})"
    return EnvironmentFault("endpoint.bad-response", endpoint, consequence, remedy)


def _connection_error(endpoint: str, error: openai.APIConnectionError) -> UnconcealError:
    reason = type(error.__cause__).__name__ if error.__cause__ else "no connection"
    if reason in ("ConnectError", "no connection"):
        return EnvironmentFault(
            "endpoint.not-reached",
            endpoint,
            f"was not reached ({reason})",
            "start the server, or correct --base-url; finished replies are kept",
        )
    return EnvironmentFault("endpoint.disconnected", endpoint, f"closed the connection before it answered ({reason})", AGAIN)


def _status_error(endpoint: str, error: openai.APIStatusError) -> UnconcealError:
    status = error.status_code
    if status in (401, 403):
        refusal = "rejects the API key" if api_key() else "requires an API key"
        return EnvironmentFault("endpoint.not-authorized", endpoint, f"{refusal} (HTTP {status})", f"set {KEY} to a valid key")
    if status == 404:
        remedy = "check --model against the server's list, and that --base-url ends where its API begins, often /v1"
        return UsageError("endpoint.unknown-model", endpoint, "does not exist there (HTTP 404)", remedy)
    if status == 429:
        return EnvironmentFault("endpoint.rate-limited", endpoint, "is rate-limited (HTTP 429)", f"wait some minutes, then {AGAIN}")
    if status in (400, 422):
        remedy = "check the model's limits: --max-tokens, --temperature, prompt length"
        return CheckFailed("endpoint.request-refused", endpoint, f"rejects the request (HTTP {status}: {_server_message(error)})", remedy)
    return EnvironmentFault("endpoint.server-error", endpoint, f"fails (HTTP {status})", AGAIN)


def _server_message(error: openai.APIStatusError) -> str:
    """The server's message about a bad request, shortened."""
    body = error.body
    message = body.get("message") if isinstance(body, dict) else body
    text = " ".join("".join(character if character.isprintable() else " " for character in redact_key(str(message or ""))).split())
    return text[:160] or "no reason given"
