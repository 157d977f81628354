"""Who is to blame when a message is not taken: the message, our set-up, or the weather.

Only the message itself may become a dead letter; a wrong password or address of ours must not fill the
dead-letter topic (design §7, points 6 and 7).
"""

import contextlib
import json
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from consumers.channels.http_text import HttpText
from consumers.channels.json_lines import JsonLinesText
from consumers.channels.maildir import Maildir
from consumers.channels.smtp import SmtpMail
from consumers.runtime.delivery.pool import DeliveryPool
from consumers.runtime.plan import DeliveryTask
from consumers.runtime.reaction import Delivery
from schemas.errors import DeliveryDeferred, DeliveryRejected, DependencyUnavailable, InvalidSetting, Position
from tests.support.consumers.records import record
from tests.support.kafka.log import until
from tests.support.receivers import MailServer, TextGateway

WHERE = Position("orders", 1, 2)
FROM = "shop@command-event.invalid"
LETTER = Delivery("any", "ada@customers.example", "Your order 7", "Hello\n")


def _mail_task(order_id: int) -> DeliveryTask:
    return DeliveryTask(
        order_id, "email", record(WHERE._replace(offset=order_id)), LETTER._replace(channel="mail")
    )


@pytest.fixture
def server() -> Iterator[MailServer]:
    made = MailServer()
    yield made
    made.down()


@pytest.fixture
def gateway() -> Iterator[TextGateway]:
    made = TextGateway()
    yield made
    made.down()


@pytest.mark.parametrize(
    ("code", "error"),
    [(421, DependencyUnavailable), (450, DeliveryDeferred), (451, DeliveryDeferred), (553, DeliveryRejected)],
)
def test_a_mail_servers_answer_about_the_recipient(
    server: MailServer, code: int, error: type[Exception]
) -> None:
    server.refuse = code
    channel = SmtpMail(server.url, FROM)
    with pytest.raises(error):
        channel.deliver(LETTER, "k", WHERE)
    server.refuse = None
    channel.deliver(LETTER, "k", WHERE)
    channel.close()
    assert server.ids() == ["k"]


@pytest.mark.timeout(10)
@pytest.mark.parametrize("recipient", ["." * 1_000_000, "a" * 321, f"{'a' * 400}@x.example"])
def test_an_address_longer_than_any_is_refused_at_once_and_not_repeated(
    tmp_path: Path, recipient: str
) -> None:
    channel = Maildir(tmp_path, FROM)
    with pytest.raises(DeliveryRejected, match="at most 320 characters") as caught:
        channel.deliver(LETTER._replace(recipient=recipient), "k", WHERE)
    assert len(str(caught.value)) < 500


@pytest.mark.parametrize("code", [451, 530, 550, 554])
def test_a_mail_servers_answer_about_the_sender_is_about_us(server: MailServer, code: int) -> None:
    server.refuse_sender = code
    with pytest.raises(DependencyUnavailable):
        SmtpMail(server.url, FROM).deliver(LETTER, "k", WHERE)


def test_a_login_that_fails_is_about_us(server: MailServer) -> None:
    channel = SmtpMail(server.url.replace("smtp://", "smtp://me:wrong@"), FROM)
    with pytest.raises(DependencyUnavailable) as told:
        channel.deliver(LETTER, "k", WHERE)
    assert "wrong" not in str(told.value)


@pytest.mark.parametrize("status", [400, 410, 413, 422, 451])
def test_a_gateways_answer_about_the_message(gateway: TextGateway, status: int) -> None:
    gateway.refuse = status
    channel = HttpText(gateway.url)
    with pytest.raises(DeliveryRejected, match=f"HTTP {status}"):
        channel.deliver(LETTER, "k", WHERE)
    channel.close()


@pytest.mark.parametrize("status", [408, 425, 429, 500])
def test_a_gateway_that_wants_a_message_later_puts_it_off(gateway: TextGateway, status: int) -> None:
    gateway.refuse, gateway.retry_after = status, "7"
    channel = HttpText(gateway.url)
    with pytest.raises(DeliveryDeferred, match=rf"orders:1:2: .*HTTP {status}") as caught:
        channel.deliver(LETTER, "k", WHERE)
    assert caught.value.retry_after_ms == 7_000
    gateway.refuse = None
    channel.deliver(LETTER, "k", WHERE)
    channel.close()
    assert gateway.keys == ["k"]


@pytest.mark.parametrize("status", [302, 401, 403, 404, 405, 407, 501, 502, 503, 504])
def test_a_gateways_answer_about_us_or_the_weather(gateway: TextGateway, status: int) -> None:
    gateway.refuse = status
    channel = HttpText(gateway.url)
    with pytest.raises(DependencyUnavailable, match=f"HTTP {status}"):
        channel.deliver(LETTER, "k", WHERE)
    gateway.refuse = None
    channel.deliver(LETTER, "k", WHERE)
    assert gateway.keys == ["k"]
    channel.close()


def test_connections_that_a_mail_server_closed_for_being_idle_are_no_failure_of_any_worker() -> None:
    server = MailServer(idle_s=0.2)
    pool = DeliveryPool("notification", {"mail": SmtpMail(server.url, FROM)}, workers=4)
    for order_ids in (range(4), range(4, 8)):
        pool.submit([_mail_task(order_id) for order_id in order_ids], lambda _: True)
        until(lambda: len(pool.ended().positions) == len(order_ids), "all have ended")  # noqa: B023 - called at once
        report = pool.ended()
        pool.recorded(report)
        assert (report.remaining, report.outages) == ([], {})
        until(lambda: server.connections == 0, "the server closed idle connections")
    pool.close()
    server.down()
    assert sorted(server.ids()) == sorted(f"notification.{order_id}.email" for order_id in range(8))


def test_a_mail_server_that_takes_so_many_mails_on_a_connection_gets_the_next_on_a_new_one(
    server: MailServer,
) -> None:
    server.mails_per_connection = 2
    channel = SmtpMail(server.url, FROM)
    for key in "abcde":
        channel.deliver(LETTER, key, WHERE)
    channel.close()
    assert server.ids() == [*"abcde"]


def test_a_gateway_that_closes_a_kept_connection_as_it_is_used_again_is_asked_on_a_new_one() -> None:
    gateway = TextGateway(drops_kept=True)
    channel = HttpText(gateway.url)
    for key in "abc":
        channel.deliver(LETTER, key, WHERE)
    channel.close()
    gateway.down()
    assert gateway.keys == [*"abc"]


@pytest.mark.parametrize(
    "recipient",
    ["a@b.example\nBcc: c@d.example", "\n", "", "   ", "a@b.example, c@d.example", "nobody", "0@[.example"],
)
def test_a_recipient_that_is_not_one_address_is_refused_and_nobody_else_gets_the_mail(
    server: MailServer, tmp_path: Path, recipient: str
) -> None:
    letter = LETTER._replace(recipient=recipient)
    for channel in (SmtpMail(server.url, FROM), Maildir(tmp_path, FROM)):
        with pytest.raises(DeliveryRejected):
            channel.deliver(letter, "k", WHERE)
    assert server.mails == []


@pytest.mark.parametrize(
    ("recipient", "addressed"),
    [
        ("x@b\u00fccher.example", "x@xn--bcher-kva.example"),
        ("j\u00f6rg@b\u00fccher.example", "j\u00f6rg@xn--bcher-kva.example"),
        ("root@localhost", "root@localhost"),
        ('"a b"@example.org', '"a b"@example.org'),
    ],
)
def test_a_mail_to_an_address_of_another_language_or_of_this_network_arrives(
    server: MailServer, tmp_path: Path, recipient: str, addressed: str
) -> None:
    channel = SmtpMail(server.url, FROM)
    channel.deliver(LETTER._replace(recipient=recipient), "k", WHERE)
    channel.close()
    Maildir(tmp_path, FROM).deliver(LETTER._replace(recipient=recipient), "k", WHERE)
    assert server.recipients == [addressed]
    assert f"To: {addressed}\n".encode() in (tmp_path / "new" / "k").read_bytes()


def test_a_mail_server_without_smtputf8_makes_a_dead_letter_of_a_name_beyond_ascii_alone() -> None:
    server = MailServer(utf8=False)
    channel = SmtpMail(server.url, FROM)
    with pytest.raises(DeliveryRejected, match="internationalized email"):
        channel.deliver(LETTER._replace(recipient="j\u00f6rg@example.org"), "k", WHERE)
    channel.deliver(LETTER._replace(recipient="x@b\u00fccher.example"), "k", WHERE)
    channel.close()
    server.down()
    assert server.recipients == ["x@xn--bcher-kva.example"]


@pytest.mark.parametrize("sender", ['"Shop, Inc." <shop@b.example>', "Sh\u00f6p <shop@b.example>"])
def test_a_sender_may_have_a_name_with_a_comma_in_quotes(
    server: MailServer, tmp_path: Path, sender: str
) -> None:
    channel = SmtpMail(server.url, sender)
    channel.deliver(LETTER, "k", WHERE)
    channel.close()
    assert server.senders == ["shop@b.example"]
    assert str(server.mails[0]["From"]) == sender
    Maildir(tmp_path, sender).deliver(LETTER, "k", WHERE)


@pytest.mark.parametrize(
    "sender",
    [
        "Shop, Inc. <shop@b.example>",
        "a@b.example, c@d.example",
        "Shop",
        "",
        "Shop <shop@>",
        "shop@b.example\nBcc: eve@b.example",
        "sh\u00f6p@b.example",
        "0@[.example",
    ],
)
def test_a_sender_that_is_not_one_address_is_a_fault_of_the_setting(tmp_path: Path, sender: str) -> None:
    with pytest.raises(InvalidSetting, match="mail_from"):
        SmtpMail("smtp://mail.example", sender)
    with pytest.raises(InvalidSetting, match="mail_from"):
        Maildir(tmp_path, sender)


@pytest.mark.parametrize(
    ("recipient", "number"), [("+44 (0)20 7946 0958", "+442079460958"), ("0664 1234567", "0664 1234567")]
)
def test_a_text_goes_to_the_number_that_was_meant(
    gateway: TextGateway, tmp_path: Path, recipient: str, number: str
) -> None:
    channel = HttpText(gateway.url)
    channel.deliver(LETTER._replace(recipient=recipient), "k", WHERE)
    channel.close()
    JsonLinesText(tmp_path / "t.jsonl").deliver(LETTER._replace(recipient=recipient), "k", WHERE)
    assert gateway.texts[0]["to"] == json.loads((tmp_path / "t.jsonl").read_text("utf-8"))["to"] == number


@given(recipient=st.text(min_size=1, max_size=40), body=st.text(max_size=200))
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_recipient_and_text_is_delivered_or_refused_and_never_breaks_the_group(
    tmp_path: Path, recipient: str, body: str
) -> None:
    letter = LETTER._replace(recipient=recipient, text=body)
    for channel in (Maildir(tmp_path / "m", FROM), JsonLinesText(tmp_path / "t.jsonl")):
        with contextlib.suppress(DeliveryRejected):
            channel.deliver(letter, "k", WHERE)


@given(local=st.text(min_size=1, max_size=10), domain=st.text(min_size=1, max_size=10))
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_address_is_taken_or_refused_by_a_mail_server(
    server: MailServer, local: str, domain: str
) -> None:
    letter = LETTER._replace(recipient=f"{local}@{domain}.example")
    channel = SmtpMail(server.url, FROM)
    with contextlib.closing(channel), contextlib.suppress(DeliveryRejected):
        channel.deliver(letter, "k", WHERE)


def test_a_line_that_does_not_fit_on_the_disk_is_an_outage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    channel = JsonLinesText(tmp_path / "t.jsonl")
    whole = os.write
    monkeypatch.setattr(os, "write", lambda to, data: whole(to, data[:5]))
    with pytest.raises(DependencyUnavailable, match="full"):
        channel.deliver(LETTER, "k", WHERE)


@pytest.mark.parametrize("url", ["mail.example", "http://mail.example", "smtp://", "smtp://h:port"])
def test_an_address_of_no_mail_server_is_a_fault_of_the_setting(url: str) -> None:
    with pytest.raises(InvalidSetting, match="smtp_url"):
        SmtpMail(url, FROM)


@pytest.mark.parametrize(
    "url", ["texts.example", "ftp://texts.example", "http://", "http://h:port", "http://[::"]
)
def test_an_address_of_no_gateway_is_a_fault_of_the_setting(url: str) -> None:
    with pytest.raises(InvalidSetting, match="text_url"):
        HttpText(url)


def test_a_mail_that_two_members_write_at_once_is_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    channel = Maildir(tmp_path, FROM)
    synced = os.fsync

    def meanwhile(file: int) -> None:
        monkeypatch.setattr(os, "fsync", synced)
        heir = threading.Thread(target=channel.deliver, args=(LETTER, "k", WHERE))
        heir.start()
        heir.join(10)
        synced(file)

    monkeypatch.setattr(os, "fsync", meanwhile)
    channel.deliver(LETTER, "k", WHERE)
    [mail] = (tmp_path / "new").iterdir()
    assert LETTER.text.encode() in mail.read_bytes()
    assert list((tmp_path / "tmp").iterdir()) == []


def test_drafts_that_were_left_two_days_ago_are_removed_and_younger_ones_stay(tmp_path: Path) -> None:
    Maildir(tmp_path, FROM)
    old, young = tmp_path / "tmp" / "old", tmp_path / "tmp" / "young"
    old.touch()
    young.touch()
    os.utime(old, (0, 0))
    Maildir(tmp_path, FROM)
    assert list((tmp_path / "tmp").iterdir()) == [young]
