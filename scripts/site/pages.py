"""MkDocs hook: the pages of the documentation site, and a check of their links.

MkDocs reads the files of one folder, but pages link to files anywhere in the repository. So each
file of the site keeps its path in the repository, and a link that works in a clone or on a code
host also works on the site. Source files that pages link to, such as examples and tests, become
pages too. The pages of the reference are generated here; mkdocstrings fills them from the
docstrings.
"""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files, InclusionLevel
from mkdocs.structure.pages import Page

CLONE = Path(__file__).parents[2]
OUTSIDE_DOCS = (
    "README.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "examples/README.md",
    "notebooks/README.md",
)
SHIM = "scripts/site/iframe-worker.js"

REFERENCE = {
    "measuring": (
        "Measuring",
        """
        rtmon.Monitor rtmon.probe rtmon.ASGIProbe rtmon.probes.socketio.instrument rtmon.serve
        rtmon.Server rtmon.serve_admin rtmon.Admin rtmon.Clock rtmon.Redaction
        """,
    ),
    "data": (
        "Showing and storing",
        """
        rtmon.Dashboard rtmon.view rtmon.open_feed rtmon.Feed rtmon.CSVSink rtmon.read_csv
        rtmon.csv_types rtmon.export rtmon.Recording rtmon.RecordingLimits rtmon.read rtmon.report
        rtmon.sinks.prometheus.registry
        """,
    ),
    "hub": (
        "Hub",
        """
        rtmon.Hub rtmon.hub.HubOptions rtmon.hub.ChannelOptions rtmon.hub.Client
        rtmon.hub.Session rtmon.hub.User rtmon.hub.Credentials rtmon.hub.JWT rtmon.hub.Receipt
        rtmon.hub.PublicationReceipt rtmon.hub.HubStats rtmon.hub.ChannelStats rtmon.asgi.serve
        rtmon.asgi.measured rtmon.asgi.guarded rtmon.broadcast
        """,
    ),
    "client": (
        "Client",
        """
        rtmon.connect rtmon.Client rtmon.client.ClientOptions rtmon.client.Subscription
        rtmon.client.Message rtmon.Batch rtmon.client.Position rtmon.client.ClientState
        rtmon.client.ClientStats rtmon.client.ClientError rtmon.client.ClientClosed
        rtmon.client.ConnectionLost rtmon.client.MessageExpired rtmon.client.QueueFull
        """,
    ),
    "blocks": ("Building blocks", "rtmon.Backoff rtmon.Batcher rtmon.RateLimiter"),
    "lab": (
        "Lab and tests",
        """
        rtmon.lab.faults.FaultProxy rtmon.lab.load.Load rtmon.lab.load.LoadOptions
        rtmon.lab.load.run_load rtmon.testing.until rtmon.testing.recorded
        rtmon.testing.FakeClock rtmon.notebook.start rtmon.notebook.stop
        rtmon.notebook.stop_button
        """,
    ),
    "errors": ("Errors", "rtmon.errors"),
}
"""Name of each page of the reference → its title, and the objects that it describes."""

LINK = re.compile(r"\]\(([^)#\s]+)[^)]*\)")
LANGUAGES = {
    ".py": "python",
    ".yaml": "yaml",
    ".yml": "yaml",
    ".conf": "nginx",
    ".mjs": "javascript",
    ".jsx": "jsx",
    ".html": "html",
    ".json": "json",
}


class SourcePage(File):
    """A source file as a page of the site: its path, and its highlighted text."""

    def __init__(self, path: str, config: MkDocsConfig) -> None:
        super().__init__(
            path,
            None,
            config.site_dir,
            use_directory_urls=False,
            dest_uri=f"{path}.html",
            inclusion=InclusionLevel.NOT_IN_NAV,
        )
        text = (CLONE / path).read_text(encoding="utf-8")
        language = LANGUAGES.get(Path(path).suffix, "text")
        self.content_string = (
            "---\nsearch: {exclude: true}\nhide: [toc]\n---\n"
            f"# `{path}`\n\n~~~~~~{language}\n{text}\n~~~~~~\n"
        )

    def is_documentation_page(self) -> bool:
        """Return True: MkDocs would treat only Markdown files as pages."""
        return True


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Give files of docs/ their paths in the repository, and add linked files from elsewhere."""
    for file in [file for file in files if file.src_dir == config.docs_dir]:
        files.remove(file)
        files.append(in_repository(f"docs/{file.src_uri}", config, file.inclusion))
    for path in (*OUTSIDE_DOCS, SHIM):
        files.append(in_repository(path, config))
    for name, text in reference_pages().items():
        files.append(File.generated(config, f"reference/{name}.md", content=text))
    for path in sorted(linked_sources(files)):
        files.append(SourcePage(path, config))
    return files


def in_repository(
    path: str, config: MkDocsConfig, inclusion: InclusionLevel = InclusionLevel.UNDEFINED
) -> File:
    """Return the file with a path that is relative to the repository."""
    return File(
        path,
        str(CLONE),
        config.site_dir,
        use_directory_urls=config.use_directory_urls,
        inclusion=inclusion,
    )


def linked_sources(files: Files) -> set[str]:
    """Return the paths of linked files that are not yet part of the site."""
    found = set()
    for file in files.documentation_pages():
        folder = (CLONE / file.src_uri).parent
        for target in LINK.findall(file.content_string):
            path = (folder / target).resolve()
            if path.is_file() and path.is_relative_to(CLONE) and path.suffix != ".ipynb":
                found.add(path.relative_to(CLONE).as_posix())
    return found - set(files.src_uris)


def reference_pages() -> dict[str, str]:
    """Return the pages of the reference by name: a heading, and directives for mkdocstrings."""
    return {
        page: f"# {title}\n\n" + "\n\n".join(f"::: {name}" for name in names.split()) + "\n"
        for page, (title, names) in REFERENCE.items()
    }


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Link the course's list of notebooks to their pages in the gallery."""
    del config, files
    if page.file.src_uri != "notebooks/README.md":
        return markdown
    return re.sub(r"\]\((\w+)\.ipynb\)", r"](../docs/gallery/\1.md)", markdown)


def on_page_content(html: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Remove Sphinx markup from the reference: roles such as ``:class:`rtmon.Hub```, and ``::``."""
    del config, files
    if not page.file.src_uri.startswith("reference/"):
        return html
    return re.sub(r":\w+:<code>~?", "<code>", html).replace("::</p>", ":</p>")


class Addresses(HTMLParser):
    """Parser that collects the links and the resources of an HTML page."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.links: set[str] = set()
        self.loads: set[str] = set()
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Collect the addresses of one tag."""
        for name, value in attrs:
            if name in {"href", "src"} and value:
                (self.links if tag == "a" else self.loads).add(value)


def on_post_build(config: MkDocsConfig) -> None:
    """Check the built pages: every link has a target, and no resource comes from another host.

    Raises:
        PluginError: A page has a dead link or a resource from another host.
    """
    site = Path(config.site_dir)
    faults = []
    for page in sorted(site.rglob("*.html")):
        found = Addresses(page.read_text(encoding="utf-8"))
        for address in sorted(found.links | found.loads):
            parts = urlsplit(address)
            if parts.scheme or parts.netloc:
                dead = address in found.loads and parts.scheme != "data"
            else:  # an absolute path, as in 404.html, is relative to the root of the site
                base = site if parts.path.startswith("/") else page.parent
                dead = not (base / unquote(parts.path).lstrip("/")).exists()
            if dead:
                faults.append(f"{page.relative_to(site)}: {address}")
    if faults:
        problem = "addresses that lead nowhere, or are loaded from elsewhere:\n" + "\n".join(faults)
        raise PluginError(problem)
