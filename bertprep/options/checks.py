"""What options are checked with."""

from bertprep.errors import UsageError


def require(holds: bool, message: str) -> None:
    """Raises UsageError with the message where something does not hold."""
    if not holds:
        raise UsageError(message)


def require_share(name: str, value: float) -> None:
    """Raises UsageError for what is no share."""
    require(0.0 <= value <= 1.0, f"{name} must be between 0 and 1, got {value}")
