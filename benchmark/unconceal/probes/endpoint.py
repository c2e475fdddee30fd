"""A language model behind any OpenAI-compatible endpoint, with the official client: vLLM, llama.cpp, Ollama, hosted services."""

from __future__ import annotations

import base64
from typing import Any

from pydantic import BaseModel, ValidationError

from unconceal.errors import CheckFailed, UsageError
from unconceal.probes.prompt import Question
from unconceal.probes.providers import Heard, missing
from unconceal.specs.elicitation import Asker, Decoding, Finish, Form
from unconceal.specs.spec import Json

PNG = b"\x89PNG\r\n\x1a\n"


class Message(BaseModel):
    """As much of a completion's message as is read; servers say more."""

    content: str | None = None
    refusal: str | None = None


class Choice(BaseModel):
    message: Message
    finish_reason: str | None = None


class Completion(BaseModel):
    """``system_fingerprint``: what a service calls the build that answered."""

    choices: tuple[Choice, ...]
    model: str | None = None
    system_fingerprint: str | None = None


class Endpoint:
    """A model at ``base_url``. The key comes from the environment and stays in the client: it is neither stored nor shown.

    Args:
        timeout: seconds of silence after which a request is given up.
        retries: how often the client repeats a request that was dropped, refused for haste or failed on the server's side.
    """

    kind: Asker = "endpoint"

    def __init__(self, model: str, base_url: str, timeout: float = 120.0, retries: int = 2, revision: str | None = None) -> None:
        try:
            import openai
        except ModuleNotFoundError as error:
            raise missing(error.name) from error
        from unconceal.probes.endpoint_errors import address, key

        self.model, self.revision, self.timeout = model, revision, timeout
        self.what = f"model {model!r} at {address(base_url)}"
        unsaid: dict[str, Any] = {"OpenAI-Organization": openai.Omit(), "OpenAI-Project": openai.Omit()}
        self._client = openai.OpenAI(
            base_url=base_url, api_key=key() or "none", timeout=timeout, max_retries=retries, default_headers=unsaid
        )
        self._takes_schema = True

    def ask(self, question: Question, decoding: Decoding, sample: int, seed: int) -> Heard:
        """One reply. A server that refuses the request with the schema is asked without it, from then on.

        Raises:
            UnconcealError: the server cannot be reached, refuses or fails, in one line.
        """
        request = self._request(question, decoding, seed)
        if self._takes_schema:
            try:
                return heard(self._sent(request | {"response_format": response_format(question.schema)}), "requested", self.what)
            except CheckFailed:
                self._takes_schema = False
        return heard(self._sent(request), "free", self.what)

    def _request(self, question: Question, decoding: Decoding, seed: int) -> Json:
        chosen = {"temperature": decoding.temperature, "max_tokens": decoding.max_tokens, "seed": None if decoding.seed is None else seed}
        said = {"model": self.model, "messages": [{"role": "user", "content": content(question)}]}
        return said | {name: value for name, value in chosen.items() if value is not None}

    def _sent(self, request: Json) -> bytes:
        """The body of a successful answer."""
        import openai

        from unconceal.probes.endpoint_errors import told

        try:
            return self._client.chat.completions.with_raw_response.create(**request).http_response.content
        except openai.OpenAIError as error:
            # The client's own errors quote requests and bodies, in which the key may stand: no traceback goes on to them.
            raise told(self.what, error, self.timeout) from None


def content(question: Question) -> str | list[Json]:
    """A message's content: words, with the pictures as data addresses behind them.

    Raises:
        UsageError: a picture is no PNG.
    """
    if not question.pictures:
        return question.text
    parts: list[Json] = [{"type": "text", "text": question.text}]
    for number, picture in enumerate(question.pictures, 1):
        if not picture.startswith(PNG):
            raise UsageError(f"picture {number}", "is no PNG, so no model could look at it", "save it as PNG")
        address = f"data:image/png;base64,{base64.b64encode(picture).decode()}"
        parts.append({"type": "image_url", "image_url": {"url": address}})
    return parts


def response_format(schema: Json) -> Json:
    """How a server is asked to hold the model to a schema; whether it does is another matter."""
    return {"type": "json_schema", "json_schema": {"name": "answer", "strict": True, "schema": schema}}


def heard(body: bytes, form: Form, what: str) -> Heard:
    """A completion as a reply, without the key wherever a server repeats it.

    Raises:
        EnvironmentFault: the body is no chat completion.
    """
    from unconceal.probes.endpoint_errors import no_completion, scrubbed

    try:
        completion = Completion.model_validate_json(body)
    except ValidationError as error:
        raise no_completion(what, error.errors(include_url=False, include_input=False)[0]["msg"]) from None
    if not completion.choices:
        raise no_completion(what, "no choices")
    choice = completion.choices[0]
    text = choice.message.refusal or choice.message.content or ""
    return Heard(scrubbed(text), finish_of(choice), form, scrubbed((completion.model or "").rsplit("/", 1)[-1]))


def finish_of(choice: Choice) -> Finish:
    """Why the reply ended: of its own, cut, or refused by the model or by the service's filter."""
    if choice.message.refusal or choice.finish_reason == "content_filter":
        return "refusal"
    return "length" if choice.finish_reason == "length" else "stop"
