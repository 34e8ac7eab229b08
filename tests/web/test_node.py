"""The browser client in Node, its TypeScript types, and its npm package."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

import rtmon
from tests.peers.packages import install

HERE = Path(__file__).parent
WEB = Path(rtmon.__file__).parent / "web"
NODE = shutil.which("node")

pytestmark = pytest.mark.skipif(NODE is None, reason="no node on the PATH")


@pytest.mark.parametrize("script", sorted(HERE.glob("*.test.mjs")), ids=lambda path: path.name)
def test_browser_client_passes_its_tests_in_node(script: Path) -> None:
    """Each file of JavaScript tests of the browser client passes in Node."""
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


def test_typescript_types_accept_right_calls_and_refuse_wrong_ones() -> None:
    """TypeScript types of the browser client accept right calls and refuse wrong ones."""
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


def test_npm_package_lists_existing_files_and_has_the_python_version() -> None:
    """Package for npm lists only existing files and exports, and has the version of the Python
    package.
    """
    package = json.loads((WEB / "package.json").read_text())
    assert package["version"] == rtmon.__version__
    for name in package["files"]:
        assert (WEB / name).exists(), name
    for export in package["exports"].values():
        for path in export.values():
            assert (WEB / path).is_file(), path


def test_npm_package_contains_the_license_and_no_chat_page(tmp_path: Path) -> None:
    """Package that `npm pack` builds contains the client and the license, and not the chat page."""
    if shutil.which("npm") is None:
        pytest.skip("no npm on the PATH")
    clone = WEB.parents[1]
    place = tmp_path / "rtmon" / "web"
    shutil.copytree(WEB, place)
    shutil.copy(clone / "LICENSE", tmp_path)
    subprocess.run(
        ["npm", "pack", "--silent", "--offline", "--ignore-scripts=false"],
        cwd=place,
        env={**os.environ, "npm_config_cache": str(tmp_path / "cache")},
        check=True,
        capture_output=True,
        timeout=250,
    )
    with tarfile.open(place / f"rtmon-{rtmon.__version__}.tgz") as packed:
        license_ = packed.extractfile("package/LICENSE")
        assert license_ is not None
        assert license_.read() == (clone / "LICENSE").read_bytes()
        held = set(packed.getnames())
    assert {"package/rtmon.js", "package/README.md", "package/client/session.js"} <= held
    assert not {name for name in held if "chat" in name}
    assert not (place / "LICENSE").exists()
