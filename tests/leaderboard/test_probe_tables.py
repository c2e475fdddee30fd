"""Neighbours and attacks as tables: every orderer, the ceiling, the golds beside; nothing where nothing was probed."""

from __future__ import annotations

from leaderboard.probed import damaged, probed
from leaderboard.records import record
from unconceal.leaderboard.probe_tables import attack_cell, probe_sections, probe_table, ranker_names


def test_no_probe_table_without_probes() -> None:
    assert probe_sections({"object/star": [record("esd-x")]}) == []


def test_a_row_holds_every_orderer_the_ceiling_and_the_attacks() -> None:
    text = probe_table([damaged("object/star", "uce"), damaged("object/star", "control-gold-1")], "clip")
    heads, _, gold, row = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.split("\n")]
    assert heads[:7] == ["submission", "n", "ρ careful", "ρ weak", "ρ clip-text", "ρ random", "ceiling"]
    assert heads[7:] == ["attacks careful (golds)", "attacks weak (golds)"] and gold[0] == "*control-gold-1*"
    assert row == ["uce", "11", *[".60 [.20, .80]"] * 3, "[−.50, .50]", ".77", ".50 [.10, .90] of 2 (.25)", "– (0 eligible)"]


def test_every_task_has_its_table_and_the_other_measures_are_folded() -> None:
    parts = probe_sections({"object/star": [damaged("object/star", "uce")], "identity/zara": [record("uce")]})
    text = "\n\n".join(parts)
    assert "#### object: star" in text and "zara" not in text and text.count("ρ careful") == 3
    assert text.index("<details>") < text.index("Damage by zero-shot accuracy") < text.index("Damage by KID") < text.index("</details>")


def test_rankers_are_in_one_order_and_missing_values_are_dashes() -> None:
    alone = damaged("object/star", "uce")
    base = probed([0.1] * 12)
    results = probed([0.1] * 12, rankers=base.rankers[2:], rank_correlations=(), ceilings={})
    few = alone.model_copy(update={"probe_results": results})
    assert ranker_names([few, alone]) == ["careful", "weak", "clip-text", "random"]
    assert "| –" in probe_table([few], "clip") and attack_cell(probed([0.1] * 12), "unknown") == "–"
