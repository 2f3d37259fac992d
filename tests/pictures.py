"""pictures.py - PNG by Python's standard library: pictures of four colours that follow from a number, and any picture's pixels."""
import hashlib
import struct
import zlib

MAGIC = b'\x89PNG\r\n\x1a\n'
CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}


def colours(number):
    """Of the quarters: above left, above right, below left, below right."""
    digest = hashlib.sha256(str(number).encode()).digest()
    return [tuple(digest[3 * i:3 * i + 3]) for i in range(4)]


def _chunk(kind, data):
    return struct.pack('>I', len(data)) + kind + data + struct.pack('>I', zlib.crc32(kind + data))


def make(number, width, height):
    one, two, three, four = (bytes(c) for c in colours(number))
    above = b'\0' + one * (width // 2) + two * (width - width // 2)
    below = b'\0' + three * (width // 2) + four * (width - width // 2)
    rows = above * (height // 2) + below * (height - height // 2)
    head = struct.pack('>IIBBBBB', width, height, 8, 2, 0, 0, 0)
    return MAGIC + _chunk(b'IHDR', head) + _chunk(b'IDAT', zlib.compress(rows, 1)) + _chunk(b'IEND', b'')


def _chunks(data):
    at = len(MAGIC)
    while at < len(data):
        size, kind = struct.unpack_from('>I4s', data, at)
        body = data[at + 8:at + 8 + size]
        if struct.unpack_from('>I', data, at + 8 + size)[0] != zlib.crc32(kind + body):
            raise ValueError(f'the checksum of {kind} is wrong')
        yield kind, body
        at += 12 + size


def _paeth(a, b, c):
    p = a + b - c
    pa, pb, pc = abs(p - a), abs(p - b), abs(p - c)
    return a if pa <= pb and pa <= pc else b if pb <= pc else c


def _unfilter(raw, height, stride, step):
    rows, before = [], bytearray(stride)
    for y in range(height):
        how, row = raw[y * (stride + 1)], bytearray(raw[y * (stride + 1) + 1:(y + 1) * (stride + 1)])
        for x in range(stride):
            a, b, c = (row[x - step] if x >= step else 0), before[x], (before[x - step] if x >= step else 0)
            row[x] = (row[x] + (0, a, b, (a + b) // 2, _paeth(a, b, c) if how == 4 else 0)[how]) & 255
        rows.append(row)
        before = row
    return rows


def read(data):
    """(width, height, function of x and y that gives the red, green and blue there). ValueError: it is no such PNG."""
    if data[:8] != MAGIC:
        raise ValueError('no PNG')
    parts = {}
    for kind, body in _chunks(data):
        parts[kind] = parts.get(kind, b'') + body
    width, height, depth, kind, _, _, interlaced = struct.unpack('>IIBBBBB', parts[b'IHDR'])
    if interlaced or b'IEND' not in parts:
        raise ValueError('interlaced, or cut')
    n = CHANNELS[kind]
    rows = _unfilter(zlib.decompress(parts[b'IDAT']), height, (width * n * depth + 7) // 8, max(1, n * depth // 8))

    def sample(x, y, channel):
        bit = (x * n + channel) * depth
        if depth == 16:
            return rows[y][bit // 8]
        value = rows[y][bit // 8] >> (8 - depth - bit % 8) & ((1 << depth) - 1)
        return value if kind == 3 else value * 255 // ((1 << depth) - 1)

    def pixel(x, y):
        if kind == 3:
            entry = sample(x, y, 0)
            return tuple(parts[b'PLTE'][3 * entry:3 * entry + 3])
        return tuple(sample(x, y, c if n > 2 else 0) for c in range(3))

    return width, height, pixel
