"""Reads the daemons' control pages, by docs/queue-format.md and without any code of theirs.

    page = fetcher_page(state)      # None while there is no valid one
    page.durable["audit"]

A page is read while its writer runs, is stopped or is dead.
"""

import struct
from dataclasses import dataclass
from pathlib import Path

LANES = ("audit", "session")
MAGIC = b"SLICE-PG"
SLOTS = (1024, 1536)
SLOT_BYTES = 512
HEAD = struct.Struct("<IIQ")
TRIES = 1000
FETCHER, SHIPPER = 1, 2


@dataclass
class FetcherPage:
    queue_id: bytes
    epoch: int
    durable: dict  # lane -> the last synced number
    floor: dict  # lane -> the first number that is kept


@dataclass
class ShipperPage:
    delivery_id: bytes
    queue_id: bytes
    epoch: int
    position: dict  # lane -> the last number up to which everything is settled
    hold: dict  # lane -> nothing from here on may be trimmed


def _make_crc_table():
    table = []
    for byte in range(256):
        crc = byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
        table.append(crc)
    return table


_CRC = _make_crc_table()


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc = crc >> 8 ^ _CRC[(crc ^ byte) & 0xFF]
    return crc ^ 0xFFFFFFFF


def read_values(path, role):
    """The published values, or None."""
    path = Path(path)
    for _ in range(TRIES):
        try:
            data = path.read_bytes()
        except OSError:
            return None
        if len(data) < SLOTS[1] + SLOT_BYTES or data[:8] != MAGIC:
            return None
        if struct.unpack_from("<I", data, 12)[0] != role:
            return None
        slot = SLOTS[struct.unpack_from("<I", data, 20)[0] & 1]
        checksum, length, _ = HEAD.unpack_from(data, slot)
        if length <= SLOT_BYTES - HEAD.size and \
                crc32c(data[slot + 4:slot + HEAD.size + length]) == checksum:
            return data[slot + HEAD.size:slot + HEAD.size + length]
    return None


def _lanes(values, offset):
    return dict(zip(LANES, struct.unpack_from("<QQ", values, offset)))


def fetcher_page(state):
    values = read_values(Path(state) / "queue/page", FETCHER)
    if values is None:
        return None
    return FetcherPage(values[1:17], struct.unpack_from("<Q", values, 57)[0],
                       _lanes(values, 73), _lanes(values, 89))


def shipper_page(state):
    values = read_values(Path(state) / "shipper/page", SHIPPER)
    if values is None:
        return None
    return ShipperPage(values[1:17], values[17:33], struct.unpack_from("<Q", values, 73)[0],
                       _lanes(values, 89), _lanes(values, 105))
