"""Records: frozen pydantic models, and how their faults are told to a person."""

from __future__ import annotations

import difflib
import types
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Union, get_args, get_origin

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

MAX_YAML_BYTES = 5_000_000


class Record(BaseModel):
    """A frozen value with named fields; keys that it does not know are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())


class _PlainLoader(yaml.SafeLoader):
    """safe_load without anchors' aliases (a few bytes could unfold to gigabytes) or double keys."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.events.AliasEvent):
            event = self.peek_event()  # type: ignore[no-untyped-call]
            raise yaml.composer.ComposerError(
                None,
                None,
                "별칭(*이름)은 쓸 수 없습니다. 내용을 그대로 적어 주세요",
                event.start_mark,
            )
        return super().compose_node(parent, index)

    def construct_mapping(self, node: Any, deep: bool = False) -> Any:
        seen: set[Any] = set()
        for key_node, _ in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                raise yaml.constructor.ConstructorError(
                    None, None, "키는 목록이나 묶음일 수 없습니다", key_node.start_mark
                )
            key = key_node.value
            if key in seen:
                raise yaml.constructor.ConstructorError(
                    None,
                    None,
                    f"'{key}' 키가 두 번 나옵니다. 하나만 남겨 주세요",
                    key_node.start_mark,
                )
            seen.add(key)
        return super().construct_mapping(node, deep)

    def construct_object(self, node: Any, deep: bool = False) -> Any:
        try:
            return super().construct_object(node, deep)
        except ValueError as error:  # a date such as 2001-13-45
            raise yaml.constructor.ConstructorError(
                None, None, f"값을 읽을 수 없습니다({error})", node.start_mark
            ) from error


def shipped_yaml(text: str) -> Any:
    """Read YAML that ships with the package, with libyaml where it is there: ten times as fast."""
    return yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))


def read_yaml(path: Path) -> Any:
    """Read one YAML file of bounded size, without aliases and double keys.

    Raises:
        ValueError: The file cannot be read or is not such YAML; the message is for a person.
    """
    try:
        size = path.stat().st_size
        if size > MAX_YAML_BYTES:
            raise ValueError(
                f"파일이 {size / 1e6:.1f} MB입니다. {MAX_YAML_BYTES / 1e6:.0f} MB까지 읽습니다."
            )
        return yaml.load(path.read_text(encoding="utf-8"), Loader=_PlainLoader)
    except OSError as error:
        raise ValueError(
            f"읽을 수 없습니다({error.strerror}). 경로와 권한을 확인해 주세요."
        ) from error
    except UnicodeDecodeError as error:
        raise ValueError(
            f"UTF-8 글이 아닙니다({error.start}번째 바이트). UTF-8로 저장해 주세요."
        ) from error
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        where = f"{mark.line + 1}행 {mark.column + 1}열: " if mark else ""
        raise ValueError(f"{where}YAML을 읽을 수 없습니다. {error.problem}.") from error
    except (yaml.YAMLError, RecursionError) as error:
        raise ValueError(f"YAML을 읽을 수 없습니다. {error}") from error


def is_file(path: Path) -> bool:
    """True where a file stands; a text that is too long to be a path names none."""
    try:
        return path.is_file()
    except OSError:
        return False


def explain(model: type[BaseModel], error: ValidationError, source: str) -> str:
    """Say every fault of a record: the file, the key path, what is allowed."""
    lines = [_explain_one(model, fault) for fault in error.errors()[:10]]
    more = len(error.errors()) - len(lines)
    if more > 0:
        lines.append(f"… 그리고 {more}건 더 있습니다.")
    if len(lines) == 1:
        return f"{source}: {lines[0]}"
    return f"{source}:\n" + "\n".join(f"  - {line}" for line in lines)


_TEMPLATES = {
    "missing": "빠져 있습니다. 꼭 있어야 하는 항목입니다",
    "greater_than": "값이 {input}입니다. {gt}보다 커야 합니다",
    "greater_than_equal": "값이 {input}입니다. {ge} 이상이어야 합니다",
    "less_than": "값이 {input}입니다. {lt}보다 작아야 합니다",
    "less_than_equal": "값이 {input}입니다. {le} 이하여야 합니다",
    "literal_error": "값이 {input}입니다. 쓸 수 있는 값: {expected}",
    "int_type": "값이 {input}입니다. 정수여야 합니다",
    "int_parsing": "값이 {input}입니다. 정수여야 합니다",
    "int_from_float": "값이 {input}입니다. 정수여야 합니다",
    "float_type": "값이 {input}입니다. 숫자여야 합니다",
    "float_parsing": "값이 {input}입니다. 숫자여야 합니다",
    "bool_type": "값이 {input}입니다. true 또는 false여야 합니다",
    "bool_parsing": "값이 {input}입니다. true 또는 false여야 합니다",
    "string_type": "값이 {input}입니다. 글이어야 합니다(따옴표로 감싸 보세요)",
    "list_type": "값이 {input}입니다. 목록(- 로 시작하는 줄들)이어야 합니다",
    "tuple_type": "값이 {input}입니다. 목록(- 로 시작하는 줄들)이어야 합니다",
    "dict_type": "값이 {input}입니다. '키: 값' 묶음이어야 합니다",
    "model_type": "값이 {input}입니다. '키: 값' 묶음이어야 합니다",
    "string_pattern_mismatch": "값이 {input}입니다. 이런 꼴이어야 합니다: {pattern}",
    "invalid_key": "키가 {input}입니다. 글이어야 합니다(따옴표로 감싸 보세요)",
    "string_too_short": "비어 있습니다. {min_length}자 이상 적어 주세요",
    "string_too_long": "너무 깁니다. {max_length}자까지 쓸 수 있습니다",
    "too_short": "항목이 {actual_length}개입니다. {min_length}개 이상이어야 합니다",
}


def _explain_one(model: type[BaseModel], fault: Any) -> str:
    path = ".".join(_keys_only(model, fault["loc"])) or "파일 전체"
    if fault["type"] == "extra_forbidden":
        known = known_keys(model, fault["loc"][:-1])
        near = difflib.get_close_matches(str(fault["loc"][-1]), known, n=1, cutoff=0.5)
        hint = f" 혹시 '{near[0]}'인가요?" if near else ""
        return f"{path}: 모르는 키입니다.{hint} 쓸 수 있는 키: {', '.join(known)}"
    template = _TEMPLATES.get(fault["type"])
    if template is None:
        return f"{path}: {str(fault['msg']).removeprefix('Value error, ')}"
    given = repr(fault.get("input"))
    short = given if len(given) <= 60 else given[:57] + "…"
    context = {key: value for key, value in fault.get("ctx", {}).items() if key != "input"}
    return f"{path}: {template.format(input=short, **context)}."


def _keys_only(model: type[BaseModel], path: Sequence[int | str]) -> list[str]:
    """A fault's path without the names that pydantic gives to a union's members."""
    here: Any = model
    keys: list[str] = []
    is_named = False
    for part in path:
        if len([option for option in _options(here) if option is not type(None)]) > 1:
            is_named = not is_named
            if is_named:
                continue
        keys.append(str(part))
        here = _step(here, part)
    return keys


def known_keys(model: type[BaseModel], path: Sequence[int | str]) -> list[str]:
    """The keys that a record takes at a path of keys and positions."""
    here: Any = model
    for part in path:
        here = _step(here, part)
    found = _record_of(here)
    return list(found.model_fields) if found else []


def _step(kind: Any, part: int | str) -> Any:
    found = _record_of(kind)
    if found is not None:
        field = found.model_fields.get(str(part))
        return field.annotation if field else None
    for option in _options(kind):
        if get_origin(option) in (dict, list, tuple):
            inner = [arg for arg in get_args(option) if arg is not Ellipsis]
            return inner[-1] if inner else None
    return None


def _record_of(kind: Any) -> type[BaseModel] | None:
    for option in _options(kind):
        if isinstance(option, type) and issubclass(option, BaseModel):
            return option
    return None


def _options(kind: Any) -> list[Any]:
    if get_origin(kind) in (Union, types.UnionType):
        return list(get_args(kind))
    return [kind]
