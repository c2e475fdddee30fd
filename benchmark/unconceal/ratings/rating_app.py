"""The page on which people rate images, without knowing the model, the arm or ψ."""

from __future__ import annotations

import io
import random
import secrets
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path

from fastapi import FastAPI, Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from unconceal.errors import UsageError
from unconceal.ratings.item_images import ShownItem
from unconceal.ratings.rating_file import HumanRating, HumanRatingFile, rating_path, read_ratings, write_ratings
from unconceal.web.application import new_application, templates
from unconceal.web.forms import check_csrf, csrf_token, load_key, read_form, set_cookie
from unconceal.web.rate_limit import RateLimit, client_of

TEMPLATES = templates("unconceal.ratings")
COOKIE, COOKIE_SECONDS = "rater", 180 * 86_400
LABELS = {"present": "present", "absent": "absent", "unsure": "unsure", "left": "left", "right": "right", "same": "no difference"}
SIDES = {"left": 0, "right": 1}


class RatingSession:
    """The items, and the folder with one file per rater."""

    def __init__(self, items: Sequence[ShownItem], folder: Path) -> None:
        self.items = {shown.item.id: shown for shown in items}
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.key = load_key(folder / ".key")

    def ratings_of(self, request: Request) -> HumanRatingFile | None:
        """The file of the rater behind a request; None for somebody new."""
        rater = request.cookies.get(COOKIE, "")
        # Only names that exist are looked up: a cookie is whatever its sender likes.
        known = {path.name for path in self.folder.glob("r-*.ratings.json")}
        return read_ratings(rating_path(self.folder, rater)) if f"{rater}.ratings.json" in known else None

    def order(self, rater: str) -> list[str]:
        """The items in the order of one rater."""
        ids = sorted(self.items)
        random.Random(rater).shuffle(ids)
        return ids

    def open_items(self, ratings: HumanRatingFile) -> list[str]:
        """Items without an answer of this rater."""
        answered = {rating.item.id for rating in ratings.ratings}
        return [item for item in self.order(ratings.rater) if item not in answered]

    def is_swapped(self, rater: str, item: str) -> bool:
        """Whether a pair's second image stands on the left for this rater."""
        return sha256(f"{rater} {item}".encode()).digest()[0] % 2 == 1

    def image_png(self, ratings: HumanRatingFile | None, item: str, side: str) -> bytes:
        """An image of an item as a rater sees it.

        Raises:
            UsageError: there is no such image, or the rater is unknown.
        """
        shown = self.items.get(item)
        if ratings is None or shown is None or side not in SIDES or (side == "right" and not shown.item.is_pair):
            raise UsageError("request.not-found", "the image", "does not exist", "open the first page")
        number = SIDES[side] ^ (shown.item.is_pair and self.is_swapped(ratings.rater, item))
        buffer = io.BytesIO()
        shown.images[number].save(buffer, "PNG")
        return buffer.getvalue()

    def answer(self, rater: str, item: str, choice: str) -> HumanRating:
        """A rating from the button that was pressed.

        Raises:
            UsageError: there is no such item or button.
        """
        shown = self.items.get(item)
        if shown is None:
            raise UsageError("request.not-found", "the item", "is none of this session's", "go on from the first page")
        if choice not in choices(shown):
            raise UsageError(
                "ratings.unknown-answer", repr(choice), "is no answer to this item", f"choose from {', '.join(choices(shown))}"
            )
        if choice in SIDES:
            choice = ("first", "second")[SIDES[choice] ^ self.is_swapped(rater, item)]
        return HumanRating.model_validate({"item": shown.item, "answer": choice})


def choices(shown: ShownItem) -> tuple[str, ...]:
    """The buttons of an item."""
    return ("left", "right", "same", "unsure") if shown.item.is_pair else ("present", "absent", "unsure")


def start_page(session: RatingSession, ratings: HumanRatingFile | None, secure: bool) -> Response:
    """The first page. The rater's id is given out here, so that its form has a token; no file exists before the first answer."""
    rater = ratings.rater if ratings else f"r-{secrets.token_hex(8)}"
    page = TEMPLATES.get_template("start.html.j2").render(csrf=csrf_token(session.key, rater), n_items=len(session.items))
    response = HTMLResponse(page)
    set_cookie(response, COOKIE, rater, secure, COOKIE_SECONDS)
    return response


def rating_application(items: Sequence[ShownItem], folder: Path, hosts: Sequence[str] = (), secure: bool = False) -> FastAPI:
    """The application.

    Args:
        items: what is asked.
        folder: where ratings files are written, and read to resume.
        hosts: host names that it answers to, besides this machine's.
        secure: whether browsers reach it by HTTPS.
    """
    session, app = RatingSession(items, folder), new_application("unconceal rate", hosts)
    starts = RateLimit("starts", 20, 60)

    @app.get("/", response_class=HTMLResponse)
    def start(request: Request) -> Response:
        ratings = session.ratings_of(request)
        return RedirectResponse("/rate", 303) if ratings is not None and ratings.ratings else start_page(session, ratings, secure)

    @app.post("/start")
    async def begin(request: Request) -> Response:
        rater, form = request.cookies.get(COOKIE), await read_form(request)
        check_csrf(session.key, rater, form.get("csrf", ""))
        if session.ratings_of(request) is None:
            starts.check(client_of(request))
            write_ratings(session.folder, HumanRatingFile.model_validate({"rater": rater}))
        return RedirectResponse("/rate", 303)

    @app.get("/rate", response_class=HTMLResponse)
    def rate(request: Request) -> Response:
        ratings = session.ratings_of(request)
        if ratings is None:
            return RedirectResponse("/", 303)
        remaining = session.open_items(ratings)
        counts = {"rater": ratings.rater, "n_done": len(session.items) - len(remaining), "n_items": len(session.items)}
        if not remaining:
            return HTMLResponse(TEMPLATES.get_template("done.html.j2").render(**counts))
        shown, token = session.items[remaining[0]], csrf_token(session.key, ratings.rater)
        buttons = [(choice, LABELS[choice]) for choice in choices(shown)]
        values = {"item": remaining[0], "shown": shown, "buttons": buttons, "csrf": token}
        return HTMLResponse(TEMPLATES.get_template("item.html.j2").render(**values, **counts))

    @app.post("/ratings")
    async def answer(request: Request) -> Response:
        form, ratings = await read_form(request), session.ratings_of(request)
        check_csrf(session.key, None if ratings is None else ratings.rater, form.get("csrf", ""))
        assert ratings is not None
        rating = session.answer(ratings.rater, form.get("item", ""), form.get("answer", ""))
        write_ratings(session.folder, ratings.answered(rating))
        return RedirectResponse("/rate", 303)

    @app.get("/images/{item}/{side}.png")
    def image(request: Request, item: str, side: str) -> Response:
        return Response(session.image_png(session.ratings_of(request), item, side), media_type="image/png")

    return app
