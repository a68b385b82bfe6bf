from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from metier.pages.placing import Box, count_marks, gutter, labelled, place, share_steps, steps, time_marks

NUMBERS = st.floats(-1e9, 1e9, allow_nan=False)


@given(NUMBERS, NUMBERS)
def test_axis_marks_enclose_the_data_in_few_even_steps(one, other):
    low, high = sorted((one, other))
    marks = steps(low, high)
    slack = 1e-6 * max(abs(low), abs(high), 1e-300) + 1e-11
    assert marks[0] <= low + slack
    assert marks[-1] >= high - slack
    assert 2 <= len(marks) <= 12
    assert marks == sorted(set(marks))


@given(st.floats(0, 1), st.floats(0, 1))
def test_marks_of_shares_stay_within_nought_and_one(one, other):
    low, high = sorted((one, other))
    marks = share_steps(low, high)
    assert 2 <= len(marks) <= 12
    assert 0 <= marks[0] <= low + 1e-9
    assert high - 1e-9 <= marks[-1] <= 1


@given(st.floats(0.05, 1e6), st.floats(0.05, 1e6))
def test_marks_of_durations_enclose_them(one, other):
    low, high = sorted((one, other))
    marks = time_marks(low, high)
    assert marks[0][0] <= low
    assert marks[-1][0] >= high
    assert marks[0][0] < marks[-1][0]


@given(st.integers(1, 10**9), st.integers(1, 10**9))
def test_marks_of_counts_enclose_them(one, other):
    low, high = sorted((one, other))
    marks = [at for at, _ in count_marks(low, high)]
    assert marks[0] <= low
    assert marks[-1] >= high
    assert 2 <= len(marks) <= 12


def test_marks_are_written_shortly():
    assert labelled([0, 0.5, 1], "%") == [(0, "0%"), (0.5, "50%"), (1, "100%")]
    assert [text for _, text in labelled([0.925, 0.95], "%")] == ["92.5%", "95.0%"]
    assert [text for _, text in labelled([-5, 0, 5000], "")] == ["\u22125", "0", "5,000"]
    assert [text for _, text in labelled([0, 0.25, 0.5], "")] == ["0", "0.25", "0.5"]
    assert [text for _, text in labelled([17.5, 20.0, 22.5], "")] == ["17.5", "20", "22.5"]


@given(NUMBERS, NUMBERS)
def test_axis_labels_are_what_the_marks_are(one, other):
    for at, text in labelled(steps(*sorted((one, other))), ""):
        assert abs(float(text.replace(",", "").replace("\u2212", "-")) - at) <= 0.02 * abs(at)


def test_a_gutter_holds_its_labels():
    assert gutter([(0, "0"), (1, "100%")]) == 56
    assert gutter([(5e6, "5,000,000")]) > 70


def test_labels_of_near_points_do_not_lie_on_each_other():
    points = [(300.0, 150.0), (320.0, 150.0), (310.0, 165.0), (500.0, 20.0)]
    labels = ["Word counts + linear\n87.4%", "Generic model as it is\n70.1%", "Frozen base\n93.1%", "Adapter\n94.5%"]
    boxes = place(points, labels, (640, 320), [Box(x - 8, y - 8, x + 8, y + 8) for x, y in points])
    for i, box in enumerate(boxes):
        assert all(box.overlap(other) == 0 for other in boxes[:i])
        assert 0 <= box.left <= box.right <= 640
        assert 0 <= box.top <= box.bottom <= 320
