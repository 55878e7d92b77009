"""The one reader of the ground truth: tag lists, one-hot, a row for each tag, a folder for each class."""

import unicodedata

import numpy as np
import pytest

from amazon_tags.tables import labels, truth_tables
from amazon_tags.tables.labels import LabelSpace

LAND = LabelSpace("land", ("road", "water", "wood"))
TRUTH = np.array([[1, 0, 1], [0, 1, 0], [0, 0, 0]], bool)
TAGS = "image_name,tags\na,road wood\nb,water\nc,\n"
ONE_HOT = "image_name,wood,road,water\na,{1},{1},{0}\nb,{0},{0},{1}\nc,{0},{0},{0}\n"


@pytest.fixture
def read(tmp_path):
    def read(text, space=LAND, **options):
        (tmp_path / "t.csv").write_text(text, encoding="utf-8")
        return truth_tables.read_truth(tmp_path / "t.csv", space, **options)

    return read


def assert_read(table):
    assert table.ids == ["a", "b", "c"]
    np.testing.assert_array_equal(table.truth, TRUTH)


@pytest.mark.parametrize("separator", [*",;|/+&:#>~*-$→", "\t", ", ", " | "])
def test_any_separator_between_labels_gives_the_same_tags_and_a_remark(read, separator):
    table = read(f'image_name,tags\na,"road{separator}wood"\nb,water\nc,\n')
    assert_read(table)
    mark = separator.strip()
    assert table.remarks == ((f"1 of 3 rows: tags separated by {mark!r} (first: a, line 2)",) if mark else ())


def test_a_separator_within_a_label_separates_nothing(read):
    space = LabelSpace("wells", ("oil/gas", "road"))
    table = read("image_name,tags\na,oil/gas;road\nb,oil/gas\n", space)
    assert table.truth.tolist() == [[True, True], [True, False]]
    space = LabelSpace("burnt", ("slash-burn", "road", "slash", "burn"))
    assert read("image_name,tags\na,slash-burn;road\n", space).truth.tolist() == [[True, True, False, False]]


@pytest.mark.parametrize(
    "cell", ["~road", "-road", "#road", "road--wood", "road!wood", "1-2", "1.2", "1~2", "slash-burn"]
)
def test_a_mark_that_may_negate_count_or_belong_to_a_label_separates_nothing(read, cell):
    space = LabelSpace("odd", ("road", "wood", "1", "2", "slash", "burn", "slash_burn"))
    with pytest.raises(ValueError, match="is not a label of 'odd'"):
        read(f"image_name,tags\na,{cell}\n", space)


def test_a_label_that_is_written_with_a_blank_is_mended_by_check_only(read):
    with pytest.raises(ValueError, match=r"'class' is not a label of 'classes'; 1 of 1 rows .*--repair mends them"):
        read("image_name,tags\na,class 1\n", LabelSpace("classes", ("class_1", "class_2")))
    with pytest.raises(ValueError, match=r"'sea' .*pass --labels table"):
        read("image_name,tags\na,sea\n", labels.PLANET)


def test_the_name_of_a_folder_is_one_label(tmp_path):
    home = eurosat(tmp_path, "road-wood/1.jpg")
    with pytest.raises(ValueError, match="in road-wood: 'road-wood' is not a label"):
        truth_tables.read_truth(home, LAND)


@pytest.mark.parametrize(
    ("no", "yes"),
    [
        ("0", "1"),
        ("0.0", "1.0"),
        ("False", "True"),
        ("FALSE", "true "),
        ("no", "Yes"),
        ("n", "Y"),
        ("f", "T"),
        (" 0", "1"),
    ],
)
@pytest.mark.parametrize("index", ["", "Unnamed: 0"])
def test_one_hot_tables_in_any_spelling_give_the_same_tags(read, no, yes, index):
    text = ONE_HOT.replace("{0}", no).replace("{1}", yes)
    assert_read(read(text))
    lines = text.splitlines()
    indexed = [f"{index},{lines[0]}", *(f"{number},{line}" for number, line in enumerate(lines[1:]))]
    assert_read(read("\n".join(indexed)))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (ONE_HOT.replace("{0}", "0").replace("{1}", "2", 1).replace("{1}", "1"), "line 2: wood is '2' .*needed 0 or 1"),
        (ONE_HOT.replace("{0}", "").replace("{1}", "1"), "line 2: water is '' .6 such cells"),
        ("image_name,wood,road\na,1,0\n", "1 label columns are missing .first: 'water'"),
        ("image_name,wood,road,watre\na,1,0,1\n", "did you mean watre"),
        ("image_name,label\na,1\n", "the column tags is missing; got image_name, label"),
        ("image_name,label\na,wood\n", "label is 'wood' .*or a table with the column tags"),
        ("image_name\na\n", "the column tags is missing"),
        ("image_name,tags,\na,wood,road\n", "line 2: a column without a name holds 'road'"),
        ("image_name,tags\na,Wood\nb,water.\n", r"'Wood' .*did you mean wood.*check --repair mends them"),
        ("image_name,tags\na,wood;no_road\n", r"'wood;no_road' .*Separate tags by spaces"),
        ("image_name,tags\na,sea\n", r"'sea' .*Correct the tags, or name all labels in a TOML file for --labels"),
        ("image_name,Water,Road,Wood\na,1,0,1\n", "3 label columns are missing .first: 'road' .did you mean Road"),
        ("image_name,tags\na,wood?\n", "question mark.*taken by train only"),
    ],
)
def test_a_table_that_cannot_be_read_in_one_way_is_refused(read, text, reason):
    with pytest.raises(ValueError, match=reason) as caught:
        read(text)
    assert "\n" not in str(caught.value)


def test_words_for_an_empty_cell_are_no_tags_and_counted(read):
    table = read("image_name,tags\na,wood\nb,nan\nc,None\nd, NULL \ne,n/a\nf,<NA>\n")
    assert table.truth.sum() == 1
    assert len(table.remarks) == 5
    assert table.remarks[0] == "1 of 6 rows: nan for no tags (first: b, line 3)"
    assert read("image_name,tags\na,none\n", LabelSpace("its", ("none",))).truth.all()
    with pytest.raises(ValueError, match=r"'None' .*check --repair mends them"):
        read("image_name,tags\na,None\n", LabelSpace("its", ("none",)))


def test_names_are_plain_and_what_was_dropped_is_counted(read):
    table = read("image_name,tags\nchips/a.jpg,road wood\nchips\\b.jpg ,water\nc\u00a0,\n")
    assert_read(table)
    assert table.remarks == (
        "2 of 3 names have a folder before the name, which does not count (first: 'chips/a.jpg')",
        "2 of 3 names have blanks around the name, which does not count (first: 'chips\\\\b.jpg ')",
    )


def test_a_row_for_each_tag_is_joined_on_request(read):
    text = "image_name,tags\na,road\nb,water\na,wood\nc,\n"
    with pytest.raises(
        ValueError, match=r"'a' in lines 2 and 4\); the table seems to have a row for each tag: pass --jo"
    ):
        read(text)
    table = read(text, join_rows=True)
    assert_read(table)
    assert table.remarks == ("4 rows are joined to 3, one for each image",)
    for other in ("image_name,tags\na,road wood\na,water\n", "image_name,tags\na,road\na,road\n"):
        with pytest.raises(ValueError, match="keep one of each"):
            read(other)


def test_joined_rows_keep_a_tag_that_one_row_knows(read):
    table = read("image_name,tags\na,road?\na,road\nb,wood?\nb,water\n", allow_unknown=True, join_rows=True)
    assert table.truth.tolist() == [[True, False, False], [False, True, False]]
    assert table.unknown.tolist() == [[False, False, False], [False, False, True]]


def eurosat(home, *names):
    for name in names:
        (home / name).parent.mkdir(parents=True, exist_ok=True)
        (home / name).touch()
    return home


def test_a_folder_for_each_class_is_a_table_of_one_tag(tmp_path):
    home = eurosat(tmp_path, "wood/w_10.jpg", "wood/w_2.jpg", "road/r.jpg", "loose.jpg", "empty/readme.txt")
    table = truth_tables.read_truth(home, LAND)
    assert table.ids == ["r", "w_2", "w_10"]
    assert table.truth.tolist() == [[True, False, False], [False, False, True], [False, False, True]]
    assert table.remarks == ("1 chips are in no subfolder and have no class (first: loose.jpg)",)
    assert labels.choose("folders", home).names == labels.choose("table", home).names == ("road", "wood")


def test_a_folder_without_class_folders_is_refused(tmp_path):
    home = eurosat(tmp_path, "a.jpg")
    for name in ("folders", "table"):
        with pytest.raises(ValueError, match="has no subfolder with chips"):
            labels.choose(name, home)
    (tmp_path / "t.csv").write_text(TAGS)
    with pytest.raises(ValueError, match=r"t\.csv has no subfolder with chips"):
        labels.choose("folders", tmp_path / "t.csv")


def test_two_chips_of_one_name_in_two_class_folders_are_refused(tmp_path):
    home = eurosat(tmp_path, "wood/1.jpg", "road/1.jpg")
    with pytest.raises(ValueError, match="have the same name, 1"):
        truth_tables.read_truth(home, LAND)


@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_labels_are_compared_in_one_form_of_unicode(read, tmp_path, form):
    label = unicodedata.normalize(form, "forêt")
    (tmp_path / "u.toml").write_text(f'labels = ["{label}", "eau"]\n', encoding="utf-8")
    spaces = [labels.choose(str(tmp_path / "u.toml")), LabelSpace("u", (label, "eau"))]
    home = eurosat(tmp_path / "folders", f"{label}/1.jpg", "eau/2.jpg")
    spaces.append(labels.choose("folders", home))
    for space in spaces:
        assert sorted(space.names) == ["eau", "forêt"]
        for other in ("NFC", "NFD"):
            tag = unicodedata.normalize(other, "forêt")
            table = read(f"image_name,tags\na,{tag};eau\n", space)
            assert table.truth.all()
            assert read(f"image_name,{tag},eau\na,1,1\n", space).truth.all()
            assert labels.encode(space, [tag]).sum() == 1
        assert truth_tables.read_truth(home, space).truth.sum(axis=0).tolist() == [1, 1]


SUFFIXES = ".jpg, .jpeg, .png, .tif, .tiff"


def test_pictures_that_no_class_folder_lists_are_counted_with_the_classes_that_they_cost(tmp_path):
    home = eurosat(tmp_path, "wood/1.jpg", "road/2.jpg", "road/3.webp", "tree/4.webp", "water/2020/5.jpg", "6.gif")
    table = truth_tables.read_truth(home, LAND)
    assert table.ids == ["1", "2"]
    assert table.remarks == (
        f"4 pictures are not read, because they are in deeper folders or not named {SUFFIXES} (first: 6.gif); "
        "2 subfolders have no other pictures and are no class (first: tree)",
    )
    eurosat(tmp_path / "other", "wood/1.jpg", "road/2.jpg", "road/more/3.jpg")
    assert truth_tables.read_truth(tmp_path / "other", LAND).remarks == (
        f"1 pictures are not read, because they are in deeper folders or not named {SUFFIXES} (first: road/more/3.jpg)",
    )


def test_a_folder_whose_classes_are_one_level_deeper_is_refused_with_that_folder(tmp_path):
    home = eurosat(tmp_path / "a", "train/wood/1.jpg", "train/road/2.jpg")
    with pytest.raises(ValueError, match=r"no subfolder with chips, but .*a/train has: pass that folder"):
        truth_tables.read_truth(home, LAND)
    home = eurosat(tmp_path / "b", "wood/1.webp", "road/2.webp")
    with pytest.raises(ValueError, match=r"but 2 pictures that are not read \(first: road/2\.webp\)"):
        labels.choose("folders", home)
