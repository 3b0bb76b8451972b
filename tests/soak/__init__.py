"""A chaos run: workers are killed, frozen and cut off, and a ledger tells the truth."""
