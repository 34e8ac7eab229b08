"""The wheel and the source distribution: their content, and the wheel in a new environment."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import tarfile
import venv
import zipfile
from importlib.metadata import version
from pathlib import Path

import pytest

import rtmon

CLONE = Path(__file__).parents[1]


def pip(*arguments: str | Path) -> None:
    """Run pip with these arguments."""
    command = [
        sys.executable,
        "-m",
        "pip",
        "--quiet",
        "--disable-pip-version-check",
        *map(str, arguments),
    ]
    subprocess.run(command, check=True, timeout=250)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel from the repository."""
    folder = tmp_path_factory.mktemp("wheel")
    pip("wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", folder, CLONE)
    (built,) = folder.glob("rtmon-*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install only the wheel in a new environment; return the folder of its programs."""
    folder = tmp_path_factory.mktemp("installed")
    venv.create(folder, symlinks=True)
    python = folder / "bin" / "python"
    purelib = Path(sysconfig.get_path("purelib", vars={"base": str(folder)}))
    # The new environment finds its dependencies in this environment's site-packages. A .pth file in
    # that folder is not followed, so the editable install of rtmon stays invisible.
    (purelib / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    pip("--python", python, "install", "--no-deps", "--no-index", "--force-reinstall", wheel)
    return folder / "bin"


def run(*arguments: str | Path, folder: Path) -> str:
    """Run a program in a folder, and return its output."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        list(map(str, arguments)),
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=250,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_wheel_contains_package_notebooks_dashboards_and_license(wheel: Path) -> None:
    """Wheel contains every file of the package, the notebooks, the dashboards and the license."""
    held = set(zipfile.ZipFile(wheel).namelist())
    package = {
        path.relative_to(CLONE).as_posix()
        for path in (CLONE / "rtmon").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    notebooks = {f"rtmon/_notebooks/{path.name}" for path in (CLONE / "notebooks").glob("*.ipynb")}
    dashboards = {f"rtmon/_dashboards/{path.name}" for path in (CLONE / "dashboards").glob("*.py")}
    assert "rtmon/py.typed" in package
    assert notebooks
    assert dashboards
    assert package | notebooks | dashboards <= held
    assert any(name.endswith("licenses/LICENSE") for name in held)
    assert not [name for name in held if "checkpoint" in name or "__pycache__" in name]


def test_source_distribution_contains_deploy_examples_and_scripts(tmp_path: Path) -> None:
    """Source distribution contains every file of deploy/, examples/ and scripts/."""
    build = "import hatchling.build as build, sys; build.build_sdist(sys.argv[1])"
    subprocess.run([sys.executable, "-c", build, tmp_path], cwd=CLONE, check=True, timeout=250)
    (built,) = tmp_path.glob("rtmon-*.tar.gz")
    with tarfile.open(built) as archive:
        held = {name.partition("/")[2] for name in archive.getnames()}
    for folder in ("deploy", "examples", "scripts"):
        files = {
            path.relative_to(CLONE).as_posix()
            for path in (CLONE / folder).rglob("*")
            if path.is_file() and "__pycache__" not in path.parts
        }
        assert files
        assert files <= held


def test_installed_wheel_runs_its_own_code(installed: Path, tmp_path: Path) -> None:
    """Installed wheel runs the command `rtmon` and imports its own code, not that of the
    repository.
    """
    assert run(installed / "rtmon", "--version", folder=tmp_path) == f"rtmon {rtmon.__version__}\n"
    place = run(installed / "python", "-c", "import rtmon; print(rtmon.__file__)", folder=tmp_path)
    assert Path(place).is_relative_to(installed.parent)


def test_installed_wheel_runs_the_demo(installed: Path, tmp_path: Path) -> None:
    """Installed wheel runs `rtmon demo` and prints the dashboard's address."""
    free = ("--port=0", "--admin-port=0", "--dashboard-port=0", "--no-browser", "--users=3")
    printed = run(installed / "rtmon", "demo", "--duration=0.5", *free, folder=tmp_path)
    assert "  dashboard  http://127.0.0.1:" in printed


def test_installed_wheel_copies_the_notebooks(installed: Path, tmp_path: Path) -> None:
    """Installed wheel copies all course notebooks with `rtmon notebooks`."""
    run(installed / "rtmon", "notebooks", "course", "--no-start", folder=tmp_path)
    files = (CLONE / "notebooks").iterdir()  # the folder may also contain a learner's progress file
    shipped = {path.name for path in files if path.suffix in {".ipynb", ".md"}}
    assert {path.name for path in (tmp_path / "course").iterdir()} == shipped


def test_metadata_and_package_have_the_same_version() -> None:
    """Installed metadata and the package have the same version."""
    assert version("rtmon") == rtmon.__version__
