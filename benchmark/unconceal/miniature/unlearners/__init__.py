"""Unlearners of known or expected behaviour, run on the miniature base by the build.

Each takes ``(pipe, concept, seed, say)`` and keyword settings, leaves ``pipe`` as it is, and returns a ``Release``: the
weights that the real method would publish.
"""

from __future__ import annotations

from collections.abc import Callable

from unconceal.miniature.unlearners.collapse import collapse
from unconceal.miniature.unlearners.decouple import decouple_to_nothing, decouple_to_other
from unconceal.miniature.unlearners.esd import esd_u, esd_x
from unconceal.miniature.unlearners.release import Release
from unconceal.miniature.unlearners.uce import uce

UNLEARNERS: dict[str, Callable[..., Release]] = {
    "esd-x": esd_x,
    "esd-u": esd_u,
    "uce": uce,
    "decouple-to-nothing": decouple_to_nothing,
    "decouple-to-other": decouple_to_other,
    "collapsed": collapse,
}
