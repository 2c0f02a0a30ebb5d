"""Plays a list of steps on the oracle, then the same calls on Redis, and compares all they say.

The oracle resolves what a step says in relation to the present state ("one ms before the next
expiry"), so that all calls of a run are known beforehand and go to Redis in one pipeline.
"""

from __future__ import annotations

from collections import Counter
from copy import deepcopy
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from tests.oracle import NEVER, Account, Delta, Oracle
from tests.support.lua import (
    CLOCK,
    HEAD,
    START_MS,
    Refused,
    Verbs,
    read_delta,
    read_grants,
    read_peek,
)

if TYPE_CHECKING:
    from collections.abc import Sequence


_SNAPSHOT = """
local account, journal, holds, due = KEYS[1], KEYS[2], KEYS[3], KEYS[7]
return {
  redis.call('GET', account) or '',
  redis.call('ZRANGE', holds, 0, -1, 'WITHSCORES'),
  redis.call('HGETALL', KEYS[4]),
  redis.call('HGETALL', KEYS[5]),
  redis.call('HGETALL', KEYS[6]),
  redis.call('ZRANGE', due, 0, -1, 'WITHSCORES'),
  redis.call('HGETALL', KEYS[8]),
  redis.call('XLEN', journal),
  redis.call('XREVRANGE', journal, '+', '-', 'COUNT', 1),
}
"""

#: Verbs that never write without a reason; see `unchanged`.
DENIALS = {"insufficient", "throttled", "inactive", "conflict", "settled", "not_loaded", "stale"}


@dataclass(frozen=True)
class Step:
    """A call of a verb, or `clock` (microseconds to add) or `until` (a mark and an offset)."""

    verb: str
    arguments: dict[str, Any] = field(default_factory=dict)

    def __repr__(self) -> str:
        return f"Step({self.verb!r}, {self.arguments!r})"


@dataclass
class Call:
    """A call as it was made, and what the oracle says about it."""

    now_us: int
    step: Step
    arguments: dict[str, Any]
    peek_credits: int
    answer: tuple
    peek: dict[str, object]
    hold_ids: set[str]
    first_expiry: int
    operations: int
    deltas: list[Delta]


def instants(oracle: Oracle) -> dict[str, int]:
    """The marks in time that a step may name."""
    a, now = oracle.account, oracle.now_ms
    return {
        "expiry": oracle.first_expiry,
        "change": a.next_change_at(now) if a else NEVER,
        "end": a.ends_at if a else NEVER,
        "grace": a.grace_until if a else NEVER,
        "last": (a.coming[-1].ends_at if a.coming else a.ends_at) if a else NEVER,
        "generation": (now // 600_000 + 1) * 600_000,
    }


def set_clock(oracle: Oracle, step: Step) -> None:
    """Moves the clock, but not back over an instant of which the contract lets either side be
    true then: the end of a grace or of the last period that is known."""
    if step.verb == "clock":
        now_us = oracle.now_us + step.arguments["us"]
    else:
        instant = instants(oracle)[step.arguments["mark"]]
        if not 0 < instant < NEVER:
            return
        now_us = (instant + step.arguments["offset"]) * 1000 + step.arguments["us"]
    if a := oracle.account:
        for instant in (a.grace_until, a.ends_at):
            if instant <= oracle.now_ms:
                now_us = max(now_us, instant * 1000)
    oracle.now_us = max(1_000_000, now_us)


def resolve(oracle: Oracle, step: Step) -> dict[str, Any]:
    """The arguments of a step with instants instead of offsets from now."""
    given = dict(step.arguments)
    view = deepcopy(oracle)
    now, a = view.now_ms, view.enter()
    if step.verb == "apply":
        if "grace_in" in given:
            given["grace_until"] = max(0, now + given.pop("grace_in"))
        if "ends_in" in given:
            offset = given.pop("ends_in")
            given["ends_at"] = NEVER if offset is None else now + offset
        if "period_off" in given:
            given["period_no"] = max(0, (a.period_no if a else 1) + given.pop("period_off"))
        if "coming" in given:
            number = a.period_no if a else 1
            ends_at = given.get("ends_at", -1)
            ends_at = ends_at if ends_at != -1 else a.ends_at if a else NEVER
            periods = []
            for period in given["coming"]:
                number += 1
                ends_at = min(NEVER, ends_at + period.ends_at)
                periods.append(replace(period, period_no=number, ends_at=ends_at))
            given["coming"] = periods
        given["changes"] = [
            replace(
                change,
                expires_at=change.expires_at
                if change.expires_at == NEVER
                else now + change.expires_at,
            )
            for change in given.get("changes", ())
        ]
    elif step.verb == "expire":
        due = view.sweepable()
        limit = given["limit"]
        if due[limit:] and due[limit - 1].expires_at == due[limit].expires_at:
            given["limit"] = 1_000  # which of equals goes first is nobody's business
    elif step.verb == "retire":
        given["epoch"] = max(1, (a.epoch if a else 1) + given["epoch"])
    return given


def play_oracle(account: Account, steps: Sequence[Step]) -> list[Call]:
    """What the contract says about the steps."""
    oracle = Oracle()
    oracle.now_us = START_MS * 1000
    calls: list[Call] = []
    known = deepcopy(account)

    def note(step: Step, arguments: dict[str, Any], answer: tuple, journaled: int) -> None:
        credits = 1 + len(calls) * 7 % 40
        calls.append(
            Call(
                oracle.now_us,
                step,
                arguments,
                credits,
                answer,
                oracle.peek(credits),
                set(oracle.holds),
                oracle.first_expiry,
                len(oracle.operations),
                oracle.journal[journaled:],
            )
        )

    def load(step: Step) -> None:
        nonlocal known
        journaled = len(oracle.journal)
        packed = deepcopy(known)
        answer = oracle.load(deepcopy(packed))
        note(step, {"account": packed}, answer, journaled)

    load(Step("load"))
    for step in steps:
        journaled = len(oracle.journal)
        if step.verb in ("clock", "until"):
            set_clock(oracle, step)
            continue
        if step.verb == "load":
            load(step)
            continue
        if oracle.account is not None and step.verb == "retire":
            known = deepcopy(oracle.account)
        arguments = resolve(oracle, step)
        before = oracle.account
        answer = getattr(oracle, step.verb)(**arguments)
        note(step, arguments, answer, journaled)
        if answer[0] == "retired":
            known = deepcopy(before)
            known.epoch += 1
            known.backlog = dict.fromkeys(known.backlog, 0)
            known.paced_us = 0
    return calls


class Difference(AssertionError):
    """Redis and the oracle disagree."""


class Recorder(Verbs):
    """Collects the commands of the verbs instead of sending them."""

    def run(self, verb: str, *arguments: object) -> Any:
        return self.command(verb, *arguments)

    def peek(self, credits: int) -> Any:
        return self.command("peek", credits)


def play(verbs: Verbs, account: Account, steps: Sequence[Step], tally: Counter | None = None):
    """Runs the steps on both sides. Raises Difference at the first call that differs."""
    calls = play_oracle(account, steps)
    recorder = Recorder.__new__(Recorder)
    recorder.__dict__ |= verbs.__dict__
    pipe = verbs.redis.pipeline(transaction=False)
    pipe.flushdb()
    for verb in ("peek", *{call.step.verb for call in calls}):
        pipe.script_load(verbs.script(verb).source)
    snapshot = verbs.redis.register_script(_SNAPSHOT)
    pipe.script_load(_SNAPSHOT)
    skip = len(pipe)
    for call in calls:
        pipe.set(CLOCK, call.now_us)
        pipe.execute_command(*getattr(recorder, call.step.verb)(**call.arguments))
        pipe.execute_command(*recorder.peek(call.peek_credits))
        pipe.evalsha(snapshot.sha, 8, *verbs.keys)
    answers = pipe.execute(raise_on_error=False)[skip:]
    previous = None
    deltas: list[Delta] = []
    for number, call in enumerate(calls):
        _, answer, peek, state = answers[number * 4 : number * 4 + 4]
        history = "\n  ".join(
            f"{c.now_us - START_MS * 1000:+d} {c.step.verb} {c.arguments} -> {c.answer}"
            for c in calls[: number + 1]
        )

        def differ(what: str, found: object, expected: object, history=history) -> None:
            if found != expected:
                raise Difference(f"{what}\n  redis  {found}\n  oracle {expected}\n  {history}")

        try:
            differ("answer", verbs.answer(call.step.verb, answer), call.answer)
            found = read_peek(verbs.answer("peek", peek))
        except Refused as error:
            raise Difference(f"refused: {error}\n  {history}") from error
        compare_peek(differ, call, found)
        if call.step.verb == "reserve" and call.answer[0] == "reserved" and not call.answer[-1]:
            left = found["posted"] + found["overage"] + found["debt"]
            spare = found["overage_limit"] - found["overage"]
            differ("I2", found["held"] <= left + max(0, spare), True)
        compare_state(differ, call, state, verbs.organization)
        new = deltas_of(differ, call, state, previous)
        deltas += new
        unchanged(differ, call, state, previous)
        previous = state
        if tally is not None:
            tally[call.step.verb, call.answer[0]] += 1
    check_journal(deltas)
    return calls


def compare_peek(differ, call: Call, found: dict[str, object]) -> None:
    """All fields alike. Only `next_expiry_ms` may be early, where the hold that would have expired
    first was settled, and with it how long peek says to wait."""
    early = found.get("next_expiry_ms", NEVER) < call.first_expiry
    if not early:
        expected = call.peek.get("next_expiry_ms")
        differ("peek.next_expiry_ms", found.get("next_expiry_ms"), expected)
    for name, value in call.peek.items():
        waits = name in ("verdict", "limit", "retry_after_ms", "required", "available")
        if name == "next_expiry_ms" or (early and waits and call.peek["verdict"] != "reserved"):
            continue
        differ(f"peek.{name}", found[name], value)


def compare_state(differ, call: Call, state: list, organization: str) -> None:
    """The raw keys against the oracle."""
    account, holds, details, *_ = state
    _, _, _, _, _, due, operations, *_ = state
    differ("hold ids", {id.decode() for id in holds[::2]}, call.hold_ids)
    differ("details", {id.decode() for id in details[::2]} - call.hold_ids, set())
    differ("operations", len(operations) // 2, call.operations)
    if account and call.hold_ids:
        scores = dict(zip(due[::2], due[1::2], strict=True))
        score = float(scores.get(organization.encode(), "inf"))
        differ("due", score <= call.first_expiry, True)
    if account:
        posted = HEAD.unpack(account)[0][21]
        left = sum(grant.left for grant in read_grants(account))
        if read_due(account) > call.now_us // 1000:  # else peek is ahead of what is stored
            a = call.peek
            differ("posted", posted, left - a["overage"] - a["debt"])


def deltas_of(differ, call: Call, state: list, previous: list | None) -> list[Delta]:
    """The delta of a call, at most one."""
    before = previous[7] if previous else 0
    differ("deltas", state[7] - before, len(call.deltas))
    if not call.deltas:
        return []
    _, fields = state[8][0]
    _, delta = read_delta(dict(zip(fields[::2], fields[1::2], strict=True)))
    expected = call.deltas[0]
    for name in Delta.__dataclass_fields__:
        differ(f"delta.{name}", getattr(delta, name), getattr(expected, name))
    return [delta]


def unchanged(differ, call: Call, state: list, previous: list | None) -> None:
    """I10: a replay, and a denial, changes nothing but what time and sweeps did.

    The account's own bytes may still move by what `advance` did without a leg (a grace that
    ended), so they are compared where the account was not due to change.
    """
    answer = call.answer
    replayed = answer[-1] == 1 and answer[0] in (
        "reserved",
        "committed",
        "released",
        "not_found",
        "applied",
    )
    if answer == ("not_loaded",) and call.step.verb == "expire":
        return  # takes the organization out of the partition's index
    denied = answer[0] in DENIALS or (answer[0] == "not_found" and call.step.verb == "extend")
    if previous is None or not (replayed or denied) or call.deltas:
        return
    same_holds = state[1] == previous[1]
    if not same_holds:  # a denial that swept
        return
    if read_due(previous[0]) > call.now_us // 1000:
        now, then = (without_clock(bytes_) for bytes_ in (state[0], previous[0]))
        differ("account after a call that changes nothing", now, then)
    for index in (2, 3, 4, 5, 6, 7):
        differ(f"key {index + 1} after a call that changes nothing", state[index], previous[index])


def without_clock(account: bytes) -> bytes:
    """The account without the instant of its rate state, which a clock that went back may lower."""
    return account[:65] + account[72:] if account else b""


def read_due(account: bytes) -> int:
    """The next change of a packed account."""
    return HEAD.unpack(account)[0][1] if account else NEVER


def check_journal(deltas: list[Delta]) -> None:
    """I1, I4, I5, I7, I9 by the journal alone."""
    posted, seq = None, None
    turns, warnings = Counter(), Counter()
    for delta in deltas:
        legs = sum(
            leg.amount for leg in delta.legs if leg.entry not in ("turn", "warning", "audit")
        )
        if delta.kind == "applied":
            warnings.clear()  # it may bring other thresholds
        if seq is not None:
            assert delta.seq == seq + 1, f"I4: {delta}"
            assert delta.posted == posted + legs, f"I1, I5: {delta}"
        posted, seq = delta.posted, delta.seq
        for leg in delta.legs:
            if leg.entry == "turn":
                turns[leg.period_no] += 1
            if leg.entry == "warning":
                warnings[leg.period_no, leg.amount] += 1
    assert all(count == 1 for count in turns.values()), f"I9: {turns}"
    assert all(count == 1 for count in warnings.values()), f"I7: {warnings}"
