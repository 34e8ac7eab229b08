from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import rtmon
from tests.peers.packages import install

HERE = Path(__file__).parent
WEB = Path(rtmon.__file__).parent / "web"
NODE = shutil.which("node")

pytestmark = pytest.mark.skipif(NODE is None, reason="no node on the PATH")


@pytest.mark.parametrize("script", sorted(HERE.glob("*.test.mjs")), ids=lambda path: path.name)
def test_the_browser_client(script: Path) -> None:
    """The client for browsers does what it promises."""
    install()
    done = subprocess.run(
        [NODE or "node", "--test", "--test-reporter=spec", str(script)],
        env={**os.environ, "PYTHON": sys.executable},
        capture_output=True,
        text=True,
        timeout=250,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_types_fit() -> None:
    """TypeScript takes what people write with the types that ship, and not what makes no sense."""
    compiler = install() / "typescript" / "bin" / "tsc"
    options = ["--noEmit", "--strict", "--skipDefaultLibCheck", "--target", "es2022"]
    library = ["--module", "nodenext", "--lib", "es2022,dom,dom.iterable,dom.asynciterable"]
    done = subprocess.run(
        [NODE or "node", str(compiler), *options, *library, str(HERE / "types.ts")],
        capture_output=True,
        text=True,
        timeout=250,
        check=False,
    )
    assert done.returncode == 0, done.stdout


def test_the_package_for_npm_is_complete() -> None:
    """The package names its files, and has the version of the one for Python."""
    package = json.loads((WEB / "package.json").read_text())
    assert package["version"] == rtmon.__version__
    for name in package["files"]:
        assert (WEB / name).exists(), name
    for export in package["exports"].values():
        for path in export.values():
            assert (WEB / path).is_file(), path
