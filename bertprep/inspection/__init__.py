"""Looks at records, measures them, and proves them right."""
