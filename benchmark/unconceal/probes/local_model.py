"""A language model on this machine: any chat model that transformers loads, held to the answer's schema while it writes."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unconceal.errors import EnvironmentFault, UsageError
from unconceal.probes.prompt import Question
from unconceal.probes.providers import Heard, missing
from unconceal.specs.digests import folder_digest
from unconceal.specs.elicitation import Asker, Decoding

if TYPE_CHECKING:
    import torch

DAY = "26 Jul 2024"
"""The day that some models' templates put into the prompt: a fixed one, or the prompt would change overnight."""


class Local:
    """A model from a folder or from the Hub's cache. Nothing that comes with it is executed, and only safetensors are read.

    A vision-language model is shown the pictures that go with a question; any other refuses them.
    """

    kind: Asker = "local"

    def __init__(self, model: str, revision: str | None = None, device: str = "auto") -> None:
        try:
            import llguidance  # noqa: F401
            import torch
        except ModuleNotFoundError as error:
            raise missing(error.name) from error
        self.model, folder = Path(model).name if Path(model).is_dir() else model, Path(model)
        self.device = ("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else device
        self._network, self._processor, self._sees = loaded(model, revision, self.device)
        self._tokenizer: Any = self._processor.tokenizer if self._sees else self._processor
        if not self._processor.chat_template:
            raise UsageError(f"model {self.model!r}", "has no chat template, so it cannot be asked", "name an instruction-tuned model")
        commit = getattr(self._network.config, "_commit_hash", None)
        self.revision: str | None = f"sha256:{folder_digest(folder)}" if folder.is_dir() else commit or revision
        self._vocabulary: Any = None

    def ask(self, question: Question, decoding: Decoding, sample: int, seed: int) -> Heard:
        """Greedy at temperature 0, otherwise sampled with the seed; nothing else shapes the choice of tokens but the schema.

        Raises:
            UsageError: pictures go with the question, and this model sees none.
        """
        from unconceal.probes.grammar import Grammar, vocabulary_of

        if question.pictures and not self._sees:
            raise UsageError(f"model {self.model!r}", "takes words only, so it cannot be shown pictures", "name a vision-language model")
        if self._vocabulary is None:
            self._vocabulary = vocabulary_of(self._tokenizer, self._network.config.get_text_config().vocab_size)
        prompt = self._prompt(question)
        grammar = Grammar(self._vocabulary, question.schema, prompt["input_ids"].shape[1])
        written = self._write(prompt, grammar, decoding, seed)
        ended = bool(len(written)) and int(written[-1]) in self._ends()
        return Heard(self._tokenizer.decode(written, skip_special_tokens=True), "stop" if ended else "length", "grammar")

    def _prompt(self, question: Question) -> dict[str, torch.Tensor]:
        """Tokens, 1 × length, and what the model sees of the pictures, which stand before the words."""
        content: str | list[dict[str, Any]] = question.text
        if self._sees:
            content = [{"type": "image", "image": opened(picture, number)} for number, picture in enumerate(question.pictures, 1)]
            content.append({"type": "text", "text": question.text})
        # A processor takes a variable that its template has not for one of its own.
        day = {"date_string": DAY} if "date_string" in str(self._processor.chat_template) else {}
        filled = self._processor.apply_chat_template(
            [{"role": "user", "content": content}], add_generation_prompt=True, tokenize=True, return_tensors="pt", return_dict=True, **day
        )
        return {name: value.to(self.device) for name, value in filled.items()}

    def _write(self, prompt: dict[str, torch.Tensor], grammar: Any, decoding: Decoding, seed: int) -> torch.Tensor:
        """The tokens written after the prompt."""
        import torch
        from transformers import GenerationConfig, LogitsProcessorList

        # A model's own defaults would bend the choice unseen: what the set says of its decoding is all there is.
        drawn = {"do_sample": True, "temperature": decoding.temperature, "top_k": 0, "top_p": 1.0} if decoding.temperature else {}
        ends = sorted(self._ends())
        config = GenerationConfig(  # type: ignore[no-untyped-call]
            max_new_tokens=decoding.max_tokens, eos_token_id=ends, pad_token_id=ends[0], repetition_penalty=1.0, **drawn
        )
        with torch.random.fork_rng(), torch.inference_mode():
            torch.manual_seed(seed)
            written: torch.Tensor = self._network.generate(
                **prompt, generation_config=config, logits_processor=LogitsProcessorList([grammar])
            )
        return written[0, prompt["input_ids"].shape[1] :]

    def _ends(self) -> set[int]:
        """The tokens that end a reply."""
        said = self._network.generation_config.eos_token_id
        return {self._tokenizer.eos_token_id, *(said if isinstance(said, list) else [said] if said is not None else [])}


def opened(picture: bytes, number: int) -> Any:
    """A PNG as the model's own processor takes it.

    Raises:
        UsageError: it is no picture.
    """
    from PIL import Image

    try:
        with Image.open(io.BytesIO(picture), formats=["PNG"]) as image:
            return image.convert("RGB")
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise UsageError(f"picture {number}", "is no PNG, so no model could look at it", "save it as PNG") from error


def loaded(model: str, revision: str | None, device: str) -> tuple[Any, Any, bool]:
    """The network, what prepares its input (a tokenizer, or where it sees a processor), and whether it sees.

    Raises:
        EnvironmentFault: it cannot be loaded, in one line.
    """
    from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForImageTextToText, AutoProcessor, AutoTokenizer

    from unconceal.progress import quiet

    try:
        with quiet():
            sees = hasattr(AutoConfig.from_pretrained(model, revision=revision), "vision_config")
            prepares: Any = AutoProcessor if sees else AutoTokenizer
            loads: Any = AutoModelForImageTextToText if sees else AutoModelForCausalLM
            network: Any = loads.from_pretrained(model, revision=revision, dtype="auto", use_safetensors=True)
            return network.to(device).eval(), prepares.from_pretrained(model, revision=revision), sees
    except (OSError, ValueError, KeyError) as error:
        said = (str(error).splitlines() or [type(error).__name__])[0][:200]
        remedy = "name a folder, or a model on the Hub as owner/name; where it is gated, accept its terms and log in with `hf auth login`"
        raise EnvironmentFault(f"model {model!r}", f"cannot be loaded ({said})", remedy) from error
