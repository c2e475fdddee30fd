"""The results as a website of plain files. No server, nothing from elsewhere, no torch."""
