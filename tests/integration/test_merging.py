"""Two cards of one person become one: nothing is lost, doubled or overtaken."""

import threading
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from notifications.customers import Greeting, TelegramChat, press_start, unsubscribe
from notifications.merging import CardGone, ChatUndecided, Side, merge
from notifications.models import Customer, Order, OrderNotification, PastInvite

CHAT, OTHER_CHAT, THIRD_CHAT = 7_100_000_001, 7_100_000_002, 7_100_000_003

pytestmark = pytest.mark.django_db


def card(name: str = "Анна", chat: int | None = None, **fields: Any) -> Customer:
    if chat is not None:
        fields = {"tg_user_id": chat, "started_at": timezone.now(), **fields}
    return Customer.objects.create(name=name, **fields)


def order(number: str, customer: Customer, **state: Any) -> Order:
    made = Order.objects.create(number=number, customer=customer)
    made.notifications.update(**state)
    return made


def waiting() -> list[tuple[str, int]]:
    """Return what is still to be sent, and to which chat, in the order of sending."""
    rows = OrderNotification.objects.unfinished().order_by("pk")
    return list(rows.values_list("order_number", "tg_user_id"))


def greet(chat_id: int, code: str = "") -> Greeting:
    return press_start(TelegramChat(id=chat_id), code).greeting


def at_once(*acts: Callable[[], object]) -> list[object]:
    """Do all of this at the same moment; return what came of each, also exceptions."""
    barrier = threading.Barrier(len(acts))
    results: list[object] = [None] * len(acts)

    def do(index: int) -> None:
        barrier.wait()
        try:
            results[index] = acts[index]()
        except Exception as error:
            results[index] = error
        finally:
            connection.close()

    threads = [threading.Thread(target=do, args=(i,)) for i in range(len(acts))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def test_orders_and_chat_come_together_on_the_card_that_stays() -> None:
    kept = card("Анна Смирнова")
    other = card("Аня", CHAT, registered_by_bot=True, tg_username="anna", phone="+7 9")
    order("1", kept)
    order("2", other)

    merged = merge(kept.pk, other.pk)

    customer = Customer.objects.get()
    assert (customer.pk, customer.name, customer.phone) == (kept.pk, kept.name, "+7 9")
    assert (customer.tg_user_id, customer.tg_username) == (CHAT, "anna")
    assert not customer.registered_by_bot
    assert set(Order.objects.values_list("customer", flat=True)) == {kept.pk}
    assert (merged.orders_moved, merged.orders_told) == (1, 1)
    assert sorted(waiting()) == [("1", CHAT), ("2", CHAT)]


@pytest.mark.parametrize("side", Side)
def test_name_and_phone_are_taken_from_the_card_that_was_chosen(side: Side) -> None:
    kept, other = card("Анна", phone="1"), card("Аня", phone="2")

    merge(kept.pk, other.pk, name=side, phone=side)

    customer = Customer.objects.get()
    chosen = ("Анна", "1") if side is Side.KEPT else ("Аня", "2")
    assert (customer.name, customer.phone) == chosen


def test_a_chosen_card_without_a_phone_does_not_take_the_other_s_away() -> None:
    kept, other = card("Анна", phone="1"), card("Аня")

    merge(kept.pk, other.pk, phone=Side.OTHER)

    assert Customer.objects.get().phone == "1"


def test_nothing_is_told_a_second_time() -> None:
    kept, other = card("Анна"), card("Аня", CHAT)
    order("1", other, processed=True)
    order("2", other, failed_attempts_number=3, last_error_code="text_refused")

    merge(kept.pk, other.pk)

    assert waiting() == []
    assert OrderNotification.objects.count() == 2


def test_of_two_chats_a_person_has_to_choose() -> None:
    kept, other = card("Анна", CHAT), card("Аня", OTHER_CHAT)
    order("1", other)

    with pytest.raises(ChatUndecided):
        merge(kept.pk, other.pk)

    assert Customer.objects.count() == 2
    assert waiting() == [("1", OTHER_CHAT)]


@pytest.mark.parametrize(("side", "chat"), [("kept", CHAT), ("other", OTHER_CHAT)])
def test_what_waits_goes_to_the_chat_that_stays_in_its_order(
    side: str, chat: int
) -> None:
    kept, other = card("Анна", CHAT), card("Аня", OTHER_CHAT)
    for number in range(1, 7):
        order(str(number), kept if number % 2 else other)
    order("7", other, processed=True)
    OrderNotification.objects.create(order_number="8", tg_user_id=OTHER_CHAT)

    merged = merge(kept.pk, other.pk, chat=Side(side))

    assert Customer.objects.get().tg_user_id == chat
    assert waiting() == [(number, chat) for number in "1234568"]
    assert merged.messages_moved == (4 if side == "kept" else 3)
    assert OrderNotification.objects.get(order_number="7").tg_user_id == OTHER_CHAT


def test_what_a_lost_account_refused_is_sent_to_the_new_one() -> None:
    kept = card("Анна", CHAT)
    other = card("Аня", OTHER_CHAT, blocked_at=timezone.now())
    order("1", other, failed_attempts_number=3, last_error_code="blocked_by_user")

    merge(kept.pk, other.pk, chat=Side.KEPT)

    assert waiting() == [("1", CHAT)]
    assert Customer.objects.get().blocked_at is None


def test_a_chat_that_said_stop_stays_silent() -> None:
    kept, other = card("Анна"), card("Аня", CHAT)
    unsubscribe(CHAT)
    order("1", kept)

    merge(kept.pk, other.pk)

    assert not Customer.objects.get().is_reachable
    assert waiting() == []


def test_a_printed_invite_of_either_card_still_connects() -> None:
    first, second, third = card("Анна"), card("Аня"), card("Анечка")
    merge(second.pk, third.pk)
    merge(first.pk, second.pk)

    started = press_start(TelegramChat(id=CHAT), third.invite_code)

    assert started.greeting is Greeting.LINKED
    assert Customer.objects.get().tg_user_id == CHAT
    assert PastInvite.objects.count() == 2
    again = press_start(TelegramChat(id=CHAT), second.invite_code)
    taken = press_start(TelegramChat(id=OTHER_CHAT), third.invite_code)
    assert (again.greeting, taken.greeting) == (Greeting.AGAIN, Greeting.CODE_TAKEN)


def test_the_invite_of_a_chat_that_moved_over_is_not_forgotten() -> None:
    press_start(TelegramChat(id=CHAT))
    own_code = Customer.objects.get().invite_code
    press_start(TelegramChat(id=CHAT), card("Анна").invite_code)

    assert press_start(TelegramChat(id=CHAT), own_code).greeting is Greeting.AGAIN


def test_a_card_is_not_merged_with_itself_or_with_one_that_is_gone() -> None:
    kept = card()

    for other in (kept.pk, kept.pk + 1000):
        with pytest.raises(CardGone):
            merge(kept.pk, other)

    assert Customer.objects.get() == kept


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("of_which", ["kept", "other"])
@pytest.mark.parametrize("other_first", [False, True])
def test_start_pressed_during_a_merge_connects_the_card_that_stays(
    of_which: str, other_first: bool
) -> None:
    for round_ in range(5):
        cards = [card("Анна"), card("Аня")]
        other, kept = cards if other_first else reversed(cards)
        code = (kept if of_which == "kept" else other).invite_code
        order(f"k{round_}", kept)
        order(f"o{round_}", other)

        results = at_once(
            partial(merge, kept.pk, other.pk),
            partial(greet, CHAT + round_, code),
        )

        assert results[1] is Greeting.LINKED, results
        assert not isinstance(results[0], Exception), results
        customer = Customer.objects.get(pk=kept.pk)
        assert customer.tg_user_id == CHAT + round_
        told = OrderNotification.objects.filter(tg_user_id=CHAT + round_)
        numbers = sorted(told.values_list("order_number", flat=True))
        assert numbers == [f"k{round_}", f"o{round_}"]
        Order.objects.all().delete()
        Customer.objects.all().delete()


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("other_first", [False, True])
def test_a_chat_that_presses_start_while_its_card_is_merged_keeps_one_card(
    other_first: bool,
) -> None:
    for _ in range(5):
        if other_first:
            other, kept = card("Аня", CHAT, registered_by_bot=True), card("Анна")
        else:
            kept, other = card("Анна"), card("Аня", CHAT, registered_by_bot=True)

        results = at_once(
            partial(merge, kept.pk, other.pk),
            partial(greet, CHAT),
            partial(unsubscribe, CHAT),
        )

        assert results[1:] == [Greeting.AGAIN, True], results
        assert Customer.objects.get().tg_user_id == CHAT
        Customer.objects.all().delete()


@pytest.mark.django_db(transaction=True)
def test_two_managers_merging_the_same_cards_lose_nothing() -> None:
    for _ in range(5):
        first, second = card("Анна", CHAT), card("Аня")
        order("1", first)
        order("2", second)

        results = at_once(
            partial(merge, first.pk, second.pk),
            partial(merge, second.pk, first.pk),
        )

        assert sum(isinstance(result, CardGone) for result in results) == 1, results
        customer = Customer.objects.get()
        assert customer.orders.count() == 2
        assert sorted(waiting()) == [("1", CHAT), ("2", CHAT)]
        Order.objects.all().delete()
        Customer.objects.all().delete()


@pytest.mark.django_db(transaction=True)
def test_an_order_saved_during_a_merge_is_told_once_or_refused() -> None:
    for round_ in range(5):
        kept, other = card("Анна", CHAT), card("Аня")

        merged, saved = at_once(
            partial(merge, kept.pk, other.pk),
            partial(order, str(round_), other),
        )

        assert not isinstance(merged, Exception), merged
        told = list(waiting())
        # Refused when the card was gone: the form says so and nothing is half made.
        assert told == ([] if isinstance(saved, Exception) else [(str(round_), CHAT)])
        assert Order.objects.count() == len(told)
        Order.objects.all().delete()
        Customer.objects.all().delete()
