"""Where declared words stand in a prompt."""

from __future__ import annotations

import re
from collections.abc import Iterable


def word_pattern(words: Iterable[str]) -> re.Pattern[str]:
    """Finds declared words in any case where no letter or digit adjoins them, the longest first; white space in a phrase may be any."""
    phrases = sorted((r"\s+".join(map(re.escape, word.split())) for word in words), key=len, reverse=True)
    return re.compile(rf"(?<!\w)(?:{'|'.join(phrases)})(?!\w)", re.IGNORECASE)
