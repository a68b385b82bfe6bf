"""The ledger: every act, hash-chained, in the records; signed checkpoints of it outside them."""
