import os

from storm_calm.sandbox.zygote import remove_folder


def test_a_very_deep_folder_is_removed(tmp_path, monkeypatch):
    top = tmp_path / "top"
    top.mkdir()
    monkeypatch.chdir(top)
    for _ in range(3000):
        os.mkdir("deeper")
        os.chdir("deeper")
    open("file", "w").close()
    monkeypatch.chdir(tmp_path)
    remove_folder.remove(str(top))
    assert os.listdir(tmp_path) == []


def test_removal_opens_closed_folders_and_follows_no_links(tmp_path):
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept" / "file").write_text("kept")
    top = tmp_path / "top"
    (top / "closed" / "inner").mkdir(parents=True)
    (top / "closed" / "inner" / "link").symlink_to(tmp_path / "kept")
    (top / "closed").chmod(0)
    remove_folder.remove(str(top))
    assert os.listdir(tmp_path) == ["kept"]
    assert (tmp_path / "kept" / "file").read_text() == "kept"


def test_removing_a_missing_folder_is_not_an_error(tmp_path):
    remove_folder.remove(str(tmp_path / "nothing"))
