"""One version of the dataset as files in memory, and the folder that holds it."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from unconceal.errors import CheckFailed
from unconceal.paths import DataRoot
from unconceal.publish.dataset_card import card, eval_yaml, manifest
from unconceal.publish.dataset_tables import parquet_name, tables_of, write_parquet
from unconceal.results.result_tables import load_newest_tables, read_for_ranking

MANIFEST = "manifest.json"


@dataclass(frozen=True)
class Publication:
    """``files``: path below the dataset's root to its bytes."""

    version: str
    files: dict[str, bytes]

    @property
    def manifest(self) -> bytes:
        """What tells two publications apart."""
        return self.files[MANIFEST]


def build_publication(root: DataRoot, version: str, name: str) -> Publication:
    """Every table with card, `eval.yaml` and manifest; the same records give the same bytes. ``name``: as the card tells to load it.

    Raises:
        CheckFailed: a record is broken or was altered.
    """
    tables = tables_of(root)
    files = {}
    with tempfile.TemporaryDirectory() as place:
        for config, table in tables.items():
            path = Path(place) / parquet_name(config)
            write_parquet(table, path)
            files[parquet_name(config)] = path.read_bytes()
    files["README.md"] = card(version, tables, root.results.parent, name).encode()
    files["eval.yaml"] = eval_yaml(load_newest_tables(root.result_folders, read_for_ranking)).encode()
    digests = {path: hashlib.sha256(content).hexdigest() for path, content in files.items()}
    return Publication(version, {**files, MANIFEST: manifest(version, digests).encode()})


def write_folder(publication: Publication, folder: Path) -> bool:
    """The version below a folder, ``<folder>/<version>/…``, whole or not at all; False: it is there already.

    Raises:
        CheckFailed: the version is there with other content.
    """
    place = folder / publication.version
    if already_published(publication, place):
        return False
    folder.mkdir(parents=True, exist_ok=True)
    partial = Path(tempfile.mkdtemp(dir=folder, prefix=".part-"))
    try:
        for path, content in publication.files.items():
            (partial / path).parent.mkdir(parents=True, exist_ok=True)
            (partial / path).write_bytes(content)
        partial.chmod(0o755)
        partial.rename(place)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise
    return True


def already_published(publication: Publication, place: Path) -> bool:
    """Whether the version lies there already; raises CheckFailed if what lies there is another."""
    if not place.exists():
        return False
    there = place / MANIFEST
    if not there.is_file() or there.read_bytes() != publication.manifest:
        raise different_content(str(place), publication.version)
    return True


def different_content(value: str, version: str) -> CheckFailed:
    """A version that was published is never changed."""
    return CheckFailed(
        "publish.version-exists",
        value,
        f"holds {version} already, with other content: who cited it would be betrayed",
        "choose the next version",
    )
