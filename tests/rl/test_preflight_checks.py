"""Invalid input is named before any worker starts."""

import json
import math
import re
import shutil

import pyarrow
import pyarrow.parquet
import pytest
import torch

from storm_calm.env.serialize import to_json
from storm_calm.rl.datasets import rl_rows
from storm_calm.rl.preflight_checks import (
    check_checkpoints,
    check_disk,
    check_model,
    check_rl_data,
    check_rule,
    check_sft_data,
    count_weights,
    lack_of_room,
)


def parquet(path, rows):
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), path)
    return path


def sft(**changes):
    return {"input_ids": [5, 6, 7], "loss_mask": [0, 1, 1], **changes}


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([{"input_ids": [1]}], r"the column 'loss_mask' is missing \(it has input_ids\); make the file with `storm"),
        ([sft(), sft(loss_mask=[1])], "row 1 has 3 input_ids but a loss_mask of 1"),
        ([sft(loss_mask=[0, 0, 0])], "row 0 has no loss"),
        (
            [sft(input_ids=[5, 6, 1024])],
            r"row 0 has token 1024, but the vocabulary has 1024; .*another model's tokenizer",
        ),
        ([sft(input_ids=[5] * 9, loss_mask=[1] * 9)], r"row 0 has 9 tokens, more than data\.max_length=8"),
    ],
)
def test_error_for_an_invalid_dataset_names_it(tmp_path, rows, message):
    with pytest.raises(ValueError, match=message):
        check_sft_data(parquet(tmp_path / "d.parquet", rows), vocabulary=1024, longest=8)


def test_rows_of_a_valid_dataset_are_counted(tmp_path):
    assert check_sft_data(parquet(tmp_path / "d.parquet", [sft(), sft()]), vocabulary=8, longest=3) == 2


def test_errors_for_invalid_files_name_them(tmp_path):
    with pytest.raises(ValueError, match="no such file; make it with `storm export"):
        check_sft_data(tmp_path / "none.parquet", vocabulary=8, longest=8)
    (tmp_path / "text.parquet").write_text("no")
    with pytest.raises(ValueError, match=r"text\.parquet: not a Parquet file"):
        check_sft_data(tmp_path / "text.parquet", vocabulary=8, longest=8)
    empty = pyarrow.table({"input_ids": [], "loss_mask": []})
    pyarrow.parquet.write_table(empty, tmp_path / "empty.parquet")
    with pytest.raises(ValueError, match="no rows in it"):
        check_sft_data(tmp_path / "empty.parquet", vocabulary=8, longest=8)


def test_errors_for_invalid_problems_name_them(tmp_path, renderer, workshop):
    def check(change=None, **budgets):
        (row,) = rl_rows([workshop])
        if change:
            change(row)
        return check_rl_data(
            parquet(tmp_path / "p.parquet", [row]), renderer, **{"prompt": 512, "response": 512, **budgets}
        )

    def answered(value):
        def change(row):
            row["extra_info"]["problem"] = json.dumps({**to_json(workshop), "answers": [value]})

        return change

    assert check() == 1
    with pytest.raises(ValueError, match="'extra_info' is missing"):
        check(lambda row: row.pop("extra_info"))
    with pytest.raises(ValueError, match=r"row 0: extra_info has no problem \('problem'\)"):
        check(lambda row: row["extra_info"].pop("problem"))
    with pytest.raises(ValueError, match=r"row 0: \"answers\[0\]\" is NaN; give a finite number"):
        check(answered(math.nan))
    with pytest.raises(ValueError, match=r"row 0: \"answers\[0\]\" is \"none\""):
        check(answered("none"))
    with pytest.raises(ValueError, match=r"has a prompt of \d+ tokens, more than data\.max_prompt_length=10"):
        check(prompt=10)
    with pytest.raises(ValueError, match=r"only data\.max_response_length=10 for reasoning"):
        check(response=10)


def test_a_model_without_chatml_tokens_is_an_error(tmp_path, nano):
    with pytest.raises(ValueError, match=r"no config\.json in it"):
        check_model(tmp_path)
    shutil.copyfile(nano / "config.json", tmp_path / "config.json")
    with pytest.raises(ValueError, match=r"tokenizer\.json is missing"):
        check_model(tmp_path)
    words = json.loads((nano / "tokenizer.json").read_text())
    words["added_tokens"] = [token for token in words["added_tokens"] if token["content"] != "<|im_end|>"]
    (tmp_path / "tokenizer.json").write_text(json.dumps(words))
    with pytest.raises(ValueError, match=r"<\|im_end\|> is not a special token"):
        check_model(tmp_path)


def test_error_for_an_unknown_rule_names_it():
    check_rule("paper")
    with pytest.raises(ValueError, match=r"storm\.rule is 'exact'; give one of paper"):
        check_rule("exact")


def test_the_last_checkpoint_is_found_and_a_damaged_one_is_an_error(tmp_path):
    assert check_checkpoints(tmp_path) == 0
    tracker = tmp_path / "latest_checkpointed_iteration.txt"
    tracker.write_text("4")
    with pytest.raises(ValueError, match="global_step_4: the last checkpoint is missing"):
        check_checkpoints(tmp_path)
    file = tmp_path / "global_step_4" / "actor" / "model_world_size_1_rank_0.pt"
    file.parent.mkdir(parents=True)
    torch.save({"weight": torch.ones(100)}, file)
    assert check_checkpoints(tmp_path) == 4
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match=r"rank_0\.pt: cannot be read .* Nothing was changed.* write its step into"):
        check_checkpoints(tmp_path)
    assert file.read_bytes() == whole[: len(whole) // 2]
    tracker.write_text("four")
    with pytest.raises(ValueError, match="'four' is not a step"):
        check_checkpoints(tmp_path)


def test_error_for_too_little_disk_space_names_the_disk(tmp_path):
    check_disk(tmp_path / "new" / "run", 1000, 2)
    with pytest.raises(ValueError, match=r"GB free on its disk, but checkpoints take up to .* free some space"):
        check_disk(tmp_path / "new" / "run", 10**15, 2)


def test_a_full_disk_is_added_to_the_error_of_a_run(tmp_path):
    assert lack_of_room(tmp_path, 1000) == ""
    assert re.search(
        r"the disk of .* is full: \d+ MB free, but a checkpoint takes \d+; free some space",
        lack_of_room(tmp_path, 10**15),
    )


def test_weights_are_counted_without_loading_them(nano):
    assert 2_000_000 < count_weights(nano) < 2_300_000
