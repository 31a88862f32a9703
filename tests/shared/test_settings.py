import pytest

from shared.settings import Settings


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
