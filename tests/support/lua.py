"""Runs the verbs on a real Redis by a clock of the test's own, and reads back what they left.

Everything here is written from the contract (lua/README.md and the headers), byte for byte, and
uses nothing of the library but keys, number packing and the resolution of includes.
"""

from __future__ import annotations

import re
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, NamedTuple

import redis

from gate.assets import lua_dir
from gate.hot.keys import organization_keys
from gate.hot.packing import Packing
from gate.hot.script import Script, load_script
from tests.oracle import NEVER, Account, Change, Coming, Delta, Grant, Leg, Terms

if TYPE_CHECKING:
    from collections.abc import Sequence

TAG = "afj"
START_MS = 1_800_000_000_000
CLOCK = "test:clock"
TEST_CLOCK = f"""
local now_us = tonumber(redis.call('GET', '{CLOCK}'))
local now_ms = math.floor(now_us / 1000)
"""

HEAD = Packing("<BI6BBI2I4I6I6I4I4I7I4I4I4I4I7I7I7I4I7I6dI7B")
GRANT = Packing("<I7BI6")
REST = Packing("<BBI2I7I7I7I6I6I6I7I7dB")
LONGER = Packing("<I4I7I4I7")
COMING = Packing("<I4I6I7BB")
TERMS = Packing("<I4I7I4I4I4I4BI4I2I7dB")
DELTA = Packing("<BBI4I6ddI6I4B")
LEG = Packing("<BBdI4I4I6")

STATUSES = ("", "active", "trialing", "past_due", "paused", "cancelled", "frozen")
REASONS = ("", "debt", "repair")
SOURCES = ("", "rollover", "base", "purchased", "overage", "debt")
KINDS = (
    "",
    "reserved",
    "committed",
    "released",
    "spent",
    "recorded",
    "applied",
    "loaded",
    "retired",
    "advanced",
    "expired",
    "audited",
)
ENTRIES = {
    1: "credit_purchased",
    2: "email_sent",
    3: "rollover_applied",
    4: "manual_adjustment",
    5: "refund",
    6: "plan_change",
    7: "period_reset",
    100: "turn",
    101: "warning",
    102: "audit",
}
ENTRY_CODES = {name: code for code, name in ENTRIES.items()}
FLAGS = {1: "late", 2: "unknown", 4: "part", 8: "frozen"}

_FIELD = re.compile(r"\w+:(int|str|list)")

_DUMP = """
local found = {}
for _, key in ipairs(redis.call('KEYS', ARGV[1])) do
  found[#found + 1] = key
  local stream = redis.call('TYPE', key).ok == 'stream'
  found[#found + 1] = stream and redis.call('XRANGE', key, '-', '+') or redis.call('DUMP', key)
end
return found
"""


class Refused(Exception):
    """The verb answered with an error; `code` is its first word."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.code, _, self.text = message.partition(" ")


class Header(NamedTuple):
    """What the header of a verb promises."""

    keys: int
    answers: dict[str, list[str]]


def read_header(verb: str) -> Header:
    """The number of keys and the fields of each answer, by tag."""
    keys, answers, fields = 0, {}, None
    for line in (lua_dir() / f"{verb}.lua").read_text().splitlines():
        words = line.removeprefix("---").split()
        if not line.startswith("---"):
            continue
        if words and words[0].startswith("KEYS["):
            keys += 1
        if words[:1] == ["->"]:
            fields = answers[words[1]] = []
            words = words[2:]
        if fields is not None and words and all(_FIELD.fullmatch(word) for word in words):
            fields += [word.partition(":")[0] for word in words]
    return Header(keys, answers)


VERBS = tuple(sorted(path.stem for path in lua_dir().glob("*.lua")))
HEADERS = {verb: read_header(verb) for verb in VERBS}


def pack_terms(terms: Terms) -> bytes:
    """Terms as `apply` takes them."""
    t = terms
    return TERMS.pack(
        t.config_version,
        t.overage_limit,
        t.rate_per_second,
        t.burst,
        t.rate_per_minute,
        t.rate_per_hour,
        int(t.strict_burst),
        t.max_open_holds,
        t.max_attachment_size_mb,
        t.max_debt,
        t.max_rollover,
        len(t.warn_percents),
    ) + _pack_percents(t.warn_percents)


def _pack_percents(percents: Sequence[int]) -> bytes:
    return b"".join(percent.to_bytes(2, "little") for percent in percents)


def pack_coming(periods: Sequence[Coming]) -> bytes:
    """Coming periods as `apply` takes them."""
    packed = bytes([len(periods)])
    for period in periods:
        packed += COMING.pack(
            period.period_no,
            period.ends_at,
            period.allowance,
            STATUSES.index(period.status),
            int(period.terms is not None),
        )
        if period.terms:
            packed += pack_terms(period.terms)
    return packed


def pack_account(account: Account, layout: int = 1) -> bytes:
    """An account as `load` takes it; what it derives is 0."""
    a, t = account, account.terms
    longer = t.rate_per_minute or t.rate_per_hour
    packed = HEAD.pack(
        layout,
        0,
        0,
        int(t.strict_burst) + 2 * bool(longer),
        t.max_attachment_size_mb,
        t.max_open_holds,
        0,
        0,
        t.rate_per_second,
        t.burst,
        0,
        a.epoch,
        a.period_no,
        t.config_version,
        *(0, 0, 0, 0, 0, 0),
        a.seq,
        0,
        a.used,
        len(a.grants),
    )
    for grant in a.grants:
        packed += GRANT.pack(grant.left, SOURCES.index(grant.source), grant.expires_at)
    packed += REST.pack(
        STATUSES.index(a.status),
        REASONS.index(a.reason),
        a.warned_percent,
        a.overage,
        t.overage_limit,
        a.debt,
        a.started_at,
        a.ends_at,
        a.grace_until,
        a.warn_basis,
        t.max_debt,
        t.max_rollover,
        len(t.warn_percents),
    )
    packed += _pack_percents(t.warn_percents) + pack_coming(a.coming)
    if longer:
        packed += LONGER.pack(t.rate_per_minute, 0, t.rate_per_hour, 0)
    return packed


def read_grants(account: bytes) -> list[Grant]:
    """The grants of a packed account, in order."""
    head, position = HEAD.unpack(account)
    grants = []
    for _ in range(head[-1]):
        (left, source, expires_at), position = GRANT.unpack(account, position)
        grants.append(Grant(SOURCES[source], left, expires_at))
    return grants


def read_peek(answer: tuple) -> dict[str, object]:
    """The answer of peek by field names, the tag as `tag`; its lists as tuples with words."""
    tag, *fields = answer
    found = {"tag": tag} | dict(zip(HEADERS["peek"].answers[tag], fields, strict=True))
    if tag == "account":
        g, c = found["grants"], found["coming"]
        found["grants"] = [(SOURCES[g[i]], g[i + 1], g[i + 2]) for i in range(0, len(g), 3)]
        found["coming"] = [
            (c[i], c[i + 1], c[i + 2], STATUSES[c[i + 3]], c[i + 4]) for i in range(0, len(c), 5)
        ]
    return found


def read_delta(entry: dict[bytes, bytes]) -> tuple[str, Delta]:
    """The organization and the delta of a journal entry."""
    assert list(entry) == [b"o", b"i", b"d", b"m"], "always these four fields in this order"
    head, position = DELTA.unpack(entry[b"d"])
    kind, flags, epoch, seq, posted, held, at_ms, part, count = head
    legs = []
    for _ in range(count):
        (code, source, amount, period_no, version, _), position = LEG.unpack(entry[b"d"], position)
        legs.append(Leg(ENTRIES[code], SOURCES[source], amount, period_no, version))
    assert position == len(entry[b"d"])
    more, texts = entry[b"m"], []
    if more:
        rest = more
        for size in (1, 2, 4, 4):
            length = int.from_bytes(rest[:size], "little")
            texts.append(rest[size : size + length].decode())
            rest = rest[size + length :]
        assert not rest
    else:
        texts = ["", "", "", ""]
    delta = Delta(
        KINDS[kind],
        entry[b"i"].decode(),
        frozenset(name for bit, name in FLAGS.items() if flags & bit),
        epoch,
        seq,
        posted,
        held,
        at_ms,
        part,
        tuple(legs),
        *texts[:3],
        expired=tuple(texts[3].split("\n")) if texts[3] else (),
    )
    return entry[b"o"].decode(), delta


def with_test_clock(target: Path, source: Path | None = None) -> Path:
    """A copy of the scripts in which the test is the clock."""
    shutil.copytree(source or lua_dir(), target)
    (target / "lib" / "clock.lua").write_text(TEST_CLOCK)
    return target


class Verbs:
    """The verbs on one organization; the same methods and answers as those of the oracle."""

    scripts: ClassVar[dict[tuple[Path | None, str], Script]] = {}
    seen: ClassVar[set[tuple[str, str]]] = set()

    def __init__(
        self, url: str, organization: str = "org_a", directory: Path | None = None
    ) -> None:
        self.redis = redis.Redis.from_url(url, protocol=2)
        self.organization = organization
        self.keys = organization_keys(organization, TAG)
        self.directory = directory
        self.now_us = START_MS * 1000

    def __enter__(self) -> Verbs:
        return self

    def __exit__(self, *_: object) -> None:
        self.redis.close()

    def wait(self, ms: int) -> None:
        """Lets time pass; back, if negative."""
        self.now_us += ms * 1000

    def script(self, verb: str) -> Script:
        """The script of a verb with the test's clock; read once per process."""
        found = self.scripts.get((self.directory, verb))
        if found is None:
            if self.directory is None:
                with tempfile.TemporaryDirectory() as place:
                    found = load_script(verb, with_test_clock(Path(place) / "lua"))
            else:
                found = load_script(verb, self.directory)
            self.scripts[self.directory, verb] = found
        return found

    def other(self, organization: str) -> Verbs:
        """The same Redis and instant, another organization."""
        other = Verbs.__new__(Verbs)
        other.__dict__ |= self.__dict__
        other.organization, other.keys = organization, organization_keys(organization, TAG)
        return other

    def command(self, verb: str, *arguments: object) -> tuple[object, ...]:
        """The EVALSHA of a verb."""
        count = HEADERS[verb].keys
        keys = self.keys[:count]
        if verb == "apply":
            keys = self.keys.account, self.keys.journal, self.keys.operations
        return "EVALSHA", self.script(verb).sha, count, *keys, *arguments

    def run(self, verb: str, *arguments: object) -> tuple:
        """The answer of a verb as a tuple. Raises Refused for an error."""
        pipe = self.redis.pipeline(transaction=False)
        pipe.set(CLOCK, self.now_us)
        pipe.execute_command(*self.command(verb, *arguments))
        _, answer = pipe.execute(raise_on_error=False)
        if isinstance(answer, redis.exceptions.NoScriptError):
            self.redis.script_load(self.script(verb).source)
            return self.run(verb, *arguments)
        return self.answer(verb, answer)

    def answer(self, verb: str, answer: object) -> tuple:
        """What Redis said, checked against the header."""
        if isinstance(answer, redis.exceptions.RedisError):
            refused = Refused(str(answer))
            self.seen.add((verb, refused.code))
            raise refused
        assert isinstance(answer, list)
        tag, *fields = (item.decode() if isinstance(item, bytes) else item for item in answer)
        self.seen.add((verb, tag))
        assert len(fields) == len(HEADERS[verb].answers[tag]), (verb, answer)
        return tag, *fields

    # The verbs, with the arguments of the oracle.

    def reserve(self, id, credits, ttl_ms=60_000, least=0, cost=-1, reference="", sends=""):
        texts = trailing(reference, sends)
        rest = (least, cost, *texts) if texts or least or cost != -1 else ()
        return self.run("reserve", id, credits, ttl_ms, *rest)

    def extend(self, id, to_credits=0, ttl_ms=0):
        return self.run("extend", id, to_credits, ttl_ms)

    def commit(self, id, credits=-1, hold_credits=0, final=True, part=0, reference="", sends=""):
        texts = trailing(reference, sends)
        rest = (int(final), part, *texts) if texts or part or not final else ()
        return self.run("commit", id, credits, hold_credits, *rest)

    def release(self, id, reason="", sends=""):
        return self.run("release", id, *trailing(reason, sends))

    def spend(self, id, credits, cost=-1, reference="", sends=""):
        texts = trailing(reference, sends)
        return self.run("spend", id, credits, *((cost, *texts) if texts or cost != -1 else ()))

    def record(self, sends):
        return self.run("record", sends)

    def pace(self, cost):
        return self.run("pace", cost)

    def touch(self):
        return self.run("touch")

    def expire(self, limit):
        return self.run("expire", limit)

    def audit(self):
        return self.run("audit")

    def load(self, account: Account):
        return self.run("load", pack_account(account))

    def retire(self, epoch):
        return self.run("retire", epoch)

    def peek(self, credits):
        """The answer by field names, the tag as `tag`; its lists as tuples with words."""
        return read_peek(self.run("peek", credits))

    def apply(
        self,
        id,
        period_no=0,
        status="",
        status_reason="",
        grace_until=-1,
        ends_at=-1,
        terms: Terms | None = None,
        coming: Sequence[Coming] | None = None,
        reference="",
        reason="",
        changes: Sequence[Change] = (),
    ):
        lines = [
            item
            for change in changes
            for item in (
                ENTRY_CODES[change.entry],
                SOURCES.index(change.source),
                change.credits,
                0 if change.expires_at == NEVER else change.expires_at,
                int(change.rest_to_debt),
            )
        ]
        return self.run(
            "apply",
            id,
            period_no,
            STATUSES.index(status),
            REASONS.index(status_reason),
            grace_until,
            ends_at,
            pack_terms(terms) if terms else "",
            "" if coming is None else pack_coming(coming),
            reference,
            reason,
            *lines,
        )

    # What is there.

    def dump(self) -> dict[bytes, object]:
        """Every key with its serialized value, of a stream the entries; not the clock."""
        found = self.redis.eval(_DUMP, 0, "gate:*")
        return dict(zip(found[::2], found[1::2], strict=True))

    def grants(self) -> list[Grant]:
        return read_grants(self.redis.get(self.keys.account))

    def journal(self, after: str = "-") -> list[Delta]:
        """The deltas of this organization."""
        entries = self.redis.xrange(self.keys.journal, min=after)
        deltas = (read_delta(entry) for _, entry in entries)
        return [delta for name, delta in deltas if name == self.organization]


def trailing(*texts: str) -> list[str]:
    """Optional arguments, the empty ones at the end left out."""
    kept = list(texts)
    while kept and not kept[-1]:
        kept.pop()
    return kept
