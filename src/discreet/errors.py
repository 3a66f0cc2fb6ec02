"""Every error discreet raises on purpose, on one screen.

    DiscreetError
    ├── ConfigurationError      a setting is unknown, missing or out of range
    │   └── UsageError          a command's options do not go together
    ├── DataError               a data set is missing, empty, unreadable or inconsistent
    ├── PictureError            one picture cannot be read or is refused
    ├── DecoderError            the process that decodes pictures was lost
    ├── FaceDetectionError      faces could not be looked for, so nothing may be shown
    ├── WeightsError            weights are missing, changed, or fit another network
    ├── CheckpointError         a checkpoint is missing or belongs to another configuration
    ├── RankError               another process of the same run was lost
    ├── DependencyError         an optional package is not installed
    ├── TokenError              a token is not accepted
    ├── JournalError            the journal cannot be written or read
    └── PrivacyError            continuing would make a privacy claim untrue
        ├── PlanError           the plan makes no sense, or asks for the impossible
        ├── BudgetError         the budget, or a data set's cap, does not allow it
        ├── IsolationError      one picture would influence another's gradient
        ├── ClippingError       a parameter or call the clipper cannot account for
        ├── RunKeyError         the run's key is missing, destroyed or readable by others
        └── LedgerError         the ledger is damaged, or is not the one expected

A message names the value, the allowed range, and the way out, in one line.
"""


class DiscreetError(Exception):
    """Base of all: the command line prints its message and exits with 1."""


class ConfigurationError(DiscreetError):
    """A setting is unknown, missing or out of range."""


class UsageError(ConfigurationError):
    """A command's options do not go together, or one is missing: the command line exits with 2."""


class DataError(DiscreetError):
    """A data set is missing, empty, unreadable or inconsistent."""


class PictureError(DiscreetError):
    """One picture cannot be read or is refused."""


class DecoderError(DiscreetError):
    """The process that decodes pictures was lost; no fault of the picture."""


class FaceDetectionError(DiscreetError):
    """Faces could not be looked for, so nothing may be shown."""


class WeightsError(DiscreetError):
    """Weights are missing, changed, or fit another network."""


class CheckpointError(DiscreetError):
    """A checkpoint is missing or belongs to another configuration."""


class RankError(DiscreetError):
    """Another process of the same run was lost."""


class DependencyError(DiscreetError):
    """An optional package is not installed."""


class TokenError(DiscreetError):
    """A token is not accepted; never quotes it.

    Args:
        reason: a word for machines, such as "expired".
        advice: the rest of the sentence, for people.
    """

    def __init__(self, reason: str, advice: str = "") -> None:
        super().__init__(f"{reason}: {advice}" if advice else reason)
        self.reason = reason


class JournalError(DiscreetError):
    """The journal cannot be written or read."""


class PrivacyError(DiscreetError):
    """Continuing would make a privacy claim untrue."""


class PlanError(PrivacyError):
    """The plan makes no sense, or asks for the impossible."""


class BudgetError(PrivacyError):
    """The budget, or a data set's cap, does not allow it."""


class IsolationError(PrivacyError):
    """One picture would influence another's gradient."""


class ClippingError(PrivacyError):
    """A parameter or call the clipper cannot account for."""


class RunKeyError(PrivacyError):
    """The run's key is missing, destroyed or readable by others."""


class LedgerError(PrivacyError):
    """The ledger is damaged, or is not the one expected."""
