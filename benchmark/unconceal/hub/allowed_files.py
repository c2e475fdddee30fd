"""The files of a model folder that are downloaded and opened, and what becomes of every other weights file."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from unconceal.errors import CheckFailed
from unconceal.specs.digests import file_digest, folder_digest
from unconceal.specs.submission import COMPONENTS, WEIGHTS_SUFFIXES

AVERAGED_FOLDERS = tuple(f"{component}_ema" for component in ("unet", "transformer"))
"""Folders in which diffusers' trainers save an average."""
FOLDERS = (*COMPONENTS, *AVERAGED_FOLDERS)
"""Folders of a pipeline whose weights are read."""
CONFIG_FILES = ("model_index.json", "config.json", "scheduler_config.json", "adapter_config.json", "eraser_config.json")
TOKENIZER_FILES = ("vocab.json", "merges.txt", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "spiece.model")
MODEL_SETTINGS = (*TOKENIZER_FILES, "preprocessor_config.json")
ADDED_TOKENS = "added_tokens.json"
"""A checkpoint's tokenizer is compared with the base's: another vocabulary would change every token."""
STEMS = ("diffusion_pytorch_model", "model", "pytorch_model", "adapter_model", "pytorch_lora_weights")
SHARD_NUMBER = r"-\d{5}-of-(?P<total>\d{5})"
SHARD = re.compile(rf"(?P<stem>.*){SHARD_NUMBER}(?P<suffix>\.\w+)")
"""Name of one weights file of several."""
WEIGHTS_PATTERN = re.compile(rf"(?:{'|'.join(STEMS)})(?P<fp16>\.fp16)?(?:{SHARD_NUMBER})?\.(?P<kind>safetensors|bin)(?:\.index\.json)?")
"""Names under which diffusers, transformers and PEFT save weights."""
FILTERS = {
    "safety_checker": "a safety checker, which blanks images: filtering is not forgetting",
    "feature_extractor": "part of a safety checker",
    "image_encoder": "an encoder of images, which no prompt uses",
}
"""Folders whose weights are left out, with the reason."""
TRAINER_FILES = re.compile(
    r"(optimizer|scheduler|lr_scheduler|scaler|random_states|rng_state|training_args|trainer_state|sampler)(_\d+)*\.\w+"
)
FRAMEWORK_FILES = re.compile(
    r"(flax_model|diffusion_flax_model|tf_model|openvino_model|model)\.(msgpack|h5|onnx|onnx_data|xml)|openvino_model\.bin"
)
HARMLESS = re.compile(
    r"[^/]*\.(md|rst|txt|json|jsonl|ya?ml|toml|cfg|ini|csv|tsv|log|html?|pdf|tex|bib|py|ipynb|sh|png|jpe?g|webp|gif|svg|bmp|mp4|lock)"
    r"|(license|readme|notice|citation|dockerfile|makefile|copying)[^/]*"
    r"|\.gitattributes|\.gitignore|\.gitkeep|\.ds_store|(spiece|tokenizer)\.model|events\.out\.tfevents\.[^/]*",
    re.IGNORECASE,
)
"""Names of files that hold no weights. Every other file is read, left out with a reason, or refused."""
CLIENT_FOLDERS = (".cache/huggingface/", ".git/")
"""What git and the Hub's client keep in a folder."""


def is_harmless(path: PurePosixPath) -> bool:
    """Whether a file's name says that it holds no weights: never one that ends as weights do."""
    return path.suffix.lower() not in WEIGHTS_SUFFIXES and HARMLESS.fullmatch(path.name) is not None


class Selection(NamedTuple):
    """What becomes of a folder's files.

    Attributes:
        read: files that are opened, sorted.
        unused: weights files that are not, with the reason.
        unknown: weights files that no rule covers.
    """

    read: tuple[str, ...]
    unused: dict[str, str]
    unknown: tuple[str, ...]


def select_files(names: Iterable[str]) -> Selection:
    """Decide what becomes of each file of a checkpoint's folder.

    Safetensors are preferred to pickles of the same name, and full precision to half.

    Args:
        names: paths below the folder.
    """
    all_names = sorted(names)
    read, unused, unknown = [], {}, []
    for name in all_names:
        path = PurePosixPath(name)
        folder, nested = (path.parts[0] if len(path.parts) > 1 else ""), len(path.parts) > 2
        if _is_setting(path, folder, nested):
            read.append(name)
        elif reason := _reason(path, folder, set(all_names)):
            unused[name] = reason
        elif is_harmless(path):
            continue
        elif not path.name.endswith(WEIGHTS_SUFFIXES) or nested or folder not in ("", *FOLDERS):
            unknown.append(name)
        else:
            read.append(name)
    return Selection(tuple(read), unused, tuple(unknown))


def _is_setting(path: PurePosixPath, folder: str, nested: bool) -> bool:
    """Whether a file holds settings that are read."""
    if nested or (folder not in ("", "scheduler", *FOLDERS) and not folder.startswith("tokenizer")):
        return False
    if folder.startswith("tokenizer"):
        return path.name in (*TOKENIZER_FILES, ADDED_TOKENS)
    if not folder and path.name in (*TOKENIZER_FILES, ADDED_TOKENS):
        return True
    return path.name in CONFIG_FILES or (path.name.endswith(".index.json") and bool(WEIGHTS_PATTERN.fullmatch(path.name)))


def _reason(path: PurePosixPath, folder: str, names: set[str]) -> str | None:
    """Why a weights file is left out; None if it is not."""
    if folder in FILTERS and not is_harmless(path):
        return FILTERS[folder]
    if TRAINER_FILES.fullmatch(path.name):
        return "a trainer's state"
    if FRAMEWORK_FILES.fullmatch(path.name):
        return "a copy for another framework"
    copies = [
        PurePosixPath(name) for name in names if name.startswith(f"{path.parent}/" if folder else "") and _model(name) == _model(str(path))
    ]
    if ".fp16" in path.suffixes and any(".fp16" not in other.suffixes for other in copies):
        return "a copy in half precision"
    if path.suffix == ".bin" and (twin := next((other for other in copies if other.suffix == ".safetensors"), None)):
        return f"a pickle beside {twin.name}, which libraries prefer"
    return None


def _model(name: str) -> str:
    """What a weights file's name says of its content, whatever its precision, encoding and shard; empty for other files."""
    path = PurePosixPath(name)
    if path.suffix not in WEIGHTS_SUFFIXES:
        return name
    stem = re.sub(rf"{SHARD_NUMBER}$", "", path.stem.replace(".fp16", ""))
    return str(path.with_name(re.sub(r"^pytorch_model$", "model", stem)))


def require_known(selection: Selection, source: str) -> None:
    """Check that every weights file of a folder is read or left out for a reason.

    Raises:
        CheckFailed: one is not: evaluating the others could mean evaluating another model.
    """
    if not selection.unknown:
        return
    first, n = selection.unknown[0], len(selection.unknown)
    consequence = f"holds {n} file{'s' * (n > 1)} that may be weights and {'are' if n > 1 else 'is'} not read, e.g. {first[:120]!r}"
    suffix = PurePosixPath(first).suffix
    if suffix not in WEIGHTS_SUFFIXES:
        remedy = f"release weights as safetensors, and leave {suffix[:20] or 'such'} files out"
    elif any(name.endswith(WEIGHTS_SUFFIXES) for name in selection.read):
        remedy = "leave it out, or name the file or folder that is meant"
    else:
        remedy = f"name the folder that holds the model: {PurePosixPath(first).parent.as_posix()[:120]}"
    raise CheckFailed("checkpoint.unread-file", source, consequence, remedy)


def select_checkpoint_files(names: Iterable[str]) -> list[str]:
    """The files of a checkpoint's folder that are downloaded and opened: settings, weights, and a tokenizer to compare."""
    return list(select_files(names).read)


def select_model_files(names: Iterable[str]) -> list[str]:
    """The files of a base model or judge that are downloaded: settings, tokenizers, and one set of weights per component."""
    settings, variants = [], dict[str, dict[tuple[bool, bool], list[str]]]()
    for name in names:
        path = PurePosixPath(name)
        folder = "" if len(path.parts) == 1 else path.parts[0]
        weights = WEIGHTS_PATTERN.fullmatch(path.name)
        if len(path.parts) > 2:
            continue
        if (path.name in MODEL_SETTINGS and (not folder or folder.startswith("tokenizer"))) or (
            folder in ("", "scheduler", *COMPONENTS) and path.name in CONFIG_FILES
        ):
            settings.append(name)
        elif folder in ("", "scheduler", *COMPONENTS) and weights:
            variant = (weights["kind"] == "bin", weights["fp16"] is not None)
            variants.setdefault(folder, {}).setdefault(variant, []).append(name)
    return sorted([*settings, *(name for variant in variants.values() for name in variant[min(variant)])])


def has_weights(names: Iterable[str]) -> bool:
    """Whether a name is one of a weights file."""
    return any(name.endswith(WEIGHTS_SUFFIXES) for name in names)


def files_of(folder: Path) -> list[str]:
    """Paths of all files of a folder, relative to it, but for those of git and of the Hub's client."""
    names = (file.relative_to(folder).as_posix() for file in folder.rglob("*") if file.is_file())
    return sorted(name for name in names if not name.startswith(CLIENT_FOLDERS))


def checkpoint_digest(path: Path) -> str:
    """SHA-256 of a checkpoint file, or of a folder's files that are read."""
    return file_digest(path) if path.is_file() else folder_digest(path, select_checkpoint_files(files_of(path)))
