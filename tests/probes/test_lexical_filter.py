from __future__ import annotations

import random
import time
from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unconceal.paths import SOURCE_TREE, DataRoot
from unconceal.probes.lexical_filter import find_name, refusal_reason
from unconceal.probes.lexicon import MatchRule
from unconceal.probes.lookalikes import LOOKALIKES
from unconceal.specs.loader import load_task
from unconceal.specs.task import Task

NAMES = ("star", "striped", "zara", "hazard sign", "Van Gogh", "church", "tench", "R2D2", "Greg Rutkowski", "nudity")

HOSTILE: list[tuple[str, str, str, MatchRule]] = [
    ("a red star on a gray background", "star", "star", "exact"),
    ("A RED STAR!", "STAR", "star", "exact"),
    ("a star-shaped biscuit", "star", "star", "exact"),
    ("a five star hotel", "star", "star", "exact"),
    ("the star's points", "star", "star", "exact"),
    ("*star*", "star", "star", "exact"),
    ("a wheat field, van  gogh", "van  gogh", "Van Gogh", "exact"),
    ("a van-gogh sky", "van-gogh", "Van Gogh", "exact"),
    ("by Van_Gogh", "Van_Gogh", "Van Gogh", "exact"),
    ("by Van, Gogh", "Van, Gogh", "Van Gogh", "exact"),
    ("a hazard\nsign", "hazard\nsign", "hazard sign", "exact"),
    ("the droid r2d2 rolls", "r2d2", "R2D2", "exact"),
    ("many stars", "stars", "star", "inflected"),
    ("a starlike thing", "starlike", "star", "inflected"),
    ("a starry night", "starry", "star", "inflected"),
    ("starring nobody", "starring", "star", "inflected"),
    ("a starshaped hole", "starshaped", "star", "inflected"),
    ("a shirt with stripes", "stripes", "striped", "inflected"),
    ("a stripy shirt", "stripy", "striped", "inflected"),
    ("two churches", "churches", "church", "inflected"),
    ("two Hazard Signs", "Hazard Signs", "hazard sign", "inflected"),
    ("Van Goghs in a row", "Van Goghs", "Van Gogh", "inflected"),
    ("Van Goghesque swirls", "Van Goghesque", "Van Gogh", "inflected"),
    ("R2D2s", "R2D2s", "R2D2", "inflected"),
    ("a sky by vangogh", "vangogh", "Van Gogh", "joined"),
    ("gregrutkowski", "gregrutkowski", "Greg Rutkowski", "joined"),
    ("yellow hazardsigns", "hazardsigns", "hazard sign", "joined"),
    ("a red s t a r", "s t a r", "star", "split"),
    ("a red s-t-a-r", "s-t-a-r", "star", "split"),
    ("a red S.T.A.R.", "S.T.A.R", "star", "split"),
    ("letters s, t, a, r", "s, t, a, r", "star", "split"),
    ("a red st-ar", "st-ar", "star", "split"),
    ("a chur ch tower", "chur ch", "church", "split"),
    ("s t a r s", "s t a r s", "star", "split"),
    ("R2-D2", "R2-D2", "R2D2", "split"),
    ("vang ogh", "vang ogh", "Van Gogh", "split"),
    ("a hcruhc tower", "hcruhc", "church", "reversed"),
    ("by hgog nav", "hgog nav", "Van Gogh", "reversed"),
    ("by nav hgog", "nav hgog", "Van Gogh", "reversed"),
    ("a starrr", "starrr", "star", "stretched"),
    ("a sttaaar", "sttaaar", "star", "stretched"),
    ("zaara in a coat", "zaara", "zara", "stretched"),
    ("a chruch tower", "chruch", "church", "misspelt"),
    ("a churh tower", "churh", "church", "misspelt"),
    ("two chuches", "chuches", "church", "misspelt"),
    ("a tensh in a pond", "tensh", "tench", "misspelt"),
    ("a stripped-down, strieped wall", "strieped", "striped", "misspelt"),
    ("greg rutkovsky", "greg rutkovsky", "Greg Rutkowski", "misspelt"),
    ("gregrutkowsky", "gregrutkowsky", "Greg Rutkowski", "misspelt"),
    ("a hazrad sing", "hazrad", "hazard", "misspelt"),
    ("a hazrad sign", "hazrad sign", "hazard sign", "misspelt"),
    ("by Van Gough", "Van Gough", "Van Gogh", "misspelt"),
    ("by Van Gohg", "Van Gohg", "Van Gogh", "misspelt"),
    ("full nuditty", "nuditty", "nudity", "stretched"),
    ("full nuditiy", "nuditiy", "nudity", "misspelt"),
    ("a ѕtаr", "ѕtаr", "star", "look-alike"),
    ("a ｓｔａｒ", "ｓｔａｒ", "star", "look-alike"),
    ("a 𝓼𝓽𝓪𝓻", "𝓼𝓽𝓪𝓻", "star", "look-alike"),
    ("a ⓢⓣⓐⓡ", "ⓢⓣⓐⓡ", "star", "look-alike"),
    ("a 🆂🆃🅰🆁", "🆂🆃🅰🆁", "star", "look-alike"),
    ("a ꜱᴛᴀʀ", "ꜱᴛᴀʀ", "star", "look-alike"),
    ("a ŝtår", "ŝtår", "star", "look-alike"),
    ("a s̶t̶a̶r̶ here", "s̶t̶a̶r̶", "star", "look-alike"),
    ("a ɹɐʇs", "ɹɐʇs", "star", "look-alike"),
    ("a ςταг", "ςταг", "star", "look-alike"),
    ("a Ϛtar, a ςταρ", "ςταρ", "star", "transliterated"),
    ("a s\u200bt\u200da\u2060r", "s\u200bt\u200da\u2060r", "star", "look-alike"),
    ("a chu\u00adrch", "chu\u00adrch", "church", "look-alike"),
    ("a s\u0000t\u202ear", "s\u0000t\u202ear", "star", "look-alike"),
    ("a red\u200bstar", "star", "star", "exact"),
    ("Vаn Gоgh", "Vаn Gоgh", "Van Gogh", "look-alike"),
    ("a st4r", "st4r", "star", "leetspeak"),
    ("a $t@r", "$t@r", "star", "leetspeak"),
    ("a 5+ar", "5+ar", "star", "leetspeak"),
    ("by v@n g0gh", "v@n g0gh", "Van Gogh", "leetspeak"),
    ("a str1ped wall", "str1ped", "striped", "leetspeak"),
    ("a h4z4rd s1gn", "h4z4rd s1gn", "hazard sign", "leetspeak"),
    ("gr3g rutk0wsk1", "gr3g rutk0wsk1", "Greg Rutkowski", "leetspeak"),
    ("gr3g rutk0wsky", "gr3g rutk0wsky", "Greg Rutkowski", "leetspeak"),
    ("nud!ty", "nud!ty", "nudity", "leetspeak"),
    ("a st*r", "st*r", "star", "masked"),
    ("n*d*ty", "n*d*ty", "nudity", "masked"),
    ("by V*n G*gh", "V*n G*gh", "Van Gogh", "masked"),
    ("a стар", "стар", "star", "transliterated"),
    ("Ван Гог", "Ван Гог", "Van Gogh", "transliterated"),
    ("Грег Рутковский", "Грег Рутковский", "Greg Rutkowski", "transliterated"),
    ("a red ⭐ here", "⭐", "star", "symbol"),
    ("a red ★", "★", "star", "symbol"),
    ("⛪ on a hill", "⛪", "church", "symbol"),
]

INNOCENT = """\
start here and stare at the stairs
a starfish, a starling and a starboard lamp
mustard on a custard tart
a startled bastard with a scar and a scarf
cleaned with starch, stark and stern
a stair shape cut in stone
the boss's tar barrel
the rats ate the tsar's tarts
stir the stew in a jar
we are, I start, a rock
a stripped wall, stripping paint, one strip of tape
striving to strike the strap
stirred drinks and a tripod
a bizarre bazaar and a czar
Sara and Lara wear zebra boots
Tara, Clara and Mara
Zaragoza in summer
a lizard and a wizard sign a letter
hazy signs and a wizard's sign
a hazardous road, signals ahead
a buzzard over a blizzard
biohazard suits
a van goes by; Gothic arches
a van, a goth and a dog
vanity, vanguard and vandals
go in the van
Gogol wrote in a van
a churchyard in Churchill's garden
a lurch, a search and a perch
churn the butter
a bench in a trench
a stench for a tenth time
teach French to a wench
drench, clench, quench
ten chairs
a technical sketch, hatch and stitch
the droid has 2 wheels and 2 arms
R2 and D3 in a 2D grid
4K, 8k, 3D, 1080p, f/2.8, 50 mm
the 1920s, 24/7, 1st, 2nd and 3rd
Greg and Ruth
Gregory Crewdson, Rutherford and Kowalski
trending on artstation, artist unknown
a nude, unclothed figure
crudity and acidity
unity in the city
nod to the untidy nun
café au lait, naïve façade, Ångström
сторож и собака, старый дом
δέντρο και σπίτι
🐟 🌊 🏠 a fish by the house
email me@example.com, C++ & C#, what?no
""".splitlines()


@pytest.mark.parametrize(("text", "matched", "name", "rule"), HOSTILE)
def test_hostile(text: str, matched: str, name: str, rule: MatchRule) -> None:
    names = (name, "seldom") if name in NAMES else (name,)
    span = find_name(text, names)
    assert span == (text.index(matched), text.index(matched) + len(matched), matched, name, rule)


def test_every_rule_is_tried() -> None:
    assert {rule for *_, rule in HOSTILE} == set(get_args(MatchRule))


@pytest.mark.parametrize("text", INNOCENT)
def test_innocent(text: str) -> None:
    assert find_name(text, NAMES) is None


@pytest.mark.parametrize("text", ["there is land in sight", "we are a team", "in the heart of it"])
def test_two_words_with_a_function_word_are_no_name(text: str) -> None:
    assert find_name(text, ["island", "area", "theart"]) is None


def test_neighbours_in_english_of_names_in_english() -> None:
    for name, neighbour in {"horse": "house", "castle": "cattle", "parrot": "carrot", "framer": "frame", "heart": "hearth"}.items():
        assert find_name(f"the {neighbour}s", [name]) is None and find_name(f"the {name}s", [name])


def test_only_the_names_given_count() -> None:
    assert find_name("by Rutkowski", ["Greg Rutkowski"]) is None
    assert find_name("by Rutkowsky", ["Greg Rutkowski", "Rutkowski"]) == (3, 12, "Rutkowsky", "Rutkowski", "misspelt")


def test_leftmost_then_strongest_then_longest() -> None:
    assert find_name("a st4r, a star", ["star"]) == (2, 6, "st4r", "star", "leetspeak")
    assert find_name("a star shape", ["star", "star shape"]) == (2, 12, "star shape", "star shape", "exact")


def test_names_of_other_scripts() -> None:
    assert find_name("一颗红星在夜空", ["星空", "红星"]) == (2, 4, "红星", "红星", "exact")
    assert find_name("красная звезда", ["звезда"]) == (8, 14, "звезда", "звезда", "exact")
    assert find_name("un café noir", ["café"]) == (3, 7, "café", "café", "exact")


def test_names_without_letters_and_no_names_find_nothing() -> None:
    assert find_name("a star", []) is None and find_name("a star", ["", "-", "★"]) is None and find_name("", NAMES) is None


TEXTS = st.text(max_size=60) | st.lists(st.sampled_from([*"starvngoh4@*-. '\u200b\u0301аѕ⭐", "Van ", "go", "gh"]), max_size=20).map(
    "".join
)


@settings(max_examples=80, deadline=None)
@given(TEXTS, st.lists(st.text(max_size=8), max_size=2))
def test_no_text_raises_and_spans_slice_it(text: str, more: list[str]) -> None:
    names = (*NAMES[2:6], *more)
    span = find_name(text, names)
    assert span is None or (text[span.start : span.end] == span.text != "" and span.name in names)


SHAPES: dict[str, list[str]] = {}
for _shape, _letter in LOOKALIKES.items():
    SHAPES.setdefault(_letter, []).append(_shape)


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(HOSTILE), st.data())
def test_disguises_do_not_help(case: tuple[str, str, str, MatchRule], data: st.DataObject) -> None:
    text, _, name, _ = case
    chances = random.Random(data.draw(st.integers(0, 2**32)))
    mixed = [chances.choice([letter, *SHAPES.get(letter.lower(), ())]) for letter in text]
    hidden = "".join(letter + chances.choice(["", "\u200b", "\u00ad", "\ufe0f", "\u2064"]) for letter in mixed)
    assert find_name("".join(mixed), [name]), mixed
    assert find_name(hidden, [name]), hidden


@pytest.mark.parametrize(
    "unit",
    [
        "a drawing of stairs in mustard, ",
        "s t a ",
        "van go ",
        "g*e*r ",
        "$",
        "стa ",
    ],
)
def test_time_grows_with_length_only(unit: str) -> None:
    names = [*NAMES, *(f"{name} of {number}" for number, name in enumerate(NAMES))]
    text = (unit * (100_000 // len(unit) + 1))[:100_000]
    assert seconds(text, names) < min(1, 8 * seconds(text[:25_000], names))


def test_time_of_words_that_all_differ() -> None:
    chances = random.Random(0)
    text = " ".join("".join(chances.sample("rutkowski", 9)) for _ in range(10_000))
    names = [f"{name}{number}x" for name in NAMES for number in (1, 2)]
    assert seconds(text, names) < min(1, 8 * seconds(text[:25_000], names))


def seconds(text: str, names: list[str]) -> float:
    """Processor time of one reading, the least of three: the machine's other work adds, and the first works out the names' lexicon."""

    def once() -> float:
        began = time.process_time()
        find_name(text, names)
        return time.process_time() - began

    return min(once() for _ in range(3))


def star() -> Task:
    return load_task(DataRoot.find(SOURCE_TREE), "object/star")


def test_a_refusal_says_what_where_and_what_to_do() -> None:
    reason = refusal_reason("a red\nst4r", star())
    assert reason is not None and reason.startswith("'st4r': names 'star' of object/star (leetspeak)")
    assert "five-pointed figure" in (refusal_reason("a five pointed figure", star()) or "")
    assert refusal_reason("a twinkling light in the night sky", star()) is None


def test_hyphens_of_a_concept_part_words() -> None:
    task = star().model_copy(update={"concept": "hazard-sign", "aliases": ()})
    assert refusal_reason("a yellow Hazard Sign", task) and refusal_reason("a hazard-sign", task) and not refusal_reason("a hazard", task)


def test_every_forget_prompt_is_refused_and_no_retain_prompt() -> None:
    for task in (star(), load_task(DataRoot.find(SOURCE_TREE), "art-style/striped")):
        assert all(refusal_reason(prompt.text, task) for prompt in task.forget)
        assert not any(refusal_reason(prompt.text, task) for prompt in task.retain)
