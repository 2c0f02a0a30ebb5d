"""`gate.telemetry.explain` on real servers, and the story that is told of what it found."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from redis import Redis

from gate import Gate, HoldRef, Reserved, Send
from gate.domain.errors import Unavailable
from gate.hot.keys import journal_key, organization_keys, partition_of, tag_of
from gate.telemetry.explain import NotFound, SeveralKnowIt, collect
from gate.telemetry.story import Story, tell
from tests.support.accounts import account
from tests.support.entries import Books, write

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from gate.ledger.connection import Connection

NO_REDIS = "redis://127.0.0.1:1/0"
NO_DATABASE = "postgresql://gate@127.0.0.1:1/gate"


@pytest.fixture
async def gate(redis_url: str) -> AsyncIterator[Gate]:
    """A gate with org_a and org_b, 1,000 credits each."""
    async with Gate.connect(redis_url, partitions=8) as gate:
        await gate.load(account("org_a"))
        await gate.load(account("org_b"))
        yield gate


@pytest.fixture
def ask(redis_url: str, database_url: str) -> Ask:
    """Asks both servers."""
    return Ask(redis_url, database_url)


class Ask:
    def __init__(self, redis_url: str | None, database_url: str | None) -> None:
        self.urls = (redis_url, database_url)

    async def __call__(self, id: str, organization_id: str | None = "org_a") -> Story:
        return tell(await collect(*self.urls, id, organization_id))


def told(story: Story) -> str:
    """What was said, a line for each step."""
    return "\n".join([story.headline, *(step.said for step in story.steps)])


async def book(store: Redis, connection: Connection, organization_id: str = "org_a") -> None:
    """Move the cursor of an organization's partition to the end of its journal."""
    partition = partition_of(organization_id, 8)
    last_id = store.xinfo_stream(journal_key(tag_of(partition, 8)))["last-generated-id"]
    await connection.execute(
        "INSERT INTO journal_cursor VALUES ($1, $2, '', 4)", partition, last_id.decode()
    )


async def test_open_hold__is_told_with_its_end(gate: Gate, ask: Ask) -> None:
    hold = await gate.reserve("org_a", 10, hold_id="campaign", ttl_ms=60_000, reference="news 7")
    assert isinstance(hold, Reserved)
    await gate.commit(hold, 4, final=False, part=1)
    said = told(await ask("campaign"))
    assert "campaign of org_a: an open hold of 6 credits, settled up to part 1." in said
    assert "campaign part 1 committed: −4 credits of base, balance 996; delta 1/2 in the" in said
    assert "campaign is open: 6 of 10 credits held, expires in " in said
    assert "reference news 7" in said


async def test_unbooked_commit__is_found_behind_the_cursor(
    gate: Gate, ask: Ask, store: Redis, connection: Connection
) -> None:
    await book(store, connection)
    hold = await gate.reserve("org_a", 3, hold_id="eml_1")
    assert isinstance(hold, Reserved)
    await gate.commit(hold, 2)
    story = await ask("eml_1")
    assert story.headline == "eml_1 of org_a: committed, 2 credits, not booked yet."
    said = told(story)
    assert "eml_1 committed: −2 credits of base, balance 998; delta 1/2 in the journal, not" in said
    assert "that eml_1 was settled after " in said
    assert "committed, 2 spent, 1 returned" in said
    # Booked, as far as the cursor says, and yet not in the ledger.
    await connection.execute("DELETE FROM journal_cursor")
    await book(store, connection)
    assert "is neither booked nor behind the cursor" in told(await ask("eml_1"))


async def test_released_and_expired__are_remembered_by_redis_alone(
    gate: Gate, ask: Ask, store: Redis
) -> None:
    hold = await gate.reserve("org_a", 3, hold_id="eml_1")
    assert isinstance(hold, Reserved)
    await gate.release(hold)
    await gate.release(HoldRef("org_a", "eml_2", 1))
    story = await ask("eml_1")
    assert story.headline == "eml_1 of org_a: a hold, released, 3 credits returned."
    assert "released before it was reserved" in told(await ask("eml_2"))
    # Two generations later nobody knows it any more.
    keys = organization_keys("org_a", gate.caller.meta.tag("org_a"))
    for key in (keys.settled_even, keys.settled_odd):
        if store.exists(key):
            store.hincrby(key, "", -2)
    with pytest.raises(NotFound, match=r"10 to 20 minutes.*35 days"):
        await ask("eml_1")


async def test_late_commit_without_hold__says_so(gate: Gate, ask: Ask) -> None:
    await gate.commit(HoldRef("org_a", "eml_late", 2), 2)
    said = told(await ask("eml_late"))
    assert "eml_late committed late, its hold was gone: −2 credits of base" in said
    assert "committed, late, 2 spent, 0 returned" in said
    await gate.commit(HoldRef("org_a", "eml_big", 70_000), 70_000, part=1)
    said = told(await ask("eml_big"))
    assert "eml_big part 1 committed late, its hold was gone: −70,000 credits (998 base, " in said
    assert "committed, late, 70,000 spent, 0 returned" in said


async def test_repeated_spend__is_told_with_its_reversal(ask: Ask, connection: Connection) -> None:
    books = Books("org_a")
    books.operation(100, "op_1", reason="top-up")
    books.enter(-3, settlement_id="eml_1", split={"rollover": -2, "base": -1})
    books.enter(-3, settlement_id="eml_1", repeated=True, late=True, delta_kind="committed")
    books.operation(
        3, "rev_1_3_ab", entry_type="refund", reference_id="settlement:0:eml_1", reason="repeat"
    )
    books.enter(-1, settlement_id="eml_2", reference_id="eml_1")
    await write(connection, books)
    await connection.execute(
        "INSERT INTO operation (organization_id, id, kind, status, reference, content, booked_at)"
        " VALUES ('org_a', 'rev_1_3_ab', 'reversal', 'booked', 'settlement:0:eml_1',"
        """ '{"changes": [{"entry": "refund", "source": "purchased", "credits": 3}]}', now())"""
    )
    story = await ask("eml_1")
    assert story.headline == (
        "eml_1 of org_a: spent, late, 3 credits booked "
        "(6 charged, 3 given back: it was repeated once)."
    )
    said = told(story)
    for sentence in (
        "eml_1 spent: −3 credits (2 rollover, 1 base), balance 97; entry 2, booked ",
        "eml_1 committed late, its hold was gone: −3 credits of base, balance 94; entry 3",
        "a repeat: it had been booked before, an operation gives it back",
        "settlement:0:eml_1 given back by rev_1_3_ab: +3 credits of purchased, balance 97",
        "eml_2 spent: −1 credit of base, balance 96; entry 5",
        "operation rev_1_3_ab (reversal) recorded, settlement:0:eml_1: +3 purchased (refund)",
    ):
        assert sentence in said
    assert [step.at for step in story.steps if step.at] == sorted(
        step.at for step in story.steps if step.at
    )
    assert "+100 credits of purchased" in told(await ask("op_1"))


async def test_operation__is_told_from_its_record_to_the_account(
    gate: Gate, ask: Ask, store: Redis, connection: Connection
) -> None:
    await write(connection, Books("org_a"))
    await connection.execute(
        "INSERT INTO operation (organization_id, id, kind, status, actor, reason, content,"
        " applied_at) VALUES ('org_a', 'op_1', 'top_up', 'applied', 'support', 'sorry',"
        """ '{"changes": [{"entry": "credit_purchased", "source": "purchased",
             "credits": 500}]}', now())"""
    )
    keys = organization_keys("org_a", gate.caller.meta.tag("org_a"))
    store.hset(keys.operations, "op_1", (7).to_bytes(6, "little") + bytes(7))
    story = await ask("op_1")
    assert story.headline == "op_1 of org_a: an operation (top_up), applied."
    said = told(story)
    assert "recorded by support, sorry: +500 purchased (credit_purchased)" in said
    assert "operation op_1 applied to the account" in said
    assert "Redis has applied operation op_1 with delta 7" in said
    assert "operation op_1 is applied: not booked yet" in said


async def test_message__leads_to_its_hold(gate: Gate, ask: Ask, connection: Connection) -> None:
    books = Books("org_a")
    books.enter(-1, settlement_id="eml_1")
    await write(connection, books)
    await connection.execute(
        "INSERT INTO email_send (id, organization_id, recipient_email, status, hold_id,"
        " credits_consumed, ledger_entry_no, sent_at) VALUES"
        " ('esn_1', 'org_a', 'x@example.org', 'sent', 'eml_1', 1, 1, now())"
    )
    story = await ask("esn_1")
    assert story.headline == "esn_1 of org_a: a message, sent, 1 credit."
    said = told(story)
    assert "message esn_1 to x@example.org under eml_1: first heard of" in said
    assert "message esn_1 sent, 1 credit, paid by entry 1" in said
    assert "eml_1 spent: −1 credit of base" in said
    # The other way round, and one of which the ledger has not heard.
    assert "message esn_1 sent" in told(await ask("eml_1"))
    send = Send(send_id="esn_2", recipient="y@example.org")
    await gate.spend("org_a", spend_id="eml_3", sends=[send])
    assert "message esn_2 to y@example.org spent" in told(await ask("esn_2"))


async def test_quarantined__is_told(ask: Ask, connection: Connection) -> None:
    await connection.execute(
        "INSERT INTO quarantine (partition, entry_id, fields, organization_id, reason)"
        " VALUES (3, '5-1', '{o,org_a,i,eml_1,d,x,m,\"\"}', 'org_a', 'too short')"
    )
    said = told(await ask("eml_1", None))
    assert "journal entry 5-1 of partition 3 could not be booked (too short)" in said


async def test_organization__is_found_where_it_can_be(
    gate: Gate, ask: Ask, connection: Connection
) -> None:
    books = Books("org_b")
    books.enter(-1, settlement_id="eml_1")
    await write(connection, books)
    await gate.spend("org_b", spend_id="eml_unbooked")
    for id in ("eml_1", "eml_unbooked"):
        assert (await ask(id, None)).headline.startswith(f"{id} of org_b:")
    books = Books("org_a")
    books.enter(-1, settlement_id="eml_1")
    await write(connection, books)
    with pytest.raises(SeveralKnowIt, match=r"\(org_a, org_b\): choose one with --organization"):
        await ask("eml_1", None)
    with pytest.raises(NotFound, match="open hold is found with --organization"):
        await ask("eml_9", None)
    with pytest.raises(NotFound, match=r"^Redis .* and PostgreSQL .* knows nothing of eml_9"):
        await ask("eml_9", "org_a")


async def test_one_server_away__the_other_is_asked(
    gate: Gate, redis_url: str, database_url: str, connection: Connection
) -> None:
    books = Books("org_a")
    books.enter(-1, settlement_id="eml_booked")
    await write(connection, books)
    await gate.spend("org_a", spend_id="eml_live")
    for url in (None, NO_DATABASE):
        said = told(await Ask(redis_url, url)("eml_live"))
        assert "eml_live spent: −1 credit of base" in said
        assert "not booked yet;" not in said
        assert "PostgreSQL" in said
        assert "eml_live" in (await Ask(redis_url, url)("eml_live", None)).headline
    for url in (None, NO_REDIS):
        said = told(await Ask(url, database_url)("eml_booked"))
        assert "entry 1" in said
        assert "Redis" in said
        with pytest.raises(NotFound, match=r"^PostgreSQL"):
            await Ask(url, database_url)("eml_live")
    with pytest.raises(Unavailable):
        await Ask(NO_REDIS, NO_DATABASE)("eml_live")
    with pytest.raises(Unavailable):
        await Ask(NO_REDIS, NO_DATABASE)("eml_live", None)
