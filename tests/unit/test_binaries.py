"""The order in which server programs are looked for, with programs that only tell a version."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from gate.stack import StackError, places
from gate.stack.binaries import find_nats, find_postgres, find_redis

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def nothing_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hide the servers that this machine has."""
    monkeypatch.setattr(places, "_USUAL_DIRS", ())
    monkeypatch.setattr(places, "_POSTGRES_DIRS", ())
    monkeypatch.setattr(places, "wheel_package", lambda name: None)
    monkeypatch.setattr(places, "wheel_scripts", lambda distribution, program: iter(()))


def program(path: Path, says: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\necho '{says}'\n")
    path.chmod(0o755)
    return path


def redis(path: Path, version: str, product: str = "Redis") -> Path:
    return program(path, f"{product} server v={version} sha=00000000:0 bits=64")


def postgres(bin_dir: Path, version: str) -> Path:
    program(bin_dir / "initdb", f"initdb (PostgreSQL) {version}")
    return program(bin_dir / "postgres", f"postgres (PostgreSQL) {version}")


def test_explicit_path__wins_over_the_wheel(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    redis(tmp_path / "wheel/bin/redis-server", "8.2.3")
    monkeypatch.setattr(places, "wheel_package", lambda name: tmp_path / "wheel")
    mine = redis(tmp_path / "mine/redis-server", "7.2.5")
    assert find_redis({"GATE_REDIS_SERVER": str(mine)}).path == mine


def test_explicit_path__too_old_is_an_error(tmp_path: Path) -> None:
    mine = redis(tmp_path / "redis-server", "6.2.14")
    with pytest.raises(StackError, match=r"GATE_REDIS_SERVER = .*6\.2\.14 is older than 7\.0"):
        find_redis({"GATE_REDIS_SERVER": str(mine)})


def test_explicit_path__missing_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(StackError, match=r"GATE_NATS_SERVER = .*no such file"):
        find_nats({"GATE_NATS_SERVER": str(tmp_path / "nats-server")})


def test_wheel__wins_over_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wheel = redis(tmp_path / "wheel/bin/redis-server", "8.2.3")
    redis(tmp_path / "bin/redis-server", "8.4.0")
    monkeypatch.setattr(places, "wheel_package", lambda name: tmp_path / "wheel")
    found = find_redis({"PATH": str(tmp_path / "bin")})
    assert (found.path, str(found)) == (wheel, "Redis 8.2.3")


def test_path__old_one_in_front_is_passed_over(tmp_path: Path) -> None:
    redis(tmp_path / "a/redis-server", "6.2.14")
    newer = redis(tmp_path / "b/redis-server", "7.0.15")
    assert find_redis({"PATH": f"{tmp_path / 'a'}:{tmp_path / 'b'}"}).path == newer


def test_path__valkey_serves_where_redis_is_not(tmp_path: Path) -> None:
    redis(tmp_path / "valkey-server", "8.1.4", "Valkey")
    found = find_redis({"PATH": str(tmp_path)})
    assert (found.product, found.version) == ("Valkey", (8, 1, 4))


def test_path__valkey_before_8_is_too_old(tmp_path: Path) -> None:
    redis(tmp_path / "valkey-server", "7.2.9", "Valkey")
    with pytest.raises(StackError, match="older than 8"):
        find_redis({"PATH": str(tmp_path)})


def test_program_that_fails__is_passed_over(tmp_path: Path) -> None:
    broken = program(tmp_path / "nats-server", "nats-server: v2.11.0")
    broken.write_text("#!/bin/sh\nexit 127\n")
    with pytest.raises(StackError, match="nats-server: it does not run"):
        find_nats({"PATH": str(tmp_path)})


def test_nothing_found__names_every_way_out() -> None:
    with pytest.raises(StackError) as caught:
        find_redis({"PATH": ""})
    for way in ("creditgate[embedded]", "redis-server or valkey", "GATE_REDIS_SERVER", "REDIS_URL"):
        assert way in str(caught.value)


def test_postgres__explicit_folder(tmp_path: Path) -> None:
    mine = postgres(tmp_path, "16.4 (Debian 16.4-1)")
    found = find_postgres({"GATE_POSTGRES_BIN": str(tmp_path)})
    assert (found.path, found.version) == (mine, (16, 4))


def test_postgres__link_on_path_leads_to_its_initdb(tmp_path: Path) -> None:
    real = postgres(tmp_path / "lib/15/bin", "15.18")
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/postgres").symlink_to(real)
    assert find_postgres({"PATH": str(tmp_path / "bin")}).path == real


def test_postgres__highest_of_the_system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for version in ("9.6.1", "15.2", "17.0"):
        postgres(tmp_path / version.partition(".")[0] / "bin", version)
    pattern = str(tmp_path / "*/bin").removeprefix("/")
    monkeypatch.setattr(places, "_POSTGRES_DIRS", (pattern,))
    assert find_postgres({"PATH": ""}).version == (17, 0)


def test_postgres__major_of_the_data_wins(tmp_path: Path) -> None:
    postgres(tmp_path / "18", "18.6")
    older = postgres(tmp_path / "16", "16.4")
    path = {"PATH": f"{tmp_path / '18'}:{tmp_path / '16'}"}
    assert find_postgres(path, major=16).path == older
    with pytest.raises(StackError, match="PostgreSQL 17, which made the data"):
        find_postgres(path, major=17)
