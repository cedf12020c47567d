"""A QR code as one path of an SVG, because the policy of the pages allows no picture from a data address."""

from __future__ import annotations

from dataclasses import dataclass

import qrcode


@dataclass(frozen=True, slots=True)
class Picture:
    """The modules of a code as a path, one unit each, and the length of a side with its quiet margin."""

    path: str
    side: int


def picture(text: str) -> Picture:
    """Return the QR code of `text`."""
    code = qrcode.QRCode(border=4)
    code.add_data(text)
    rows = code.get_matrix()
    dark = [f"M{x},{y}h1v1h-1z" for y, row in enumerate(rows) for x, on in enumerate(row) if on]
    return Picture("".join(dark), len(rows))
