"""The file through which the records of solves leave a program: eight slots of 2 MiB, of which the oldest is reused.

The caller makes the file, with a fixed size, and reads it when the program has ended. The program can write to it, so
everything in it is untrusted.
"""

import json
import os
import re
from dataclasses import dataclass
from typing import Any

SLOTS = 8
SLOT_BYTES = 2 << 20
FILE_BYTES = SLOTS * SLOT_BYTES
MAX_BYTES = 4 << 20
"""Bytes of the records that are read, the last ones if they are more."""
_HEADER = re.compile(rb"([0-9]{10}) ([0-9]{10})\n")
_HEADER_BYTES = 22


@dataclass(slots=True)
class RecordWriter:
    """The program's end of the file."""

    fd: int
    written: int = 0

    def write(self, record: dict[str, Any]) -> None:
        """Write a record. One that does not fit into a slot is written without all but its report, with the reason."""
        content = _encode(record)
        room = SLOT_BYTES - _HEADER_BYTES
        if len(content) > room:
            reason = f"the record has {len(content)} bytes, more than {room}"
            content = _encode({"report": record["report"], "omitted": reason})
        offset = self.written % SLOTS * SLOT_BYTES
        # The number of the record comes last, so that a run that is killed leaves no header of half a record.
        os.pwrite(self.fd, b"%010d %010d\n" % (0, 0), offset)
        os.pwrite(self.fd, content, offset + _HEADER_BYTES)
        self.written += 1
        os.pwrite(self.fd, b"%010d %010d\n" % (self.written, len(content)), offset)


def read_record_file(fd: int) -> tuple[str, ...]:
    """Return the texts of the last records in the file, in the order in which they were written."""
    found: dict[int, str] = {}
    for slot in range(SLOTS):
        offset = slot * SLOT_BYTES
        header = _HEADER.fullmatch(os.pread(fd, _HEADER_BYTES, offset))
        if header and int(header[1]) > 0 and int(header[2]) <= SLOT_BYTES - _HEADER_BYTES:
            content = os.pread(fd, int(header[2]), offset + _HEADER_BYTES)
            found[int(header[1])] = content.decode("utf-8", errors="replace")
    kept: list[str] = []
    room = MAX_BYTES
    for number in sorted(found, reverse=True):
        room -= len(found[number])
        if room < 0:
            break
        kept.append(found[number])
    return tuple(reversed(kept))


def _encode(record: dict[str, Any]) -> bytes:
    return json.dumps(record, separators=(",", ":")).encode()
