"""The command ``rtmon`` with its subcommands ``demo``, ``serve`` and so on.

A command prints a problem as one sentence on standard error. Exit codes: 0 for success, also when
Ctrl-C or SIGTERM ended the command; 1 if the command failed while it ran; 2 if it could not start
(invalid option, port in use, missing extra); 3 if `rtmon diff` found a value that is worse.
"""

from __future__ import annotations

import io
import signal
import sys
from collections.abc import Sequence
from typing import Annotated, Any

import typer

from ..core import child_processes as processes
from ..errors import MissingExtra, OptionError, PortInUse, RtmonError
from .course import course
from .dashboard import dashboard
from .demo import demo
from .diff import WORSE, diff
from .export import export
from .load import load
from .notebooks import notebooks
from .protocol import protocol
from .record import record
from .serve import serve
from .top import top

__all__ = ["app", "main"]

# Typer does not export the base class of its usage errors.
UsageError: Any = typer.BadParameter.__bases__[0]

app = typer.Typer(
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
for command in (demo, serve, dashboard, top, record, export, diff, load, protocol, notebooks):
    app.command()(command)
app.add_typer(course)


@app.callback(invoke_without_command=True)
def root(
    context: typer.Context,
    *,
    version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False,
) -> None:
    """See your WebSockets: a live dashboard for Python WebSocket servers.

    \b
    rtmon demo                          a server, simulated users and the dashboard
    rtmon dashboard ws://HOST:8766      the dashboard of your server
    rtmon top ws://HOST:8766            the same in a terminal
    rtmon record ws://HOST:8766 FILE    record all measurements in one file
    rtmon COMMAND --help                examples of each command
    """
    if version:
        from .. import __version__

        typer.echo(f"rtmon {__version__}")
    elif context.invoked_subcommand is None:
        typer.echo(context.get_help())


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command.

    Args:
        arguments: the arguments after ``rtmon``; by default those of this process.

    Returns:
        The exit code.
    """
    _replace_what_cannot_be_printed()
    # Handle SIGTERM as asyncio and Tornado handle Ctrl-C. A shell may start a background process
    # with SIGINT ignored, so SIGINT is set, too.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, _end)
    try:
        processes.end_with_parent()
        outcome = app(arguments, prog_name="rtmon", standalone_mode=False)
    except KeyboardInterrupt:
        return 0
    except UsageError as error:
        path = error.ctx.command_path if error.ctx else "rtmon"
        return _problem(f"{error.format_message().rstrip('.')}. See: {path} --help", 2)
    except processes.ChildEnded as error:
        # With exit code 2, the message says how to correct the command.
        return 2 if error.code == 2 else _problem(f"{error}, so everything was stopped", 1)
    except (OptionError, MissingExtra, PortInUse) as error:
        return _problem(getattr(error, "strerror", None) or str(error), 2)
    except (RtmonError, OSError) as error:
        return _problem(str(error), 1)
    return WORSE if outcome == WORSE else 0  # Typer returns exit code 130 after Ctrl-C


def _replace_what_cannot_be_printed() -> None:
    """Print ``?`` for characters that the terminal's encoding lacks, and raise no exception."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


def _end(*_: object) -> None:
    # Handle the signal only once. A child process may get it twice: from the parent process, and
    # again when it detects that the parent has ended.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.raise_signal(signal.SIGINT)


def _problem(sentence: str, code: int) -> int:
    typer.echo(f"rtmon: {' '.join(sentence.split())}", file=sys.stderr)
    return code
