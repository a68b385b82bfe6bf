"""An expert's folder: what it reads, what it answers, what it merges into, and what it refuses."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import polars
import pyarrow as pa
import pytest

from metier.errors import DataError, ExpertError
from metier.expert import Expert, Prediction

TEXTS = ["my card does not work 3", "what about the fee today 9", "please help with the login 1"]


@pytest.fixture(scope="module")
def expert(finished: Any) -> Expert:
    return Expert.load(finished.output)


@pytest.fixture
def copied(finished: Any, tmp_path: Path) -> Path:
    folder = tmp_path / "copied"
    shutil.copytree(finished.output, folder)
    return folder


def close(a: list[Prediction], b: list[Prediction]) -> bool:
    return [x.prediction for x in a] == [x.prediction for x in b] and [x.confidence for x in a] == pytest.approx(
        [x.confidence for x in b], abs=1e-5
    )


def altered(folder: Path, **changes: Any) -> Path:
    about = json.loads((folder / "metier.json").read_text())
    (folder / "metier.json").write_text(json.dumps({**about, **changes}))
    return folder


# ------------------------------------------------------------------------------------------------------------- rows in


def test_rows_may_come_in_any_form_and_answers_are_the_same(expert: Expert) -> None:
    expected = expert.predict(TEXTS)
    assert all(answer.prediction in expert.target.record()["labels"] for answer in expected)
    dicts = [{"text": text, "more": number} for number, text in enumerate(TEXTS)]
    for rows in (
        tuple(TEXTS),
        dicts,
        pa.table({"other": [1, 2, 3], "text": TEXTS}),
        polars.DataFrame({"text": TEXTS, "other": [1.5, 2, 3]}),
        polars.DataFrame({"text": TEXTS}).with_columns(polars.col("text").cast(polars.Categorical)),
    ):
        assert close(expert.predict(rows), expected), type(rows)


def test_answers_keep_the_order_of_the_rows_whatever_their_length(expert: Expert) -> None:
    texts = [text * (1 + number % 7) for number, text in enumerate(TEXTS * 20)]
    together = expert.predict(texts)
    assert close(together, [expert.predict([text])[0] for text in texts])


def test_one_text_is_one_row(expert: Expert) -> None:
    assert close(expert.predict(TEXTS[0]), expert.predict(TEXTS[:1]))
    assert close(expert.predict({"text": TEXTS[0]}), expert.predict(TEXTS[:1]))


def test_rows_need_not_be_alike(expert: Expert) -> None:
    rows = [{"note": 1}, {"text": TEXTS[0], "note": "x"}, {"text": TEXTS[1], "note": 2**80}]
    assert close(expert.predict(rows), expert.predict([None, *TEXTS[:2]]))
    assert close(expert.predict([{"text": 5}, {"text": "card"}]), expert.predict(["5", "card"]))
    assert len(expert.predict([{"text": 5}, {"text": 6}])) == 2


def test_no_rows_have_no_answers(expert: Expert) -> None:
    assert expert.predict([]) == []
    assert expert.predict(pa.table({"text": pa.array([], pa.string())})) == []


@pytest.mark.parametrize("empty", [None, "", "  \n"])
def test_what_cannot_be_read_abstains(expert: Expert, empty: str | None) -> None:
    nothing = Prediction(None, 0.0, True)
    assert expert.predict([empty, TEXTS[0], empty])[::2] == [nothing, nothing]
    assert expert.predict([empty, empty]) == [nothing, nothing]
    assert nothing.as_json() == {"prediction": None, "confidence": 0.0, "abstain": True}


def test_any_text_is_answered(expert: Expert) -> None:
    odd = ["🎉🎉 \U0001f600", "word " * 10_000, "\x00\x07", "<b>&amp;</b>", "؟ شكرا 你好", "a" * 1_000_000]
    assert all(0 < answer.confidence <= 1 for answer in expert.predict(odd))


def test_a_label_column_does_not_change_the_answers(expert: Expert) -> None:
    rows = [{"text": text, "intent": label} for text, label in zip(TEXTS, ["fees", None, "never seen"], strict=True)]
    assert close(expert.predict(rows), expert.predict(TEXTS))


def test_labels_never_trained_on_are_told_where_labels_count(expert: Expert) -> None:
    with pytest.raises(DataError, match="'never seen'") as caught:
        expert.examples([{"text": "a card", "intent": "never seen"}])
    assert caught.value.code == "unknown-labels"


def test_missing_columns_are_named(expert: Expert) -> None:
    with pytest.raises(ExpertError) as caught:
        expert.predict([{"body": "my card"}])
    assert caught.value.code == "missing-columns"
    assert "no text among body" in caught.value.found


def test_texts_are_joined_in_the_order_they_were_named(tiny_base: Path, tmp_path: Path, metier: Any) -> None:
    data = tmp_path / "two.csv"
    lines = [f"about card number {n} of mine,please help me with it {n},a" for n in range(30)]
    lines += [f"about fees number {n} of mine,please tell me why {n},b" for n in range(30)]
    data.write_text("\n".join(["title,body,label", *lines]) + "\n")
    words = ["--target", "label", "--text", "body", "--text", "title", "--rung", "linear", "--base", tiny_base]
    answer = metier("tune", data, *words, "--json", "--workspace", tmp_path / "home")
    expert = Expert.load(answer.json["expert"])
    assert tuple(expert.about["reads"]) == ("body", "title")
    examples = expert.examples([{"title": "the title", "body": "the body"}])
    assert examples.inputs.to_pylist() == ["the body\nthe title"]


def test_under_the_threshold_it_abstains_and_still_says_what_it_thinks(copied: Path, expert: Expert) -> None:
    confidences = sorted(answer.confidence for answer in expert.predict(TEXTS))
    strict = Expert.load(altered(copied, threshold=confidences[1]))
    answers = strict.predict(TEXTS)
    assert [answer.abstain for answer in answers] == [answer.confidence < confidences[1] for answer in answers]
    assert sum(answer.abstain for answer in answers) == 1
    assert close(answers, expert.predict(TEXTS))


# --------------------------------------------------------------------------------------------------- merged and moved


def test_a_merged_expert_is_a_plain_model_that_answers_alike(finished: Any, expert: Expert, tmp_path: Path) -> None:
    import torch
    from transformers import AutoModel

    from metier.govern.record import verify

    folder = expert.merge(tmp_path / "merged")
    merged = Expert.load(folder)
    assert close(merged.predict(TEXTS), expert.predict(TEXTS))
    assert verify(folder).ok
    assert merged.trunk.base.folder == str(folder)
    model = AutoModel.from_pretrained(folder)
    ours = expert.predictor.trunk.model.state_dict()  # type: ignore[attr-defined]
    theirs = model.state_dict()
    same = [name for name in theirs if name in ours and torch.equal(ours[name], theirs[name])]
    assert {name for name in theirs if not name.startswith("pooler")} <= set(same)
    generic = AutoModel.from_pretrained(finished.base).state_dict()
    assert any(not torch.equal(generic[name], theirs[name]) for name in same)


def test_a_merged_expert_needs_nothing_else_and_may_be_moved(finished: Any, expert: Expert, tmp_path: Path) -> None:
    expert.merge(tmp_path / "merged").rename(tmp_path / "moved")
    about = json.loads((tmp_path / "moved" / "metier.json").read_text())
    assert about["base_is"] == "."
    assert close(Expert.load(tmp_path / "moved").predict(TEXTS), expert.predict(TEXTS))


def test_what_has_no_base_cannot_be_merged(ticket_file: Path, tiny_base: Path, tmp_path: Path, metier: Any) -> None:
    words = ["tune", ticket_file, "--target", "intent", "--base", tiny_base, "--rung", "linear", "--json"]
    expert = Expert.load(metier(*words, "--workspace", tmp_path / "home").json["expert"])
    with pytest.raises(ExpertError) as caught:
        expert.merge(tmp_path / "merged")
    assert caught.value.code == "nothing-to-merge"
    assert not (tmp_path / "merged").exists()


# PEFT asks transformers for a property by its old name.
@pytest.mark.filterwarnings("ignore:.*is_gradient_checkpointing.*:FutureWarning")
def test_peft_itself_loads_the_adapter(finished: Any) -> None:
    from peft import PeftModel
    from transformers import AutoModel

    model = PeftModel.from_pretrained(AutoModel.from_pretrained(finished.base), str(finished.output))
    assert any("lora" in name for name, _ in model.named_parameters())


# ------------------------------------------------------------------------------------------------------------ refusals


def test_a_folder_without_an_expert_is_told(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "nothing"):
        with pytest.raises(ExpertError) as caught:
            Expert.load(folder)
        assert caught.value.code == "no-expert"
        assert str(folder) in caught.value.found


def test_a_runs_folder_is_met_with_the_experts(finished: Any) -> None:
    with pytest.raises(ExpertError) as caught:
        Expert.load(finished.run)
    assert str(finished.run / "expert") in caught.value.fix


def test_another_base_is_refused(copied: Path) -> None:
    about = json.loads((copied / "metier.json").read_text())
    with pytest.raises(ExpertError) as caught:
        Expert.load(altered(copied, base={**about["base"], "sha256": "0" * 64}))
    assert caught.value.code == "other-base"
    assert "0" * 16 in caught.value.problem


def test_a_newer_format_is_refused(copied: Path) -> None:
    with pytest.raises(ExpertError) as caught:
        Expert.load(altered(copied, format=99))
    assert caught.value.code == "newer-expert"


@pytest.mark.parametrize("name", ["head.safetensors", "adapter_model.safetensors", "generic/head.safetensors"])
def test_an_expert_that_is_not_whole_is_told(copied: Path, name: str) -> None:
    (copied / name).unlink()
    with pytest.raises(ExpertError) as caught:
        Expert.load(copied)
    assert caught.value.code == "broken-expert"
    assert "verify" in caught.value.fix


@pytest.mark.parametrize("name", ["head.safetensors", "adapter_model.safetensors"])
def test_weights_that_are_cut_short_are_told(copied: Path, name: str) -> None:
    (copied / name).write_bytes((copied / name).read_bytes()[:-9])
    with pytest.raises(ExpertError) as caught:
        Expert.load(copied)
    assert caught.value.code == "broken-expert"


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"format": "x"}', '{"format": 1}'])
def test_a_description_that_is_not_ours_is_told(copied: Path, content: str) -> None:
    (copied / "metier.json").write_text(content)
    with pytest.raises(ExpertError) as caught:
        Expert.load(copied)
    assert caught.value.code == "broken-expert"
