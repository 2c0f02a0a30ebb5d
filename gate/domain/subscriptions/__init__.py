"""What may be done to a subscription, and what that does to its account. Pure: no clock, no I/O.

* states      the state machine, as data
* views       a subscription and its account as they are now
* planned     what a use case answers: operations, the subscription afterwards, a preview
* periods     the time around a subscription: spans that are paid for, periods to come
* starting    start
* trials      start_trial, end_trial
* changing    change_plan
* pausing     pause, resume
* ending      cancel_at_end, cancel_now, reactivate
* paying      payment_failed, pay, end_grace, unfreeze
* scheduling  what keeps the account's calendar in step with all that

Every use case takes views, an instant and the id of the operation, and raises `Refused` where the
state does not allow it, BadArgument where an argument makes no sense. What it answers holds for the
views that it was given: it is to be written in one transaction with them locked, and its operations
name the period, so that a turn in between makes them `stale` and billing asks again.
"""
