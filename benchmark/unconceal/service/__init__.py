"""The submission service: authors name a checkpoint on the Hub, one worker evaluates it, records come out as files for a pull request."""
