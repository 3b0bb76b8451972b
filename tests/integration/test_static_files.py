"""CSS and scripts come compressed, to whoever can read that."""

import gzip

import pytest
from django.test import Client

SCRIPT = "/static/admin/js/vendor/jquery/jquery.min.js"
PICTURE = "/static/notifications/icon.svg"


@pytest.mark.parametrize("address", [SCRIPT, PICTURE])
def test_text_comes_compressed_and_is_the_same_text(
    client: Client, address: str
) -> None:
    plain = client.get(address)
    packed = client.get(address, headers={"accept-encoding": "gzip, deflate, br"})

    assert "Content-Encoding" not in plain
    assert packed["Content-Encoding"] == "gzip"
    assert gzip.decompress(packed.content) == plain.content
    assert int(packed["Content-Length"]) == len(packed.content) < len(plain.content)
    for response in (plain, packed):
        assert response["Vary"] == "Accept-Encoding"
        assert "max-age=" in response["Cache-Control"]


@pytest.mark.parametrize("refused", ["", "identity", "gzip;q=0", "br, gzip; q=0.0"])
def test_who_does_not_take_it_compressed_gets_it_plain(
    client: Client, refused: str
) -> None:
    response = client.get(SCRIPT, headers={"accept-encoding": refused})

    assert "Content-Encoding" not in response
    assert int(response["Content-Length"]) == len(response.content)


def test_what_a_browser_has_already_is_not_sent_again(client: Client) -> None:
    accepts = {"accept-encoding": "gzip"}
    first = client.get(SCRIPT, headers=accepts)

    again = client.get(SCRIPT, headers=accepts | {"if-none-match": first["ETag"]})

    assert again.status_code == 304
    assert again.content == b""
    assert again["Vary"] == "Accept-Encoding"


def test_a_part_of_a_file_is_a_part_of_the_plain_one(client: Client) -> None:
    whole = client.get(SCRIPT).content
    headers = {"accept-encoding": "gzip", "range": "bytes=0-9"}

    response = client.get(SCRIPT, headers=headers)

    assert response.status_code == 206
    assert response.content == whole[:10]


@pytest.mark.django_db
def test_a_page_with_secrets_on_it_is_not_compressed(client: Client) -> None:
    page = client.get("/admin/login/", headers={"accept-encoding": "gzip"})

    assert "csrfmiddlewaretoken" in page.content.decode()
    assert "Content-Encoding" not in page
