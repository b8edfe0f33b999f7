"""The detectors with a hidden flaw: each flaw shows in its own evidence, far away from the other four."""

import numpy as np
import pytest

from cxrlib.course.audit import (
    FLAWS,
    LETTERS,
    MAX_READINGS,
    Detector,
    dealt,
    detectors,
    example,
    make_detector,
    measure,
)
from cxrlib.errors import InputError
from cxrlib.evaluation import auc


def test_each_deal_has_each_flaw_once_and_the_reader_has_one_of_their_own(tmp_path, monkeypatch):
    monkeypatch.setattr("cxrlib.course.reader.reader_file", lambda: tmp_path / "reader.json")
    deals = [dealt(deal) for deal in range(20)]
    assert all(sorted(deal.values()) == sorted(FLAWS) and list(deal) == list(LETTERS) for deal in deals)
    assert len({tuple(deal.values()) for deal in deals}) > 10
    assert dealt() == dealt()
    assert "leak" not in repr(detectors(0))  # a look at them does not tell the flaw


def test_each_flaw_is_found_by_its_evidence_alone():
    found = {flaw: measure(Detector(flaw, lambda flaw=flaw: make_detector(flaw))) for flaw in FLAWS}
    signs = {
        "leak": lambda e: e.shared_patients,
        "shortcut": lambda e: e.view_auc,
        "normalisation": lambda e: max(e.site_aucs) - min(e.site_aucs),
        "labels": lambda e: e.wrong_labels,
        "threshold": lambda e: e.chosen_on.get("test", 0),
    }
    margins = {"leak": 30, "shortcut": 0.15, "normalisation": 0.1, "labels": 5, "threshold": 30}
    for deal in range(3):
        for letter, flaw in dealt(deal).items():
            assert detectors(deal)[letter].folder.name == make_detector(flaw).name
    for flaw, sign in signs.items():
        others = [sign(evidence) for name, evidence in found.items() if name != flaw]
        assert sign(found[flaw]) - max(others) >= margins[flaw], (flaw, {name: sign(e) for name, e in found.items()})
    # the second numbers tell a shortcut and a wrong normalisation apart
    assert found["shortcut"].misled_change < min(e.misled_change for f, e in found.items() if f != "shortcut") - 0.2
    low = {flaw: evidence.start_site_aucs[int(np.argmin(evidence.site_aucs))] for flaw, evidence in found.items()}
    assert low["normalisation"] < low["shortcut"] - 0.1
    assert found["shortcut"].reported_auc - found["shortcut"].fresh_auc > 0.1
    assert all(evidence.reported_auc > 0.88 for evidence in found.values())  # the figures look good
    tuned = Detector("T", lambda: make_detector("threshold"))
    assert tuned.report["sensitivity"].value - tuned.fresh_report["sensitivity"].value > 0.05


def test_the_example_is_complete_without_a_network_and_has_a_shortcut():
    x = example()
    evidence, films, fresh = measure(x), x.films, x.fresh
    assert (evidence.shared_patients, evidence.wrong_labels, evidence.chosen_on) == (0, 0, {"val": 77})
    assert evidence.view_auc > 0.9
    assert auc(fresh["label"], fresh["score"]) == evidence.fresh_auc < evidence.reported_auc - 0.1
    assert not {"volume_ml", "true_label"} & set(films)  # the truth of its own films must be asked for
    assert x.run.notes == ()
    assert set(films["path"]) == set(x.run.split["path"])


def test_a_film_is_taken_again_and_second_readers_know_the_truth_of_few_films():
    x = example()
    fresh = x.fresh.sort_values("volume_ml")
    (lowest, highest) = fresh["path"].iloc[[0, -1]]
    image, mask = x.film(highest, size=64)
    assert image.shape == mask.shape == (64, 64)
    assert (image.min(), image.max()) == (0, 1)
    assert mask.any()
    assert not x.film(lowest, size=64)[1].any()
    np.testing.assert_array_equal(x.read_again([lowest, highest]), [0, 1])
    with pytest.raises(InputError, match="there is time for 60"):
        x.read_again(fresh["path"].head(MAX_READINGS + 1))
    with pytest.raises(InputError, match="has no film"):
        x.read_again(["films/none.png"])
