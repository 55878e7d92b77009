import pytest

from amazon_tags.model.recipe import recipe_from_json, recipe_to_json
from amazon_tags.model.recipe_file import RECIPE_FOLDER, choose_recipe, read_recipe
from ensemble.networks.settings import FrozenMember, TunedMember
from features.images.layout import Layout

GOOD = """
seed = 3
folds = 2
side = 64
decision = "flat"
[[members]]
kind = "tuned"
name = "net"
backbone = "toy"
weights = "none"
rate = 1
[[members]]
kind = "frozen"
name = "vectors"
backbone = "toy"
head = "ridge"
"""


def test_a_recipe_becomes_frozen_values_and_back(tmp_path):
    path = tmp_path / "recipe.toml"
    path.write_text(GOOD)
    recipe = read_recipe(path)
    assert recipe.members == (
        TunedMember("net", "toy", weights="none", rate=1),
        FrozenMember("vectors", "toy", head="ridge"),
    )
    assert (recipe.seed, recipe.folds, recipe.side, recipe.decision) == (3, 2, 64, "flat")
    assert recipe_from_json(recipe_to_json(recipe)) == recipe


def test_a_recipe_states_bands_and_levels_of_files(tmp_path):
    path = tmp_path / "recipe.toml"
    path.write_text('levels = "reflectance"\nfile_bands = ["red", "green", "blue", "nir"]' + GOOD)
    recipe = read_recipe(path)
    assert recipe.layout() == Layout(("red", "green", "blue", "nir"), "reflectance")
    assert recipe_from_json(recipe_to_json(recipe)) == recipe
    assert recipe.reading(None, "auto") == recipe
    assert recipe.reading(("nir", "red"), "dn").layout() == Layout(("nir", "red"), "dn")
    path.write_text(GOOD)
    assert not {"levels", "file_bands"} & set(recipe_to_json(read_recipe(path)))


def test_a_recipe_names_5_to_16_bands_and_components(tmp_path):
    path = tmp_path / "recipe.toml"
    path.write_text('bands = ["B2", "B3", "B4", "B8", "B8A"]' + GOOD.replace("rate = 1", "components = 5"))
    recipe = read_recipe(path)
    assert recipe.bands == ("blue", "green", "red", "nir", "b8a")
    assert recipe_from_json(recipe_to_json(recipe)) == recipe
    assert recipe.members[0].components == 5
    path.write_text(GOOD)
    assert "components" not in recipe_to_json(read_recipe(path))["members"][0]


def test_a_recipe_states_the_ground_of_chips_and_an_older_one_none(tmp_path):
    path = tmp_path / "recipe.toml"
    path.write_text("ground = 2560" + GOOD)
    recipe = read_recipe(path)
    assert recipe.ground == recipe.reading(None, "auto").ground == 2560
    assert recipe.reading(None, "auto", ground=640.0).ground == 640
    assert recipe_from_json(recipe_to_json(recipe)) == recipe
    path.write_text(GOOD)
    assert "ground" not in recipe_to_json(read_recipe(path))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("folds = 2", "ground = -3", "ground is -3, but must lie in 0 to"),
        ("folds = 2", "ground = nan", "ground is nan, but must lie in 0 to"),
        ("folds = 2", 'levels = "sr"', "levels are 'sr', but must be auto"),
        ("folds = 2", 'file_bands = ["red", "red"]', "names red more than once"),
        ("folds = 2", "fold = 2", "no key fold .did you mean folds"),
        ("folds = 2", "folds = 1", "folds is 1, but must lie in 2"),
        ("folds = 2", 'folds = "2"', "folds of the recipe is '2', but must be int"),
        ("side = 64", "side = true", "side of the recipe is True"),
        ('decision = "flat"', 'decision = "flt"', "decision is flt .did you mean flat"),
        ('kind = "tuned"', 'kind = "tund"', "kind of a member is tund .did you mean tuned"),
        ('backbone = "toy"\nweights', "weights", "a tuned member has no backbone"),
        ('name = "net"', 'name = "../net"', "is no name of a member"),
        ('name = "net"', 'name = "vectors"', "two members have one name"),
        ('weights = "none"', 'weights = "imagnet"', "did you mean imagenet"),
        ("rate = 1", 'schedule = "hyperrule"\nrate = 1', "net has schedule hyperrule, so that rate has no effect"),
        ("rate = 1", 'loss = "asymmetric"\npositive = 2', "loss asymmetric, so that positive has no effect"),
        ("rate = 1", "trust = 0.9", "no teachers, so that trust has no effect"),
        ("rate = 1", "rate = 2.5", "rate of a member is 2.5"),
        ("rate = 1", "rte = 1", "a tuned member has no key rte .did you mean rate"),
        ('head = "ridge"', "epochs = 3", "a frozen member has no key epochs"),
        ("rate = 1", 'loss = "asymetric"', "loss of a member is asymetric .did you mean asymmetric"),
        (
            "rate = 1",
            'output = "softmax"\nloss = "soft_fbeta"',
            "net has the loss soft_fbeta with a softmax",
        ),
        ("rate = 1", 'teachers = ["vectors"]', "net has the teacher vectors, which is not an earlier member"),
        ("rate = 1", 'teachers = "vectors"', "must be a list of names"),
        ("rate = 1", "freeze = 1.5", "freeze of a member is 1.5, but must lie in 0 to 1"),
        ("seed = 3", 'second = "man"', "second is man .did you mean mean"),
        ("seed = 3", 'ship = ["nut"]', "a name of ship is nut .did you mean net"),
        ("seed = 3", 'bands = ["vv", "vh", "red", "green", "swir"]', "have no blue"),
        ("seed = 3", 'bands = ["red"]', "bands are .'red'., but must be .'red', 'green', 'blue'"),
        ("[[members]]", "[[member]]", r"no \[\[members\]\]"),
        ("seed = 3", "seed = ", "Invalid value"),
        ("seed = 3", "seed = " + "[" * 5000, "recipe"),
        ("rate = 1", 'init = "stat"', "init of a member is stat .did you mean stats"),
        ("rate = 1", 'init = "transfer"', "transfer has no layer; write transfer:LAYER"),
        ("rate = 1", 'init = "random:edges"', "the start random takes no layer, but it is random:edges"),
        ("rate = 1", 'init = "stats"', "net has init stats with weights none, but stats starts from pretrained"),
        ("rate = 1", 'init = "transfer:edges"', "init transfer:edges with weights none, but transfer starts from"),
        ("rate = 1", 'logits = "cosin"', "logits of a member is cosin .did you mean cosine"),
        (
            "rate = 1",
            'schedule = "hyperrule"\nlogits = "cosine"',
            "whose head starts with zeros, so that",
        ),
        ('head = "ridge"', 'init = "stats"', "a frozen member has no key init"),
    ],
)
def test_what_is_wrong_in_a_recipe_is_said_with_the_file(old, new, message, tmp_path):
    path = tmp_path / "recipe.toml"
    path.write_text(GOOD.replace(old, new))
    with pytest.raises(ValueError, match=message) as refusal:
        read_recipe(path)
    assert str(refusal.value).startswith(str(path))


def test_a_start_is_stored_where_it_is_not_the_usual_one(tmp_path):
    path = tmp_path / "recipe.toml"
    path.write_text(GOOD.replace("rate = 1", 'init = "random"'))
    recipe = read_recipe(path)
    assert [entry.get("init") for entry in recipe_to_json(recipe)["members"]] == ["random", None]
    assert recipe_from_json(recipe_to_json(recipe)) == recipe
    path.write_text(GOOD)
    assert not any({"init", "logits"} & set(entry) for entry in recipe_to_json(read_recipe(path))["members"])


def test_members_that_are_no_tables_are_refused(tmp_path):
    (tmp_path / "recipe.toml").write_text('members = ["a"]')
    with pytest.raises(ValueError, match="a member is 'a'"):
        read_recipe(tmp_path / "recipe.toml")


def test_every_shipped_recipe_is_read_by_its_name():
    names = [path.stem for path in RECIPE_FOLDER.glob("*.toml")]
    assert "default" in names
    for name in names:
        assert choose_recipe(name).members


def test_a_recipe_that_is_neither_shipped_nor_a_file_is_refused():
    with pytest.raises(FileNotFoundError, match="neither a file nor one of the recipes default, "):
        choose_recipe("defalt")
