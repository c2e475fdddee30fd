"""Language models behind OpenAI-compatible endpoints (vLLM, llama.cpp, Ollama, hosted services), through the official client."""

from __future__ import annotations

import base64
from typing import Any

from pydantic import BaseModel, ValidationError

from unconceal.errors import CheckFailed, UsageError
from unconceal.probes.prompt import Question
from unconceal.probes.providers import ProviderReply, missing_package
from unconceal.specs.elicitation import Decoding, FinishReason, Form, ProviderKind
from unconceal.specs.spec import Json

PNG = b"\x89PNG\r\n\x1a\n"


class ChatMessage(BaseModel):
    """The fields of a completion's message that are read."""

    content: str | None = None
    refusal: str | None = None


class ChatChoice(BaseModel):
    message: ChatMessage
    finish_reason: str | None = None


class ChatCompletion(BaseModel):
    """``system_fingerprint``: the service's name of its build."""

    choices: tuple[ChatChoice, ...]
    model: str | None = None
    system_fingerprint: str | None = None


class Endpoint:
    """A model at ``base_url``. The API key comes from the environment; it is neither stored nor printed.

    Args:
        timeout: seconds without an answer before a request fails.
        retries: how often the client repeats a request after a dropped connection, a rate limit or a server error.
    """

    kind: ProviderKind = "endpoint"

    def __init__(self, model: str, base_url: str, timeout: float = 120.0, retries: int = 2, revision: str | None = None) -> None:
        try:
            import openai
        except ModuleNotFoundError as error:
            raise missing_package(error.name) from error
        from unconceal.probes.endpoint_errors import api_key, display_url

        self.model, self.revision, self.timeout = model, revision, timeout
        self.what = f"model {model!r} at {display_url(base_url)}"
        omitted_headers: dict[str, Any] = {"OpenAI-Organization": openai.Omit(), "OpenAI-Project": openai.Omit()}
        self._client = openai.OpenAI(
            base_url=base_url, api_key=api_key() or "none", timeout=timeout, max_retries=retries, default_headers=omitted_headers
        )
        self._takes_schema = True

    def ask(self, question: Question, decoding: Decoding, sample: int, seed: int) -> ProviderReply:
        """Request one reply. If the server rejects the JSON Schema, this and later requests go without it.

        Raises:
            UnconcealError: the server cannot be reached, refuses or fails, in one line.
        """
        request = self._request(question, decoding, seed)
        if self._takes_schema:
            try:
                return parse_completion(self._send(request | {"response_format": response_format(question.schema)}), "requested", self.what)
            except CheckFailed:
                self._takes_schema = False
        return parse_completion(self._send(request), "free", self.what)

    def _request(self, question: Question, decoding: Decoding, seed: int) -> Json:
        options = {"temperature": decoding.temperature, "max_tokens": decoding.max_tokens, "seed": None if decoding.seed is None else seed}
        payload = {"model": self.model, "messages": [{"role": "user", "content": content(question)}]}
        return payload | {name: value for name, value in options.items() if value is not None}

    def _send(self, request: Json) -> bytes:
        """The body of a successful answer."""
        import openai

        from unconceal.probes.endpoint_errors import to_unconceal_error

        try:
            return self._client.chat.completions.with_raw_response.create(**request).http_response.content
        except openai.OpenAIError as error:
            # The client's errors may quote the key in requests and bodies, so they are not chained.
            raise to_unconceal_error(self.what, error, self.timeout) from None


def content(question: Question) -> str | list[Json]:
    """A message's content: the text, followed by the images as data URLs.

    Raises:
        UsageError: an image is not a PNG.
    """
    if not question.images:
        return question.text
    parts: list[Json] = [{"type": "text", "text": question.text}]
    for number, png in enumerate(question.images, 1):
        if not png.startswith(PNG):
            raise UsageError("images.unreadable", f"picture {number}", "is not a PNG, so no model can read it", "save it as PNG")
        data_url = f"data:image/png;base64,{base64.b64encode(png).decode()}"
        parts.append({"type": "image_url", "image_url": {"url": data_url}})
    return parts


def response_format(schema: Json) -> Json:
    """The request field that asks a server to constrain the reply to a schema; servers may ignore it."""
    return {"type": "json_schema", "json_schema": {"name": "answer", "strict": True, "schema": schema}}


def parse_completion(body: bytes, form: Form, description: str) -> ProviderReply:
    """Parse a completion. The API key is redacted wherever the server repeats it.

    Raises:
        EnvironmentFault: the body is not a chat completion.
    """
    from unconceal.probes.endpoint_errors import not_a_completion, redact_key

    try:
        completion = ChatCompletion.model_validate_json(body)
    except ValidationError as error:
        raise not_a_completion(description, error.errors(include_url=False, include_input=False)[0]["msg"]) from None
    if not completion.choices:
        raise not_a_completion(description, "no choices")
    choice = completion.choices[0]
    text = choice.message.refusal or choice.message.content or ""
    return ProviderReply(redact_key(text), finish_reason(choice), form, redact_key((completion.model or "").rsplit("/", 1)[-1]))


def finish_reason(choice: ChatChoice) -> FinishReason:
    """Why the reply ended: complete, truncated, or refused by the model or the service's filter."""
    if choice.message.refusal or choice.finish_reason == "content_filter":
        return "refusal"
    return "length" if choice.finish_reason == "length" else "stop"
