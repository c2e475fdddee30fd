"""A tiny chat model of the Llama architecture, made on the spot: random, or fitted to one reply."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

TEMPLATE = "{% for m in messages %}<|{{ m.role }}|>{{ m.content }}<|end|>{% endfor %}{% if add_generation_prompt %}<|assistant|>{% endif %}"
SPECIAL = ["<|user|>", "<|assistant|>", "<|end|>"]


def chat_model(folder: Path, corpus: list[str], fitted_to: tuple[str, str] | None = None, template: str | None = TEMPLATE) -> Path:
    """Write tokenizer and model; ``fitted_to``: a prompt and what the model says to it."""
    tokenizer = byte_tokenizer(corpus, template)
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(tokenizer) + 5,  # models score more tokens than they have
        hidden_size=48,
        intermediate_size=96,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=2,
        max_position_embeddings=4096,
        bos_token_id=None,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.eos_token_id,
    )
    model = LlamaForCausalLM(config)
    if fitted_to is not None:
        fit(model, tokenizer, *fitted_to)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def byte_tokenizer(corpus: list[str], template: str | None) -> PreTrainedTokenizerFast:
    """Byte pairs over the corpus, as Llama 3 has them."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    tokenizer.train_from_iterator(corpus, trainers.BpeTrainer(vocab_size=700, special_tokens=SPECIAL, initial_alphabet=alphabet))
    wrapper: Any = PreTrainedTokenizerFast
    fast: PreTrainedTokenizerFast = wrapper(tokenizer_object=tokenizer, eos_token="<|end|>", pad_token="<|end|>")
    fast.chat_template = template
    return fast


def fit(model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, prompt: str, reply: str, steps: int = 120) -> None:
    """Learn one reply by heart."""
    ids = tokenizer(f"<|user|>{prompt}<|end|><|assistant|>{reply}<|end|>", return_tensors="pt")["input_ids"]
    optimiser = torch.optim.AdamW(model.parameters(), lr=5e-3)
    for _ in range(steps):
        loss = model(input_ids=ids, labels=ids).loss
        loss.backward()
        optimiser.step()
        optimiser.zero_grad()
    assert loss.item() < 0.05
