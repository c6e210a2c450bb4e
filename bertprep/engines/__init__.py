"""Engines: what runs a stage's tasks, on this machine or on others."""
