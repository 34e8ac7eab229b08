"""Shared by all tests: a skip is a failure with RTMON_STRICT=1, browser tests need Chromium."""

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

# The time of an example means nothing on a busy machine. A run that is green is
# green again: `--hypothesis-profile=explore` looks for what no run has tried yet.
settings.register_profile("explore", deadline=None, suppress_health_check=list(HealthCheck))
settings.register_profile("rtmon", settings.get_profile("explore"), derandomize=True)
settings.load_profile("rtmon")

# Servers on this machine are requested directly, whatever proxy the environment names.
for name in ("no_proxy", "NO_PROXY"):
    os.environ[name] = ",".join(filter(None, [os.environ.get(name), "127.0.0.1,localhost"]))

# Notebooks that are tested keep no progress.
os.environ["RTMON_PROGRESS"] = "off"

STRICT = os.environ.get("RTMON_STRICT") == "1"
ROOT = Path(__file__).parents[1]
BROWSER_TESTS = ROOT / "tests" / "browser"
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")


LONG = ("tests/browser", "notebooks", "tests/cli", "tests/examples", "tests/test_", "tests/web")
"""What takes long comes first, so that no process works on it alone at the end."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Order the tests; mark those in a browser, and skip them without Chromium."""

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
    """Turn a skip into a failure when RTMON_STRICT is set."""
    report = yield
    if STRICT and report.skipped and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid} was skipped although RTMON_STRICT=1: {report.longrepr}"
    return report


@pytest.fixture
def reserve_port() -> Iterator[Callable[[], int]]:
    """Returns ports that are reserved for the test."""
    with contextlib.ExitStack() as held:
        yield lambda: held.enter_context(reserved_port())


@pytest.fixture(scope="session")
def tls(tmp_path_factory: pytest.TempPathFactory) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """Contexts of a server and a client that trust each other, for the host localhost."""
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
