from pathlib import Path

import pytest

from shared.settings import Settings, settings


def test_every_setting_says_what_it_is_for() -> None:
    undescribed = [name for name, field in Settings.model_fields.items() if not (field.description or "").strip()]
    assert undescribed == []


def test_a_setting_comes_from_its_environment_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ATTAIN_RELAY_ROWS", "17")
    assert Settings().relay_rows == 17


def test_settings_do_not_change_and_can_be_keys() -> None:
    one = Settings(slot="a")
    with pytest.raises(ValueError, match="frozen"):
        one.slot = "b"  # type: ignore[misc]
    assert hash(one) == hash(Settings(slot="a"))


def test_a_secret_may_be_a_file_and_the_environment_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "attain_evidence_database").write_text("postgresql://of-the-file\n")
    monkeypatch.setenv("ATTAIN_SECRETS_DIR", str(tmp_path))
    monkeypatch.delenv("ATTAIN_EVIDENCE_DATABASE", raising=False)

    assert settings.__wrapped__().evidence_database == "postgresql://of-the-file"

    monkeypatch.setenv("ATTAIN_EVIDENCE_DATABASE", "postgresql://of-the-environment")
    assert settings.__wrapped__().evidence_database == "postgresql://of-the-environment"


def test_a_folder_of_secrets_that_is_not_there_is_no_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ATTAIN_SECRETS_DIR", str(tmp_path / "none"))

    assert settings.__wrapped__().kafka
