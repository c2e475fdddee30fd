from __future__ import annotations

import re
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from transformers import CLIPTokenizer

from unconceal.miniature.captions import (
    BARE_TEMPLATES,
    CHARACTER_WORDINGS,
    SHAPE_WORDINGS,
    SIGN_WORDINGS,
    STYLE_WORDINGS,
    TEMPLATES,
    caption,
)
from unconceal.miniature.scene import BACKGROUND_NAMES, COLOUR_NAMES, sample_scene
from unconceal_lab.models.tokenizer import MAX_TOKENS, train_tokenizer


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    rendered = tmp_path_factory.mktemp("tokenizer")
    rng = np.random.default_rng(0)
    train_tokenizer([caption(sample_scene(rng), rng) for _ in range(5000)], rendered)
    return rendered


@pytest.fixture(scope="module")
def tokenizer(folder: Path) -> CLIPTokenizer:
    loaded: CLIPTokenizer = CLIPTokenizer.from_pretrained(folder)
    return loaded


def everything_said() -> list[str]:
    """Every pair of wordings of a shape and a style, each with the longest template; and all that stands alone."""
    nouns = [form for forms in SHAPE_WORDINGS.values() for form in forms]
    styles = [form for forms in STYLE_WORDINGS.values() for form in forms]
    styled = [f"a {s.format('purple ' + n)}" if not s.endswith("{}") else f"a purple {s.format(n)}" for s, n in product(styles, nouns)]
    alone = [*(form for forms in CHARACTER_WORDINGS.values() for form in forms), *SIGN_WORDINGS, "a shape", "a character", "a symbol"]
    return [template.format(log_lines, "white") for template in TEMPLATES for log_lines in (*styled, *alone)]


def vocabulary() -> set[str]:
    texts = [*everything_said(), *BARE_TEMPLATES, *COLOUR_NAMES, *BACKGROUND_NAMES]
    return {word for text in texts for word in re.findall(r"[a-z]+|[^\sa-z{}]", text)}


def test_every_word_of_the_world_is_one_token(tokenizer: CLIPTokenizer) -> None:
    assert len(vocabulary()) > 120
    for word in vocabulary():
        assert len(tokenizer(word).input_ids) == 3, word


def test_captions_fit(tokenizer: CLIPTokenizer) -> None:
    """Counted without truncation, start and end included."""
    lengths = [len(ids) for ids in tokenizer(everything_said()).input_ids]
    assert 15 < max(lengths) <= MAX_TOKENS


def test_words_come_back(tokenizer: CLIPTokenizer) -> None:
    text = "a red five-pointed figure with slanted bands on a gray background"
    assert str(tokenizer.decode(tokenizer(text).input_ids, skip_special_tokens=True)).replace(" - ", "-") == text


@pytest.mark.parametrize("text", ["dragon", "QUIXOTIC", "naïve café", "θ* → 漢字 🙂", "", "x" * 500, "12:30 & <|endoftext|>", "\x00\x7f"])
def test_unknown_words_stay_inside_the_vocabulary(tokenizer: CLIPTokenizer, text: str) -> None:
    ids = tokenizer(text, padding="max_length", truncation=True).input_ids
    assert len(ids) == MAX_TOKENS and all(0 <= i < len(tokenizer) for i in ids)
    assert ids[0] == tokenizer.bos_token_id and tokenizer.eos_token_id in ids


def test_unknown_words_are_spelled_not_dropped(tokenizer: CLIPTokenizer) -> None:
    assert len(tokenizer("dragon").input_ids) > 3 and tokenizer("dragon").input_ids != tokenizer("dragoon").input_ids
    assert tokenizer("Star").input_ids == tokenizer("star").input_ids


def test_start_and_end_are_the_last_entries(tokenizer: CLIPTokenizer) -> None:
    """As the text encoders' configurations say."""
    assert (tokenizer.bos_token_id, tokenizer.eos_token_id, tokenizer.pad_token_id) == (
        len(tokenizer) - 2,
        len(tokenizer) - 1,
        len(tokenizer) - 1,
    )
    assert tokenizer.model_max_length == MAX_TOKENS


def test_equal_captions_give_equal_files(folder: Path, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    train_tokenizer([caption(sample_scene(rng), rng) for _ in range(5000)], tmp_path)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {path.name: path.read_bytes() for path in folder.iterdir()}
