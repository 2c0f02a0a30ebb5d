"""The rules of booking, loading and repair, each with a switch."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Rules:
    """What holds the two stores together; a test turns each off and shows what it is there for."""

    # Booking
    #: The last booked entry must still stand in the journal, byte for byte.
    anchor: bool = True
    #: Entries are booked only if the cursor is where they were read from.
    compare_cursor: bool = True
    #: The cursor moves in the transaction of the entries.
    one_transaction: bool = True
    #: A delta's posted must be the previous one + its legs.
    check_posted: bool = True
    #: A delta's legs must fit the grants of the ledger: none below 0, a turn lapses what is left.
    check_grants: bool = True
    #: A load whose numbers are not those of the ledger is a misfit.
    check_loads: bool = True
    #: A repeat in a healthy chain is reversed by an operation.
    reverse_repeats: bool = True
    #: A reversal's id bears the digest of what it reverses, beside epoch and seq.
    reversals_name_digest: bool = True
    #: A reversal whose repeat is not in the ledger is reversed itself.
    check_reversals: bool = True
    #: Settlements flagged unknown are looked up.
    look_up_unknown: bool = True
    #: So are those that come after their hold expired: a lost tail opens settled holds again.
    look_up_late: bool = True
    #: So are all settlements in the time in which ids are remembered, counted from a load
    #: and from the expiry of the holds that were open then.
    look_up_after_load: bool = True
    #: So are operations, always.
    look_up_operations: bool = True

    # Trimming
    #: What was booked in the last while stays in the journal.
    margin: bool = True
    #: The trim does nothing unless the entry that it goes up to is there.
    trim_names_anchor: bool = True

    # Reload
    #: The account is taken out of Redis before what is left is booked.
    retire: bool = True
    #: `retire` spares an account of a newer epoch.
    retire_names_epoch: bool = True
    #: What was booked before is left out while an account is reloaded.
    look_up_repeats: bool = True
    #: Turns and operations bear the number of their period.
    period_numbers: bool = True
    #: During a reload the ledger's own grants are burned and turned, not those of the delta.
    replay_facts: bool = True
    #: Idle accounts are compared with their row: numbers of each grant at equal (epoch, seq).
    idle_check: bool = True
    #: The comparison reads PostgreSQL before Redis.
    postgres_first: bool = True
    #: `held` is counted anew in the background.
    audit: bool = True

    # Loading
    #: Wait until the cursor has reached the journal's end; compared in the transaction that reads.
    wait_for_cursor: bool = True
    #: Each load has an epoch above all that PostgreSQL has shown or allotted.
    epoch_above_all: bool = True
    #: `load` does nothing to an account that is there.
    load_if_absent: bool = True

    # Operations
    #: Only booked is final: what is not is sent again.
    resend_until_booked: bool = True
    #: An applied operation's mark stays until it is booked.
    marks: bool = True
    #: `stale` is believed once the cursor has reached the journal's end as it was after it.
    stale_waits: bool = True
