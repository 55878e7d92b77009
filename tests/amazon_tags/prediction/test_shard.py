import pytest

from amazon_tags.prediction.shard import Shard, parse_shard


@pytest.mark.parametrize("count", [1, 2, 3, 7, 12])
@pytest.mark.parametrize("parts", [0, 1, 5, 12, 100])
def test_shards_hold_each_part_once_and_in_order(parts, count):
    assert [part for number in range(1, count + 1) for part in Shard(number, count).of(parts)] == list(range(parts))


@pytest.mark.parametrize("text", ["3/8", "auto", "auto/8"])
@pytest.mark.parametrize(
    "variables",
    [
        {"SLURM_ARRAY_TASK_ID": "3", "SLURM_ARRAY_TASK_COUNT": "8"},
        {"JOB_COMPLETION_INDEX": "2", "JOB_COMPLETIONS": "8"},
        {"AWS_BATCH_JOB_ARRAY_INDEX": "2", "AWS_BATCH_JOB_ARRAY_SIZE": "8"},
    ],
)
def test_a_shard_is_named_or_taken_from_the_scheduler(text, variables):
    assert parse_shard(text, variables) == Shard(3, 8)


@pytest.mark.parametrize(
    ("text", "variables", "reason"),
    [
        ("3", {}, "i/n"),
        ("0/8", {}, "from 1 to n"),
        ("9/8", {}, "from 1 to n"),
        ("-1/8", {}, "i/n"),
        ("1/0", {}, "from 1 to n"),
        ("1/8/2", {}, "i/n"),
        ("a/b", {}, "i/n"),
        ("auto", {}, "none is set"),
        ("auto", {"JOB_COMPLETION_INDEX": "2"}, "pass auto/n"),
        ("auto", {"SLURM_ARRAY_TASK_ID": "7", "SLURM_ARRAY_TASK_COUNT": "1"}, "auto is 7/1 here"),
        ("auto/8", {"SLURM_ARRAY_TASK_ID": "0"}, "auto is 0/8 here"),
        ("auto/2", {"JOB_COMPLETION_INDEX": "2"}, "auto is 3/2 here"),
        ("auto/2", {"JOB_COMPLETION_INDEX": "x"}, "'x'"),
    ],
)
def test_what_is_no_shard_is_refused(text, variables, reason):
    with pytest.raises(ValueError, match=reason):
        parse_shard(text, variables)
