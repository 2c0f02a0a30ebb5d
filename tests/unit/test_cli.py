"""The frame of the `gate` command."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from gate.cli import main
from gate.cli.extras import ExtraMissing, import_extra

if TYPE_CHECKING:
    from pathlib import Path


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--version"])
    assert ended.value.code == 0
    assert capsys.readouterr().out.startswith("gate ")


def test_help__names_the_subcommands(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    assert "stack" in capsys.readouterr().out


def test_expected_failure__is_one_line_and_exit_code_2(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("NODE_ENV", "production")
    monkeypatch.delenv("REDIS_URL", raising=False)
    assert main(["stack", "--data-dir", str(tmp_path)]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("gate: NODE_ENV=production does not use embedded servers: set REDIS_URL")
    assert err.count("\n") == 1


def test_missing_extra__names_the_command_that_installs_it() -> None:
    with pytest.raises(ExtraMissing, match=r"pip install 'creditgate\[demo\]'"):
        import_extra("no_such_module", "demo")
