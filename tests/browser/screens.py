"""The windows in which every page is looked at: each width and each scheme in every run, all pairs in the long form."""

from __future__ import annotations

import pytest

_EACH = [(1440, "light"), (1100, "dark"), (390, "light"), (320, "dark")]
_MORE = [(1440, "dark"), (800, "light"), (800, "dark"), (390, "dark")]
SCREENS = [*_EACH, *(pytest.param(*one, marks=pytest.mark.long) for one in _MORE)]
