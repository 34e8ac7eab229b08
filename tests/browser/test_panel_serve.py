"""The dashboard under ``panel serve``: several processes, a login, a URL prefix, a reverse
proxy.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import shutil
import signal
import sys
from collections.abc import AsyncIterator, Callable
from http.cookiejar import CookieJar
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import HTTPCookieProcessor, Request, build_opener, urlopen

import pytest
import pytest_asyncio
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from .conftest import ROOT, Open, Tab, panel_serve, until
from .test_liveness import forgive

pytestmark = pytest.mark.asyncio(loop_scope="module")

PASSWORD = "correct horse"  # noqa: S105 - password of the test's own dashboard
LOGIN = ("--basic-auth", PASSWORD, "--cookie-secret", "0123456789abcdef")
SEVERAL = ("--num-procs", "2")

GUARD = """
import panel as pn

pn.config.authorize_callback = lambda info, path: (info or {}).get("user") == "ada"
"""

NGINX = """
daemon off;
master_process off;
pid %(folder)s/nginx.pid;
events {}
http {
  access_log off;
  %(places)s
  server {
    listen 127.0.0.1:%(port)d;
    location /monitor/ {
      proxy_pass %(url)s;
      proxy_redirect / /monitor/;
      proxy_http_version 1.1;
      proxy_set_header Host $http_host;
      proxy_set_header Upgrade $http_upgrade;
      proxy_set_header Connection "upgrade";
    }
  }
}
"""
"""The part of nginx.conf that docs/dashboard.md shows, within a complete configuration file."""


def channel_of(url: str) -> str:
    """Return the WebSocket URL of a dashboard page."""
    return re.sub(r"^http(.*/)\w+$", r"ws\1rtmon/channel", url)


async def status_of_channel(url: str, **headers: str) -> int:
    """Return the HTTP status of a WebSocket handshake with the page's server; 101 if accepted."""
    try:
        async with connect(channel_of(url), additional_headers=headers):
            return 101
    except InvalidStatus as refused:
        return refused.response.status_code


async def status_of_download(url: str, **headers: str) -> int:
    """Return the HTTP status of a request for a table as a file."""
    address = re.sub(r"\w+$", "rtmon/download", url)
    origin = "/".join(url.split("/")[:3])
    body = json.dumps({"table": "connections"}).encode()
    # The dashboard on this machine.
    request = Request(address, body, {"Origin": origin, **headers})  # noqa: S310

    def ask() -> int:
        try:
            with urlopen(request) as answer:  # noqa: S310
                return int(answer.status)
        except HTTPError as refused:
            with refused:
                return refused.code

    return await asyncio.to_thread(ask)


@pytest_asyncio.fixture(loop_scope="module", autouse=True)
async def connection(server: dict[str, Any]) -> AsyncIterator[None]:
    """Keep a connection to the server open: an empty table has no buttons that save the table."""
    async with connect(server["url"]):
        yield


async def log_in(tab: Tab, user: str) -> None:
    """Fill in Panel's login form and submit it."""
    await tab.page.locator("[name=username]").fill(user)
    await tab.page.locator("[name=password]").fill(PASSWORD)
    await tab.page.get_by_role("button", name="Login").click()
    await tab.page.wait_for_url(re.compile("/live"))
    tab.outside.clear()  # Panel's own login page requests a style sheet from a CDN


async def works(tab: Tab) -> None:
    """Check that a dashboard page is live, and that its links, its download and a reload work."""
    await tab.live()
    await tab.go("Connections")
    await tab.page.locator("h2 small", has_text=re.compile(r"\d")).wait_for()
    save = tab.page.get_by_role("button", name="Save all rows as CSV")
    name, text = await tab.download(save)
    assert name.startswith("rtmon-")
    assert text.startswith("name,user,transport,")
    await tab.page.reload()
    await tab.live()
    assert "page=connections" in tab.page.url
    forgive(tab)  # one of the processes may refuse the page's first attempt


async def test_page_works_with_login_and_prefix_in_two_processes(
    open_tab: Open, server: dict[str, Any]
) -> None:
    """Dashboard page served by two processes below a URL prefix works after the user has logged in;
    WebSocket and downloads are refused without a login.
    """
    async with panel_serve(server["admin"], *SEVERAL, "--prefix", "/ops", *LOGIN) as url:
        assert url.endswith("/ops/live")
        tab = await open_tab(f"{url}?page=overview")
        await log_in(tab, "ada")
        await works(tab)
        for _ in range(6):  # A process that has not shown a page yet answers 404.
            assert await status_of_channel(url) in {403, 404}
            assert await status_of_download(url) in {403, 404}
        await tab.page.close()


@pytest.mark.matrix
async def test_pages_of_two_processes_show_the_same_server(
    open_tab: Open, server: dict[str, Any]
) -> None:
    """Each of six tabs shows the server that RTMON_URL names when two processes serve the
    dashboard.
    """
    async with panel_serve(server["admin"], *SEVERAL) as url:
        for _ in range(6):
            tab = await open_tab(url)
            await works(tab)
            assert server["admin"].split("/")[2] in await tab.text(".about")
            await tab.page.close()


@pytest.mark.matrix
async def test_two_dashboard_processes_share_one_demo_when_no_server_is_given(
    open_tab: Open,
) -> None:
    """Two dashboard processes show one demo server and say that its users are simulated when
    RTMON_URL is not set.
    """
    async with panel_serve(None, *SEVERAL) as url:
        about = set()
        for _ in range(6):
            tab = await open_tab(url)
            await works(tab)
            about.add(await tab.text(".about"))
            assert "simulated users" in await tab.text(".notice")
            await tab.page.close()
        assert len(about) == 1, about


@pytest.mark.matrix
async def test_dashboard_processes_and_their_demo_end_when_panel_serve_ends() -> None:
    """Dashboard processes and their demo server end when their parent process, ``panel serve``,
    receives SIGTERM.
    """
    environment = {name: value for name, value in os.environ.items() if name != "RTMON_URL"}
    parent = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "panel", "serve", str(ROOT / "dashboards" / "live.py")),
        *("--port", "0", "--address", "127.0.0.1", *SEVERAL),
        env=environment,
        stderr=asyncio.subprocess.PIPE,
        process_group=0,
    )
    assert parent.stderr is not None
    drain = None
    try:
        while not (found := re.search(rb"http://\S+", await parent.stderr.readline())):
            pass
        drain = asyncio.create_task(parent.stderr.read())
        family = {}

        async def both_have_shown_a_page() -> bool:
            with await asyncio.to_thread(urlopen, found[0].decode()) as answer:
                assert b"rtmon" in answer.read()
            family.update(below(parent.pid))
            return all(has_imported_rtmon(pid) for pid in children(parent.pid))

        await until(both_have_shown_a_page, "each process has shown a page")
        assert sum(b"--no-dashboard" in words for words in family.values()) >= 1
        parent.terminate()

        async def none_is_left() -> bool:
            return not any(exists(pid) for pid in family)

        await until(none_is_left, "all processes have ended")
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(parent.pid, signal.SIGKILL)
        if drain is not None:
            await drain


def children(pid: int) -> list[int]:
    """Return the ids of a process's child processes."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            if int(stat.read_text().rpartition(")")[2].split()[1]) == pid:
                found.append(int(stat.parent.name))
    return found


def below(pid: int) -> dict[int, bytes]:
    """Return all descendants of a process as process id → command line."""
    found = {}
    for child in children(pid):
        with contextlib.suppress(OSError):
            found[child] = Path(f"/proc/{child}/cmdline").read_bytes()
        found |= below(child)
    return found


def exists(pid: int) -> bool:
    """Return True if a process with this id exists."""
    return Path(f"/proc/{pid}").exists()


def has_imported_rtmon(pid: int) -> bool:
    """Return True if a process of Panel has shown the page. Only then is msgspec loaded, which only
    rtmon imports.
    """
    return "msgspec" in Path(f"/proc/{pid}/maps").read_text()


@pytest.mark.parametrize("where", ["in the script", "for all pages"])
async def test_authorize_callback_protects_websocket_and_downloads(
    tmp_path: Path, server: dict[str, Any], where: str
) -> None:
    """Dashboard's WebSocket and downloads answer 403 unless the request has the ticket and cookie
    of a user whom Panel's authorize_callback accepted.
    """
    script, setup = tmp_path / "live.py", tmp_path / "guard.py"
    page = (ROOT / "dashboards" / "live.py").read_text()
    setup.write_text(GUARD)
    script.write_text(
        page if where == "for all pages" else page.replace("\npage(", GUARD + "\npage(")
    )
    options = ("--setup", str(setup)) if where == "for all pages" else ()
    async with panel_serve(server["admin"], *LOGIN, *options, script=script) as url:
        (ada, ticket), (eve, none) = await visit(url, "ada"), await visit(url, "eve")
        assert ticket
        assert not none
        answers = [
            (await status_of_channel(url, **headers), await status_of_download(url, **headers))
            for headers in (
                {"Cookie": ada, "Rtmon-Ticket": ticket},
                {"Cookie": ada},
                {"Cookie": eve},
                {"Cookie": eve, "Rtmon-Ticket": ticket},
                {"Cookie": eve, "Rtmon-Ticket": ticket[:-1] + "0"},
                {"Rtmon-Ticket": ticket},
            )
        ]
        assert answers == [(101, 200)] + [(403, 403)] * 5


async def test_page_asks_for_a_cookie_secret_when_only_an_authorize_callback_is_set(
    tmp_path: Path, server: dict[str, Any]
) -> None:
    """Dashboard with an authorize_callback but no cookie secret asks the user to set --cookie-
    secret, and answers 404 to WebSocket and download requests.
    """
    setup = tmp_path / "guard.py"
    setup.write_text("import panel as pn\npn.config.authorize_callback = lambda info: True\n")
    async with panel_serve(server["admin"], "--setup", str(setup)) as url:
        with await asyncio.to_thread(urlopen, url) as answer:
            assert b"--cookie-secret" in answer.read()
        assert (await status_of_channel(url), await status_of_download(url)) == (404, 404)


async def visit(url: str, user: str) -> tuple[str, str]:
    """Log in and open the page; return the cookies and the page's ticket, empty if refused."""
    jar = CookieJar()
    opener = build_opener(HTTPCookieProcessor(jar))

    def open_page() -> str:
        form = urlencode({"username": user, "password": PASSWORD}).encode()
        try:
            with opener.open(re.sub(r"\w+$", "login", url), form), opener.open(url) as page:
                return str(page.read().decode())
        except HTTPError as refused:
            with refused:
                return str(refused.read().decode())

    found = re.search('data-ticket="([^"]*)"', await asyncio.to_thread(open_page))
    cookies = "; ".join(f"{cookie.name}={cookie.value}" for cookie in jar)
    return cookies, found[1] if found else ""


@pytest.mark.matrix
async def test_page_works_behind_nginx(
    open_tab: Open, server: dict[str, Any], tmp_path: Path, reserve_port: Callable[[], int]
) -> None:
    """Dashboard page works after a login when nginx serves it below a URL prefix, and only nginx's
    origin is allowed.
    """
    port = reserve_port()
    async with (
        panel_serve(server["admin"], *LOGIN, origin=f"127.0.0.1:{port}") as url,
        nginx(port, url, tmp_path),
    ):
        tab = await open_tab(f"http://127.0.0.1:{port}/monitor/live")
        await log_in(tab, "ada")
        await works(tab)
        assert f":{port}/monitor/live" in tab.page.url
        await tab.page.close()


@contextlib.asynccontextmanager
async def nginx(port: int, url: str, folder: Path) -> AsyncIterator[None]:
    """Run nginx as a reverse proxy with the dashboard below ``/monitor/``."""
    program = shutil.which("nginx", path=os.environ.get("PATH", "") + ":/usr/sbin")
    if program is None:
        pytest.skip("there is no nginx")
    places = "".join(
        f"{name}_temp_path {folder / name};\n"
        for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    config = folder / "nginx.conf"
    config.write_text(NGINX % {"folder": folder, "places": places, "port": port, "url": url[:-4]})
    process = await asyncio.create_subprocess_exec(
        *(program, "-c", str(config), "-p", str(folder), "-e", str(folder / "error.log"))
    )
    try:

        async def listens() -> bool:
            assert process.returncode is None, (folder / "error.log").read_text()
            with contextlib.suppress(OSError):
                _, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.close()
                return True
            return False

        await until(listens, "nginx listens")
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        await process.wait()
