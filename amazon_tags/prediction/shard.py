"""A shard: one of n equal shares of a run, which any machine can work on by itself."""

import os
from collections.abc import Mapping
from dataclasses import dataclass

VECTOR_SHARDS = "vectors-*-of-*.parquet"  # files of shards of vectors


@dataclass(frozen=True)
class ArrayVariables:
    """The environment variables by which a scheduler numbers the tasks of an array, and the number of the first one."""

    task: str
    count: str
    first: int


SCHEDULERS = (
    ArrayVariables("SLURM_ARRAY_TASK_ID", "SLURM_ARRAY_TASK_COUNT", 1),  # --array=1-N; a part of it may be run again
    ArrayVariables("JOB_COMPLETION_INDEX", "JOB_COMPLETIONS", 0),  # Kubernetes sets the first one only
    ArrayVariables("AWS_BATCH_JOB_ARRAY_INDEX", "AWS_BATCH_JOB_ARRAY_SIZE", 0),
)


@dataclass(frozen=True)
class Shard:
    """The shard `number`, from 1 to `count`."""

    number: int
    count: int

    def __str__(self) -> str:
        """Return the shard as the command line writes it."""
        return f"{self.number}/{self.count}"

    def of(self, parts: int) -> range:
        """Return the numbers of this shard's parts, which are neighbours; it may be none of few parts.

        Example:
            >>> [list(Shard(number, 3).of(5)) for number in (1, 2, 3)]
            [[0], [1, 2], [3, 4]]
        """
        return range(parts * (self.number - 1) // self.count, parts * self.number // self.count)


def parse_shard(text: str, environment: Mapping[str, str] = os.environ) -> Shard:
    """Return the shard of a text such as 3/8; of `auto` or `auto/8`, the one that the scheduler's variables name.

    Raises:
        ValueError: the text is something else, no scheduler's variable is set, or there is no such shard.
    """
    first, _, count = text.partition("/")
    if first == "auto":
        variables = _scheduler(environment)
        number = _task_number(variables, environment)
        count = count or environment.get(variables.count, "")
        if not count:
            raise ValueError(
                f"{variables.task} is set, but {variables.count} is not, so that the number of shards is unknown; pass "
                "auto/n."
            )
    else:
        number = int(first) if first.isdecimal() else 0
    if not (count.isdecimal() and 1 <= number <= int(count)):
        raise ValueError(
            f"{text!r} must be i/n with i from 1 to n, such as 3/8 for the third of eight shards, or auto or auto/n"
            + (f"; auto is {number}/{count} here." if first == "auto" else ".")
        )
    return Shard(number, int(count))


def _scheduler(environment: Mapping[str, str]) -> ArrayVariables:
    for variables in SCHEDULERS:
        if variables.task in environment:
            return variables
    raise ValueError(
        f"auto takes the shard from one of {', '.join(variables.task for variables in SCHEDULERS)}, of which none is "
        "set; pass i/n, such as 3/8."
    )


def _task_number(variables: ArrayVariables, environment: Mapping[str, str]) -> int:
    """Return the number of this task in its array, counted from 1."""
    text = environment[variables.task]
    if not text.isdecimal():
        raise ValueError(f"{variables.task} is {text!r}, but must be a whole number; pass i/n, such as 3/8.")
    return int(text) - variables.first + 1
