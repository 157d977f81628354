"""What the bytes of a file are: compressed or not, and in which encoding. Pure: it opens nothing.

Recognised: gzip; UTF-8; UTF-16 and UTF-32 by their byte order mark, which spreadsheets and shells write.

Not recognised: encodings of one byte per character, such as cp1252. Nothing in the bytes tells them apart:
charset-normalizer takes German and French of cp1252 for cp1250, where some letters are others, and an address
would be wrong without anybody hearing of it. So somebody has to name the encoding.
"""

import codecs
import gzip
import io
from typing import IO, BinaryIO, NamedTuple, cast

from schemas.errors import UsageError

_SAMPLE = 1024 * 1024
_GZIP, _ZIP = b"\x1f\x8b", b"PK\x03\x04"
# UTF-32's little-endian mark begins with UTF-16's.
_MARKS = {
    codecs.BOM_UTF8: "utf-8",
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}


class TextSource(NamedTuple):
    """A stream and how to read it.

    Attributes:
        stream: its bytes, uncompressed.
        encoding: of these bytes.
        begins: the first character that is no blank; empty if there is none at once.
    """

    stream: BinaryIO
    encoding: str
    begins: str


def recognise(stream: IO[bytes], name: str, encoding: str | None = None) -> TextSource:
    """Recognise compression and encoding by the first bytes; reads no further than it must.

    Args:
        stream: unbuffered, so that a pipe's rows are read as they come.
        name: of the file, for a person.
        encoding: what somebody said that it is; None: recognise it.

    Raises:
        UsageError: no text, an unknown encoding, or one that must be named.
    """
    # The stubs ask for a raw stream; anything with readinto does.
    source = io.BufferedReader(cast("io.RawIOBase", stream), _SAMPLE)
    if source.peek(2).startswith(_GZIP):
        source = io.BufferedReader(cast("io.RawIOBase", gzip.GzipFile(fileobj=source)), _SAMPLE)
    try:
        sample = source.peek(4)
    except (OSError, EOFError) as error:
        raise UsageError(f"{name}: {error}") from error
    if sample.startswith(_ZIP):
        raise UsageError(f"{name} is a zip archive, as .xlsx spreadsheets are: save the sheet as CSV")
    chosen = _encoding_of(sample, name) if encoding is None else _known(encoding)
    begins = sample.decode(chosen, errors="ignore").lstrip("\ufeff \t\r\n")[:1]
    return TextSource(cast("BinaryIO", source), chosen, begins)


def _known(encoding: str) -> str:
    try:
        "".encode(encoding)
    except LookupError:
        raise UsageError(f"{encoding} is not an encoding; common ones are utf-8, cp1252 and utf-16") from None
    return encoding


def _encoding_of(sample: bytes, name: str) -> str:
    for mark, encoding in _MARKS.items():
        if sample.startswith(mark):
            return encoding
    if sample.count(0) * 4 > len(sample):
        raise UsageError(
            f"{name} is not text, or UTF-16 without a byte order mark: if so, say --encoding utf-16-le"
        )
    try:
        codecs.getincrementaldecoder("utf-8")().decode(sample)
    except UnicodeDecodeError as error:
        # With one letter of UTF-8 in it, it is a file of UTF-8 with damaged rows.
        if all(ord(char) < 128 for char in sample.decode(errors="ignore")):  # noqa: PLR2004 - ASCII
            line = sample.count(b"\n", 0, error.start) + 1
            raise UsageError(
                f"{name}: line {line} is not UTF-8, and nothing says what it is instead: name the file's "
                "encoding, such as --encoding cp1252 for Western Europe"
            ) from None
    return "utf-8"
