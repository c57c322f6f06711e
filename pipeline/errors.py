"""What can go wrong in the pipeline.

PipelineError          base: a stage refused its input or could not finish
├── InvalidInput       the caller can fix it; the message says how
├── Unsupported        the file is valid but uses something we do not take (skins, Draco, ...)
├── EmptyResult        the model left nothing to mesh; another seed may help
├── BudgetUnreachable  a LOD cannot be brought under its budget; carries the smallest count reached
├── ProfileViolation   a file would break a rule of its engine; names the rule and the way out
├── ModelUnavailable   no usable checkpoint at the given place
├── OutOfMemory        the options ask for more memory than there is
├── DiskFull           an output could not be written
└── Cancelled          the caller asked to stop
"""


class PipelineError(Exception):
    """A stage refused its input or could not finish.

    Attributes:
        reason: Stable word for programs; equal to a value of the contract's `ErrorReason`.
    """

    reason = "PIPELINE_ERROR"


class InvalidInput(PipelineError):
    """The caller can fix this; the message names the value and the way out."""

    reason = "INVALID_INPUT"


class Unsupported(PipelineError):
    """A valid file uses a feature that is not supported; the message names it."""

    reason = "UNSUPPORTED_FEATURE"


class EmptyResult(PipelineError):
    """The model left nothing to mesh; another seed may help."""

    reason = "EMPTY_RESULT"


class BudgetUnreachable(PipelineError):
    """A LOD cannot be brought under its triangle budget.

    Attributes:
        smallest_count: The fewest triangles that were reached.
    """

    reason = "BUDGET_UNREACHABLE"

    def __init__(self, message: str, smallest_count: int) -> None:
        super().__init__(message)
        self.smallest_count = smallest_count


class ProfileViolation(PipelineError):
    """A finished file breaks a rule of the engine it is for; the message has the way out.

    Attributes:
        profile: Whose rule.
        rule: Which, in snake_case.
        found, allowed: What is in the file and what may be, for people.
    """

    reason = "PROFILE_VIOLATION"

    def __init__(self, message: str, *, profile: str, rule: str, found: str, allowed: str) -> None:
        super().__init__(message)
        self.profile = profile
        self.rule = rule
        self.found = found
        self.allowed = allowed


class ModelUnavailable(PipelineError):
    """No usable checkpoint at the given place."""

    reason = "MODEL_UNAVAILABLE"


class OutOfMemory(PipelineError):
    """The options ask for more memory than there is.

    Attributes:
        is_estimate: Whether it was foreseen, and nothing was allocated.
    """

    reason = "OUT_OF_MEMORY"

    def __init__(self, message: str, *, is_estimate: bool = False) -> None:
        super().__init__(message)
        self.is_estimate = is_estimate


class DiskFull(PipelineError):
    """An output could not be written because the disk is full."""

    reason = "DISK_FULL"


class Cancelled(PipelineError):
    """The caller asked to stop. Raised by `Progress`; stages let it pass."""

    reason = "CANCELLED"
