"""The docs agree with code, table of columns, site and commands."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import get_args

import pytest

import rtmon
from rtmon.cli import app
from rtmon.metrics.close_causes import Cause
from tests.test_architecture import MAY_IMPORT, PUBLIC_MODULES

CLONE = Path(__file__).parents[1]
PAGES = sorted(
    [*CLONE.glob("*.md"), *(CLONE / "docs").glob("*.md"), *(CLONE / "docs").glob("tutorials/*.md")]
)
TEXT = {page.name: page.read_text(encoding="utf-8") for page in PAGES}


def test_generated_files_equal_the_table_of_columns() -> None:
    """Generated files docs/columns.md, records.py and counter_fields.py equal what
    scripts/columns.py derives from the table of columns.
    """
    check = [sys.executable, str(CLONE / "scripts" / "columns.py"), "--check"]
    done = subprocess.run(check, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_relative_links_of_docs_pages_point_to_existing_files(page: Path) -> None:
    """Relative links of each docs page point to existing files."""
    targets = re.findall(r"\]\(([^)#]+)[^)]*\)", TEXT[page.name])
    inside = [target for target in targets if "://" not in target]
    assert [target for target in inside if not (page.parent / target).exists()] == []


def test_site_navigation_lists_every_docs_page() -> None:
    """Navigation in mkdocs.yml lists every page below docs/."""
    listed = re.findall(r"docs/\S+\.md", (CLONE / "mkdocs.yml").read_text(encoding="utf-8"))
    pages = {str(page.relative_to(CLONE)) for page in (CLONE / "docs").rglob("*.md")}
    assert sorted(listed) == sorted(pages)


def test_site_reference_has_every_public_name() -> None:
    """Reference pages of the site have every public name of rtmon."""
    text = (CLONE / "scripts" / "site" / "pages.py").read_text(encoding="utf-8")
    described = set(re.findall(r"\brtmon\.(\w+)\b(?!\.)", text))
    assert sorted(set(rtmon.__all__) - {"__version__", "RtmonError"} - described) == []


def test_architecture_page_lists_every_package() -> None:
    """Table of packages in docs/architecture.md lists exactly the packages of the import rules."""
    packages = TEXT["architecture.md"].partition("## Packages")[2].partition("\n## ")[0]
    named = re.findall(r"^\| `(\w+)` \|", packages, re.MULTILINE)
    assert sorted(named) == sorted({*MAY_IMPORT, "cli"} - PUBLIC_MODULES)


def test_rtmon_and_make_commands_in_readme_exist() -> None:
    """Every `rtmon` and `make` command that README and CONTRIBUTING show exists."""
    text = TEXT["README.md"] + TEXT["CONTRIBUTING.md"]
    commands = {entry.callback.__name__ for entry in app.registered_commands if entry.callback}
    named = set(re.findall(r"(?:^    |`)rtmon ([a-z]+)", text, re.MULTILINE))
    assert {"demo", "dashboard", "export"} <= named <= commands
    makefile = (CLONE / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z]+):.*##", makefile, re.MULTILINE))
    named = set(re.findall(r"(?:^    |`)make ([a-z]+)", text, re.MULTILINE))
    assert {"demo", "test", "lint"} <= named <= targets


def test_probes_page_explains_every_close_cause() -> None:
    """Table in docs/probes.md explains each close cause exactly once."""
    table = TEXT["probes.md"].partition("## Why connections ended")[2].partition("\n## ")[0]
    named = re.findall(r"^\| `(.*?)` \|", table, re.MULTILINE)
    assert sorted(named) == sorted(get_args(Cause))
