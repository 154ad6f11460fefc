"""The tree of errors that a user can meet.

Every message says what happened, where, and what to do. Only ``exagirl.cli.main`` turns one into
text on the screen and an exit code.
"""


class ExagirlError(Exception):
    """Something that the user can put right; the message says how."""

    exit_code = 2


class RecipeError(ExagirlError):
    """A recipe has an unknown key, a wrong type or a value out of range."""


class CharacterError(ExagirlError):
    """A character file cannot be read, or says something that it may not say."""


class TranscriptError(ExagirlError):
    """A text is not one well-formed dialogue; ``code`` names the fault."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class TeacherError(ExagirlError):
    """The teacher cannot answer at all: wrong key, unknown model, no bundled dialogue."""


class ShortfallError(ExagirlError):
    """The work fell short of what was ordered: a quota that could not be met."""

    exit_code = 1


class ArtifactError(ExagirlError):
    """A run folder cannot be read or written."""


class MissingExtraError(ExagirlError):
    """An optional part is not installed; the message names the extra."""


class ModelError(ExagirlError):
    """A base model, an adapter or a merged model cannot be loaded or does not fit."""
