"""Which records there are, and whether they can be trusted: reading, checking, recomputing, comparing a re-run. No torch."""
