"""The contract of the verbs (lua/README.md) as plain Python: one organization, no Redis, no bytes.

It shares nothing with the Lua, so that where the two differ one of them is wrong. Answers are
tuples `(tag, *fields)`. Arguments are taken to be in range: what is refused as GATE_BADARG never
reaches the rules.
"""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass, field

NEVER = 2**48 - 1
DAY_MS = 86_400_000
GENERATION_MS = 600_000
SWEEP_AFTER_MS = 250
SWEEP_LIMIT = 64
COMMIT_ABOVE = 1_000
GRANTS_MAX = 16
BURN_ORDER = ("rollover", "base", "purchased")
PERIODIC = ("rollover", "base")

#: The length of the unit of each rate limit, in the ticks in which its backlog is paid back.
UNITS = {"second": 1_000_000, "minute": 60_000, "hour": 3_600_000}

Answer = tuple


@dataclass(frozen=True)
class Terms:
    """What a plan allows."""

    config_version: int = 1
    overage_limit: int = 0
    rate_per_second: int = 1_000_000
    burst: int = 1_000_000
    rate_per_minute: int = 0
    rate_per_hour: int = 0
    strict_burst: bool = False
    max_open_holds: int = 1_000
    max_attachment_size_mb: int = 25
    max_debt: int = 10_000
    max_rollover: int = -1
    warn_percents: tuple[int, ...] = (80, 100)


@dataclass(frozen=True)
class Coming:
    """A period that is known before it begins; empty status and terms: as they are then."""

    period_no: int
    ends_at: int
    allowance: int
    status: str = ""
    terms: Terms | None = None


@dataclass
class Grant:
    """Credits given."""

    source: str
    left: int
    expires_at: int = NEVER


@dataclass(frozen=True)
class Change:
    """One line of an operation: credits > 0 gives, < 0 takes."""

    entry: str
    source: str
    credits: int
    expires_at: int = NEVER
    rest_to_debt: bool = False


@dataclass(frozen=True)
class Leg:
    """One line of a delta."""

    entry: str
    source: str
    amount: int
    period_no: int
    config_version: int


@dataclass(frozen=True)
class Delta:
    """One journal entry."""

    kind: str
    id: str
    flags: frozenset[str]
    epoch: int
    seq: int
    posted: int
    held: int
    at_ms: int
    part: int
    legs: tuple[Leg, ...]
    reference: str = ""
    reason: str = ""
    sends: str = ""
    expired: tuple[str, ...] = ()


@dataclass
class Hold:
    """Credits set aside. `asked` and `least` are how the reserve was worded."""

    id: str
    credits: int
    granted: int
    asked: int
    least: int
    expires_at: int
    reference: str = ""
    sent: bool = False
    part: int = 0
    part_credits: int = 0


@dataclass(frozen=True)
class Settled:
    """What is remembered of an id: how it ended and the answer that was given.

    `goes_on`: what ended it was a late part, and more of them may come.
    """

    how: str
    generation: int
    spent: int = 0
    full: int = 0
    returned: int = 0
    late: bool = False
    part: int = 0
    part_credits: int = 0
    goes_on: bool = False


@dataclass
class Account:
    """The live account. `held` is the sum of the open holds and stands with them."""

    epoch: int = 1
    seq: int = 0
    period_no: int = 1
    started_at: int = 0
    ends_at: int = NEVER
    status: str = "active"
    reason: str = ""
    grace_until: int = 0
    terms: Terms = field(default_factory=Terms)
    grants: list[Grant] = field(default_factory=list)
    coming: list[Coming] = field(default_factory=list)
    overage: int = 0
    debt: int = 0
    used: int = 0
    warn_basis: int = 0
    warned_percent: int = 0
    backlog: dict[str, int] = field(default_factory=lambda: dict.fromkeys(UNITS, 0))
    paced_us: int = 0

    @property
    def left(self) -> int:
        return sum(grant.left for grant in self.grants)

    @property
    def posted(self) -> int:
        return self.left - self.overage - self.debt

    def next_change_at(self, now_ms: int) -> int:
        """The earliest instant at which time changes the account."""
        instants = [grant.expires_at for grant in self.grants]
        if self.coming or self.ends_at > now_ms:
            instants.append(self.ends_at)
        if self.status == "past_due" and self.grace_until > now_ms:
            instants.append(self.grace_until)
        return min(instants, default=NEVER)

    def refusal(self, now_ms: int) -> tuple[str, str] | None:
        """The status that does not admit, and its reason; None if admission is open."""
        if self.status in ("paused", "frozen"):
            return self.status, self.reason
        if self.status == "past_due" and now_ms >= self.grace_until:
            return "past_due", "grace_ended"
        if now_ms >= self.ends_at:
            return ("cancelled" if self.status == "cancelled" else "period_unknown"), ""
        return None

    def sort_grants(self) -> None:
        """The order of burning."""

        def key(grant: Grant) -> tuple[int, int, int]:
            lapses = grant.expires_at == NEVER and grant.source in PERIODIC
            instant = self.ends_at if lapses else grant.expires_at
            return instant, BURN_ORDER.index(grant.source), grant.expires_at

        self.grants = sorted((grant for grant in self.grants if grant.left), key=key)

    def add_grant(self, source: str, credits: int, expires_at: int = NEVER) -> None:
        """A grant, merged with one of its kind and day."""
        for grant in self.grants:
            if grant.source == source and day(grant.expires_at) == day(expires_at):
                grant.left += credits
                grant.expires_at = max(grant.expires_at, expires_at)
                break
        else:
            self.grants.append(Grant(source, credits, expires_at))
        self.sort_grants()


def day(instant: int) -> int:
    """The UTC day of an instant; that of NEVER is its own."""
    return -1 if instant == NEVER else instant // DAY_MS


class Oracle:
    """One organization: its account, holds, remembered ids, applied operations and journal."""

    def __init__(self) -> None:
        self.now_us = 0
        self.account: Account | None = None
        self.holds: dict[str, Hold] = {}
        self.settled: dict[str, Settled] = {}
        self.operations: dict[str, tuple[int, int]] = {}
        self.journal: list[Delta] = []
        self.generation = 0
        self.legs: list[Leg] = []
        self.expired: list[str] = []

    # What is true now.

    @property
    def now_ms(self) -> int:
        return self.now_us // 1000

    @property
    def held(self) -> int:
        return sum(hold.credits for hold in self.holds.values())

    @property
    def first_expiry(self) -> int:
        return min((hold.expires_at for hold in self.holds.values()), default=NEVER)

    @property
    def available(self) -> int:
        a = self.account
        spare = max(0, a.terms.overage_limit - a.overage)
        return 0 if a.debt else max(0, a.left + spare - self.held)

    def sweepable(self) -> list[Hold]:
        """Holds that are overdue long enough, the first to expire first."""
        due = [h for h in self.holds.values() if h.expires_at + SWEEP_AFTER_MS <= self.now_ms]
        return sorted(due, key=lambda hold: (hold.expires_at, hold.credits, hold.id))

    # The frame of every verb: advance first, one delta at most, ids remembered for two generations.

    def enter(self) -> Account | None:
        """Brings the account up to now; None if there is none."""
        self.legs, self.expired = [], []
        if self.account is not None:
            self.advance()
        return self.account

    def append(self, kind: str, id: str = "", *, flags=(), part=0, **texts: str) -> Delta:
        """The delta of this call, with every leg that was collected."""
        a = self.account
        a.seq += 1
        delta = Delta(
            kind,
            id,
            frozenset(flags),
            a.epoch,
            a.seq,
            a.posted,
            self.held,
            self.now_ms,
            part,
            tuple(self.legs),
            expired=tuple(self.expired),
            **texts,
        )
        self.journal.append(delta)
        self.legs, self.expired = [], []
        return delta

    def leave(self, *answer: object) -> Answer:
        """An answer without a delta of its own; what time or a sweep did is journaled."""
        if self.expired:
            self.append("expired")
        elif self.legs:
            self.append("advanced")
        return answer

    def leg(self, entry: str, source: str, amount: int) -> None:
        a = self.account
        self.legs.append(Leg(entry, source, amount, a.period_no, a.terms.config_version))

    def recall(self, id: str) -> Settled | None:
        """How an id was settled, if that is still remembered."""
        known, newest = self.settled.get(id), max(self.generation, self.now_ms // GENERATION_MS)
        return known if known and known.generation + 1 >= newest else None

    def remember(self, id: str, how: str, **first: int) -> None:
        self.holds.pop(id, None)
        self.generation = max(self.generation, self.now_ms // GENERATION_MS)
        self.settled[id] = Settled(how, self.generation, **first)

    # Time.

    def advance(self) -> None:
        """Does what was due up to now, in the order of the instants."""
        a = self.account
        while (instant := a.next_change_at(self.now_ms)) <= self.now_ms:
            if a.coming and a.ends_at == instant:
                self.turn()
                continue
            for grant in a.grants:
                if grant.expires_at == instant:
                    self.leg("period_reset", grant.source, -grant.left)
                    grant.left = 0
            a.sort_grants()

    def turn(self) -> None:
        """One period ends and the next begins."""
        a, coming = self.account, self.account.coming.pop(0)
        self.leg("turn", "", a.used)
        if a.overage:
            self.leg("period_reset", "overage", a.overage)
            a.overage = 0
        removed = 0
        for source in ("base", "rollover"):
            for grant in a.grants:
                if grant.source == source:
                    self.leg("period_reset", source, -grant.left)
                    removed += grant.left
                    grant.left = 0
        carried = min(removed, max(0, a.terms.max_rollover))
        if carried:
            self.leg("rollover_applied", "rollover", carried)
        a.period_no, a.started_at, a.ends_at = coming.period_no, a.ends_at, coming.ends_at
        if coming.terms:
            self.change_terms(coming.terms)
        if coming.status:
            a.status, a.reason = coming.status, ""
        a.used = a.warned_percent = 0
        a.warn_basis = carried + coming.allowance
        if carried:
            a.add_grant("rollover", carried)
        self.give("period_reset", "base", coming.allowance)
        a.sort_grants()

    # Credits.

    def give(self, entry: str, source: str, credits: int, expires_at: int = NEVER) -> None:
        """Credits that come in: debt first."""
        a = self.account
        paid = min(a.debt, credits)
        if paid:
            a.debt -= paid
            self.leg(entry, "debt", paid)
        if credits > paid:
            self.leg(entry, source, credits - paid)
            a.add_grant(source, credits - paid, expires_at)

    def take(self, entry: str, credits: int, sources: tuple[str, ...] = BURN_ORDER) -> int:
        """Takes from the grants in order; what they lack."""
        for grant in self.account.grants:
            part = min(grant.left, credits) if grant.source in sources else 0
            if part:
                grant.left -= part
                credits -= part
                self.leg(entry, grant.source, -part)
                if entry != "email_sent" and grant.source in PERIODIC:
                    self.account.warn_basis = max(0, self.account.warn_basis - part)
        self.account.sort_grants()
        return credits

    def settle(self, credits: int) -> list[str]:
        """Books credits as used; the flags of the delta that this causes."""
        a = self.account
        lacking = self.take("email_sent", credits)
        beyond = min(lacking, max(0, a.terms.overage_limit - a.overage))
        for counter, amount in (("overage", beyond), ("debt", lacking - beyond)):
            if amount:
                setattr(a, counter, getattr(a, counter) + amount)
                self.leg("email_sent", counter, -amount)
        a.used += credits
        for percent in a.terms.warn_percents:
            reached = a.warn_basis and a.used * 100 >= a.warn_basis * percent
            if reached and percent > a.warned_percent:
                a.warned_percent = percent
                self.leg("warning", "", percent)
        if credits and a.debt > a.terms.max_debt and a.status != "frozen":
            a.status, a.reason = "frozen", "debt"
            return ["frozen"]
        return []

    # Admission.

    def sweep(self, limit: int) -> list[Hold]:
        """Lets overdue holds go."""
        swept = self.sweepable()[:limit]
        for hold in swept:
            self.remember(hold.id, "expired", returned=hold.credits, **parts_of(hold))
            if hold.sent:
                self.expired.append(hold.id)
        return swept

    def wait(self, *instants: int) -> int:
        """ms until the first of the instants, at least 1; -1 if none comes."""
        instant = min(instants)
        return -1 if instant >= NEVER else max(1, instant - self.now_ms)

    def admit(
        self, wanted: int, least: int, cost: int, opens: bool = False, sweep: int = SWEEP_LIMIT
    ) -> int | Answer:
        """How many credits are granted, or the denial. Takes the rate tokens."""
        a = self.account
        self.notice_clock()

        def full() -> bool:
            return opens and len(self.holds) >= a.terms.max_open_holds

        if refused := a.refusal(self.now_ms):
            return "inactive", *refused
        if self.available < wanted or full():
            self.sweep(sweep)
            if self.sweepable() and (self.available < wanted or full()):
                return "throttled", "sweep", 1, wanted, self.available
        freed_at = self.first_expiry + SWEEP_AFTER_MS
        granted = min(wanted, self.available)
        if granted < least:
            wait = self.wait(freed_at, a.next_change_at(self.now_ms))
            return "insufficient", self.available, least, wait
        if full():
            return "throttled", "open_holds", self.wait(freed_at), 1, 0
        return self.pace_by(granted if cost == -1 else cost) or granted

    def notice_clock(self) -> None:
        """Where the clock went back, backlog is paid back from now on, not from then."""
        self.account.paced_us = min(self.account.paced_us, self.now_us)

    def limits(self) -> list[tuple[str, int, int, int]]:
        """Of each rate limit: its name, its rate, its burst, its backlog as it is now."""
        a, t = self.account, self.account.terms
        elapsed_us = max(0, self.now_us - a.paced_us)
        elapsed_ms = max(0, self.now_ms - a.paced_us // 1000)
        plan = [
            ("second", t.rate_per_second, t.burst, elapsed_us),
            ("minute", t.rate_per_minute, t.rate_per_minute, elapsed_ms),
            ("hour", t.rate_per_hour, t.rate_per_hour, elapsed_ms),
        ]
        return [
            (name, rate, burst, max(0, a.backlog[name] - rate * elapsed))
            for name, rate, burst, elapsed in plan
            if rate
        ]

    def tokens(self) -> int:
        """How many tokens the limit per second has."""
        _, _, burst, backlog = self.limits()[0]
        return max(0, burst * UNITS["second"] - backlog) // UNITS["second"]

    def pace_by(self, cost: int) -> Answer | None:
        """Takes tokens of every limit, or answers which of them refuses."""
        a = self.account
        if cost == 0:
            return None
        refusals = []
        for name, rate, burst, backlog in self.limits():
            unit = UNITS[name]
            strict = a.terms.strict_burst and name == "second"
            room = max(0, burst * unit - backlog) // unit
            excess = backlog if cost > burst else backlog + (cost - burst) * unit
            if cost > burst and strict:
                refusals.append((float("inf"), name, -1, room))
            elif excess > 0:
                ticks = -(-excess // rate)
                ms = -(-ticks // 1000) if name == "second" else ticks
                refusals.append((ms, name, max(1, ms), room))
        if refusals:
            _, name, ms, room = max(refusals, key=lambda refusal: refusal[0])
            return "throttled", name, ms, cost, room
        for name, _, _, backlog in self.limits():
            a.backlog[name] = backlog + cost * UNITS[name]
        a.paced_us = self.now_us
        return None

    # The verbs of senders.

    def reserve(self, id, credits, ttl_ms, least=0, cost=-1, reference="", sends="") -> Answer:
        if (a := self.enter()) is None:
            return ("not_loaded",)
        size = a.terms.max_attachment_size_mb
        if hold := self.holds.get(id):
            if hold.expires_at <= self.now_ms:
                return self.leave("settled", "expired", 0)
            if hold.asked != credits:
                return self.leave("conflict", "credits", hold.asked)
            if hold.least != least:
                return self.leave("conflict", "min_credits", hold.least)
            return self.leave("reserved", hold.granted, hold.expires_at, self.available, size, 1)
        if known := self.recall(id):
            return self.leave("settled", named(known), known.spent)
        granted = self.admit(credits, least or credits, cost, opens=True)
        if isinstance(granted, tuple):
            return self.leave(*granted)
        expires_at = self.now_ms + ttl_ms
        self.holds[id] = Hold(
            id, granted, granted, credits, least, expires_at, reference, bool(sends)
        )
        if sends:
            self.append("reserved", id, reference=reference, sends=sends)
        return self.leave("reserved", granted, expires_at, self.available, size, 0)

    def extend(self, id, to_credits=0, ttl_ms=0) -> Answer:
        if self.enter() is None:
            return ("not_loaded",)
        hold = self.holds.get(id)
        if hold is None:
            known = self.recall(id)
            return (
                self.leave("settled", named(known), known.spent)
                if known
                else self.leave("not_found")
            )
        if hold.expires_at <= self.now_ms:
            return self.leave("settled", "expired", 0)
        more = to_credits - hold.credits
        if more > 0:
            granted = self.admit(more, more, more)
            if isinstance(granted, tuple):
                return self.leave(*granted)
            hold.credits = to_credits
        if ttl_ms:
            hold.expires_at = max(hold.expires_at, self.now_ms + ttl_ms)
        return self.leave("extended", hold.credits, hold.expires_at, self.available)

    def commit(
        self, id, credits=-1, hold_credits=0, final=True, part=0, reference="", sends=""
    ) -> Answer:
        if (a := self.enter()) is None:
            return ("not_loaded",)
        hold, known = self.holds.get(id), self.recall(id)
        late = hold is None
        if late and known:
            if known.how == "committed" and not known.goes_on:
                return self.committed_again(known, credits, part)
            if known.how in ("released", "mark"):
                return self.leave("settled", "released", 0)
        last = hold or known
        if part and last:
            if part == last.part and not final:
                return self.part_again(last, credits)
            if part != last.part + 1:
                return self.leave("conflict", "part", last.part + 1)
        held = hold_credits if late else hold.credits
        if credits > held + max(held, COMMIT_ABOVE):
            return self.leave("conflict", "credits", held)
        spent = held if credits == -1 else credits
        flags = self.settle(spent) + ["late"] * late + ["unknown"] * (last is None)
        returned = 0 if late or not final else max(0, held - spent)
        if late or final:
            first = {"spent": spent, "full": held, "returned": returned, "late": late}
            first |= {"part": part, "part_credits": spent, "goes_on": not final}
            self.remember(id, "committed", **first)
        else:
            flags.append("part")
            hold.credits = max(0, held - spent)
            hold.part, hold.part_credits = part, spent
        if hold:
            reference = reference or hold.reference
        self.append("committed", id, flags=flags, part=part, reference=reference, sends=sends)
        return "committed", spent, returned, a.posted, a.seq, int(late), 0

    def part_again(self, last: Hold | Settled, credits: int) -> Answer:
        """The last part once more, whether its hold is still open or not."""
        if credits != last.part_credits:
            return self.leave("conflict", "credits", last.part_credits)
        self.leave()
        a, late = self.account, isinstance(last, Settled) and last.late
        return "committed", credits, 0, a.posted, a.seq, int(late), 1

    def committed_again(self, known: Settled, credits: int, part: int) -> Answer:
        """The first answer once more, with posted and seq of now."""
        if known.part != part:
            return self.leave("conflict", "part", known.part)
        if known.spent != (known.full if credits == -1 else credits):
            return self.leave("conflict", "credits", known.spent)
        self.leave()
        a = self.account
        return "committed", known.spent, known.returned, a.posted, a.seq, int(known.late), 1

    def release(self, id, reason="", sends="") -> Answer:
        if self.enter() is None:
            return ("not_loaded",)
        if hold := self.holds.get(id):
            self.remember(id, "released", returned=hold.credits, **parts_of(hold))
            if sends:
                self.append("released", id, reference=hold.reference, reason=reason, sends=sends)
            return self.leave("released", hold.credits, "released", 0)
        known = self.recall(id)
        if known is None:
            self.remember(id, "mark")
            if sends:
                self.append("released", id, flags=["unknown"], reason=reason, sends=sends)
            return self.leave("not_found", 0)
        if known.how == "mark":
            return self.leave("not_found", 1)
        if known.how == "committed":
            return self.leave("settled", "committed", known.spent)
        return self.leave("released", known.returned, known.how, 1)

    def spend(self, id, credits, cost=-1, reference="", sends="") -> Answer:
        if (a := self.enter()) is None:
            return ("not_loaded",)
        if hold := self.holds.get(id):
            if hold.expires_at <= self.now_ms:
                return self.leave("settled", "expired", 0)
            return self.leave("conflict", "hold_id", hold.credits)
        if known := self.recall(id):
            if known.how == "committed":
                return self.committed_again(known, credits, known.part)
            return self.leave("settled", named(known), known.spent)
        granted = self.admit(credits, credits, cost)
        if isinstance(granted, tuple):
            return self.leave(*granted)
        flags = self.settle(credits)
        self.remember(id, "committed", spent=credits, full=credits)
        self.append("spent", id, flags=flags, reference=reference, sends=sends)
        return "committed", credits, 0, a.posted, a.seq, 0, 0

    def record(self, sends: str) -> Answer:
        if self.enter() is None:
            return ("not_loaded",)
        return "recorded", self.append("recorded", sends=sends).seq

    def pace(self, cost: int) -> Answer:
        if self.enter() is None:
            return ("not_loaded",)
        self.notice_clock()
        refused = self.pace_by(cost)
        return self.leave(*refused) if refused else self.leave("paced", self.tokens())

    def peek(self, credits: int) -> dict[str, object]:
        """The verdict on so many credits and the account, by the names of the header."""
        if self.account is None:
            return {"tag": "not_loaded"}
        view = deepcopy(self)
        a, t = view.enter(), view.account.terms
        tokens = view.tokens()
        available = view.available
        match view.admit(credits, credits, -1, opens=True, sweep=0):
            case ("inactive", status, reason):
                verdict = "inactive", status, -1, credits, available, reason
            case ("insufficient", available, required, wait):
                verdict = "insufficient", "", wait, required, available, ""
            case ("throttled", limit, wait, required, available):
                verdict = "throttled", limit, wait, required, available, ""
            case _:
                verdict = "reserved", "", 0, credits, available, ""
        names = ("verdict", "limit", "retry_after_ms", "required", "available", "reason")
        return {
            "tag": "account",
            **dict(zip(names, verdict, strict=True)),
            "status": a.status,
            "posted": a.posted,
            "held": view.held,
            "open_holds": len(view.holds),
            "overage": a.overage,
            "debt": a.debt,
            "used": a.used,
            "epoch": a.epoch,
            "seq": a.seq,
            "period_no": a.period_no,
            "config_version": t.config_version,
            "started_at_ms": a.started_at,
            "ends_at_ms": a.ends_at,
            "grace_until_ms": a.grace_until,
            "warn_basis": a.warn_basis,
            "warned_percent": a.warned_percent,
            "tokens": tokens,
            "overage_limit": t.overage_limit,
            "rate_per_second": t.rate_per_second,
            "burst": t.burst,
            "rate_per_minute": t.rate_per_minute,
            "rate_per_hour": t.rate_per_hour,
            "strict_burst": int(t.strict_burst),
            "max_open_holds": t.max_open_holds,
            "max_attachment_size_mb": t.max_attachment_size_mb,
            "max_debt": t.max_debt,
            "next_expiry_ms": view.first_expiry,
            "next_change_at_ms": a.next_change_at(view.now_ms),
            "grants": [(grant.source, grant.left, grant.expires_at) for grant in a.grants],
            "coming": [
                (
                    p.period_no,
                    p.ends_at,
                    p.allowance,
                    p.status,
                    p.terms.config_version if p.terms else 0,
                )
                for p in a.coming
            ],
        }

    # The verbs of the reconciler and the loader.

    def touch(self) -> Answer:
        if (a := self.enter()) is None:
            return ("not_loaded",)
        changed = int(bool(self.legs))
        self.leave()
        return "touched", a.posted, a.seq, changed

    def expire(self, limit: int) -> Answer:
        if self.enter() is None:
            return ("not_loaded",)
        swept = self.sweep(limit)
        more = int(bool(self.sweepable()))
        return self.leave("expired", len(swept), sum(hold.credits for hold in swept), more)

    def audit(self) -> Answer:
        """The oracle has no counters that could be wrong: there is never anything to correct."""
        if self.enter() is None:
            return ("not_loaded",)
        return self.leave("audited", *(self.held, len(self.holds)) * 2)

    def load(self, account: Account) -> Answer:
        if self.account is not None:
            return "present", self.account.epoch, self.account.seq
        self.account = account
        account.sort_grants()
        return "loaded", account.posted, self.append("loaded").seq

    def retire(self, epoch: int) -> Answer:
        if (a := self.enter()) is None:
            return ("not_loaded",)
        if a.epoch > epoch:
            return self.leave("newer", a.epoch)
        self.append("retired")
        self.account = None
        return "retired", a.posted, a.seq

    def apply(
        self,
        id,
        period_no=0,
        status="",
        status_reason="",
        grace_until=-1,
        ends_at=-1,
        terms: Terms | None = None,
        coming: list[Coming] | None = None,
        reference="",
        reason="",
        changes: tuple[Change, ...] = (),
    ) -> Answer:
        if (a := self.enter()) is None:
            return ("not_loaded",)
        if id in self.operations:
            self.leave()
            return "applied", a.posted, *self.operations[id], 1
        if period_no not in (0, a.period_no):
            return self.leave("stale", a.period_no)
        taken = sum(self.change(change) for change in changes)
        if status:
            a.status, a.reason = status, status_reason
        a.grace_until = a.grace_until if grace_until == -1 else grace_until
        a.ends_at = a.ends_at if ends_at == -1 else ends_at
        if terms:
            self.change_terms(terms)
        a.coming = a.coming if coming is None else list(coming)
        a.sort_grants()
        seq = self.append("applied", id, reference=reference, reason=reason).seq
        self.operations[id] = seq, taken
        return "applied", a.posted, seq, taken, 0

    def change_terms(self, terms: Terms) -> None:
        """New terms: a limit that the plan does not have forgets its backlog."""
        a = self.account
        a.terms = terms
        for name, rate in (("minute", terms.rate_per_minute), ("hour", terms.rate_per_hour)):
            a.backlog[name] = a.backlog[name] if rate else 0

    def change(self, change: Change) -> int:
        """One line of an operation; how many credits it took."""
        a = self.account
        if change.credits > 0:
            self.give(change.entry, change.source, change.credits, change.expires_at)
            if change.source in PERIODIC:
                a.warn_basis += change.credits
            return 0
        wanted = -change.credits
        lacking = self.take(change.entry, wanted, (change.source,) if change.source else BURN_ORDER)
        if lacking and change.rest_to_debt:
            a.debt += lacking
            self.leg(change.entry, "debt", -lacking)
            return wanted
        return wanted - lacking


def named(known: Settled) -> str:
    """What an answer calls the way in which an id was settled."""
    return "released" if known.how == "mark" else known.how


def parts_of(hold: Hold) -> dict[str, int]:
    """How far a hold was settled in parts before it ended."""
    return {"part": hold.part, "part_credits": hold.part_credits}
