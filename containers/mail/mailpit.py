#!/usr/bin/python3
# ruff: noqa: S104 - a container listens to its network; what is published is up to who runs it
"""A real SMTP server whose inbox can be read over HTTP, in the place of Mailpit where no image can be pulled.

It answers what Mailpit answers on the paths below, in Mailpit's words, and nothing else.

    SMTP on MP_SMTP_BIND_ADDR (:1025), HTTP on MP_UI_BIND_ADDR (:8025)
    /                         a page with the mails
    /api/v1/messages          newest first; ?start= and ?limit= (50)
    /api/v1/message/ID        one, with its text; /raw below it is the mail as it came
    /livez, /readyz           200
    mailpit readyz            ends with 0 if the server is ready (the image's health check)

Mails live in memory, like Mailpit's without MP_DATABASE.
"""

import html
import json
import os
import sys
import time
import urllib.request
import uuid
from email import message_from_bytes, policy
from email.message import EmailMessage
from email.utils import getaddresses
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from aiosmtpd.controller import Controller

KEPT: list[tuple[dict[str, Any], bytes]] = []


def people(mail: EmailMessage, header: str) -> list[dict[str, str]]:
    """Everybody a header names, in Mailpit's words."""
    return [
        {"Name": name, "Address": address}
        for name, address in getaddresses(map(str, mail.get_all(header, [])))
    ]


def summary(content: bytes) -> dict[str, Any]:
    """What the list says of a mail."""
    mail = message_from_bytes(content, policy=policy.default)
    return {
        "ID": uuid.uuid4().hex,
        "MessageID": str(mail["Message-ID"] or "").strip("<>"),
        "Read": False,
        "From": next(iter(people(mail, "From")), None),
        "To": people(mail, "To"),
        "Cc": people(mail, "Cc"),
        "Bcc": [],
        "ReplyTo": people(mail, "Reply-To"),
        "Subject": str(mail["Subject"] or ""),
        "Created": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "Tags": [],
        "Size": len(content),
        "Attachments": 0,
    }


class Inbox:
    """Keeps every mail that SMTP brings."""

    async def handle_DATA(self, _server: object, _session: object, envelope: Any) -> str:  # noqa: N802 - aiosmtpd's name
        """Take one mail."""
        KEPT.insert(0, (summary(envelope.content), envelope.content))
        return "250 2.0.0 Ok: queued"


def answer(path: str) -> tuple[int, str, bytes] | None:
    """Status, content type and body for a path; None where there is nothing."""
    url = urlsplit(path)
    if url.path in ("/livez", "/readyz"):
        return 200, "text/plain", b"ok"
    if url.path == "/":
        return 200, "text/html; charset=utf-8", page().encode()
    if url.path == "/api/v1/messages":
        query = {name: int(values[0]) for name, values in parse_qs(url.query).items()}
        start, limit = query.get("start", 0), query.get("limit", 50)
        found = [each for each, _ in KEPT[start : start + limit]]
        counts = {"total": len(KEPT), "unread": len(KEPT), "count": len(found)}
        return json_of({**counts, "messages_count": len(KEPT), "start": start, "tags": [], "messages": found})
    for each, content in KEPT:
        if url.path == f"/api/v1/message/{each['ID']}":
            text = message_from_bytes(content, policy=policy.default).get_body(("plain",))
            return json_of({**each, "Text": text.get_content() if text else "", "HTML": ""})
        if url.path == f"/api/v1/message/{each['ID']}/raw":
            return 200, "text/plain", content
    return None


def json_of(document: dict[str, Any]) -> tuple[int, str, bytes]:
    """A document as an answer."""
    return 200, "application/json", json.dumps(document).encode()


def page() -> str:
    """The inbox for people."""
    rows = "".join(
        f"<tr><td>{each['Created']}<td>{html.escape(', '.join(to['Address'] for to in each['To']))}"
        f"<td><a href='/api/v1/message/{each['ID']}/raw'>{html.escape(each['Subject'])}</a>"
        for each, _ in KEPT
    )
    return f"<!doctype html><title>Inbox</title><h1>{len(KEPT)} mails</h1><table>{rows}</table>"


class Handler(BaseHTTPRequestHandler):
    """Mailpit's paths."""

    def do_GET(self) -> None:
        """Answer one request."""
        status, kind, body = answer(self.path) or (404, "text/plain", b"404 page not found")
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Say nothing of each request."""


def port(variable: str, default: str) -> int:
    """The port of an address that the environment may name."""
    return int(os.environ.get(variable, default).rpartition(":")[2])


def main() -> None:
    """Serve, or ask the server whether it is ready."""
    web = port("MP_UI_BIND_ADDR", "[::]:8025")
    if sys.argv[1:] == ["readyz"]:
        urllib.request.urlopen(f"http://127.0.0.1:{web}/readyz", timeout=3)
        return
    Controller(Inbox(), hostname="0.0.0.0", port=port("MP_SMTP_BIND_ADDR", "[::]:1025")).start()
    sys.stdout.write("accepting connections\n")
    sys.stdout.flush()
    ThreadingHTTPServer(("0.0.0.0", web), Handler).serve_forever()


main()
