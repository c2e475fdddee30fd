"""Renders the templates of the site."""

from __future__ import annotations

from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from unconceal.leaderboard import labels
from unconceal.leaderboard.numbers import number
from unconceal.paths import PACKAGE
from unconceal.results.result_tables import ResultTable

ASSETS = PACKAGE / "site" / "assets"
TEMPLATES = Environment(
    loader=PackageLoader("unconceal.site"), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
)


def render(template: str, **values: Any) -> str:
    """One page. ``standalone`` among the values: with its CSS inside, without scripts and without links to other pages."""
    values = {"standalone": False, **values}
    css = Markup((ASSETS / "site.css").read_text(encoding="utf-8")) if values["standalone"] else ""
    return TEMPLATES.get_template(template).render(labels=labels, number=number, task_url=task_url, css=css, **values)


def task_url(table: ResultTable) -> str:
    """A task's page, relative to the site's first page."""
    return f"{table.suite_id}/tasks/{table.category}-{table.concept}.html"
