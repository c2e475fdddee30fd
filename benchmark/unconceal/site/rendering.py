"""Renders the templates of the site."""

from __future__ import annotations

from typing import Any, NamedTuple

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from unconceal import __version__
from unconceal.exports.bibtex import citation_fields
from unconceal.leaderboard import labels
from unconceal.leaderboard.numbers import number, with_interval
from unconceal.leaderboard.sources import Sources
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
    return TEMPLATES.get_template(template).render(
        labels=labels, number=number, with_interval=with_interval, task_url=task_url, css=css, **values
    )


def suite_folder(table: ResultTable) -> str:
    """The folder of a suite version and protocol."""
    return table.suite_id if table.protocol == "standard" else f"{table.suite_id}-{table.protocol}"


def task_url(table: ResultTable) -> str:
    """A task's page, relative to the site's first page."""
    return f"{suite_folder(table)}/tasks/{table.category}-{table.concept}.html"


class SiteFacts(NamedTuple):
    """What the footer says: version of the package, license of the results, address of the project."""

    version: str
    license: str
    url: str


def site_facts(sources: Sources) -> SiteFacts:
    """From CITATION.cff; empty where it says nothing."""
    citation = citation_fields(sources.root.tasks.parent)
    return SiteFacts(str(citation.get("version", __version__)), str(citation.get("license", "")), sources.site or "")
