"""Unlearners of known or expected behaviour, run on the miniature base by the build.

Each takes ``(pipe, concept, seed, say)`` and keyword settings, leaves ``pipe`` as it is, and returns a ``Release``: the
weights that the real method would publish.
"""

from __future__ import annotations

from collections.abc import Callable

from unconceal_lab.unlearners.ablating_concepts import ablating_concepts
from unconceal_lab.unlearners.collapse import collapse, constant, noise_only
from unconceal_lab.unlearners.decouple import decouple_to_nothing, decouple_to_other
from unconceal_lab.unlearners.esd import esd_u, esd_x
from unconceal_lab.unlearners.forget_me_not import forget_me_not
from unconceal_lab.unlearners.gradient_ascent import ascend, collapse_by_ascent
from unconceal_lab.unlearners.released_weights import Release
from unconceal_lab.unlearners.salun import salun
from unconceal_lab.unlearners.sdd import sdd
from unconceal_lab.unlearners.uce import uce

UNLEARNERS: dict[str, Callable[..., Release]] = {
    "esd-x": esd_x,
    "esd-u": esd_u,
    "uce": uce,
    "ablating-concepts": ablating_concepts,
    "salun": salun,
    "forget-me-not": forget_me_not,
    "gradient-ascent": ascend,
    "sdd": sdd,
    "decouple-to-nothing": decouple_to_nothing,
    "decouple-to-other": decouple_to_other,
    "collapsed": collapse,
    "collapsed-by-ascent": collapse_by_ascent,
    "constant": constant,
    "noise": noise_only,
}
