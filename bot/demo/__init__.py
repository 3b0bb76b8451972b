"""The whole product on a throw-away database, against the local Telegram."""
