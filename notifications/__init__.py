"""The domain: customers, their orders, and the notifications about them."""
