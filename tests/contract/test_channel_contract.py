"""What every channel promises, against real receivers: at least once, a stable id, and the right blame."""

import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from email import message_from_bytes, policy
from pathlib import Path

import pytest

from consumers.channels.http_text import HttpText
from consumers.channels.json_lines import JsonLinesText
from consumers.channels.maildir import Maildir
from consumers.channels.smtp import SmtpMail
from consumers.runtime.delivery.channel import Channel
from consumers.runtime.delivery.pool import DeliveryPool
from consumers.runtime.plan import DeliveryTask
from consumers.runtime.reaction import Delivery
from schemas.errors import DeliveryRejected, DependencyUnavailable, Position
from tests.support.consumers.records import record
from tests.support.kafka.log import until
from tests.support.receivers import MailServer, TextGateway

WHERE = Position("orders", 1, 2)
FROM = "shop@command-event.invalid"
LETTER = Delivery(
    "any", "ada@customers.example", "Your order 7", "Hello Ädä,\n\nit goes to: 1 Streetford Road\n"
)


@dataclass
class Bench:
    """A channel, what its receiver has, and how to break the receiver."""

    channel: Channel
    ids: Callable[[], list[str]]
    down: Callable[[], None]
    up: Callable[[], None]
    refuse: Callable[[], None] | None


@contextmanager
def smtp(_folder: Path) -> Iterator[Bench]:
    server = MailServer()

    def refuse() -> None:
        server.refuse = 550

    channel = SmtpMail(server.url, FROM)
    yield Bench(channel, server.ids, server.down, server.up, refuse)
    channel.close()
    server.down()


@contextmanager
def maildir(folder: Path) -> Iterator[Bench]:
    home = folder / "maildir"

    def ids() -> list[str]:
        mails = [message_from_bytes(each.read_bytes()) for each in (home / "new").iterdir()]
        return [str(mail["Message-ID"]).strip("<>").split("@")[0] for mail in mails]

    def up() -> None:
        for name in ("tmp", "new", "cur"):
            (home / name).mkdir(parents=True)

    yield Bench(Maildir(home, FROM), ids, lambda: shutil.rmtree(home), up, None)


@contextmanager
def gateway(_folder: Path) -> Iterator[Bench]:
    server = TextGateway()

    def refuse() -> None:
        server.refuse = 422

    channel = HttpText(server.url)
    yield Bench(channel, lambda: [text["id"] for text in server.texts], server.down, server.up, refuse)
    server.down()
    channel.close()


@contextmanager
def lines(folder: Path) -> Iterator[Bench]:
    path = folder / "deep" / "texts.jsonl"

    def ids() -> list[str]:
        return [json.loads(line)["id"] for line in path.read_text("utf-8").splitlines()]

    def down() -> None:
        path.unlink(missing_ok=True)
        path.mkdir()

    yield Bench(JsonLinesText(path), ids, down, path.rmdir, None)


CHANNELS = {"smtp": smtp, "maildir": maildir, "gateway": gateway, "lines": lines}


@pytest.fixture(params=CHANNELS)
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Bench]:
    with CHANNELS[request.param](tmp_path) as made:
        yield made


def plain(key: str) -> str:
    return key.replace("/", ".")


def test_what_is_delivered_carries_its_effect_key(bench: Bench) -> None:
    bench.channel.deliver(LETTER, "notification/7/email", WHERE)
    assert [plain(each) for each in bench.ids()] == ["notification.7.email"]


def test_what_is_delivered_twice_is_one_message_by_its_id(bench: Bench) -> None:
    for _ in range(2):
        bench.channel.deliver(LETTER, "notification/7/email", WHERE)
    assert {plain(each) for each in bench.ids()} == {"notification.7.email"}


def test_a_receiver_that_is_down_is_an_outage_and_is_used_again_once_it_is_up(bench: Bench) -> None:
    bench.channel.deliver(LETTER, "notification/1/email", WHERE)
    bench.down()
    for _ in range(2):
        with pytest.raises(DependencyUnavailable, match=r"\A[^\n]*\Z"):
            bench.channel.deliver(LETTER, "notification/2/email", WHERE)
    bench.up()
    bench.channel.deliver(LETTER, "notification/2/email", WHERE)
    assert "notification.2.email" in [plain(each) for each in bench.ids()]


def test_a_message_that_is_refused_for_good_is_blamed_with_its_position(bench: Bench) -> None:
    if bench.refuse is None:
        pytest.skip("a file refuses nothing")
    bench.refuse()
    with pytest.raises(DeliveryRejected, match=r"orders:1:2: .*ada@customers\.example") as told:
        bench.channel.deliver(LETTER, "notification/7/email", WHERE)
    assert told.value.position == WHERE
    assert bench.ids() == []


def test_many_workers_deliver_each_message_once_and_whole(bench: Bench) -> None:
    pool = DeliveryPool("notification", {"any": bench.channel}, workers=8)
    tasks = [DeliveryTask(n - 30, "email", record(WHERE._replace(offset=n)), LETTER) for n in range(60)]
    pool.submit(tasks, lambda _: True)
    until(lambda: len(pool.ended(1).positions) == 60, "all have ended")
    report = pool.ended()
    pool.close()
    assert (report.failed, report.remaining, report.outages) == ([], [], {})
    assert sorted(report.delivered) == sorted(task.intention for task in tasks)
    assert sorted(plain(each) for each in bench.ids()) == sorted(
        f"notification.{n - 30}.email" for n in range(60)
    )


@pytest.mark.parametrize("order_id", [-(2**63), 2**63 - 1])
def test_every_order_id_makes_a_usable_key(bench: Bench, order_id: int) -> None:
    bench.channel.deliver(LETTER, f"notification/{order_id}/email", WHERE)
    assert [plain(each) for each in bench.ids()] == [f"notification.{order_id}.email"]


def test_a_channel_says_what_it_is_and_keeps_its_password(bench: Bench) -> None:
    assert bench.channel.describe
    assert "hush" not in SmtpMail("smtp://me:hush@mail.example:2525", FROM).describe
    secret = HttpText("http://me:hush@texts.example/send")
    assert "hush" not in secret.describe
    secret.close()


def test_a_mail_is_the_letter_that_was_asked_for(tmp_path: Path) -> None:
    Maildir(tmp_path, FROM).deliver(LETTER, "notification/7/email", WHERE)
    [file] = (tmp_path / "new").iterdir()
    assert file.name == "notification.7.email"
    mail = message_from_bytes(file.read_bytes(), policy=policy.default)
    assert (mail["To"], mail["From"], mail["Subject"]) == (LETTER.recipient, FROM, LETTER.subject)
    assert mail.get_content().replace("\r\n", "\n") == LETTER.text
    assert mail["Message-ID"] == "<notification.7.email@command-event.invalid>"
    assert list((tmp_path / "tmp").iterdir()) == []
