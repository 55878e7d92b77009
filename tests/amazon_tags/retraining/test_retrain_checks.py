"""Checks of data and models, on the chips of a job that has a current model."""

import json
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from amazon_tags.model import bundle, registry, training_record
from amazon_tags.retraining import answers, checks, data_checks, job_data, model_checks
from amazon_tags.retraining.job import GateLimits, read_job
from amazon_tags.retraining.retrain import PASSED, retrain
from ensemble.metrics import score
from tests.amazon_tags.retraining.jobs import RECIPE, render


@pytest.mark.slow
def test_a_truncated_table_replaces_no_model(promoted):
    home, first = promoted
    config = home / "job.toml"
    config.write_text(config.read_text().replace("gone = 1.0", "gone = 0.2"))
    table = (home / "labels.csv").read_text().splitlines()
    (home / "labels.csv").write_text("\n".join(table[:31]) + "\n")
    second = retrain(config)
    assert (second.outcome, second.model) == ("rejected", first.model)
    assert "training chips of the current model are in no table any more" in second.why
    (home / "labels.csv").write_text("\n".join(table[:-3]) + "\n")
    assert retrain(config).outcome == "promoted"


@pytest.mark.slow
def test_a_tag_that_vanished_and_tags_that_changed_on_many_chips_are_reported(promoted):
    home, first = promoted
    config = home / "job.toml"
    config.write_text(config.read_text().replace("gone = 1.0", "gone = 0.2"))
    rows = (home / "labels.csv").read_text()
    for text, why in (
        (rows.replace(" primary", ""), "no chip at all carries primary"),
        (rows.replace("blooming ", ""), "no chip at all carries blooming"),
        (rows.replace("primary", "primary road"), "have different tags now"),
    ):
        (home / "labels.csv").write_text(text)
        done = retrain(config)
        assert (done.outcome, done.model) == ("rejected", first.model)
        assert why in done.why


@pytest.mark.slow
def test_new_chips_with_wrong_labels_are_rejected_and_the_current_model_stays(promoted):
    home, first = promoted
    config = home / "job.toml"
    config.write_text(config.read_text().replace("disagreement = 1.0", "disagreement = 0.05"))
    before = (home / "models" / registry.POINTERS).read_bytes()
    render(home / "chips", home / "labels.csv", 60, 40)
    rows = (home / "labels.csv").read_text().splitlines()
    names = [row.split(",")[0] for row in rows[61:]]
    (home / "labels.csv").write_text("\n".join([*rows[:61], *(f"{name},cloudy" for name in names)]) + "\n")
    second = retrain(config)
    assert second.outcome == "rejected"
    assert "the data: " in second.why
    assert "no new chip carries" in second.why
    assert (home / "models" / registry.POINTERS).read_bytes() == before
    assert second.model == first.model
    assert not (home / "runs" / "0002" / "candidate").exists()
    assert retrain(config).outcome == "no_change"


@pytest.mark.slow
def test_a_few_new_chips_with_wrong_labels_are_rejected_too(promoted):
    home, first = promoted
    config = home / "job.toml"
    config.write_text(config.read_text().replace("disagreement = 1.0", "disagreement = 0.05"))
    render(home / "chips", home / "labels.csv", 60, 12)
    rows = (home / "labels.csv").read_text().splitlines()
    wrong = [f"{row.split(',')[0]},haze slash_burn" for row in rows[61:]]
    (home / "labels.csv").write_text("\n".join([*rows[:61], *wrong]) + "\n")
    second = retrain(config)
    assert (second.outcome, second.model) == ("rejected", first.model)
    assert "the current model reaches F2" in second.why


@pytest.mark.slow
def test_a_damaged_list_of_passed_data_is_written_again(promoted):
    home, _ = promoted
    (home / "runs" / PASSED).write_bytes(b"abc")
    render(home / "chips", home / "labels.csv", 60, 5)
    assert retrain(home / "job.toml").run == 2


@pytest.mark.slow
def test_the_checks_count_the_tags_of_decisions_that_were_fitted_without_the_chip(home):
    (home / "toy.toml").write_text(RECIPE.replace('"flat"', '"cuts"'))
    done = retrain(home / "job.toml")
    folder = home / "models" / done.model
    chips, record = job_data.gather(read_job(home / "job.toml")), training_record.read(folder)
    model = answers.answer_chips(bundle.verify(folder), chips.data, 2)
    np.testing.assert_array_equal(model.tags[model.out_of_fold], record.tags)
    packaged = bundle.load(folder).decide(record.scores)
    assert score.f2(record.truth, record.tags) < score.f2(record.truth, packaged)
    names = [check["name"] for check in json.loads((home / "runs" / "0001" / "gate.json").read_text())]
    assert "decision" in names


@pytest.mark.slow
def test_a_decision_that_was_not_fitted_is_rejected(promoted):
    home, first = promoted
    chips = job_data.gather(read_job(home / "job.toml"))
    model = answers.answer_chips(bundle.verify(home / "models" / first.model), chips.data, 2)
    better = replace(model, tags=np.where(model.out_of_fold[:, np.newaxis], chips.data.truth, model.tags))
    (check,) = [check for check in model_checks.check_packaged(chips.data, better, 2) if check.name == "decision"]
    assert not check.passed
    assert "it is not the decision that was fitted" in check.why


@pytest.mark.slow
def test_chips_with_red_and_blue_exchanged_are_reported(promoted):
    home, _ = promoted
    config = home / "job.toml"
    render(home / "chips", home / "labels.csv", 60, 40)
    for number in range(60, 100):
        path = home / "chips" / f"chip_{number}.jpg"
        with Image.open(path) as image:
            bands = image.convert("RGB").split()
        Image.merge("RGB", bands[::-1]).save(path, quality=95)
    chips = job_data.gather(read_job(config))
    folder = home / "models" / registry.pointers(home / "models").current
    champion = answers.answer_chips(bundle.verify(folder), chips.data, 2)
    results = data_checks.check_new_chips(
        chips, champion, training_record.read(folder), np.zeros(0, np.uint64), GateLimits()
    )
    assert [check for check in results if check.name == "bands" and not check.passed]
    assert "red and blue of the new chips seem to be exchanged" in checks.reasons(results)


@pytest.mark.slow
def test_a_few_wrong_chips_do_not_hide_among_many_good_ones(promoted):
    home, _ = promoted
    config = home / "job.toml"
    render(home / "chips", home / "labels.csv", 60, 120)
    before = job_data.gather(read_job(config))
    rows = (home / "labels.csv").read_text().splitlines()
    render(home / "chips", home / "labels.csv", 180, 30)
    wrong = [f"chip_{number},cloudy" for number in range(180, 210)]
    (home / "labels.csv").write_text("\n".join([*rows, *wrong]) + "\n")
    chips = job_data.gather(read_job(config))
    folder = home / "models" / registry.pointers(home / "models").current
    champion = answers.answer_chips(bundle.verify(folder), chips.data, 2)
    record = training_record.read(folder)
    lenient = GateLimits(disagreement=0.2)
    alone = data_checks.check_new_chips(chips, champion, record, data_checks.digest_chips(before.data), lenient)
    among = data_checks.check_new_chips(chips, champion, record, np.zeros(0, np.uint64), lenient)
    assert len(alone) - 4 == 2 * (len(among) - 4)  # four checks are of all chips
    assert not [check for check in among if check.name == "agreement" and not check.passed]
    assert [check for check in alone if check.name == "agreement" and not check.passed]


@pytest.mark.slow
def test_answers_to_training_chips_are_out_of_fold(promoted):
    home, _ = promoted
    chips = job_data.gather(read_job(home / "job.toml"))
    folder = home / "models" / registry.pointers(home / "models").current
    champion = answers.answer_chips(bundle.verify(folder), chips.data, 2)
    np.testing.assert_array_equal(champion.out_of_fold, ~chips.withheld)
    record = training_record.read(folder)
    np.testing.assert_array_equal(champion.scores[champion.out_of_fold], record.scores)
    assert champion.band_statistics.any(axis=1).all()
