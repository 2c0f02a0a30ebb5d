"""Money in USD: exact Decimals, rounded to cents in one place. No floats, no context of decimal.

Amounts have 2 decimals, prices of one credit up to 6. What is not a whole cent is rounded once, per
line, half up by magnitude (0.005 becomes 0.01, −0.005 becomes −0.01: a credit note mirrors its
charge), as round(numeric, 2) of PostgreSQL does. A total is the sum of rounded lines, and is never
rounded itself.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from decimal import Decimal
from fractions import Fraction
from typing import Final

from gate.domain.errors import BadArgument
from gate.domain.limits import CREDITS_MAX, check_whole

USD_MAX: Final = Decimal("9999999999.99")
"""The largest amount that is taken in: numeric(12, 2)."""
PRICE_MAX: Final = Decimal("999999.999999")
"""The largest price of one credit: numeric(12, 6)."""
PRICE_DECIMALS: Final = 6

_TEXT = re.compile(r"-?[0-9]{1,10}(\.[0-9]{1,6})?")
#: Of a Decimal, so that 1E+999999 is refused before it is written out.
_DIGITS_MAX: Final = 24
_SHOWN_DECIMALS_MIN: Final = 4


def usd(field: str, value: object, *, signed: bool = False) -> Decimal:
    """An amount with 2 decimals, from text ("12.50"), an int or a Decimal.

    At most 9,999,999,999.99; `signed`: it may be negative. Raises BadArgument: a float, anything
    that is no plain number, or with a fraction of a cent.
    """
    sign = "a positive or negative" if signed else "0 or a positive"
    allowed = f'{sign} amount with at most 2 decimals, as text: "12.50"'
    ratio = _ratio(field, value, allowed)
    low = -USD_MAX if signed else Decimal(0)
    if (ratio * 100).denominator != 1 or not low <= ratio <= USD_MAX:
        raise BadArgument(field, value, allowed)
    return _amount(int(ratio * 100))


def unit_price(field: str, value: object) -> Decimal:
    """The price of one credit, 0 to 999,999.999999, with 6 decimals. Taken as `usd` takes its own.

    Raises BadArgument.
    """
    allowed = '0 or a positive price with at most 6 decimals, as text: "0.0009"'
    ratio = _ratio(field, value, allowed)
    millionths = ratio * 10**PRICE_DECIMALS
    if millionths.denominator != 1 or not 0 <= ratio <= PRICE_MAX:
        raise BadArgument(field, value, allowed)
    whole, rest = divmod(int(millionths), 10**PRICE_DECIMALS)
    return Decimal(f"{whole}.{rest:06d}")


def rounded(value: Fraction) -> Decimal:
    """To cents, half up by magnitude."""
    cents = int(abs(value) * 100 + Fraction(1, 2))
    return _amount(cents if value > 0 else -cents)


def priced(credits: int, price: Decimal) -> Decimal:
    """What so many credits (0 to 2^52) cost at a price for one. Raises BadArgument."""
    check_whole("credits", credits, 0, CREDITS_MAX)
    return rounded(credits * Fraction(price))


def total(amounts: Iterable[Decimal]) -> Decimal:
    """The sum of amounts in whole cents. Raises BadArgument: one is not."""
    return _amount(sum(cents_of(amount) for amount in amounts))


def negated(amount: Decimal) -> Decimal:
    """The same amount, given back. (The operator rounds to the context's precision.) Raises
    BadArgument."""
    return _amount(-cents_of(amount))


def cents_of(amount: Decimal) -> int:
    """An amount as whole cents. Raises BadArgument: it is not finite, or has a fraction of one."""
    allowed = "an amount in whole cents, as Decimal"
    cents = _ratio("amount", amount, allowed) * 100
    if type(amount) is not Decimal or cents.denominator != 1:
        raise BadArgument("amount", amount, allowed)
    return int(cents)


def usd_text(amount: Decimal) -> str:
    """As JSON and CSV have it: 1234.50. Raises BadArgument."""
    return str(_amount(cents_of(amount)))


def usd_in_words(amount: Decimal) -> str:
    """As a person reads it: $1,234.50, −$5.00. Raises BadArgument."""
    cents = cents_of(amount)
    whole, rest = divmod(abs(cents), 100)
    return f"{'−' if cents < 0 else ''}${whole:,}.{rest:02d}"


def price_in_words(price: Decimal) -> str:
    """A price of one credit with 4 decimals, or more if it has them: $0.0009, $0.00085. Raises
    BadArgument."""
    whole, _, rest = str(unit_price("price", price)).partition(".")
    return f"${int(whole):,}.{rest.rstrip('0').ljust(_SHOWN_DECIMALS_MIN, '0')}"


def _ratio(field: str, value: object, allowed: str) -> Fraction:
    """The exact value. True, floats, NaN, 1E+400, and digits of other scripts are none."""
    if type(value) is int and abs(value) <= USD_MAX:
        return Fraction(value)
    if type(value) is str and _TEXT.fullmatch(value):
        return Fraction(value)
    if type(value) is Decimal and value.is_finite():
        exponent = value.as_tuple().exponent
        assert isinstance(exponent, int)  # of a finite one
        if exponent >= -_DIGITS_MAX and value.adjusted() <= _DIGITS_MAX:
            return Fraction(value)
    raise BadArgument(field, value, allowed)


def _amount(cents: int) -> Decimal:
    # From text: arithmetic would follow the precision and the traps of the caller's context.
    whole, rest = divmod(abs(cents), 100)
    return Decimal(f"{'-' if cents < 0 else ''}{whole}.{rest:02d}")
