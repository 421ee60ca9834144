"""SQL conditions that several readers of the journal share; ``schema.sql`` has a partial index for each."""

BEGINS = "lower(substr(id, 1, length(?1))) = lower(?1)"
"""An id that begins with this, in any case: people give the beginning of one that they see."""
CANDIDATES = 5
"""The most ids that are named where a beginning has more than one."""

NODE_OPEN = "status IN ('unknown', 'open')"
DELIVERY_OPEN = "state NOT IN ('completed', 'withdrawn', 'dead')"
DEAD_LETTER = "state = 'dead' AND dropped_at IS NULL"
"""A delivery that was handed over, did not arrive, and has been neither retried nor dropped."""
PUBLICATION_WAITING = "state = 'waiting'"
PUBLICATION_REFUSED = "state = 'refused'"
