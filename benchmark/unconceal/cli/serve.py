"""``unconceal serve``: the submission service."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from unconceal.cli.options import root_option

DATA = click.option(
    "--data",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("service"),
    show_default=True,
    help="Folder of the service: accounts, queue, files of jobs.",
)


@click.group()
def command() -> None:
    """Let authors submit checkpoints on the Hub; one worker evaluates them in turn.

    \b
    Example:  unconceal serve start --data service
    """


@command.command()
@DATA
@click.option("--store", type=click.Path(file_okay=False, path_type=Path), help="Folder of the image store.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", type=click.IntRange(1, 65535), default=8760, show_default=True, help="Port to listen on.")
@click.option("--host-name", "hosts", multiple=True, help="Name by which browsers reach this machine; repeatable.")
@click.option("--https", is_flag=True, help="Browsers reach it by HTTPS, through a proxy: cookies are then sent by HTTPS only.")
@click.option("--trusted-proxies", help="Addresses of proxies that state a client's address, separated by commas; * for any.")
@click.option("--max-gigabytes", type=click.FloatRange(0, min_open=True), default=16.0, show_default=True, help="Of one checkpoint.")
@click.option("--max-open", type=click.IntRange(1), default=4, show_default=True, help="Queued and running jobs of one account.")
@click.option("--max-queue", type=click.IntRange(1), default=100, show_default=True, help="Queued and running jobs of all accounts.")
@click.option("--threads", type=click.IntRange(1), help="CPU threads of the worker; default: all cores.")
@click.option("--batch-size", type=click.IntRange(1), default=128, show_default=True, help="Forward passes per denoiser call.")
@click.option("--device", default="auto", show_default=True, help="auto, cpu or cuda.")
@click.option("--dtype", type=click.Choice(["float32", "bfloat16", "float16"]), default="float32", show_default=True)
@root_option
def start(
    host: str,
    port: int,
    hosts: tuple[str, ...],
    https: bool,
    trusted_proxies: str | None,
    **settings: Any,
) -> None:
    """Serve pages and API, and evaluate queued jobs. After any stop the same command goes on; no job is lost.

    \b
    Example:  unconceal serve start --data service --port 8760
    """
    from unconceal.service.service_app import service_application
    from unconceal.service.service_config import ServiceConfig
    from unconceal.web.application import run_server

    config = ServiceConfig(**settings)
    click.echo(f"Open http://{host}:{port}/ ; `unconceal serve token NAME --data {config.data}` lets somebody in. Ctrl-C ends it.")
    run_server(service_application(config, hosts, https), host, port, trusted_proxies)


@command.command()
@click.argument("name")
@DATA
def token(name: str, data: Path) -> None:
    """Print a token for an author. It is shown once and only its hash is stored; an earlier one becomes invalid.

    \b
    Example:  unconceal serve token jane --data service
    """
    from unconceal.service.accounts import Accounts
    from unconceal.service.database import Database

    click.echo(Accounts(Database(data)).issue_token(name))


@command.command()
@click.argument("name")
@DATA
def revoke(name: str, data: Path) -> None:
    """End an author's token and browser sessions; the author's jobs stay.

    \b
    Example:  unconceal serve revoke jane --data service
    """
    from unconceal.service.accounts import Accounts
    from unconceal.service.database import Database

    Accounts(Database(data)).revoke(name)
    click.echo(f"{name}: revoked")
