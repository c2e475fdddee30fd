"""What a sort costs a page, in the time of its own thread: a busy machine makes it wait, but not work more."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import CDPSession, Page

WORK = ("ScriptDuration", "RecalcStyleDuration", "LayoutDuration")
CLICK = "(place) => { document.querySelectorAll('[data-sortable] thead button')[place].click(); document.body.offsetHeight; }"


def sort_time(page: Page, place: int) -> float:
    """Milliseconds of script, style and layout after a click on a column's button."""
    session = page.context.new_cdp_session(page)
    session.send("Performance.enable", {"timeDomain": "threadTicks"})
    before = worked(session)
    page.evaluate(CLICK, place)
    return 1000 * (worked(session) - before)


def worked(session: CDPSession) -> float:
    """Seconds of work so far."""
    return sum(float(one["value"]) for one in session.send("Performance.getMetrics")["metrics"] if one["name"] in WORK)
