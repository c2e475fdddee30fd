"""Opens a release: one file, or a folder of weights files and settings. Nothing outside the submitted folder is opened."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from unconceal.checkpoints.key_names import Copy
from unconceal.checkpoints.release import Release, ReleasedFile
from unconceal.checkpoints.weights_file import MAX_CONFIG_BYTES, read_file, shortened
from unconceal.errors import CheckFailed
from unconceal.hub.allowed_files import AVERAGED_FOLDERS, SHARD, SHARD_NUMBER, WEIGHTS_PATTERN, files_of, require_known, select_files
from unconceal.specs.submission import COMPONENTS, WEIGHTS_SUFFIXES

STANDARD_NAME = "diffusion_pytorch_model.safetensors"
INDEX = ".index.json"
ADAPTER_CONFIGS = {"adapter_config.json": "adapter_model", "eraser_config.json": "eraser_weights"}
"""Files of settings, and the names under which libraries save the adapter that they are of."""
COMPLETE = re.compile(rf"(diffusion_pytorch_model|model|pytorch_model)(\.\w+)*({SHARD_NUMBER})?\.(safetensors|bin)")
"""Names under which libraries save a whole component."""
NOT_AVERAGED = ".non_ema."
"""Part of the name of the trained weights beside their average."""
HUB_BLOBS = "blobs"
"""The folder of the Hub's cache that its snapshots link to."""
MAX_SHARDS = 200


def check_inside(path: Path, folder: Path) -> Path:
    """Check that a path stays inside a folder, and return it.

    Raises:
        CheckFailed: it links to a file outside ``folder`` (in the Hub's cache: outside the repository's own blobs).
    """
    target, root = path.resolve(), folder.resolve()
    blob_folders = [parent.parent / HUB_BLOBS for parent in root.parents if parent.name == "snapshots"]
    if not any(target.is_relative_to(allowed) for allowed in (root, *blob_folders)):
        raise CheckFailed("checkpoint.link", str(path), "is a link out of its folder, so it is not opened", "put the file itself there")
    return path


def check_links(path: Path) -> None:
    """Check that nothing in a release leads out of it.

    Raises:
        CheckFailed: a file or folder of it is a link out of it.
    """
    if path.is_dir():
        for inner in path.rglob("*"):
            check_inside(inner, path)


def read_json(path: Path, folder: Path, max_bytes: int = MAX_CONFIG_BYTES) -> dict[str, Any]:
    """Read a small, untrusted JSON object.

    Raises:
        CheckFailed: it is too long, or not a JSON object.
    """
    if check_inside(path, folder).stat().st_size > max_bytes:
        raise CheckFailed(
            "checkpoint.too-large",
            str(path),
            f"is longer than {max_bytes} bytes, so it is not read",
            "export the model again",
        )
    try:
        content = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise CheckFailed("checkpoint.not-json", str(path), f"is no JSON ({type(error).__name__})", "export the model again") from error
    if not isinstance(content, dict):
        raise CheckFailed("checkpoint.not-json", str(path), "is no table", "export the model again")
    return content


def open_release(path: Path) -> Release:
    """Open every weights file of a release.

    Raises:
        CheckFailed: it is missing, a file cannot be read as weights, or a file that may be weights is not read.
    """
    if path.is_file():
        _check_siblings([path.name], path)
        return Release(path, (ReleasedFile(path.name, read_file(path)),))
    if not path.is_dir():
        consequence, remedy = "does not exist, so there is nothing to evaluate", "correct the path, or download the weights"
        raise CheckFailed("checkpoint.not-found", str(path), consequence, remedy)
    names = tuple(files_of(path))
    for name in names:
        check_inside(path / name, path)
    selection = select_files(names)
    require_known(selection, str(path))
    for name in selection.read:
        if name.endswith(INDEX):
            _check_shards(path / name, path)
    weights = [name for name in selection.read if name.endswith(WEIGHTS_SUFFIXES)]
    _check_siblings(weights, path)
    if not weights:
        remedy = f"name the folder or file that holds them, e.g. {STANDARD_NAME}"
        raise CheckFailed("checkpoint.no-weights", str(path), f"holds no weights{_found(names)}", remedy)
    averaged = any(name.partition("/")[0] in AVERAGED_FOLDERS for name in weights)
    settings = _settings(path, names, weights)
    released = tuple(_released(path, name, weights, averaged, settings.get(name, {})) for name in weights)
    return Release(path, released, selection.unused, names)


def _found(names: Collection[str]) -> str:
    return f": found {', '.join(shortened(name, 40) for name in list(names)[:3])} in {len(names)} files" if names else ", it is empty"


def _released(root: Path, name: str, names: Collection[str], averaged: bool, settings: Mapping[str, Any]) -> ReleasedFile:
    """One file of a folder, with what its place and name tell."""
    folder, _, file = name.rpartition("/")
    stem = file.partition(".")[0]
    component = folder.removesuffix("_ema") or (stem if stem in COMPONENTS else None)
    copy: Copy | None = None
    if folder in AVERAGED_FOLDERS or any(other == name.replace(".", NOT_AVERAGED, 1) for other in names):
        copy = "ema"
    elif NOT_AVERAGED in file or (averaged and f"{folder}_ema" in AVERAGED_FOLDERS):
        copy = "model"
    return ReleasedFile(
        name,
        read_file(root / name),
        component,
        copy,
        is_whole=COMPLETE.fullmatch(file) is not None,
        settings=settings,
    )


def _settings(root: Path, names: Collection[str], weights: Collection[str]) -> dict[str, dict[str, Any]]:
    """The settings of adapters, by the weights file that they are of.

    Raises:
        CheckFailed: it is not clear of which file they are, or two are of one.
    """
    found: dict[str, dict[str, Any]] = {}
    for name in names:
        path = root / name
        if path.name not in ADAPTER_CONFIGS:
            continue
        owner = _owner(path, root, weights)
        if owner in found:
            consequence = f"is a second file of settings of {shortened(owner)!r}"
            raise CheckFailed("checkpoint.ambiguous-settings", str(path), consequence, "release the one that is meant")
        found[owner] = read_json(path, root)
    return found


def _owner(config: Path, root: Path, names: Collection[str]) -> str:
    """The weights file that settings are of: the one with the library's name, or the only one of the folder.

    Raises:
        CheckFailed: there are several, and none has that name.
    """
    folder = config.parent.relative_to(root).as_posix()
    beside = [name for name in names if Path(name).parent.as_posix() == folder]
    candidates = [name for name in beside if Path(name).name.partition(".")[0] == ADAPTER_CONFIGS[config.name]] or beside
    if len(candidates) != 1:
        consequence = f"stands beside {len(candidates)} weights files ({', '.join(shortened(name, 40) for name in candidates[:3])})"
        remedy = f"name the adapter {ADAPTER_CONFIGS[config.name]}.safetensors, as its library does"
        raise CheckFailed("checkpoint.ambiguous-settings", str(config), f"{consequence}, so nobody knows whose settings it holds", remedy)
    return candidates[0]


def _check_siblings(names: Collection[str], submitted: Path) -> None:
    """Check that of every file named as one shard of several, all the others are read, too.

    Raises:
        CheckFailed: one is missing, so a part of the model would be evaluated.
    """
    for name in names:
        if match := SHARD.fullmatch(name):
            numbers = range(1, int(match["total"]) + 1)
            shards = (f"{match['stem']}-{number:05d}-of-{match['total']}{match['suffix']}" for number in numbers)
            if missing := next((shard for shard in shards if shard not in names), None):
                value, consequence = f"{submitted}: {shortened(name)!r}", f"is a part of a model without {shortened(missing)!r}"
                raise CheckFailed("checkpoint.missing-shard", value, consequence, "submit the folder of all shards")


def _check_shards(index: Path, submitted: Path) -> None:
    """Check that an index names files of its own folder that exist.

    Raises:
        CheckFailed: it does not.
    """
    weight_map = read_json(index, submitted).get("weight_map")
    if not isinstance(weight_map, dict) or not all(isinstance(shard, str) for shard in weight_map.values()):
        raise CheckFailed("checkpoint.bad-index", str(index), "does not list shards", "export the weights again")
    shards = sorted(set(weight_map.values()))
    if len(shards) > MAX_SHARDS:
        raise CheckFailed(
            "checkpoint.too-large",
            str(index),
            f"lists {len(shards)} shards, more than any model has ({MAX_SHARDS})",
            "export the weights again",
        )
    for shard in shards:
        # The index is untrusted: it may name files of its own folder only.
        if Path(shard).name != shard or not WEIGHTS_PATTERN.fullmatch(shard) or not (index.parent / shard).is_file():
            raise CheckFailed(
                "checkpoint.bad-index",
                str(index),
                f"names {shortened(shard)!r}, which is no weights file of its folder",
                "export the weights again",
            )
