import string

import numpy as np
import pytest

from amazon_tags.tables import labels, score_tables, truth_tables
from amazon_tags.tables.labels import LabelSpace

SKY = LabelSpace("sky", ("sun", "rain", "road"))


def some_ids(rng, count):
    """Return distinct names with all characters that a CSV must quote."""
    letters = np.array([*string.ascii_letters, *' ,;"_-.é'])
    return [f"{row}{''.join(rng.choice(letters, 8))}x" for row in range(count)]


def some_scores(rng, rows, columns):
    """Return float32 in [0, 1] of every magnitude, 0, 1, and values that shortest decimals lose by rounding twice."""
    bits = rng.integers(0, np.float32(1).view(np.uint32) + 1, (rows, columns), dtype=np.uint32)
    scores = bits.view(np.float32)
    hard = np.float32(7.038531e-26)
    special = [0, -0.0, 1, np.nextafter(np.float32(1), np.float32(0)), 1e-45, hard, np.nextafter(hard, np.float32(0))]
    scores.flat[: len(special)] = special
    return scores


@pytest.mark.parametrize("suffix", [".csv", ".parquet", ".CSV"])
@pytest.mark.parametrize("seed", range(4))
def test_written_scores_are_read_back_to_the_bit(tmp_path, suffix, seed):
    rng = np.random.default_rng(seed)
    ids, scores = some_ids(rng, 500), some_scores(rng, 500, 17)
    path = tmp_path / f"scores{suffix}"
    score_tables.write_scores(path, ids, scores, labels.PLANET)
    for space in (labels.PLANET, None):
        back_ids, back, names = score_tables.read_scores(path, space)
        assert back_ids == ids
        assert names == labels.PLANET.names
        assert back.dtype == np.float32 and back.flags.c_contiguous
        np.testing.assert_array_equal(back.view(np.uint32), scores.view(np.uint32))


def test_decimals_that_a_double_rounds_wrongly_are_written_with_more_digits(tmp_path):
    near = np.float32(7.038531e-26).view(np.uint32) + np.arange(-50, 51)
    scores = near.astype(np.uint32).view(np.float32).reshape(-1, 1)
    ids = [str(row) for row in range(len(scores))]
    score_tables.write_scores(tmp_path / "s.csv", ids, scores, LabelSpace("one", ("sun",)))
    texts = [row.split(",")[1] for row in (tmp_path / "s.csv").read_text().splitlines()[1:]]
    np.testing.assert_array_equal(np.array(texts, dtype=float).astype(np.float32), scores.ravel())
    assert max(map(len, texts)) > 14 > np.median([len(text) for text in texts])


def test_scores_in_csv_are_as_short_as_they_can_be(tmp_path):
    score_tables.write_scores(tmp_path / "s.csv", ["a"], np.array([[0.1, 1, 0.33333334]], np.float32), SKY)
    assert (tmp_path / "s.csv").read_bytes() == b"image_name,sun,rain,road\na,0.1,1.0,0.33333334\n"


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_the_same_scores_give_the_same_bytes(tmp_path, suffix):
    rng = np.random.default_rng(0)
    scores = rng.random((20, 3), np.float32)
    for name in "ab":
        score_tables.write_scores(tmp_path / f"{name}.{suffix}", [str(row) for row in range(20)], scores, SKY)
    assert (tmp_path / f"a.{suffix}").read_bytes() == (tmp_path / f"b.{suffix}").read_bytes()


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_columns_in_any_order_are_read_in_the_order_of_the_label_space(tmp_path, suffix):
    path = tmp_path / f"s.{suffix}"
    score_tables.write_scores(
        path, ["a"], np.array([[0.1, 0.2, 0.3]], np.float32), LabelSpace("o", ("road", "sun", "rain"))
    )
    _, scores, names = score_tables.read_scores(path, SKY)
    assert names == SKY.names
    np.testing.assert_array_equal(scores, np.array([[0.2, 0.3, 0.1]], np.float32))
    assert score_tables.read_scores(path)[2] == ("road", "sun", "rain")


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
@pytest.mark.parametrize(
    ("names", "reason"),
    [
        (
            ("sun", "rain"),
            r"1 label columns are missing \(first: 'road'\); needed image_name and the 3 labels of 'sky'",
        ),
        (("sun", "rain", "road", "sea"), r"1 label columns are unknown \(first: 'sea'\)"),
        (("sun", "rain", "raod"), r"missing \(first: 'road' \(did you mean raod\?\)\) and 1 label columns are unknown"),
    ],
)
def test_scores_of_other_labels_are_refused(tmp_path, suffix, names, reason):
    path = tmp_path / f"s.{suffix}"
    score_tables.write_scores(path, ["a"], np.zeros((1, len(names)), np.float32), LabelSpace("o", names))
    with pytest.raises(ValueError, match=reason):
        score_tables.read_scores(path, SKY)


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_scores_within_rounding_of_0_and_1_are_clipped(tmp_path, suffix):
    path = tmp_path / f"s.{suffix}"
    score_tables.write_scores(path, ["a"], np.array([[-1e-6, 1 + 1e-6, 0.5]], np.float32), SKY)
    assert score_tables.read_scores(path, SKY)[1].tolist() == [[0, 1, 0.5]]
    import pyarrow as pa  # noqa: PLC0415
    from pyarrow import parquet as pq  # noqa: PLC0415

    (tmp_path / "s.csv").write_text("image_name,sun,rain,road\na,-0.0000001,1.0000001,0.5\n")
    columns = {"image_name": ["a"], "sun": [-1e-7], "rain": [1 + 1e-7], "road": [0.5]}
    pq.write_table(pa.table(columns), tmp_path / "s.parquet")
    assert score_tables.read_scores(path, SKY)[1].tolist() == [[0, 1, 0.5]]


@pytest.mark.parametrize("score", [np.nan, np.inf, -np.inf, -0.1, -2e-6, 1 + 2e-6, 1.001, 3.5])
def test_scores_outside_0_to_1_are_neither_written_nor_read(tmp_path, score):
    scores = np.array([[0.5, 0.5, 0.5], [0.5, score, score]], np.float32)
    with pytest.raises(ValueError, match=r"2 scores are not in \[0, 1\] \(first: .* for rain of 'b'\)"):
        score_tables.write_scores(tmp_path / "s.csv", ["a", "b"], scores, SKY)
    assert not (tmp_path / "s.csv").exists()
    (tmp_path / "s.csv").write_text(f"image_name,sun,rain,road\na,0,1,0.5\nb,0.5,{score},{score}\n")
    with pytest.raises(ValueError, match=r"s.csv: 2 scores are not in \[0, 1\] \(first: .* for rain of 'b'\)"):
        score_tables.read_scores(tmp_path / "s.csv", SKY)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("image_name,sun,rain,road\na,0,1,high\n", "line 2: could not convert string to float: 'high'; needed a score"),
        ("image_name,sun,rain,road\na,0,,1\n", "line 2: could not convert"),
        ("image_name,sun,rain,road\na,0,1,0\na,0,1,0\n", "1 images are repeated .first: 'a' in lines 2 and 3"),
        ("image_name,sun,sun,road\na,0,1,0\n", "'sun' is there twice"),
        ("image_name;sun;rain;road\na;0;1;0\n", "semicolons"),
        ("image_name,sun,rain,road\n", "no rows"),
        ("name,sun,rain,road\na,0,0,0\n", "the column image_name is missing"),
    ],
)
def test_a_score_table_with_an_error_is_refused_with_its_line(tmp_path, text, reason):
    (tmp_path / "s.csv").write_text(text)
    with pytest.raises(ValueError, match=reason):
        score_tables.read_scores(tmp_path / "s.csv", SKY)


@pytest.mark.parametrize("text", ["image_name\na\n", "image_name,a b,sun\na,1,0\n"])
def test_a_table_whose_columns_cannot_be_labels_is_refused(tmp_path, text):
    (tmp_path / "s.csv").write_text(text)
    with pytest.raises(ValueError, match=r"s.csv: label space 's'"):
        score_tables.read_scores(tmp_path / "s.csv")


def test_a_parquet_file_of_another_program_is_read_and_checked(tmp_path):
    pa = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    path = tmp_path / "s.parquet"
    good = {"rain": pa.array([0.25, 1.0]), "image_name": ["a.jpg", "b"], "sun": [0, 1], "road": pa.array([0.5, 0.0])}
    parquet.write_table(pa.table(good), path)
    ids, scores, _ = score_tables.read_scores(path, SKY)
    assert ids == ["a", "b"]
    np.testing.assert_array_equal(scores, np.array([[0, 0.25, 0.5], [1, 1, 0]], np.float32))
    for change, reason in [
        ({"sun": ["x", "y"]}, "'sun' is of string, needed numbers"),
        ({"sun": [0.5, None]}, r"1 scores are not in \[0, 1\] \(first: nan for sun of 'b'\)"),
        ({"image_name": ["a", None]}, "image_name has rows that are empty"),
        ({"image_name": ["a", "a.png"]}, "1 images are repeated"),
        ({"image_name": [1, 2]}, "image_name has rows that are empty or not text"),
        ({"image_name": ["a", ".jpg"]}, "image_name is empty .1 such rows"),
        ({"image_name": ["\u200b", "a"]}, "image_name is empty .1 such rows"),
        ({"Unnamed: 0": [1, 1]}, "column 5 has no name and is no index"),
        ({"": [0.0, 1.0]}, "column 5 has no name and is no index"),
        ({"sun ": [0, 1]}, "needed image_name and each label once"),
    ]:
        parquet.write_table(pa.table({**good, **change}), path)
        with pytest.raises(ValueError, match=reason):
            score_tables.read_scores(path, SKY)
    parquet.write_table(pa.table({"sun": [0.5]}), path)
    with pytest.raises(ValueError, match="needed image_name and each label once"):
        score_tables.read_scores(path)
    parquet.write_table(pa.table(good).slice(0, 0), path)
    with pytest.raises(ValueError, match="has no rows"):
        score_tables.read_scores(path)


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_a_column_in_another_form_of_unicode_is_its_label(tmp_path, suffix):
    pd = pytest.importorskip("pandas")
    path = tmp_path / f"s.{suffix}"
    frame = pd.DataFrame({"image_name": ["a"], "fore\u0302t": [1.0]})
    frame.to_csv(path, index=False) if suffix == "csv" else frame.to_parquet(path)
    assert score_tables.read_scores(path, LabelSpace("nfc", ("forêt",)))[2] == ("forêt",)
    assert score_tables.read_scores(path)[2] == ("forêt",)


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_an_index_and_headers_with_blanks_are_read_from_both_formats(tmp_path, suffix, capsys):
    pd = pytest.importorskip("pandas")
    path = tmp_path / f"s.{suffix}"
    frame = pd.DataFrame({" image_name": ["a", "b"], "sun ": [0.5, 1.0], "rain": [0.0, 1.0], "road": [1.0, 0.25]})
    frame.insert(0, "Unnamed: 0", [3, 9])
    frame.index = [7, 5]
    frame.to_csv(path) if suffix == "csv" else frame.to_parquet(path)
    ids, scores, _ = score_tables.read_scores(path, SKY)
    assert ids == ["a", "b"]
    np.testing.assert_array_equal(scores, np.array([[0.5, 0, 1], [1, 1, 0.25]], np.float32))
    assert "2 columns without a name are left out" in capsys.readouterr().err


@pytest.mark.parametrize("keep", [4, 40, -1])
def test_a_truncated_parquet_file_is_refused(tmp_path, keep):
    path = tmp_path / "s.parquet"
    score_tables.write_scores(path, ["a"], np.zeros((1, 3), np.float32), SKY)
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(ValueError, match=r"s.parquet is damaged"):
        score_tables.read_scores(path)


def test_the_format_of_scores_is_read_from_the_content(tmp_path):
    score_tables.write_scores(tmp_path / "s.parquet", ["a"], np.ones((1, 3), np.float32), SKY)
    (tmp_path / "s.parquet").rename(tmp_path / "s.csv")
    assert score_tables.read_scores(tmp_path / "s.csv", SKY)[0] == ["a"]


@pytest.mark.parametrize("name", ["s.tsv", "s.xlsx", "s.csv.gz"])
def test_an_unknown_format_of_scores_is_refused(tmp_path, name):
    with pytest.raises(ValueError, match=r"needed \.csv or \.parquet"):
        score_tables.write_scores(tmp_path / name, ["a"], np.ones((1, 3), np.float32), SKY)
    assert not (tmp_path / name).exists()


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_scores_that_cannot_be_written_keep_the_old_table(tmp_path, monkeypatch, suffix):
    path = tmp_path / f"s.{suffix}"
    score_tables.write_scores(path, ["a"], np.ones((1, 3), np.float32), SKY)
    before = path.read_bytes()

    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="no space left"):
        score_tables.write_scores(path, ["b"], np.zeros((1, 3), np.float32), SKY)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.real
def test_real_scores_are_read_in_the_order_of_the_label_space(real):
    path = real / "predictions" / "resnet_valid_scores.csv"
    ids, scores, names = score_tables.read_scores(path, labels.PLANET)
    _, raw, order = score_tables.read_scores(path)
    assert ids == truth_tables.read_truth(real / "predictions" / "resnet_valid_labels.csv", labels.PLANET).ids
    assert names == labels.PLANET.names != order
    assert scores.shape == (4096, 17)
    for name in names:
        np.testing.assert_array_equal(scores[:, names.index(name)], raw[:, order.index(name)])
