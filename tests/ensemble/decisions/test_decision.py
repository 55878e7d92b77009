from amazon_tags.model.recipe import DECISIONS
from amazon_tags.training import card
from ensemble.decisions import tuning
from ensemble.decisions.decision import DECODERS


def test_recipes_cards_and_tuning_name_the_decoders_of_the_table():
    assert list(card.DECODERS) == list(DECODERS)
    assert set(tuning.CANDIDATES.values()) == set(DECODERS)
    assert set(DECISIONS) - {"chosen"} <= set(DECODERS)
