"""Settings and fixtures of all tests: order, strict skips, browser tests, ports, TLS contexts."""

from __future__ import annotations

import contextlib
import os
import shutil
import ssl
import subprocess
from collections.abc import Callable, Generator, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests.ports import reserved_port

# No deadlines, because a busy machine makes them meaningless. The default profile always runs the
# same examples; `--hypothesis-profile=explore` runs new random ones.
settings.register_profile("explore", deadline=None, suppress_health_check=list(HealthCheck))
settings.register_profile("rtmon", settings.get_profile("explore"), derandomize=True)
settings.load_profile("rtmon")

# Requests to servers on this machine must not go through a proxy set in the environment.
for name in ("no_proxy", "NO_PROXY"):
    os.environ[name] = ",".join(filter(None, [os.environ.get(name), "127.0.0.1,localhost"]))

# Notebooks under test must not store a learner's progress.
os.environ["RTMON_PROGRESS"] = "off"

STRICT = os.environ.get("RTMON_STRICT") == "1"
ROOT = Path(__file__).parents[1]
BROWSER_TESTS = ROOT / "tests" / "browser"
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")


LONG = ("tests/browser", "notebooks", "tests/cli", "tests/examples", "tests/test_", "tests/web")
"""Slow tests, which run first so that parallel workers finish at about the same time."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Sort the tests; mark browser tests, and skip them when Chromium is not installed."""

    def place(item: pytest.Item) -> int:
        where = item.path.relative_to(ROOT).as_posix() if ROOT in item.path.parents else ""
        return next((at for at, long in enumerate(LONG) if where.startswith(long)), len(LONG))

    items.sort(key=place)
    for item in items:
        if BROWSER_TESTS in item.path.parents:
            item.add_marker("browser")
            if CHROMIUM is None:
                item.add_marker(pytest.mark.skip(reason="no chromium on the PATH"))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Report a skipped test as failed when RTMON_STRICT is 1."""
    report = yield
    if STRICT and report.skipped and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid} was skipped although RTMON_STRICT=1: {report.longrepr}"
    return report


@pytest.fixture
def reserve_port() -> Iterator[Callable[[], int]]:
    """A function that returns free ports, reserved until the end of the test."""
    with contextlib.ExitStack() as held:
        yield lambda: held.enter_context(reserved_port())


@pytest.fixture(scope="session")
def tls(tmp_path_factory: pytest.TempPathFactory) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """SSL contexts of a server and a client that trust each other, for the host localhost."""
    if shutil.which("openssl") is None:
        pytest.skip("no openssl on the PATH")
    folder = tmp_path_factory.mktemp("tls")
    subprocess.run(
        [
            "openssl",
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:prime256v1",
            "-nodes",
            "-days",
            "1",
            "-subj",
            "/CN=localhost",
            "-addext",
            "subjectAltName=DNS:localhost",
            "-keyout",
            "key",
            "-out",
            "cert",
        ],
        cwd=folder,
        check=True,
        capture_output=True,
    )
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(folder / "cert", folder / "key")
    return server, ssl.create_default_context(cafile=str(folder / "cert"))
