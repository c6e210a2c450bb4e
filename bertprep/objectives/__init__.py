"""Instances of each pretraining objective."""
