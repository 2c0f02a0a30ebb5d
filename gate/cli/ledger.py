"""`gate ledger`: whether the history is what was booked."""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import argparse

    from gate.ledger.chain_walk import Finding
    from gate.ledger.verify import Progress, Verified

_EXIT_FAULTS = 1
#: Beyond, findings are counted and no longer told.
_TOLD_MAX = 1_000


def add(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the subcommands."""
    parser = subparsers.add_parser(
        "ledger",
        help="verify the ledger: every entry, balance and digest",
        description="The ledger of all organizations.",
    )
    actions = parser.add_subparsers(metavar="ACTION", required=True)
    verifier = actions.add_parser(
        "verify",
        help="recompute numbers, balances and digests of one or all organizations",
        description="Recompute every entry: numbers without gaps, balances, the digest that chains "
        "it to the one before, and the account's row at the end. Changes nothing, and may run "
        "beside booking. Exit code 1: the ledger is not what was booked.",
    )
    verifier.add_argument("organization_id", metavar="ORG", nargs="?", help="default: all")
    verifier.add_argument(
        "--database-url",
        metavar="URL",
        help="default: PG_URL, else the running stack of GATE_DATA_DIR or .gate",
    )
    verifier.add_argument("--json", action="store_true", help="print JSON")
    verifier.set_defaults(run=run_verify)


def run_verify(args: argparse.Namespace) -> int:
    """Verify, print what was found and a summary."""
    from gate.cli.database_url import find_database_url
    from gate.cli.event_loop import run_async
    from gate.cli.extras import import_extra
    from gate.domain.limits import check_id

    import_extra("asyncpg", "ledger")
    if args.organization_id is not None:
        check_id("ORG", args.organization_id)
    telling = _Telling(args.organization_id, in_json=args.json)
    verified = run_async(
        _verify(find_database_url(args.database_url), args.organization_id, telling)
    )
    telling.sum_up(verified)
    return _EXIT_FAULTS if verified.faults else 0


async def _verify(url: str, organization_id: str | None, telling: _Telling) -> Verified:
    from gate.ledger.verify import verify

    return await verify(url, organization_id, report=telling.tell, progress=telling.show)


class _Report(NamedTuple):
    """What `--json` prints."""

    ok: bool
    organizations: int
    entries: int
    faults: int
    detached: int
    head: str | None
    findings: tuple[Finding, ...]
    findings_left_out: int


class _Telling:
    """Prints findings as they come, or keeps them for JSON; shows how far it is."""

    def __init__(self, organization_id: str | None, *, in_json: bool) -> None:
        from gate.cli.progress_line import ProgressLine

        self._organization_id = organization_id
        self._in_json = in_json
        self._kept: list[Finding] = []
        self._told = 0
        self._line = ProgressLine()
        self._start = monotonic()

    def tell(self, finding: Finding) -> None:
        # Of all organizations, those that begin late are a number: they may be all.
        if not finding.is_fault and self._organization_id is None and not self._in_json:
            return
        self._told += 1
        if self._told > _TOLD_MAX:
            return
        if self._in_json:
            self._kept.append(finding)
            return
        where = finding.organization_id
        if finding.entry_no is not None:
            where = f"{where} entry {finding.entry_no:,}"
        self._line.clear()
        print(f"{where}: {finding.said}".replace(" -", " −"), flush=True)

    def show(self, progress: Progress) -> None:
        rate = progress.entries / max(monotonic() - self._start, 0.001)
        self._line.show(
            f"{progress.entries:,} of {progress.expected:,} entries, "
            f"{progress.organizations:,} organizations, {rate:,.0f}/s, {progress.faults:,} faults"
        )

    def sum_up(self, verified: Verified) -> None:
        self._line.clear()
        if self._in_json:
            self._print_json(verified)
            return
        if self._told > _TOLD_MAX:
            print(f"… and {self._told - _TOLD_MAX:,} more")
        what = (
            self._organization_id
            if self._organization_id is not None
            else f"{verified.organizations:,} organizations"
        )
        faults = f"{verified.faults:,} faults" if verified.faults else "all as it was booked"
        print(f"{what}: {verified.entries:,} entries verified, {faults}.")
        if verified.detached and self._organization_id is None:
            print(
                f"Of {verified.detached:,} organizations older entries are in detached partitions, "
                "and were not verified."
            )
        if verified.head is not None:
            print(f"The chain ends with {verified.head.hex() or 'no entry'}.")

    def _print_json(self, verified: Verified) -> None:
        from gate.cli.plain import to_json

        report = _Report(
            ok=verified.faults == 0,
            organizations=verified.organizations,
            entries=verified.entries,
            faults=verified.faults,
            detached=verified.detached,
            head=None if verified.head is None else verified.head.hex(),
            findings=tuple(self._kept),
            findings_left_out=max(0, self._told - _TOLD_MAX),
        )
        print(to_json(report))
