"""Local language models: any chat model that transformers loads, constrained to the answer's schema."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unconceal.errors import EnvironmentFault, UsageError
from unconceal.probes.prompt import Question
from unconceal.probes.providers import ProviderReply, missing_package
from unconceal.specs.digests import folder_digest
from unconceal.specs.elicitation import Decoding, ProviderKind

if TYPE_CHECKING:
    import torch

DAY = "26 Jul 2024"
"""The date that some chat templates insert; fixed, so that the prompt does not change daily."""


class LocalModel:
    """A model from a folder or the Hub's cache. No code of the model is executed; only safetensors are read.

    Vision-language models also receive the question's images; text-only models refuse them.
    """

    kind: ProviderKind = "local"

    def __init__(self, model: str, revision: str | None = None, device: str = "auto") -> None:
        try:
            import llguidance  # noqa: F401
            import torch
        except ModuleNotFoundError as error:
            raise missing_package(error.name) from error
        self.model, folder = Path(model).name if Path(model).is_dir() else model, Path(model)
        self.device = ("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else device
        self._network, self._processor, self._sees = load_model(model, revision, self.device)
        self._tokenizer: Any = self._processor.tokenizer if self._sees else self._processor
        if not self._processor.chat_template:
            raise UsageError(
                "model.no-chat-template",
                f"model {self.model!r}",
                "has no chat template, so it cannot answer",
                "name an instruction-tuned model",
            )
        commit = getattr(self._network.config, "_commit_hash", None)
        self.revision: str | None = f"sha256:{folder_digest(folder)}" if folder.is_dir() else commit or revision
        self._vocabulary: Any = None

    def ask(self, question: Question, decoding: Decoding, sample: int, seed: int) -> ProviderReply:
        """Generate greedily at temperature 0, else sample with the seed. Apart from the schema, nothing changes the token scores.

        Raises:
            UsageError: the question has images and the model is text-only.
        """
        from unconceal.probes.grammar import Grammar, llguidance_tokenizer

        if question.images and not self._sees:
            raise UsageError(
                "model.text-only",
                f"model {self.model!r}",
                "is text-only, so it cannot rate images",
                "name a vision-language model",
            )
        if self._vocabulary is None:
            self._vocabulary = llguidance_tokenizer(self._tokenizer, self._network.config.get_text_config().vocab_size)
        prompt = self._prompt(question)
        grammar = Grammar(self._vocabulary, question.schema, prompt["input_ids"].shape[1])
        tokens = self._write(prompt, grammar, decoding, seed)
        ended = bool(len(tokens)) and int(tokens[-1]) in self._ends()
        return ProviderReply(self._tokenizer.decode(tokens, skip_special_tokens=True), "stop" if ended else "length", "grammar")

    def _prompt(self, question: Question) -> dict[str, torch.Tensor]:
        """Token ids (1, length), and the processed images, which precede the text."""
        content: str | list[dict[str, Any]] = question.text
        if self._sees:
            content = [{"type": "image", "image": decode_png(picture, number)} for number, picture in enumerate(question.images, 1)]
            content.append({"type": "text", "text": question.text})
        # A processor takes a variable that its template has not for one of its own.
        day = {"date_string": DAY} if "date_string" in str(self._processor.chat_template) else {}
        filled = self._processor.apply_chat_template(
            [{"role": "user", "content": content}], add_generation_prompt=True, tokenize=True, return_tensors="pt", return_dict=True, **day
        )
        return {name: value.to(self.device) for name, value in filled.items()}

    def _write(self, prompt: dict[str, torch.Tensor], grammar: Any, decoding: Decoding, seed: int) -> torch.Tensor:
        """Generate token ids (length,) after the prompt."""
        import torch
        from transformers import GenerationConfig, LogitsProcessorList

        # The model's own generation defaults are overridden: the probe set records all decoding settings.
        sampling = {"do_sample": True, "temperature": decoding.temperature, "top_k": 0, "top_p": 1.0} if decoding.temperature else {}
        ends = sorted(self._ends())
        config = GenerationConfig(  # type: ignore[no-untyped-call]
            max_new_tokens=decoding.max_tokens, eos_token_id=ends, pad_token_id=ends[0], repetition_penalty=1.0, **sampling
        )
        with torch.random.fork_rng(), torch.inference_mode():
            torch.manual_seed(seed)
            tokens: torch.Tensor = self._network.generate(
                **prompt, generation_config=config, logits_processor=LogitsProcessorList([grammar])
            )
        return tokens[0, prompt["input_ids"].shape[1] :]

    def _ends(self) -> set[int]:
        """End-of-sequence token ids."""
        eos = self._network.generation_config.eos_token_id
        return {self._tokenizer.eos_token_id, *(eos if isinstance(eos, list) else [eos] if eos is not None else [])}


def decode_png(picture: bytes, number: int) -> Any:
    """Decode a PNG into an RGB image.

    Raises:
        UsageError: it is not a PNG.
    """
    from PIL import Image

    try:
        with Image.open(io.BytesIO(picture), formats=["PNG"]) as image:
            return image.convert("RGB")
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise UsageError("images.unreadable", f"picture {number}", "is not a PNG, so no model can read it", "save it as PNG") from error


def load_model(model: str, revision: str | None, device: str) -> tuple[Any, Any, bool]:
    """Load the network, its tokenizer or processor, and whether it accepts images.

    Raises:
        EnvironmentFault: it cannot be loaded, in one line.
    """
    from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForImageTextToText, AutoProcessor, AutoTokenizer

    from unconceal.progress import hide_library_progress

    try:
        with hide_library_progress():
            sees = hasattr(AutoConfig.from_pretrained(model, revision=revision), "vision_config")
            prepares: Any = AutoProcessor if sees else AutoTokenizer
            loads: Any = AutoModelForImageTextToText if sees else AutoModelForCausalLM
            network: Any = loads.from_pretrained(model, revision=revision, dtype="auto", use_safetensors=True)
            return network.to(device).eval(), prepares.from_pretrained(model, revision=revision), sees
    except (OSError, ValueError, KeyError) as error:
        message = (str(error).splitlines() or [type(error).__name__])[0][:200]
        remedy = "name a folder, or a model on the Hub as owner/name; where it is gated, accept its terms and log in with `hf auth login`"
        raise EnvironmentFault("model.unreadable", f"model {model!r}", f"cannot be loaded ({message})", remedy) from error
