"""Brotli streams without a compressor: the bytes of a body are stored as they are.

Place in the house: the market, inside the emulator.  A body comes in, the stream that a client must decode
goes out.  Pure.

References
----------
RFC 7932, section 9.1 (window size) and 9.2 (uncompressed meta-blocks).
"""

LONGEST_BLOCK = 1 << 16
LAST_AND_EMPTY = b"\x03"


def stored(body: bytes) -> bytes:
    """``body`` as a brotli stream of uncompressed meta-blocks.

    A block's header, lowest bit first: the window of 16 bits as one 0, in the first block only; not the last
    (0); four digits of length (00); length - 1 in 16 bits; uncompressed (1); zeros up to the next byte.
    """
    parts = []
    for start in range(0, len(body), LONGEST_BLOCK):
        block = body[start : start + LONGEST_BLOCK]
        header = (len(block) - 1) << 3 | 1 << 19
        parts += [(header << (start == 0)).to_bytes(3, "little"), block]
    return b"".join([*(parts or [b"\x06"]), LAST_AND_EMPTY if parts else b""])
