"""Carries the journals of Redis into the ledger, exactly once, and repairs drift."""
