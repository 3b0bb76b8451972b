import pytest

from notifications.secrecy import Secret, Veil

TAIL = "AbCdEfGhIjKlMnOpQrStUvWxYz0123456"


@pytest.mark.parametrize("bot_id", range(123456789, 123456799))
def test_a_whole_token_is_crossed_out_as_one(bot_id):
    veil = Veil(Secret(f"{bot_id}:{TAIL}"), Secret(""))

    assert veil.hide(f"/bot{bot_id}:{TAIL}/sendMessage".encode()) == (
        b"/bot***/sendMessage"
    )


def test_the_half_that_is_secret_is_found_whatever_the_colon_was_turned_into():
    veil = Veil(Secret(f"123456789:{TAIL}"), Secret(""))

    assert veil.hide(f"123456789%3A{TAIL}".encode()) == b"123456789%3A***"


def test_a_short_made_up_half_is_left_in_other_words():
    veil = Veil(Secret("1:or"), Secret(""))

    assert veil.hide(b"word for 1:or") == b"word for ***"
