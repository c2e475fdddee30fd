"""Records under results/: how they are loaded, grouped into tables, checked and recomputed. No torch."""
