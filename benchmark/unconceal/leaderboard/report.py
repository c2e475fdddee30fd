"""One self-contained page per submission and task: verdict, pictures, curves, scores and what was measured with."""

from __future__ import annotations

from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined, Template

from unconceal.leaderboard import labels
from unconceal.leaderboard.charts import diffusion_plates, presence_plates
from unconceal.leaderboard.extractor_scores import inseparable
from unconceal.leaderboard.image_rows import columns, picture_blocks
from unconceal.leaderboard.numbers import number
from unconceal.leaderboard.probe_charts import probe_page
from unconceal.leaderboard.score_rows import damage_rows, score_tables
from unconceal.leaderboard.sources import Sources
from unconceal.results.result_tables import ResultRow, ResultTable
from unconceal.specs.suite import Scoring

BLURRED = ("nsfw",)
ORIGINAL = "control-original"


def write_report(board: ResultTable, row: ResultRow, sources: Sources, out: Path) -> Path:
    """Writes the page of one row below `out` and returns its path."""
    path = out / board.suite_id / board.task / f"{row.record.submission}.{board.protocol}-{board.tier}.html"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(page(board, row, sources), encoding="utf-8")
    return path


def page(board: ResultTable, row: ResultRow, sources: Sources) -> str:
    """The HTML of one row. `board` holds the controls it is read against; a gold is read against the other golds."""
    record, golds, original = row.record, _golds(board, row), _original(board, row)
    blocks, missing = picture_blocks(row, golds, original)
    submission, task = sources.submission(row), sources.task(board.suite, board.task)
    scoring, (paper, code) = sources.scoring(board) or Scoring(), sources.links(row)
    unfit = tuple(labels.EXTRACTOR_WORDS.get(name, name) for name in inseparable(record, scoring.separable_auc))
    return _template().render(
        record=record,
        board=board,
        wording=labels,
        number=number,
        golds=golds,
        original=original,
        paper=paper,
        code=code,
        title=submission.title if submission else record.submission,
        description=submission.description if submission else "",
        task_title=task.title if task else board.concept,
        blocks=blocks,
        missing=missing,
        psi=columns(record),
        blurred=board.category in BLURRED,
        presence=tuple(presence_plates(record, golds, original, scoring.excess_psi)),
        diffusion=tuple(diffusion_plates(record, golds, original)),
        inseparable=unfit,
        probed=probe_page(record, row.path.with_suffix(".probes.jpg")),
        tables=score_tables(record, golds, original, scoring.separable_auc),
        damage=damage_rows(record),
    )


def _golds(board: ResultTable, row: ResultRow) -> tuple[ResultRow, ...]:
    return tuple(gold for gold in board.golds if gold.record.submission != row.record.submission)


def _original(board: ResultTable, row: ResultRow) -> ResultRow | None:
    return None if row.record.submission == ORIGINAL else board.find(ORIGINAL)


def _template() -> Template:
    loader = PackageLoader("unconceal.leaderboard")
    environment = Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    return environment.get_template("report.html.j2")
