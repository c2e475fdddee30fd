"""LEADERBOARD.md and the texts, labels and number formats that it shares with the site. No torch."""
