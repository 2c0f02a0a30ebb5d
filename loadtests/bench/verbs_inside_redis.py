"""Each verb inside Redis, beside a floor script with the same commands and no logic.

The time is the server's own (`INFO commandstats`, evalsha), pipelined alike; verb and floor take
turns in slices of some ten milliseconds, and a ratio is that of two neighbours.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any, NamedTuple

from gate.hot.commands import COMMANDS
from loadtests.bench.floors import BASE, BASE_CALL, CASES, SENDS_BYTES, floor
from loadtests.bench.progress import say
from loadtests.bench.results import Result, Target, compare
from loadtests.bench.scene import BUSY, MANY, Scene, Side, generation, new_ids
from loadtests.bench.servers import durability, redis_server
from loadtests.bench.wire import DEPTH, Wire

if TYPE_CHECKING:
    from collections.abc import Container, Iterator

    from gate.hot.script import Script
    from loadtests.bench.plan import Plan

    Arguments = list[tuple[str | int, ...]]

FLOOR_TARGET = Target("ratio", 0.65)
BASE_TARGET = Target("ratio", 0.45)
_BESIDE_BASE = ("spend", "reserve", "commit")
_BASE_KEYS = ("account", "journal")
_VERBS = {command.name: command for command in COMMANDS}
_WARM_UP = 2


class Step(NamedTuple):
    """A slice of a cycle: its case, the verb, what it is called with, what it must answer."""

    case: str
    verb: str
    arguments: Arguments
    answer: bytes


def _cycle(calls: int, cases: Container[str]) -> Iterator[Step]:
    """All `cases` once. The order matters: a commit settles what the reserve before it opened."""
    spent, held, beside, released = (new_ids(calls) for _ in range(4))
    denied: Arguments = [(id, 1_000_000_000, 300_000) for id in new_ids(calls)]
    limited: Arguments = [(id, 1) for id in new_ids(calls)]
    steps = [
        Step("spend", "spend", [(id, 1) for id in spent], b"committed"),
        Step("spend_replayed", "spend", [(id, 1) for id in spent], b"committed"),
        Step("reserve", "reserve", [(id, 1, 300_000) for id in held], b"reserved"),
        Step("spend_with_holds_open", "spend", [(id, 1) for id in beside], b"committed"),
        Step("extend", "extend", [(id, 0, 600_000) for id in held], b"extended"),
        Step("commit", "commit", [(id, -1, 1) for id in held], b"committed"),
        Step("reserve_denied", "reserve", denied, b"insufficient"),
        Step("pace", "pace", [(1,)] * calls, b"paced"),
        Step("peek", "peek", [(1,)] * calls, b"account"),
        Step("record", "record", [("s" * SENDS_BYTES,)] * calls, b"recorded"),
        Step("spend_three_limits", "spend", limited, b"committed"),
    ]
    if "release" in cases:
        steps += [
            Step("reserve", "reserve", [(id, 1, 300_000) for id in released], b"reserved"),
            Step("release", "release", [(id,) for id in released], b"released"),
        ]
    return (step for step in steps if step.case in cases)


class _Slices:
    """Microseconds a call, and the commands of one call, by case and side."""

    def __init__(self, wire: Wire) -> None:
        self.micros: defaultdict[tuple[str, str], list[float]] = defaultdict(list)
        self.commands: dict[tuple[str, str], dict[str, int]] = {}
        self._wire = wire

    def run(self, case: str, side: str, packed: list[bytes], answer: bytes | None) -> None:
        """Runs one slice and takes the server's time."""
        self._wire.call("CONFIG", "RESETSTAT")
        replies = self._wire.run(packed)
        stats = {
            name.removeprefix("cmdstat_"): dict(pair.split("=") for pair in stat.split(","))
            for name, stat in self._wire.info("commandstats").items()
        }
        own = stats.pop("evalsha")
        assert int(own["calls"]) == len(packed)
        self.micros[case, side].append(int(own["usec"]) / len(packed))
        # Once in a while a verb has more to do: a generation, the index of what is due.
        self.commands[case, side] = {
            name: count
            for name, stat in stats.items()
            if (count := round(int(stat["calls"]) / len(packed)))
        }
        tags = {reply[0] for reply in replies} if answer else {answer}
        if tags != {answer}:
            raise RuntimeError(f"{case}: answers {tags} instead of {answer!r}")


def _measure(plan: Plan, scene: Scene, cases: Container[str]) -> _Slices:
    """All cycles of one scene on a Redis of its own."""
    with redis_server() as server, Wire(server) as wire:
        wire.call("HSET", "gate:meta", "layout", 1, "partitions", 8)
        sides = {name: Side(wire, scene, f"org_{name}") for name in ("verb_", "floor", "base_")}
        hourly = {"rate_per_minute": 10**8, "rate_per_hour": 10**9}
        limited = {name: Side(wire, scene, f"org_{name}", **hourly) for name in ("limit", "under")}
        before = generation()
        warm, slices = _Slices(wire), _Slices(wire)
        for number in range(_WARM_UP + plan.cycles):
            target = warm if number < _WARM_UP else slices
            for step in _cycle(plan.calls, cases):
                verb, flipped = _VERBS[step.verb], number % 2 == 1
                three = step.case == "spend_three_limits"
                ours = limited["limit"] if three else sides["verb_"]
                theirs = limited["under"] if three else sides["floor"]
                runs: list[tuple[str, Side, Script, tuple[str, ...], bytes | None]]
                runs = [
                    ("verb", ours, verb.script, verb.keys, step.answer),
                    ("floor", theirs, floor(step.case), verb.keys, None),
                ]
                if step.case in _BESIDE_BASE:
                    runs.append(("base", sides["base_"], BASE, _BASE_KEYS, None))
                    runs.append(("base call", sides["base_"], BASE_CALL, verb.keys, None))
                for name, side, script, keys, answer in reversed(runs) if flipped else runs:
                    wire.call("SCRIPT", "LOAD", script.source)
                    words = (
                        step.arguments if name != "base" else [one[:1] for one in step.arguments]
                    )
                    target.run(step.case, name, side.calls(script, keys, words), answer)
            for side in (*sides.values(), *limited.values()):
                side.trim(wire)
            say(f"verbs_inside_redis: cycle {number + 1} of {_WARM_UP + plan.cycles}, {scene.name}")
    if generation() != before:
        say("verbs_inside_redis: a generation of settled ids changed over meanwhile; once more")
        return _measure(plan, scene, cases)
    return slices


def run(plan: Plan) -> Iterator[Result]:
    """Every case among busy organizations; the three with a second target among many small ones."""
    for scene, suffix, cases in ((BUSY, "", CASES), (MANY, ".small", _BESIDE_BASE)):
        slices = _measure(plan, scene, cases)
        micros = slices.micros
        mode = durability("off")
        for case in dict.fromkeys(case for case, _ in micros):
            calls, floor_calls = slices.commands[case, "verb"], slices.commands[case, "floor"]
            if calls != floor_calls:
                say(f"verbs_inside_redis: {case} calls {calls}, its floor {floor_calls}: mend it")
            bound = FLOOR_TARGET if calls == floor_calls else None  # judged by no wrong floor
            others: list[tuple[str, str, str, Target | None]]
            others = [("floor", "", "floor script: same calls and sizes, no logic", bound)]
            if case in _BESIDE_BASE:
                others.append(("base", ".beside_base", BASE.name, BASE_TARGET))
                others.append(("base call", ".beside_base_call", BASE_CALL.name, None))
            detail: dict[str, Any] = {
                "accounts": scene.name,
                "commands": calls,
                "commands in flight": DEPTH,
            }
            if bound is None:
                detail["commands of the floor, which differ"] = floor_calls
            for side, beside, what, target in others:
                yield compare(
                    f"verbs_inside_redis.{case}{suffix}{beside}",
                    "µs/call in Redis",
                    micros[case, "verb"],
                    micros[case, side],
                    compared_with=what,
                    durability=mode,
                    target=target,
                    inverted=True,
                    detail=detail,
                )
