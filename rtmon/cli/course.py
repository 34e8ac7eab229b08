"""``rtmon course``: show the progress of a class on a live page, and as a table of marks."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from ..core.child_processes import announce
from ..core.clock import SYSTEM_CLOCK
from . import exposure_warnings
from .dashboard import open_browser
from .packaged_files import shipped
from .shared_options import PORT_MAX, Browser, Course

__all__ = ["course"]

course = typer.Typer(name="course", rich_markup_mode=None, no_args_is_help=True)


@course.callback()
def root() -> None:
    """Show the progress of a class, and make a table of marks.

    \b
    Examples:
      rtmon course wall ws://127.0.0.1:8765     (live, of a class server)
      rtmon course grade handed-in/*.jsonl      (from the learners' progress files)
    """


@course.command()
def wall(
    url: Annotated[
        str,
        typer.Argument(envvar="RTMON_CLASS", metavar="URL", help="The class server: rtmon serve."),
    ] = "ws://127.0.0.1:8765",
    *,
    host: Annotated[str, typer.Option(help="Interface to serve the page on.")] = "127.0.0.1",
    port: Annotated[
        int,
        typer.Option(min=0, max=PORT_MAX, metavar="PORT", help="Port of the page; 0: any free."),
    ] = 5007,
    notebooks: Course = None,
    browser: Browser = True,
) -> None:
    """Show the progress of a class live, on a web page.

    The page has one row for each learner and one column for each exercise.

    The class server is a hub: rtmon serve --host 0.0.0.0. On each learner's machine, set
    RTMON_CLASS to the URL of the class server and RTMON_LEARNER to the learner's name. If the
    server requires tokens, set RTMON_CLASS_TOKEN, too. Learners can forge their reports.

    \b
    Examples:
      rtmon course wall
      rtmon course wall ws://teacher.example:8765 --port 8080 --no-browser
    """
    with asyncio.Runner() as runner:
        runner.run(_wall(url, host, port, notebooks or shipped("notebooks"), browser=browser))


async def _wall(url: str, host: str, port: int, notebooks: Path, *, browser: bool) -> None:
    from ..client import connect
    from ..course.class_server_reporter import TOKEN
    from ..course.progress_wall import ProgressBoard, WallServer, follow
    from ..course.syllabus import read_course

    client = connect(url, name="progress wall", token=os.environ.get(TOKEN), start_timeout=None)
    board = ProgressBoard(read_course(notebooks))
    server = {"url": url, "live": False, "since": SYSTEM_CLOCK.time()}
    page = WallServer(lambda: {**board.state(), "server": server}, host, port)

    def tell(*, live: bool) -> Callable[[Any], None]:
        def changed(_: Any) -> None:
            server.update(live=live, since=SYSTEM_CLOCK.time())
            page.changed()

        return changed

    def take(learner: object, report: object, time: float) -> None:
        if board.report(learner, report, time):
            page.changed()

    client.on_open(tell(live=True))
    client.on_reconnect(tell(live=True))
    client.on_close(tell(live=False))
    async with page:
        exposure_warnings.warn(exposure_warnings.open_wall(host, port))
        words = f"The progress wall of {url} is at {page.url}\nCtrl-C ends it."
        if announce(words, url=page.url) and browser:
            open_browser(page.url)
        async with client:
            await follow(client, take)


@course.command()
def grade(
    files: Annotated[
        list[Path],
        typer.Argument(
            metavar="FILE...",
            help="Progress files of learners: *.jsonl.",
            exists=True,
            dir_okay=False,
        ),
    ],
    *,
    notebooks: Course = None,
    csv: Annotated[bool, typer.Option("--csv", help="Print CSV, for a spreadsheet.")] = False,
) -> None:
    """Print a table of marks from progress files.

    The table has one row for each learner and one column for each exercise: the points, `-` if the
    exercise is not solved yet, `.` if it was not tried. An exercise is solved once its check has
    passed. Learners can forge progress files. For marks that count, run the notebooks yourself or
    use nbgrader.

    \b
    Examples:
      rtmon course grade handed-in/*.jsonl
      rtmon course grade handed-in/*.jsonl --csv > marks.csv
    """
    from ..course.marks_table import MarksTable
    from ..course.syllabus import read_course

    marks = MarksTable.read(files, read_course(notebooks or shipped("notebooks")))
    for problem in marks.problems:
        typer.echo(f"rtmon: {problem}", err=True)
    if csv:
        marks.write_csv(sys.stdout)
    else:
        typer.echo(marks.text())
