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


def test_generated_files_follow_the_table_of_columns() -> None:
    """docs/columns.md, records.py and counter_fields.py are generated from metrics/columns.py."""
    check = [sys.executable, str(CLONE / "scripts" / "columns.py"), "--check"]
    done = subprocess.run(check, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_of_pages_have_targets(page: Path) -> None:
    """Every file that a page links to or shows exists."""
    targets = re.findall(r"\]\(([^)#]+)[^)]*\)", TEXT[page.name])
    inside = [target for target in targets if "://" not in target]
    assert [target for target in inside if not (page.parent / target).exists()] == []


def test_navigation_of_the_site_has_every_page_of_docs() -> None:
    """mkdocs.yml lists each page below docs/; `make site` fails on a page that is not listed."""
    listed = re.findall(r"docs/\S+\.md", (CLONE / "mkdocs.yml").read_text(encoding="utf-8"))
    pages = {str(page.relative_to(CLONE)) for page in (CLONE / "docs").rglob("*.md")}
    assert sorted(listed) == sorted(pages)


def test_reference_of_the_site_has_every_public_name() -> None:
    """Each name in rtmon.__all__ is on one of the pages that scripts/site/pages.py makes;
    RtmonError is on that of rtmon.errors.
    """
    text = (CLONE / "scripts" / "site" / "pages.py").read_text(encoding="utf-8")
    described = set(re.findall(r"\brtmon\.(\w+)\b(?!\.)", text))
    assert sorted(set(rtmon.__all__) - {"__version__", "RtmonError"} - described) == []


def test_architecture_names_every_package() -> None:
    """The table of packages in docs/architecture.md has the folders of the import rules."""
    packages = TEXT["architecture.md"].partition("## Packages")[2].partition("\n## ")[0]
    named = re.findall(r"^\| `(\w+)` \|", packages, re.MULTILINE)
    assert sorted(named) == sorted({*MAY_IMPORT, "cli"} - PUBLIC_MODULES)


def test_commands_exist() -> None:
    """Every `rtmon` and `make` command that README and CONTRIBUTING name exists."""
    text = TEXT["README.md"] + TEXT["CONTRIBUTING.md"]
    commands = {entry.callback.__name__ for entry in app.registered_commands if entry.callback}
    named = set(re.findall(r"(?:^    |`)rtmon ([a-z]+)", text, re.MULTILINE))
    assert {"demo", "dashboard", "export"} <= named <= commands
    makefile = (CLONE / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z]+):.*##", makefile, re.MULTILINE))
    named = set(re.findall(r"(?:^    |`)make ([a-z]+)", text, re.MULTILINE))
    assert {"demo", "test", "lint"} <= named <= targets


def test_every_cause_is_explained() -> None:
    """The table in docs/probes.md has each cause of an end once."""
    table = TEXT["probes.md"].partition("## Why connections ended")[2].partition("\n## ")[0]
    named = re.findall(r"^\| `(.*?)` \|", table, re.MULTILINE)
    assert sorted(named) == sorted(get_args(Cause))
