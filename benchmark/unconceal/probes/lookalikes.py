"""Characters of other scripts that look or sound like Latin letters.

Unicode's table of confusable characters (TR39) lacks 103 of these 214 look-alikes (в for b), so this table is ours and laxer: it lists
whatever a reader would take for a letter. Full-width, mathematical, circled, small-capital, struck-through and turned
letters are not listed:
:mod:`unconceal.probes.text_normalization` derives them from Unicode's decompositions and names. Also missing: letters built of several
characters ("|-|" for H) and CJK shapes.
"""

from __future__ import annotations

from anyascii import anyascii

SHAPES = """
аa вb гr еe зz иu кk мm нh оo пn рp сc тt уy хx шw щw ъb ьb эe яr ѕs іi јj ѵv ѡw ԁd ԛq ԝw һh ҽe ӏl Ӏl ґr ғf қk ҝk ңh ҳx ҷy ҹy әe өo үy ұy
αa βb γy εe ζz ηn θo ιi κk λa μu νv οo πn ρp σo ςs τt υu χx ωw Αa Βb Εe Ζz Ηh Ιi Κk Μm Νn Οo Ρp Σe Τt Υy Χx Λa Δa Ωo ϲc Ϲc ϳj
աw զq գq լl հh յj նu ոn սu րn ցg քp օo Ոn Սu Օo Տs Լl Հh
Ꭺa Ᏼb Ꮯc Ꭰd Ꭼe Ꮐg Ꮋh Ꭵi Ꭻj Ꮶk Ꮮl Ꮇm Ꮎo Ꮲp Ꭱr Ꮪs Ꭲt Ꮩv Ꮃw Ꮍy Ꮓz
ꓐb ꓑp ꓓd ꓔt ꓖg ꓗk ꓙj ꓚc ꓜz ꓝf ꓟm ꓠn ꓡl ꓢs ꓣr ꓦv ꓧh ꓪw ꓫx ꓬy ꓮa ꓰe ꓲi ꓳo ꓴu
ⲁa ⲉe ⲓi ⲕk ⲙm ⲛn ⲟo ⲣp ⲥc ⲧt ⲩy ⲭx
ɑa ɐa æae ɓb ɔo ðd əe ǝe ɛe ɡg ɥh ıi ɩi ɪi ȷj ƙk ɭl ɯm ŋn œoe þp ʠq ɹr ɾr ʃs ƨs ꜱs ʇt ʊu ʌv ʍw ʎy ʒz ƶz ℮e
₳a ₿b ₵c ₫d ₣f ₲g ₭k ₤l ₥m ₦n ₽p ₴s ₮t ₩w
"""
"""Character and what it passes for: Cyrillic, Greek, Armenian, Cherokee, Lisu, Coptic, Latin beyond ASCII, currency signs."""

LOOKALIKES = {pair[0]: pair[1:] for pair in SHAPES.split()}

SOUNDS = {
    letter: "".join(filter(str.isalpha, anyascii(letter).lower()))
    for letter in map(chr, (*range(0x3B1, 0x3CA), *range(0x430, 0x460), 0x491))
}
"""Cyrillic and Greek small letters and their sound in English spelling."""
