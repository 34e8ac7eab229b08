"""``rtmon load``: put any WebSocket server under the load of simulated users."""

from __future__ import annotations

import asyncio
import contextlib
import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..core.child_processes import announce
from ..errors import OptionError, RtmonError
from .shared_options import (
    Duration,
    Redact,
    TokenFile,
    Users,
    admin_token,
    redaction,
    refuse_idle,
)

if TYPE_CHECKING:
    from ..lab.load import Load, LoadOptions, LoadReport
    from .server_metrics_reader import ServerWatch, WatchedServer

__all__ = ["load"]

FAILURES = 3
"""Number of failed attempts to connect, without a success, after which the command fails."""

LOOK = 0.05
"""Seconds between two checks whether the first user has connected."""

SHOW = 0.25
"""Seconds between two updates of the progress bar."""

SETTLE = 1.0
"""Seconds to wait for messages in flight and close handshakes when the load stops."""

SILENCE = 3.0
"""Seconds without any connection after which the command says that the server does not answer."""

SPARE = 100
"""File descriptors that the process needs in addition to one for each user."""


@dataclass(frozen=True, slots=True)
class _Outcome:
    """The results of a run.

    Attributes:
        report: the counts of the simulated users.
        server: the server's measurements; None if no admin address was given.
        to_person: True to print for a person, False to print for a parent process.
    """

    report: LoadReport
    server: WatchedServer | None
    to_person: bool


def load(
    context: typer.Context,
    url: Annotated[str, typer.Argument(metavar="URL", help="A WebSocket server: ws://HOST:PORT.")],
    *,
    users: Users = 20,
    rate: Annotated[
        float, typer.Option(min=0.0, metavar="N", help="Messages that each user sends in a second.")
    ] = 1.0,
    rate_to: Annotated[
        float | None,
        typer.Option(min=0.0, metavar="N", help="Rate at the end of --duration; changes evenly."),
    ] = None,
    closed: Annotated[
        bool,
        typer.Option(
            "--closed", help="Each user waits for its answer before the next message (closed loop)."
        ),
    ] = False,
    duration: Duration = None,
    ramp: Annotated[
        float,
        typer.Option(min=0.0, metavar="SECONDS", help="Time over which users connect; 0: at once."),
    ] = 2.0,
    storm: Annotated[
        float | None,
        typer.Option(min=0.1, metavar="SECONDS", help="Interval at which all users reconnect."),
    ] = None,
    churn: Annotated[
        float,
        typer.Option(min=0.0, max=1.0, metavar="SHARE", help="Share that leaves and returns."),
    ] = 0.25,
    size: Annotated[
        int, typer.Option(min=1, max=10_000, metavar="N", help="Characters of a typical message.")
    ] = 60,
    mix: Annotated[
        str,
        typer.Option(
            metavar="KIND=SHARE,…",
            help="Kinds of messages: chat, room, publish for a hub; text, binary for any server.",
        ),
    ] = "chat=1",
    group: Annotated[
        int, typer.Option(min=1, metavar="N", help="Users in one room or channel of the mix.")
    ] = 10,
    compression: Annotated[
        bool, typer.Option("--compression/--no-compression", help="Offer permessage-deflate.")
    ] = True,
    seed: Annotated[int, typer.Option(metavar="N", help="Seed of the users' random numbers.")] = 1,
    admin: Annotated[
        str | None,
        typer.Option(
            metavar="URL", help="Admin address of the server, to report its numbers, too."
        ),
    ] = None,
    token_file: TokenFile = None,
    report: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write a page with charts (HTML).")
    ] = None,
    csv: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Write the numbers as CSV files.")
    ] = None,
    redact: Redact = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
) -> None:
    """Simulate users, and measure how long answers take.

    Each user sends messages on a schedule that does not wait for slow answers (open loop). A hub or
    an echo server sends each message back to its sender. Latency is the time from when a message
    was due until it came back. After --duration or Ctrl-C, the command prints the requested and the
    achieved load.

    \b
    Examples:
      rtmon load ws://127.0.0.1:8765
      rtmon load ws://127.0.0.1:8765 --users 200 --rate 5 --duration 30
      rtmon load ws://127.0.0.1:8765 --admin ws://127.0.0.1:8766 --report run.html
      rtmon load ws://127.0.0.1:8765 --mix room=9,chat=1 --group 25 --closed
      rtmon load wss://example.org/echo --mix text=1 --rate-to 20 --duration 60 --csv run
      rtmon load ws://127.0.0.1:8765 --users 1000 --storm 10 --churn 0
      rtmon load ws://127.0.0.1:8765 --duration 10 --json > report.json
    """
    from ..lab.load import LoadOptions
    from . import load_results
    from .server_metrics_reader import ServerWatch

    if not url.startswith(("ws://", "wss://")):
        raise typer.BadParameter(f"{url!r} does not begin with ws:// or wss://", param_hint="'URL'")
    if report is not None and not report.parent.is_dir():
        raise typer.BadParameter(
            f"there is no folder {str(report.parent)!r}", param_hint="'--report'"
        )
    if report is not None and report.is_dir():
        raise typer.BadParameter(f"{str(report)!r} is a folder", param_hint="'--report'")
    options = LoadOptions(
        users=users,
        rate=rate,
        rate_to=rate_to,
        loop="closed" if closed else "open",
        duration=duration,
        ramp=ramp,
        storm=storm,
        size=size,
        mix=_mix(mix),
        group=group,
        churn=churn,
        compression=compression,
        seed=seed,
    )
    _all_matter(context, options)
    if admin is None:
        idle = ("redact", "token_file")
        refuse_idle(context, *idle, because="without --admin", beside="admin")
    redacted = redaction(redact)
    _room_for(users)
    if csv is not None and csv.exists() and not csv.is_dir():
        raise typer.BadParameter(f"{str(csv)!r} is a file", param_hint="'--csv'")
    if csv is not None:
        csv.mkdir(parents=True, exist_ok=True)  # fail now, and not after the load has run
    watching = None if admin is None else ServerWatch(admin, token=admin_token(token_file))
    outcome = asyncio.run(_run(url, options, watching=watching, quietly=as_json))
    # The results are printed before files are written, because the disk may be full.
    if outcome.to_person:
        shown = json.dumps(outcome.report.as_dict()) if as_json else None
        typer.echo(shown or load_results.table(outcome.report, options, outcome.server))
    if csv is not None:
        written = load_results.write_csv(csv, outcome.report, outcome.server, redacted)
        _say(outcome, as_json, f"wrote {', '.join(str(path) for path in written)}")
    if report is not None:
        load_results.write_page(report, outcome.report, options, outcome.server, redaction=redacted)
        _say(outcome, as_json, f"wrote {report}")


def _say(outcome: _Outcome, as_json: bool, text: str) -> None:  # noqa: FBT001 - an option's value
    if outcome.to_person and not as_json:
        typer.echo(text)


def _mix(text: str) -> Any:
    """Parse ``room=9,chat=1`` into kinds of messages and their relative frequencies.

    Raises:
        BadParameter: the text is malformed.
    """
    try:
        return {
            kind.strip(): float(share or 1)
            for kind, _, share in (part.partition("=") for part in text.split(","))
        }
    except ValueError:
        raise typer.BadParameter(
            f"{text!r} is not like chat=3,room=1", param_hint="'--mix'"
        ) from None


def _all_matter(context: typer.Context, options: LoadOptions) -> None:
    """Check that every option in the command line has an effect.

    Raises:
        BadParameter: an option has no effect together with the other options.
    """
    if not {"room", "publish"} & options.mix.keys():
        refuse_idle(context, "group", because="without room or publish in --mix")
    if not (options.rate or options.rate_to):
        refuse_idle(context, "size", "closed", because="at a rate of 0: nobody says anything")
    if (options.storm or 0.0) >= (options.duration or math.inf):
        refuse_idle(context, "storm", because="when --duration is over before the first one")


def _room_for(users: int) -> None:
    """Raise this process's limit of open files to the number of users.

    Raises:
        OptionError: the system's hard limit is lower.
    """
    try:
        import resource
    except ImportError:  # not on Windows, which has no such limit
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    need = users + SPARE
    if hard != resource.RLIM_INFINITY and hard < need:
        raise OptionError(
            f"{users} users need {need} open files, and the system allows {hard}: "
            "raise it (ulimit -Hn) or start fewer users"
        )
    if soft != resource.RLIM_INFINITY and soft < need:
        resource.setrlimit(resource.RLIMIT_NOFILE, (need, hard))


async def _run(
    url: str, options: LoadOptions, *, watching: ServerWatch | None, quietly: bool
) -> _Outcome:
    """Run the simulated users, and return their counts and those of the server."""
    from ..lab.load import Load

    async with contextlib.AsyncExitStack() as stack:
        if watching is not None:
            stack.push_async_callback(watching.close)
            await watching.start()
        async with Load(url, options) as load:
            interrupted = False
            await _connected(load)
            text = "" if quietly else f"{options.users} users at {url}. Ctrl-C stops them."
            to_person = announce(text, url=url, users=options.users)
            try:
                await _wait(load, shown=to_person)
                await load.quiet()
            except asyncio.CancelledError:
                task = asyncio.current_task()
                if task is None or task.uncancel():
                    raise
                interrupted = True
                await load.quiet(within=SETTLE)
                await load.close(within=SETTLE)
        server = None
        if watching is not None:
            server = await watching.look(soon=interrupted)
        return _Outcome(load.report(), server, to_person)


async def _connected(load: Load) -> None:
    """Wait until the first user has connected.

    Raises:
        RtmonError: the server does not answer.
    """
    clock = asyncio.get_running_loop().time
    tell_at = clock() + SILENCE
    while not load.tally.connected:
        if load.tally.failed >= FAILURES:
            raise RtmonError(
                f"no user can connect to {load.url}: does a WebSocket server listen? "
                f"The last attempt: {load.tally.problem}"
            )
        if clock() >= tell_at:
            tell_at = math.inf
            typer.echo(f"rtmon: no answer from {load.url} yet; Ctrl-C gives up", err=True)
        await asyncio.sleep(LOOK)


async def _wait(load: Load, *, shown: bool) -> None:
    """Wait for the duration, with a progress bar on a terminal.

    Args:
        load: the running load.
        shown: False if a parent process uses the terminal.
    """
    from .progress_bar import progress

    loop = asyncio.get_running_loop()
    duration = load.options.duration
    ends = float("inf") if duration is None else loop.time() + duration
    with progress(load, shown=shown) as show:
        while (left := ends - loop.time()) > 0:
            await asyncio.sleep(min(SHOW, left))
            show()
