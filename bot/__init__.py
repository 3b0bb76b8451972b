"""The conversation with customers, and the processes that keep the product running."""
