"""The least and the most that this version writes of an event's data."""

from collections.abc import Iterator
from typing import Any

import msgspec
from msgspec import inspect

from shared.events import encode_json

_PLAIN: dict[type[inspect.Type], Any] = {
    inspect.StrType: "a", inspect.IntType: 1, inspect.FloatType: 0.5, inspect.BoolType: True, inspect.NoneType: None,
    inspect.AnyType: 1, inspect.RawType: {"a": 1},
}  # fmt: skip


def samples(type: type[msgspec.Struct]) -> Iterator[bytes]:
    """Yield the data with what has no default alone, then with every member, as the writers encode it."""
    for whole in (False, True):
        yield encode_json(msgspec.convert(_value(inspect.type_info(type), whole), type))


def _value(info: inspect.Type, whole: bool) -> Any:
    if info.__class__ in _PLAIN:
        return _PLAIN[info.__class__]
    if isinstance(info, inspect.LiteralType):
        return info.values[-1]
    if isinstance(info, inspect.UnionType):
        kinds = [kind for kind in info.types if isinstance(kind, inspect.NoneType) != whole]
        return _value((kinds or info.types)[0], whole)
    if isinstance(info, inspect.StructType):
        return {
            field.encode_name: _value(field.type, whole) for field in info.fields if whole or field.required
        }  # fmt: skip
    if isinstance(info, inspect.TupleType):
        return [_value(item, whole) for item in info.item_types]
    if isinstance(info, inspect.DictType):
        return {_value(info.key_type, whole): _value(info.value_type, whole)} if whole else {}
    if isinstance(info, inspect.ListType | inspect.VarTupleType):
        return [_value(info.item_type, whole)] if whole else []
    raise NotImplementedError(f"no sample of {info}")
