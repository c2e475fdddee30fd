"""From records to what people read: LEADERBOARD.md and one page per submission. No torch."""
