import itertools
import json

import numpy as np
import pytest

from amazon_tags.tables import labels
from amazon_tags.tables.labels import LabelSpace
from amazon_tags.tables.suggest import nearest


def test_planet_has_the_seventeen_labels_and_its_two_rules():
    assert len(labels.PLANET.names) == 17
    assert list(labels.PLANET.names) == sorted(labels.PLANET.names)
    assert [set(group) for group in labels.PLANET.groups] == [{"clear", "partly_cloudy", "cloudy", "haze"}]
    assert labels.PLANET.alone == ("cloudy",)


def test_decoding_undoes_encoding_for_every_set_of_tags():
    space = LabelSpace("four", ("d", "a", "c", "b"))
    for row in itertools.product([False, True], repeat=4):
        assert labels.encode(space, labels.decode(space, np.array(row))).tolist() == list(row)


@pytest.mark.parametrize("seed", range(5))
def test_encoding_ignores_order_and_repeats(seed):
    rng = np.random.default_rng(seed)
    tags = rng.choice(labels.PLANET.names, size=6).tolist()
    row = labels.encode(labels.PLANET, tags)
    np.testing.assert_array_equal(row, labels.encode(labels.PLANET, rng.permutation(tags).tolist() + tags))
    assert set(labels.decode(labels.PLANET, row)) == set(tags)


def test_a_misspelt_tag_is_refused_with_the_nearest():
    with pytest.raises(ValueError, match=r"'agricultre' is not a label of 'planet' \(did you mean agriculture\?\)"):
        labels.encode(labels.PLANET, ["clear", "agricultre"])


@pytest.mark.parametrize("row", [np.zeros(16, bool), np.zeros((1, 17), bool), np.zeros(17)])
def test_a_row_of_another_shape_or_type_is_not_decoded(row):
    with pytest.raises(ValueError, match=r"needed bool and \(17,\)"):
        labels.decode(labels.PLANET, row)


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"names": ()}, "no labels"),
        ({"names": ("a", "a")}, "'a' is 2 times in labels"),
        ({"names": ("a", "")}, "'' cannot be a label"),
        ({"names": ("a b",)}, "'a b' cannot be a label"),
        ({"names": ("a\u00a0b",)}, "cannot be a label"),
        ({"names": ("a\n",)}, "cannot be a label"),
        ({"names": ("a,b",)}, "cannot be a label"),
        ({"names": ("image_name",)}, "cannot be a label"),
        ({"groups": (("clear", "hazy"),)}, r"'hazy' .*did you mean haze"),
        ({"groups": (("clear",),)}, "a group of 1 labels; a group needs at least 2"),
        ({"groups": ((),)}, "a group of 0 labels"),
        ({"groups": (("clear", "haze"), ("haze", "water"))}, "'haze' is 2 times in the groups"),
        ({"alone": ("cloud",)}, "'cloud' is in a group or in alone but is not a label"),
        ({"alone": ("haze", "haze")}, "'haze' is 2 times in alone"),
        ({"groups": (("clear", "haze"),), "alone": ("water",)}, "'water' is in alone, but one of clear, haze"),
    ],
)
def test_a_label_space_that_contradicts_itself_is_refused(fields, text):
    with pytest.raises(ValueError, match=text):
        LabelSpace(**{"name": "sky", "names": ("clear", "haze", "water"), **fields})


SPACES = [labels.PLANET, LabelSpace("a", ("x",)), LabelSpace("é", ("b", "a", "c"), (("a", "b"),))]


@pytest.mark.parametrize("space", SPACES)
def test_a_label_space_is_read_back_from_json(space):
    assert labels.from_json(json.loads(json.dumps(labels.to_json(space)))) == space


@pytest.mark.parametrize("space", SPACES)
def test_toml_has_the_same_keys_as_json(space, tmp_path):
    text = "".join(f"{key} = {json.dumps(value, ensure_ascii=False)}\n" for key, value in labels.to_json(space).items())
    (tmp_path / "space.toml").write_text(text, encoding="utf-8")
    assert labels.read(tmp_path / "space.toml") == space


def test_toml_may_name_its_groups_and_leave_out_the_rest(tmp_path):
    path = tmp_path / "sky.toml"
    path.write_bytes(b'\xef\xbb\xbflabels = ["sun", "rain", "road"]\r\n[groups]\r\nweather = ["sun", "rain"]\r\n')
    assert labels.read(path) == LabelSpace("sky", ("sun", "rain", "road"), (("sun", "rain"),))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (b"", "the key labels is missing; got no keys"),
        (b'label = ["a"]', r"unknown key 'label' \(did you mean labels\?\); the keys are name, labels"),
        (b'labels = "abc"', "got 'abc' for labels, needed a list of names"),
        (b"labels = [1, 2]", "needed a list of names"),
        (b'labels = ["a"]\nname = 3', "got name = 3, needed text"),
        (b'labels = ["a", "b"]\ngroups = "a"', "got groups = 'a', needed lists"),
        (b'labels = ["a", "b"]\ngroups = ["a", "b"]', "got 'a' for a group"),
        (b'labels = ["a", "b"]\nalone = "a"', "got 'a' for alone"),
        (b'labels = ["a"', "sky.toml is not a label space"),
        (b"image_name,tags\na,x\n", "sky.toml is not a label space"),
        (b'labels = ["\xe9"]', "sky.toml is not a label space"),
    ],
)
def test_a_file_that_is_not_a_label_space_is_refused_by_name(tmp_path, text, reason):
    (tmp_path / "sky.toml").write_bytes(text)
    with pytest.raises(ValueError, match=reason) as caught:
        labels.read(tmp_path / "sky.toml")
    assert str(caught.value).startswith(str(tmp_path))


@pytest.mark.parametrize("value", [None, [], "planet", {"labels": None}, {"labels": ["a"], 3: 4}])
def test_json_that_is_not_a_label_space_is_refused(value):
    with pytest.raises(ValueError, match=r"needed|the keys are"):
        labels.from_json(value)


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("Clear", "clear"),
        ("slash_and_burn", "slash_burn"),
        ("artisanal_mine", "artisinal_mine"),
        ("clody", "cloudy"),
        ("bareground", "bare_ground"),
        ("zebra", None),
        ("", None),
    ],
)
def test_a_misspelt_label_has_the_right_one_as_nearest(word, expected):
    assert nearest(word, labels.PLANET.names) == expected
    assert nearest(word, reversed(labels.PLANET.names)) == expected
    assert nearest(word, []) is None


def test_a_table_implies_its_sorted_tags(tmp_path):
    (tmp_path / "mine.csv").write_text("image_name,tags\na,z  b\nb,\nc,b a b\n")
    assert labels.from_table(tmp_path / "mine.csv") == LabelSpace("mine", ("a", "b", "z"))


def test_columns_and_words_for_empty_cells_are_told_from_labels(tmp_path):
    (tmp_path / "mine.csv").write_text("image_name,tags\na,road\nb,nan\nc,None\nd,wood?\n")
    assert labels.from_table(tmp_path / "mine.csv").names == ("road", "wood")
    (tmp_path / "mine.csv").write_text(",image_name,wood,road\n0,a,True,False\n1,b,0,0\n")
    assert labels.from_table(tmp_path / "mine.csv").names == ("road", "wood")


def test_labels_in_several_spellings_are_reported_with_their_counts(tmp_path, capsys):
    (tmp_path / "mine.csv").write_text("image_name,tags\na,Clear\nb,clear\nc,clear bare_ground\nd,bare-ground\n")
    assert labels.from_table(tmp_path / "mine.csv").names == ("Clear", "bare-ground", "bare_ground", "clear")
    message = capsys.readouterr().err
    assert "2 labels are there in several spellings" in message
    assert "'Clear' in 1 rows and 'clear' in 2 rows" in message


def test_labels_of_other_numbers_are_no_spellings_of_one(tmp_path, capsys):
    (tmp_path / "mine.csv").write_text("image_name,tags\na,class_1_1 class_11\nb,level_1 level_-1\n")
    labels.from_table(tmp_path / "mine.csv")
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    "rows",
    [
        "a,x|y\nb,x\n",
        "a,x;z\nb,y\n",
        "a,x/y\nb,x/z\n",
        "a,x+y\nb,y\n",
        "a,x&y\nb,x\n",
        "a,x#y\nb,x#z\n",
        "a,x>y\nb,y\n",
        "a,x~y\nb,x\n",
        "a,x*y\nb,x*z\n",
        "a,x-y\nb,x\nc,y\n",
    ],
)
def test_tags_that_something_else_separates_are_no_labels(tmp_path, rows):
    (tmp_path / "mine.csv").write_text("image_name,tags\n" + rows)
    with pytest.raises(ValueError, match=r"line 2: 'x..' looks like tags that '.' separates"):
        labels.from_table(tmp_path / "mine.csv")


def test_a_separator_that_joins_no_common_parts_belongs_to_the_label(tmp_path):
    (tmp_path / "mine.csv").write_text("image_name,tags\na,oil/gas road\nb,oil/gas\n")
    assert labels.from_table(tmp_path / "mine.csv").names == ("oil/gas", "road")
    (tmp_path / "mine.csv").write_text("image_name,tags\na,urban-dense non-forest\nb,urban-open forest 1.5 2.5\n")
    names = ("1.5", "2.5", "forest", "non-forest", "urban-dense", "urban-open")
    assert labels.from_table(tmp_path / "mine.csv").names == names


@pytest.mark.parametrize(("cell", "reason"), [('"x,y"', "Spaces separate tags"), ("", "has no tags in any row")])
def test_a_table_that_implies_no_labels_is_refused(tmp_path, cell, reason):
    (tmp_path / "mine.csv").write_text(f"image_name,tags\na,{cell}\n")
    with pytest.raises(ValueError, match=reason):
        labels.from_table(tmp_path / "mine.csv")


def test_a_space_is_chosen_by_name_by_table_or_by_file(tmp_path):
    table = tmp_path / "mine.csv"
    table.write_text("image_name,tags\na,x\n")
    (tmp_path / "sky.toml").write_text('labels = ["x"]')
    assert labels.choose("planet", table) is labels.PLANET
    assert labels.choose("table", table) == labels.from_table(table)
    assert labels.choose(str(tmp_path / "sky.toml"), None) == LabelSpace("sky", ("x",))


@pytest.mark.parametrize(
    ("name", "error", "reason"),
    [
        (
            "plant",
            ValueError,
            r"Unknown label space 'plant' \(did you mean planet\?\); needed planet, table, folders",
        ),
        ("table", ValueError, "needs a label table and got none"),
        ("/none/sky.toml", FileNotFoundError, "sky.toml"),
    ],
)
def test_an_unknown_label_space_is_refused(name, error, reason):
    with pytest.raises(error, match=reason):
        labels.choose(name, None)


@pytest.mark.real
def test_the_second_data_set_needs_no_code(real):
    space = labels.choose("table", real / "ucm" / "labels.csv")
    assert len(space.names) == 17
    assert space.groups == space.alone == ()
