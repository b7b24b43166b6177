"""A model over HTTP."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from headstart.cli.app import Run, app, say
from headstart.errors import MissingPackageError

_NEEDED = ("fastapi", "uvicorn", "httptools", "prometheus_client", "python_multipart")


@app.command(epilog="Example: headstart serve runs/photos --port 8000")
def serve(
    run: Run,
    port: Annotated[int, typer.Option(help="Port to listen at; 0 takes a free one.")] = 8000,
    host: Annotated[
        str, typer.Option(help="Address to listen at; one that other machines reach needs --token-file.")
    ] = "127.0.0.1",
    token_file: Annotated[
        Path | None, typer.Option(help="A file whose only line is the token that requests must show.")
    ] = None,
    workers: Annotated[int | None, typer.Option(help="Processes that decode pictures; one a core by default.")] = None,
) -> None:
    """Answer pictures over HTTP, and on a page to drop them on, until SIGTERM or Ctrl-C.

    A new model in the run folder is taken without a lost request. Needs: pip install "headstart[serve]"
    """
    for module in _NEEDED:
        if find_spec(module) is None:
            raise MissingPackageError(module, "headstart serve", 'pip install "headstart[serve]"')
    from headstart.web.server import serve as serve_run
    from headstart.workflows.serve import ServeOptions, read_token

    token = read_token(token_file) if token_file else None
    options = ServeOptions(host=host, port=port, token=token, workers=workers)
    serve_run(run, options, tell=lambda address: say(f"listening on {address}; Ctrl-C stops"))
