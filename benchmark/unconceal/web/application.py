"""A FastAPI application with limits, security headers and one-line errors."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.staticfiles import StaticFiles

from unconceal.errors import EnvironmentFault
from unconceal.web.boundary import Boundary
from unconceal.web.error_responses import handle_errors

ASSETS = Path(__file__).parent / "assets"
LOCAL_HOSTS = ("localhost", "127.0.0.1", "[::1]")


def new_application(title: str, hosts: Sequence[str], lifespan: Any = None) -> FastAPI:
    """An application whose requests are bounded, and whose every failure is one line.

    Args:
        title: of the application.
        hosts: host names that it answers to, besides those of this machine. Others are refused: a page elsewhere could point its own
            name at this machine and read the answers.
        lifespan: what runs while it runs.
    """
    # The pages of FastAPI's documentation load scripts from elsewhere.
    app = FastAPI(title=title, docs_url=None, redoc_url=None, openapi_url="/api/openapi.json", lifespan=lifespan)
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=[*LOCAL_HOSTS, *hosts], www_redirect=False)
    app.add_middleware(Boundary)  # the last one is the outermost
    app.mount("/assets", StaticFiles(directory=ASSETS), name="assets")
    handle_errors(app)
    return app


def templates(package: str) -> Environment:
    """The templates of a room, which extend those of this one."""
    loader = ChoiceLoader([PackageLoader(package), PackageLoader("unconceal.web")])
    return Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)


def run_server(app: FastAPI, host: str, port: int, trusted_proxies: str | None = None) -> None:
    """Serve until interrupted.

    Args:
        app: the application.
        host: address to listen on.
        port: port to listen on.
        trusted_proxies: addresses of proxies whose statement of a client's address is believed.

    Raises:
        EnvironmentFault: the address is in use or may not be used.
    """
    import socket

    import uvicorn

    try:
        with socket.create_server((host, port)):
            pass
    except OSError as error:
        consequence = f"cannot be listened on ({error.strerror})"
        raise EnvironmentFault("server.address", f"{host}:{port}", consequence, "choose another --port or --host") from error
    proxies: dict[str, Any] = {"proxy_headers": trusted_proxies is not None, "forwarded_allow_ips": trusted_proxies}
    limits: dict[str, Any] = {"limit_concurrency": 64, "timeout_keep_alive": 5, "h11_max_incomplete_event_size": 16_384}
    uvicorn.run(app, host=host, port=port, log_level="warning", server_header=False, **proxies, **limits)
