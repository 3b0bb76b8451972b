"""What the bot answers to: /start, /stop, /help, and people who block it."""
