"""Reads files of strangers in a child process with limits of memory and time. No torch."""
