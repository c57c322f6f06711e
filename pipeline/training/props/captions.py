"""Several ways to say what a prop is."""

import re
from collections.abc import Sequence

import numpy as np

MAX_CAPTIONS = 6


def pick_word(rng: np.random.Generator, words: Sequence[str]) -> str:
    """Draw one of the words."""
    return words[int(rng.integers(len(words)))]


def degree(value: float, low: float, high: float, small: str, large: str) -> str:
    """The word for a value in the lowest or highest third of its range, else nothing."""
    third = (high - low) / 3
    if value < low + third:
        return small
    return large if value > high - third else ""


def with_article(words: str) -> str:
    """The phrase with "a" or "an"."""
    return f"{'an' if words[0] in 'aeiou' else 'a'} {words}"


def captions(
    rng: np.random.Generator,
    *,
    nouns: Sequence[str],
    looks: Sequence[str],
    details: Sequence[str] = (),
    size: str = "",
) -> tuple[str, ...]:
    """Phrase a prop in four to six ways, the most specific first.

    Args:
        nouns: Words for the thing, the usual one first.
        looks: Color or material adjectives, the most specific first.
        details: Endings such as "with iron bands".
        size: A proportion word, or nothing.
    """

    def phrase(size: str, look: str, noun: str, detail: str, *, article: bool) -> str:
        first, _, rest = noun.partition(" ")
        if rest and any(word[:4] == first[:4] for word in f"{size} {look}".split()):
            noun = rest  # not "a stone stone pillar"
        words = " ".join(word for word in (size, look, noun, detail) if word)
        words = re.sub(r"\ba (?=[aeiou])", "an ", words)
        return with_article(words) if article else words

    def noun() -> str:
        return pick_word(rng, nouns)

    def look() -> str:
        return pick_word(rng, looks)

    def detail() -> str:
        return pick_word(rng, details) if details else ""

    first_detail = details[0] if details else ""
    flips = [bool(flip) for flip in rng.integers(0, 2, 5)]
    said = [
        phrase(size, looks[0], nouns[0], first_detail, article=True),
        phrase("", looks[0], nouns[-1 if flips[0] else 0], detail(), article=flips[1]),
        phrase(size, look(), noun(), "", article=flips[2]),
        phrase("", looks[0], nouns[0], "", article=flips[3]),
        phrase("", look(), noun(), pick_word(rng, ("", detail(), "game prop")), article=False),
        phrase("", "", noun(), "", article=flips[4]),
        phrase("", looks[-1], nouns[-1], "", article=True),
        phrase("", "", nouns[0], "", article=True),
    ]
    return tuple(dict.fromkeys(said))[:MAX_CAPTIONS]
