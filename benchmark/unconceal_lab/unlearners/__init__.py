"""Unlearners of known or expected behaviour, run on the miniature base by the build.

Each takes ``(pipeline, concept, seed, log)`` and a keyword ``config``, leaves the pipeline unchanged, and returns the weights that the
published method would release.
"""

from __future__ import annotations

from collections.abc import Callable

from unconceal_lab.unlearners.ablating_concepts import ablating_concepts
from unconceal_lab.unlearners.collapse import collapse, constant, replace_with_noise
from unconceal_lab.unlearners.decouple import decouple_to_nothing, decouple_to_other
from unconceal_lab.unlearners.esd import esd_u, esd_x
from unconceal_lab.unlearners.forget_me_not import forget_me_not
from unconceal_lab.unlearners.gradient_ascent import collapse_by_ascent, gradient_ascent
from unconceal_lab.unlearners.released_weights import UnlearnedWeights
from unconceal_lab.unlearners.salun import salun
from unconceal_lab.unlearners.sdd import sdd
from unconceal_lab.unlearners.uce import uce

UNLEARNERS: dict[str, Callable[..., UnlearnedWeights]] = {
    "esd-x": esd_x,
    "esd-u": esd_u,
    "uce": uce,
    "ablating-concepts": ablating_concepts,
    "salun": salun,
    "forget-me-not": forget_me_not,
    "gradient-ascent": gradient_ascent,
    "sdd": sdd,
    "decouple-to-nothing": decouple_to_nothing,
    "decouple-to-other": decouple_to_other,
    "collapsed": collapse,
    "collapsed-by-ascent": collapse_by_ascent,
    "constant": constant,
    "noise": replace_with_noise,
}
