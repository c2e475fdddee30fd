"""One version of the dataset: its files, and the folder that they are written to."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from unconceal.errors import CheckFailed
from unconceal.paths import DataRoot
from unconceal.publish.dataset_card import card_text, eval_yaml, manifest_text
from unconceal.publish.dataset_tables import build_tables, parquet_name, write_parquet
from unconceal.results.result_tables import load_newest_tables, read_for_ranking

MANIFEST = "manifest.json"


@dataclass(frozen=True)
class Publication:
    """A version's files. ``files``: bytes by path in the dataset."""

    version: str
    files: dict[str, bytes]

    @property
    def manifest(self) -> bytes:
        """The digests of all files, which identify a publication."""
        return self.files[MANIFEST]


def build_publication(root: DataRoot, version: str, name: str) -> Publication:
    """Builds every table, the card, `eval.yaml` and the manifest; the same records give the same bytes.

    Args:
        root: the data root.
        version: the version's tag.
        name: the dataset's name in the card's example.

    Raises:
        CheckFailed: a record is broken or was altered.
    """
    tables = build_tables(root)
    files = {}
    with tempfile.TemporaryDirectory() as folder:
        for config, table in tables.items():
            path = Path(folder) / parquet_name(config)
            write_parquet(table, path)
            files[parquet_name(config)] = path.read_bytes()
    files["README.md"] = card_text(version, tables, root.results.parent, name).encode()
    files["eval.yaml"] = eval_yaml(load_newest_tables(root.result_folders, read_for_ranking)).encode()
    digests = {path: hashlib.sha256(content).hexdigest() for path, content in files.items()}
    return Publication(version, {**files, MANIFEST: manifest_text(version, digests).encode()})


def write_folder(publication: Publication, folder: Path) -> bool:
    """Writes the version to ``<folder>/<version>/``, completely or not at all; False if it exists already.

    Raises:
        CheckFailed: the version exists with other content.
    """
    target = folder / publication.version
    if already_published(publication, target):
        return False
    folder.mkdir(parents=True, exist_ok=True)
    partial = Path(tempfile.mkdtemp(dir=folder, prefix=".part-"))
    try:
        for path, content in publication.files.items():
            (partial / path).parent.mkdir(parents=True, exist_ok=True)
            (partial / path).write_bytes(content)
        partial.chmod(0o755)
        partial.rename(target)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise
    return True


def already_published(publication: Publication, folder: Path) -> bool:
    """Whether a folder holds the version; raises CheckFailed if its content differs."""
    if not folder.exists():
        return False
    manifest = folder / MANIFEST
    if not manifest.is_file() or manifest.read_bytes() != publication.manifest:
        raise different_content(str(folder), publication.version)
    return True


def different_content(value: str, version: str) -> CheckFailed:
    """The error for a version that exists with other content: published versions never change."""
    return CheckFailed(
        "publish.version-exists",
        value,
        f"has {version} already with other content, which may have been cited",
        "choose the next version",
    )
