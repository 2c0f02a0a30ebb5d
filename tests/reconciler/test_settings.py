"""Settings: where they come from, what they refuse, and what is never printed."""

from __future__ import annotations

import io
import json
import logging
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
import structlog

from gate.domain.errors import BadArgument
from reconciler.__main__ import main
from reconciler.log import configure_log, hide_passwords
from reconciler.settings import SETTINGS, Settings

if TYPE_CHECKING:
    from collections.abc import Iterator

PG_URL = "postgresql://gate:s3cret@db.example:5432/gate"


@pytest.fixture
def log_restored() -> Iterator[None]:
    root = logging.getLogger()
    before = root.handlers, root.level
    yield
    root.handlers, root.level = before
    structlog.reset_defaults()


def test_defaults__need_the_database_alone() -> None:
    settings = Settings.read({"PG_URL": PG_URL, "GATE_BATCH_MAX": " "}, {"batch_max": None})
    assert settings == Settings(database_url=PG_URL)
    assert (settings.partitions, settings.batch_max, settings.poll_ms) == (64, 5_000, 20)
    assert (settings.host, settings.port) == ("127.0.0.1", 8024)


def test_option__wins_over_variable_over_default() -> None:
    environ = {"PG_URL": PG_URL, "GATE_POLL_MS": "50", "GATE_BATCH_MAX": "7", "GATE_DRY_RUN": "yes"}
    settings = Settings.read(environ, {"batch_max": "9", "lease_ttl_s": "0.5", "command": "run"})
    assert (settings.poll_ms, settings.batch_max, settings.lease_ttl_s) == (50, 9, 0.5)
    assert settings.dry_run
    assert not Settings.read(environ, {"dry_run": False}).dry_run


@pytest.mark.parametrize(
    ("variable", "text", "allowed"),
    [
        ("GATE_BATCH_MAX", "many", "a whole number from 1 to 50,000"),
        ("GATE_BATCH_MAX", "0", "a whole number from 1 to 50,000"),
        ("GATE_LEASE_TTL_S", "nan", "0.2 to 60 seconds"),
        ("GATE_PARTITIONS", "3", "one of 1, 2, 4, 8, 16, 32, 64"),
        ("GATE_DRY_RUN", "perhaps", "1 or 0, true or false, yes or no, on or off"),
        ("GATE_LOG_LEVEL", "loud", "one of debug, info, warning, error"),
        ("REDIS_URL", "http://:s3cret@h", "redis[s]://[[user]:password@]host[:port][/db] or"),
        ("PG_URL", "mysql://gate:s3cret@h/db", "postgresql://user:password@host:port/database"),
        ("PG_URL", "postgresql://gate:s3/cret@h/db", "percent-encoded"),
        ("PG_URL", "postgresql://gate:12/s3cret@h/db", "percent-encoded"),
        ("GATE_RECONCILER_PORT", PG_URL, "a whole number from 0 to 65,535"),
    ],
)
def test_value_out_of_range__names_variable_and_range_and_no_password(
    variable: str, text: str, allowed: str
) -> None:
    with pytest.raises(BadArgument) as refused:
        Settings.read({"PG_URL": PG_URL, variable: text}, {})
    assert refused.value.field == variable
    assert allowed in str(refused.value)
    assert "cret" not in str(refused.value)


@pytest.mark.parametrize(
    "url",
    [
        "postgres://h",
        "postgresql:///gate?host=/run/postgresql",
        "postgresql://u:p%40%2F@[::1]:5432/gate",
        "postgresql://u:p@one.example:5432,two.example:5433/gate?target_session_attrs=primary",
    ],
)
def test_database_url__may_have_any_form_of_the_client(url: str) -> None:
    assert Settings(database_url=url).database_url == url


def test_settings_made_by_hand__are_checked_too() -> None:
    with pytest.raises(BadArgument, match="GATE_POLL_MS"):
        replace(Settings(database_url=PG_URL), poll_ms=0)


def test_printing__shows_no_url() -> None:
    printed = repr(Settings(database_url=PG_URL, redis_url="redis://:s3cret@h"))
    assert "s3cret" not in printed
    assert "batch_max=5000" in printed


def test_option_out_of_range__is_one_sentence_and_exit_2(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["--database-url", PG_URL, "--batch-max", "0"]) == 2
    out, err = capsys.readouterr()
    said = "--batch-max = '0' is not allowed: a whole number from 1 to 50,000"
    assert (out, err) == ("", f"reconciler: {said}\n")


def test_help__tells_every_setting(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["run", "--help"])
    assert ended.value.code == 0
    shown = capsys.readouterr().out
    for setting in SETTINGS:
        assert setting.option in shown
        assert setting.variable in shown


def test_unknown_option__is_told_without_its_password(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit):
        main([f"--pg={PG_URL}"])
    err = capsys.readouterr().err
    assert "postgresql://gate:***@db.example:5432/gate" in err


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (f"cannot reach {PG_URL}!", "cannot reach postgresql://gate:***@db.example:5432/gate!"),
        ("redis://:a@b@h and redis://h/0", "redis://:***@h and redis://h/0"),
        ("postgresql://h/d?user=u&password=p%20p&x=y", "postgresql://h/d?user=u&password=***&x=y"),
        ("http://127.0.0.1:8024/health, a@b", "http://127.0.0.1:8024/health, a@b"),
    ],
)
def test_passwords__are_hidden(text: str, shown: str) -> None:
    assert hide_passwords(text) == shown


def records(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


@pytest.mark.usefixtures("log_restored")
def test_log__is_json_lines_without_passwords() -> None:
    stream = io.StringIO()
    log = configure_log("info", stream=stream)
    log.debug("nobody sees it")
    log.info("connecting", url=PG_URL, urls=[PG_URL, b"x"], n=3, inner={"a": (PG_URL,)})
    logging.getLogger("somebody.else").warning("lost %s", PG_URL)
    try:
        raise ValueError(PG_URL)
    except ValueError:
        log.exception("failed")
    assert "s3cret" not in stream.getvalue()
    first, second, third = records(stream)
    hidden = "postgresql://gate:***@db.example:5432/gate"
    assert (first["event"], first["level"], first["n"]) == ("connecting", "info", 3)
    assert (first["urls"][0], first["inner"]) == (hidden, {"a": [hidden]})
    assert (second["event"], second["level"]) == (f"lost {hidden}", "warning")
    assert third["exception"].endswith(f"ValueError: {hidden}")


@pytest.mark.usefixtures("log_restored")
def test_log__is_readable_for_a_person() -> None:
    stream = io.StringIO()
    log = configure_log("warning", stream=stream, readable=True)
    log.info("nobody sees it")
    try:
        password = "s3cret"
        raise ValueError(f"redis://:{password}@h")
    except ValueError:
        log.exception("failed", partition=3)
    shown = stream.getvalue()
    assert "failed" in shown
    assert "partition=3" in shown
    assert "ValueError: redis://:***@h" in shown
    assert "s3cret" not in shown
