"""The Optuna dashboard over our storage: hides its server, which listens on loopback alone."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from socketserver import ThreadingMixIn
from types import FrameType
from typing import TYPE_CHECKING, Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

import click

from tuner.cli import options, service
from tuner.cli.terminal import note, say
from tuner.errors import InputError

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

LOOPBACK = "127.0.0.1"
_LOCAL_NAMES = frozenset({"127.0.0.1", "localhost"})


@click.command()
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=0,
    metavar="N",
    help="Port on 127.0.0.1 [a free one].",
)
@click.option("--artifacts", metavar="DIR", help=options.SPEC_OPTIONS["artifacts"][1])
@click.option(
    "--notes/--no-notes", "writes_notes", default=True, help="Write notes and figures first."
)
@options.storage
def dashboard(port: int, artifacts: str | None, writes_notes: bool, storage: str | None) -> int:
    """Serve the Optuna dashboard on this machine until Ctrl-C.

    Studies that nobody runs get a note and figures first; what a person wrote stays.
    """
    with _listening(port) as server:
        if writes_notes:
            note("notes and figures of studies come first; --no-notes leaves them out")
        with service.dashboard(storage, artifacts, writes_notes=writes_notes) as application:
            server.set_app(only_local(application))
            return _serve(server)


class LocalServer(ThreadingMixIn, WSGIServer):
    """A server whose requests never keep the process alive."""

    daemon_threads = True
    allow_reuse_address = True


class QuietHandler(WSGIRequestHandler):
    """Answers requests without a line in the log for each."""

    def log_message(self, format: str, *args: Any) -> None:
        """Says nothing."""


def only_local(application: WSGIApplication) -> WSGIApplication:
    """`application`, refusing requests for any other host.

    A page elsewhere could otherwise point its own name at 127.0.0.1 and read or delete studies
    through the visitor's browser.
    """

    def guarded(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if environ.get("HTTP_HOST", "").split(":")[0] in _LOCAL_NAMES:
            return application(environ, start_response)
        start_response("403 Forbidden", [("Content-Type", "text/plain")])
        return [b"This dashboard answers to 127.0.0.1 and localhost only.\n"]

    return guarded


@contextmanager
def _listening(port: int) -> Iterator[WSGIServer]:
    """A server that has the port and answers nobody yet."""
    try:
        server = LocalServer((LOOPBACK, port), QuietHandler)
    except OSError as error:
        raise InputError(
            f"--port: {port} cannot be used ({error.strerror}); without --port a free one is taken"
        ) from error
    with server:
        yield server


def _serve(server: WSGIServer) -> int:
    """Says where it serves and does so until Ctrl-C, which is its ordinary end."""
    previous = signal.signal(signal.SIGTERM, _leave)
    try:
        note("Ctrl-C ends the dashboard")
        say(f"http://{LOOPBACK}:{server.server_port}/")
        sys.stdout.flush()
        server.serve_forever()
    except KeyboardInterrupt:
        return 0
    finally:
        signal.signal(signal.SIGTERM, previous)
    return 0


def _leave(_number: int, _frame: FrameType | None) -> None:
    sys.exit(143)
