"""The reconciler: carries the journal's deltas into the ledger. It has no program yet."""
