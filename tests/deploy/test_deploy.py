"""The files of deploy/ are consistent, and the server works behind nginx with them."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
import yaml
from websockets.asyncio.client import connect

import rtmon
from rtmon.testing import until

CLONE = Path(__file__).parents[2]
DEPLOY = CLONE / "deploy"
COMPOSE: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text(encoding="utf-8"))
SERVICES: dict[str, Any] = COMPOSE["services"]


def mounted(service: str) -> dict[str, Path]:
    """Return the files that a service mounts: path in the container → file in the repository."""
    volumes = [volume.split(":") for volume in SERVICES[service].get("volumes", [])]
    return {parts[1]: DEPLOY / parts[0] for parts in volumes if parts[0].startswith(".")}


def test_compose_file_mounts_only_existing_files() -> None:
    """Compose file mounts six files, all of which exist: in place of a missing file, Docker would
    create a folder.
    """
    files = [path for service in SERVICES for path in mounted(service).values()]
    assert len(files) == 6
    assert [path for path in files if not path.is_file()] == []


def test_compose_file_publishes_its_ports_on_127_0_0_1_only() -> None:
    """Compose file publishes its three ports on 127.0.0.1 only."""
    ports = [port for service in SERVICES.values() for port in service.get("ports", [])]
    assert len(ports) == 3
    assert [port for port in ports if not port.startswith("127.0.0.1:")] == []


def test_compose_file_pins_image_versions_and_depends_on_its_own_services() -> None:
    """Compose file gives every image a version, and its services depend only on services of the
    file.
    """
    images = {service["image"] for service in SERVICES.values()} - {"rtmon"}
    assert all(re.search(r":v?\d+\.\d+", image) for image in images), images
    awaited = {name for service in SERVICES.values() for name in service.get("depends_on", [])}
    assert awaited <= SERVICES.keys()


def test_dockerfile_copies_existing_paths_and_installs_extras_of_rtmon() -> None:
    """Dockerfile copies only paths that exist and are not ignored, and installs only extras that
    rtmon has.
    """
    text = (DEPLOY / "Dockerfile").read_text(encoding="utf-8")
    copied = [
        path
        for line in re.findall(r"^COPY (?!--)(.*) \S+$", text, re.MULTILINE)
        for path in line.split()
    ]
    assert [path for path in copied if not (CLONE / path).exists()] == []
    kept = re.findall(r"^!(.*)$", (DEPLOY / "Dockerfile.dockerignore").read_text(), re.MULTILINE)
    assert sorted(kept) == sorted(copied)
    project = tomllib.loads((CLONE / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = re.findall(r"'\.\[(.*?)\]'", text)[0].split(",")
    assert set(extras) <= project["optional-dependencies"].keys()


def test_promtool_accepts_the_prometheus_configuration(tmp_path: Path) -> None:
    """`promtool check config` accepts the Prometheus configuration, and its alert rules name the
    configured scrape job.
    """
    if shutil.which("promtool") is None:
        pytest.skip("there is no promtool")
    for path in mounted("prometheus").values():
        shutil.copy(path, tmp_path)
    done = subprocess.run(
        ["promtool", "check", "config", str(tmp_path / "prometheus.yml")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "rules found" in done.stdout
    jobs = yaml.safe_load((tmp_path / "prometheus.yml").read_text())["scrape_configs"]
    named = re.findall(r'job="(\w+)"', (tmp_path / "alerts.yml").read_text())
    assert {job["job_name"] for job in jobs} == set(named)


def test_grafana_files_name_an_existing_dashboard_and_the_prometheus_address() -> None:
    """Grafana's files point to the mounted dashboard and to the address of the Prometheus
    container.
    """
    files = mounted("grafana")
    folder = "/etc/grafana/provisioning"
    provider = yaml.safe_load(files[f"{folder}/dashboards/rtmon.yml"].read_text())["providers"][0]
    board = next(path for inside, path in files.items() if inside.endswith(".json"))
    assert f"{provider['options']['path']}/rtmon.json" in files
    assert json.loads(board.read_text(encoding="utf-8"))["panels"]
    source = yaml.safe_load(files[f"{folder}/datasources/rtmon.yml"].read_text())["datasources"][0]
    assert source["isDefault"]
    assert SERVICES["prometheus"]["network_mode"] == "service:server"
    assert source["url"] == "http://server:9090"


@asynccontextmanager
async def process(*command: str, **environment: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run a program until the block ends."""
    running = await asyncio.create_subprocess_exec(*command, env={**os.environ, **environment})
    try:
        yield running
    finally:
        with suppress(ProcessLookupError):
            running.terminate()
        await running.wait()


async def answers(port: int, path: str = "/") -> str:
    """Send requests until a server answers with status 200; return the beginning of the answer."""
    async with asyncio.timeout(60):
        while True:
            with suppress(OSError, asyncio.IncompleteReadError):
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
                head = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n"
                writer.write(head.encode())
                answer = (await reader.readuntil(b"\r\n\r\n")).decode()
                answer += (await reader.read(4096)).decode()
                writer.close()
                if answer.startswith("HTTP/1.1 200"):
                    return answer
            await asyncio.sleep(0.05)


async def test_server_works_behind_nginx_with_the_deployed_configuration(
    tmp_path: Path, reserve_port: Callable[[], int]
) -> None:
    """Server behind nginx with the configuration of deploy/ serves page, WebSocket and event
    stream, and records the client's own address.
    """
    program = shutil.which("nginx", path=os.environ.get("PATH", "") + ":/usr/sbin")
    if program is None:
        pytest.skip("there is no nginx")
    port, admin, public = reserve_port(), reserve_port(), reserve_port()
    site = (DEPLOY / "nginx.conf").read_text(encoding="utf-8")
    site = site.replace("server:8765", f"127.0.0.1:{port}").replace("8080", f"127.0.0.1:{public}")
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    places = "".join(f"{kind}_temp_path {tmp_path / kind};\n" for kind in kinds)
    (tmp_path / "nginx.conf").write_text(
        f"daemon off; master_process off; pid {tmp_path}/pid; events {{}}\n"
        f"http {{ access_log off; {places} {site} }}"
    )
    command = [sys.executable, "-m", *SERVICES["server"]["command"]]
    forwarded = SERVICES["server"]["environment"]["FORWARDED_ALLOW_IPS"]
    async with (
        process(*command, f"--port={port}", f"--admin-port={admin}", FORWARDED_ALLOW_IPS=forwarded),
        process(program, "-c", f"{tmp_path}/nginx.conf", "-e", f"{tmp_path}/error.log"),
    ):
        assert "<html" in await answers(public)
        assert "\nretry: " in await answers(public, "/events")
        url = f"ws://127.0.0.1:{public}/"
        async with connect(url, proxy=None, local_addr=("127.0.0.9", 0)) as client:
            assert json.loads(await client.recv())["type"] == "welcome"
            feed = rtmon.open_feed(f"ws://127.0.0.1:{admin}")
            await feed.start()
            await until(lambda: (now := feed.snapshot()) is not None and now.opened >= 2)
            await feed.aclose()
            await rtmon.export(f"ws://127.0.0.1:{admin}", tmp_path / "run")
    assert "127.0.0.9" in (tmp_path / "run" / "connections.csv").read_text()
