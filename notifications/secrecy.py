"""What must not be seen, and how is it crossed out?"""

import traceback
from urllib.parse import quote


class Secret(str):
    """A text that hides in a repr, and so in a traceback that shows variables."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "'***'"


class Veil:
    """Knows what must not be seen, and crosses it out."""

    def __init__(self, token: Secret, password: Secret) -> None:
        quoted = quote(token, safe=":")
        self.path_segment = f"bot{quoted}" if token else ""
        # What follows the colon is the secret; alone it is found whatever the colon
        # was turned into. A short one (made up for a test) is no secret, but might be
        # part of any word.
        tail = token.rpartition(":")[2]
        secrets = {token, quoted, password, tail if len(tail) >= 16 else token}
        # The longest first, or what is left of a secret would no longer be found whole.
        self._secrets = sorted((text.encode() for text in secrets if text), key=len)
        self._secrets.reverse()

    def hide(self, text: bytes) -> bytes:
        for secret in self._secrets:
            if secret in text:
                text = text.replace(secret, b"***")
        return text

    def without_frames(self, error: BaseException) -> BaseException:
        """Strip what may show a secret, and leave a note of where it was raised."""
        frames = traceback.extract_tb(error.__traceback__)
        if isinstance(error, Exception) and frames:
            error.add_note(f"Raised at {frames[-1].filename}:{frames[-1].lineno}")
        error.args = tuple(
            self.hide(part.encode("utf-8", "replace")).decode()
            if isinstance(part, str)
            else part
            for part in error.args
        )
        error.__cause__ = error.__context__ = None
        return error.with_traceback(None)
