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
_UPLOADED = "/artifacts/"
_INERT = (
    ("Content-Disposition", "attachment"),
    ("X-Content-Type-Options", "nosniff"),
    ("Content-Security-Policy", "sandbox; default-src 'none'"),
)


@click.command()
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=0,
    metavar="N",
    help="Port on 127.0.0.1 [a free one].",
)
@click.option("--artifacts", metavar="DIR", help=options.SPEC_OPTIONS["artifacts"][1])
@click.option("--notes/--no-notes", "writes_notes", default=True, help="Write notes and figures.")
@options.storage
def dashboard(port: int, artifacts: str | None, writes_notes: bool, storage: str | None) -> int:
    """Serve the Optuna dashboard on this machine until Ctrl-C.

    Studies that nobody runs get a note and figures meanwhile; what a person wrote stays.
    """
    with _listening(port) as server:
        if writes_notes:
            note("studies get notes and figures meanwhile; --no-notes leaves them out")
        with service.dashboard(storage, artifacts, writes_notes=writes_notes) as application:
            server.set_app(served(application))
            return _serve(server)


class LocalServer(ThreadingMixIn, WSGIServer):
    """A server whose requests never keep the process alive."""

    daemon_threads = True
    allow_reuse_address = True


class QuietHandler(WSGIRequestHandler):
    """Answers requests without a line in the log for each."""

    def log_message(self, format: str, *args: Any) -> None:
        """Says nothing."""


def served(application: WSGIApplication) -> WSGIApplication:
    """`application` for pages of this machine alone, none of which is an uploaded file."""
    return only_local(as_attachments(application))


def only_local(application: WSGIApplication) -> WSGIApplication:
    """`application`, refusing requests for any other host, and from pages of any other.

    A page elsewhere could otherwise read or delete studies through the visitor's browser: by
    pointing its own name at 127.0.0.1, or by sending requests there.
    """

    def guarded(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        host = environ.get("HTTP_HOST", "")
        origin = environ.get("HTTP_ORIGIN", f"http://{host}")
        if host.split(":")[0] in _LOCAL_NAMES and origin == f"http://{host}":
            return application(environ, start_response)
        start_response("403 Forbidden", [("Content-Type", "text/plain")])
        return [b"This dashboard answers to 127.0.0.1 and localhost only.\n"]

    return guarded


def as_attachments(application: WSGIApplication) -> WSGIApplication:
    """`application`, whose uploaded files are saved by a browser and never opened as pages.

    Whoever uploads a file says of what kind it is, and a page would act in the dashboard's name.
    Pictures in the dashboard's own pages are shown all the same.
    """

    def wrapped(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if not environ.get("PATH_INFO", "").startswith(_UPLOADED):
            return application(environ, start_response)

        def start(status: str, headers: list[tuple[str, str]], *rest: Any) -> Any:
            kept = [pair for pair in headers if pair[0].lower() != "access-control-allow-origin"]
            return start_response(status, [*kept, *_INERT], *rest)

        return application(environ, start)

    return wrapped


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
