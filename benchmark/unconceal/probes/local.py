"""A language model on this machine: any chat model that transformers loads, held to the answer's schema while it writes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from unconceal.errors import EnvironmentFault, UsageError
from unconceal.probes.asking import Question
from unconceal.probes.providers import Heard, missing
from unconceal.specs.answer import Asker, Decoding
from unconceal.specs.digests import folder_digest

if TYPE_CHECKING:
    import torch

DAY = "26 Jul 2024"
"""The day that some models' templates put into the prompt: a fixed one, or the prompt would change overnight."""


class Local:
    """A model from a folder or from the Hub's cache, text only. Nothing that comes with it is executed, and only safetensors are read."""

    kind: Asker = "local"

    def __init__(self, model: str, revision: str | None = None, device: str = "auto") -> None:
        try:
            import llguidance  # noqa: F401
            import torch
        except ModuleNotFoundError as error:
            raise missing(error.name) from error
        self.model, folder = Path(model).name if Path(model).is_dir() else model, Path(model)
        self.device = ("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else device
        self._tokenizer, self._network = _loaded(model, revision, self.device)
        if not self._tokenizer.chat_template:
            raise UsageError(f"model {self.model!r}", "has no chat template, so it cannot be asked", "name an instruction-tuned model")
        commit = getattr(self._network.config, "_commit_hash", None)
        self.revision: str | None = f"sha256:{folder_digest(folder)}" if folder.is_dir() else commit or revision
        self._vocabulary: Any = None

    def ask(self, question: Question, decoding: Decoding, sample: int, seed: int) -> Heard:
        """Greedy at temperature 0, otherwise sampled with the seed; nothing else shapes the choice of tokens but the schema.

        Raises:
            UsageError: pictures go with the question.
        """
        from unconceal.probes.grammar import Grammar, vocabulary_of

        if question.pictures:
            raise UsageError(f"model {self.model!r}", "is asked in words only here", "show pictures to an endpoint")
        if self._vocabulary is None:
            self._vocabulary = vocabulary_of(self._tokenizer, self._network.config.vocab_size)
        prompt = self._prompt(question)
        grammar = Grammar(self._vocabulary, question.schema, prompt.shape[1])
        written = self._write(prompt, grammar, decoding, seed)
        ended = bool(len(written)) and int(written[-1]) in self._ends()
        return Heard(self._tokenizer.decode(written, skip_special_tokens=True), "stop" if ended else "length", "grammar")

    def _prompt(self, question: Question) -> torch.Tensor:
        """1 × tokens."""
        said = [{"role": "user", "content": question.text}]
        filled = self._tokenizer.apply_chat_template(
            said, add_generation_prompt=True, return_tensors="pt", return_dict=True, date_string=DAY
        )
        ids: torch.Tensor = filled["input_ids"].to(self.device)
        return ids

    def _write(self, prompt: torch.Tensor, grammar: Any, decoding: Decoding, seed: int) -> torch.Tensor:
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
                prompt,
                attention_mask=torch.ones_like(prompt),
                generation_config=config,
                logits_processor=LogitsProcessorList([grammar]),
            )
        return written[0, prompt.shape[1] :]

    def _ends(self) -> set[int]:
        """The tokens that end a reply."""
        said = self._network.generation_config.eos_token_id
        return {self._tokenizer.eos_token_id, *(said if isinstance(said, list) else [said] if said is not None else [])}


def _loaded(model: str, revision: str | None, device: str) -> tuple[Any, Any]:
    """Tokenizer and network, or what is wrong with them in one line."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from unconceal.progress import quiet

    try:
        with quiet():
            tokenizer: Any = AutoTokenizer.from_pretrained(model, revision=revision)
            network: Any = AutoModelForCausalLM.from_pretrained(model, revision=revision, dtype="auto", use_safetensors=True)
    except (OSError, ValueError, KeyError) as error:
        said = (str(error).splitlines() or [type(error).__name__])[0][:200]
        remedy = "name a folder, or a model on the Hub as owner/name; where it is gated, accept its terms and log in with `hf auth login`"
        raise EnvironmentFault(f"model {model!r}", f"cannot be loaded ({said})", remedy) from error
    return tokenizer, network.to(device).eval()
