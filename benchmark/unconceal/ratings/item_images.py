"""The images that raters are asked about: tiles of the strips beside records, drawn at random over models, arms and ψ. No torch."""

from __future__ import annotations

import hashlib
import random
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

from PIL import Image

from unconceal.errors import UsageError
from unconceal.leaderboard.sources import Sources
from unconceal.ratings.rating_file import RatedImage, RatingItem
from unconceal.results.result_tables import ResultRow, ResultTable
from unconceal.results.strip_file import Strip, read_strip
from unconceal.specs.record import Curve, Record
from unconceal.specs.submission import is_gold_name
from unconceal.specs.suite import DECIDING_ARMS, Arm
from unconceal.specs.task import UNSAFE_CATEGORIES, Task

Tile = tuple[RatedImage, Image.Image]
ImageSource = Callable[[ResultRow, Task], Iterator[Tile]]


class ShownItem(NamedTuple):
    """An item with its images, and what its page says."""

    item: RatingItem
    images: tuple[Image.Image, ...]
    concept: str
    unsafe: bool


def presence_curve(record: Record, arm: str) -> Curve | None:
    """The concept judge's answers in an arm, or None."""
    curve = record.find_curve("presence", arm)
    return curve if curve and curve.per_prompt else None


def is_ratable(row: ResultRow) -> bool:
    """Whether a record holds judgements of single images: a standard record with one evaluation seed per prompt."""
    evaluation = (row.record.seeds or {}).get("evaluation")
    return row.record.protocol == "standard" and evaluation is not None and evaluation.count == 1


def draw_items(
    tables: Iterable[ResultTable],
    sources: Sources,
    n_items: int,
    pair_fraction: float,
    seed: int,
    images_of: ImageSource | None = None,
) -> list[ShownItem]:
    """Draw items: single images, and pairs of a submission and a gold.

    Args:
        tables: whose records are used.
        sources: tasks behind the records.
        n_items: how many to draw; fewer where the strips hold fewer.
        pair_fraction: which part are pairs.
        seed: of the draw: the same one draws the same items again.
        images_of: the images of a record; by default those of its strip.

    Raises:
        UsageError: no record can be rated.
    """
    rng = random.Random(seed)
    singles, pairs = [], []
    for table in tables:
        task = sources.task(table.suite, table.task)
        if task is None:
            continue
        by_row = {row.record.submission: list((images_of or strip_images)(row, task)) for row in table.rows if is_ratable(row)}
        singles += [shown((image,), task) for images in by_row.values() for image in images]
        golds = [row.record.submission for row in table.golds if row.record.submission in by_row]
        others = [name for name in by_row if not is_gold_name(name)]
        pairs += [shown(both, task) for name in others for gold in golds[:1] for both in matching(by_row[name], by_row[gold])]
    if not singles:
        consequence = "have no images here, or several seeds per prompt, so that no image has a judgement of its own"
        raise UsageError("ratings.no-images", "these records", consequence, "choose other records with --task and --tier")
    n_pairs = round(n_items * pair_fraction)
    drawn = spread(singles, n_items - n_pairs, rng) + spread(pairs, n_pairs, rng)
    rng.shuffle(drawn)
    return drawn


def strip_images(row: ResultRow, task: Task) -> Iterator[Tile]:
    """Every tile of a record's strip that shows one of its images; none of an unsafe category, whose strips are blurred for good."""
    if task.category in UNSAFE_CATEGORIES:
        return
    record, curves = row.record, {arm: presence_curve(row.record, arm) for arm in DECIDING_ARMS}
    first = next((curve for curve in curves.values() if curve), None)
    strip = read_strip(row.strip, len(first.psi)) if first else None
    if strip is None:
        return
    for text, seed in zip(strip.prompts, strip.seeds, strict=True):
        prompt = prompt_index(text, task)
        for arm, curve in curves.items():
            index = strip.row_index(text, seed, arm)
            if curve is None or index is None or prompt is None or prompt >= len(curve.per_prompt):
                continue
            for column, psi in enumerate(curve.psi):
                image = tile(strip, index, column)
                yield rated_image(record, prompt, seed, arm, psi, image), image


def rated_image(record: Record, prompt: int, seed: int, arm: Arm, psi: float, image: Image.Image) -> RatedImage:
    """An image's identity: its record, its place in it, and its pixels."""
    return RatedImage(
        suite=record.suite,
        suite_version=record.suite_version,
        task=record.task,
        submission=record.submission,
        tier=record.tier,
        measured=record.measured_digest,
        prompt=prompt,
        seed=seed,
        arm=arm,
        psi=psi,
        pixels=pixel_digest(image),
    )


def prompt_index(text: str, task: Task) -> int | None:
    """Index of a strip's prompt among the task's forget prompts; None if it is none of them."""
    return next((index for index, prompt in enumerate(task.forget) if prompt.text == text), None)


def tile(strip: Strip, row: int, column: int) -> Image.Image:
    """One image of a strip."""
    edge = strip.tile
    return strip.image.crop((column * edge, row * edge, (column + 1) * edge, (row + 1) * edge))


def pixel_digest(image: Image.Image) -> str:
    """SHA-256 of an image's size and RGB values."""
    return hashlib.sha256(f"{image.width}x{image.height} ".encode() + image.tobytes()).hexdigest()


def matching(images: Sequence[Tile], golds: Sequence[Tile]) -> Iterator[tuple[Tile, Tile]]:
    """Pairs of the same prompt, seed, arm and ψ, where the two images differ."""
    by_place = {place(image): (image, pixels) for image, pixels in golds}
    for image, pixels in images:
        other = by_place.get(place(image))
        if other is not None and other[0].pixels != image.pixels:
            yield (image, pixels), other


def place(image: RatedImage) -> tuple[int, int, str, float]:
    """What the images of a pair share."""
    return image.prompt, image.seed, image.arm, image.psi


def shown(tiles: tuple[Tile, ...], task: Task) -> ShownItem:
    """An item of a task."""
    item = RatingItem(images=tuple(image for image, _ in tiles))
    return ShownItem(item, tuple(pixels for _, pixels in tiles), task.concept, task.category in UNSAFE_CATEGORIES)


def spread(items: Sequence[ShownItem], count: int, rng: random.Random) -> list[ShownItem]:
    """Draw items evenly over submissions, arms and ψ, at random within each."""
    cells: dict[tuple[object, ...], list[ShownItem]] = defaultdict(list)
    for item in items:
        first = item.item.images[0]
        cells[first.task, first.submission, first.arm, first.psi].append(item)
    queues = list(cells.values())
    for queue in queues:
        rng.shuffle(queue)
    drawn: list[ShownItem] = []
    while len(drawn) < count and queues:
        rng.shuffle(queues)
        drawn += [queue.pop() for queue in queues][: count - len(drawn)]
        queues = [queue for queue in queues if queue]
    return drawn
