"""A measured figure: what it is, what it was compared with, what it should reach."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from statistics import median, quantiles
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Sequence

#: What of a result a target is about.
Judged = Literal["ratio", "value"]


@dataclass(frozen=True, slots=True)
class Target:
    """`at_least` or `at_most` a bound, for the ratio or for the value itself."""

    judged: Judged
    bound: float
    at_least: bool = True

    def met_by(self, figure: float) -> bool:
        """Whether the bound is kept."""
        return figure >= self.bound if self.at_least else figure <= self.bound

    def __str__(self) -> str:
        return f"{self.judged} {'≥' if self.at_least else '≤'} {self.bound:g}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """One figure. `spread` is min, quartiles and max of what the target judges, over `runs`
    repetitions; `ratio` is how the value stands to that of `compared_with`."""

    name: str
    value: float
    unit: str
    compared_with: str | None
    ratio: float | None
    target: Target | None
    durability: str
    spread: tuple[float, ...]
    runs: int
    detail: dict[str, Any] = field(default_factory=dict)

    @property
    def met(self) -> bool | None:
        """Whether the target was reached; None if there is none."""
        if self.target is None:
            return None
        figure = self.ratio if self.target.judged == "ratio" else self.value
        return figure is not None and self.target.met_by(figure)

    def as_json(self) -> dict[str, Any]:
        """The result as it is printed and stored."""
        return {
            "name": self.name,
            "value": _short(self.value),
            "unit": self.unit,
            "compared_with": self.compared_with,
            "ratio": None if self.ratio is None else _short(self.ratio),
            "target": None if self.target is None else str(self.target),
            "met": self.met,
            "durability": self.durability,
            "spread": [_short(one) for one in self.spread],
            "runs": self.runs,
            "detail": self.detail,
        }

    def line(self) -> str:
        """One JSON object on one line."""
        return json.dumps(self.as_json(), ensure_ascii=False)


def compare(
    name: str,
    unit: str,
    ours: Sequence[float],
    theirs: Sequence[float],
    *,
    compared_with: str,
    durability: str,
    target: Target | None = None,
    inverted: bool = False,
    detail: dict[str, Any] | None = None,
) -> Result:
    """Repetitions of two things that took turns: the median of the ratios of neighbours.

    The ratio is ours to theirs; `inverted` turns it round (of durations, to compare rates).
    """
    ratios = [
        other / own if inverted else own / other for own, other in zip(ours, theirs, strict=True)
    ]
    judged = ours if target is not None and target.judged == "value" else ratios
    return Result(
        name=name,
        value=median(ours),
        unit=unit,
        compared_with=compared_with,
        ratio=median(ratios),
        target=target,
        durability=durability,
        spread=spread(judged),
        runs=len(ratios),
        detail={"other": _short(median(theirs)), **(detail or {})},
    )


def single(
    name: str,
    unit: str,
    values: Sequence[float],
    *,
    durability: str,
    target: Target | None = None,
    detail: dict[str, Any] | None = None,
) -> Result:
    """Repetitions of one thing, beside nothing."""
    return Result(
        name=name,
        value=median(values),
        unit=unit,
        compared_with=None,
        ratio=None,
        target=target,
        durability=durability,
        spread=spread(values),
        runs=len(values),
        detail=detail or {},
    )


def spread(values: Sequence[float]) -> tuple[float, ...]:
    """Minimum, first quartile, median, third quartile, maximum."""
    if len(values) < 2:
        return (values[0],) * 5
    return (min(values), *quantiles(values, n=4, method="inclusive"), max(values))


def percentile(sorted_values: Sequence[float], percent: float) -> float:
    """The value below which `percent` of the sorted values lie."""
    return sorted_values[min(len(sorted_values) - 1, int(len(sorted_values) * percent / 100))]


def _short(number: float) -> float:
    return float(f"{number:.4g}")
