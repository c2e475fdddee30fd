"""What a sort costs a page, in the time of its own thread: a busy machine makes it wait, but not work more."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import CDPSession, Page

WORK = ("ScriptDuration", "RecalcStyleDuration", "LayoutDuration")
CLICK = "(column) => { document.querySelectorAll('[data-sortable] thead button')[column].click(); document.body.offsetHeight; }"


def sort_time(page: Page, column: int) -> float:
    """Milliseconds of script, style and layout after a click on a column's button."""
    session = page.context.new_cdp_session(page)
    session.send("Performance.enable", {"timeDomain": "threadTicks"})
    before = work_seconds(session)
    page.evaluate(CLICK, column)
    return 1000 * (work_seconds(session) - before)


def work_seconds(session: CDPSession) -> float:
    """Seconds of work so far."""
    return sum(float(item["value"]) for item in session.send("Performance.getMetrics")["metrics"] if item["name"] in WORK)
