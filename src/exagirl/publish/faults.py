"""What may go wrong while publishing."""

from __future__ import annotations

from exagirl.errors import ExagirlError


class PublishError(ExagirlError):
    """Something may not be published, or could not be uploaded; nothing is half told."""
