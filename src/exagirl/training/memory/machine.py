"""What this machine can do: devices, memory, disk, libraries, extras, keys."""

from __future__ import annotations

import os
import platform
import re
import shutil
from collections.abc import Iterable, Mapping
from importlib import metadata, util
from pathlib import Path

from exagirl.chatmodel.options import VARIABLE, TeacherOptions
from exagirl.record import Record

LIBRARIES = (
    "torch",
    "transformers",
    "peft",
    "accelerate",
    "datasets",
    "safetensors",
    "bitsandbytes",
    "kiwipiepy",
    "openai",
    "gradio",
)
KEYS = ("OPENAI_API_KEY", "HF_TOKEN")
_CGROUPS = (
    ("/sys/fs/cgroup", "memory.max", "memory.current"),
    ("/sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.usage_in_bytes"),
)
_CACHED = re.compile(r"^(?:total_)?inactive_file (\d+)", re.M)
_REQUIREMENT = re.compile(
    r"""(?P<name>[A-Za-z0-9._-]+) (?:\[(?P<nested>[^\]]*)\])? .* ; .* extra \s* == \s*
    ['"] (?P<extra>[^'"]+)""",
    re.VERBOSE,
)


class Device(Record):
    """What computes."""

    kind: str
    """``cuda``, ``mps`` or ``cpu``."""
    name: str
    total_bytes: int
    free_bytes: int
    has_fast_bfloat16: bool | None
    """None where torch is missing and nobody can say."""
    auto_dtype: str
    """What ``dtype: auto`` takes here; float32 where torch is missing."""
    has_heap_gaps: bool = False
    """True where tensors live in glibc's heap, which grows to about twice what they take."""


class Machine(Record):
    """This machine. The first device is the one that trains."""

    system: str
    python: str
    cores: int
    devices: tuple[Device, ...]
    disk_free_bytes: int
    versions: dict[str, str | None]
    extras: dict[str, tuple[str, ...]]
    """What every extra of the project still lacks; empty where it is installed."""
    keys: dict[str, bool]
    """Which environment variables are set. Their values are never read into a record."""
    has_torch: bool


def key_names(teachers: Iterable[TeacherOptions]) -> list[str]:
    """The environment variables that teachers read keys and other secrets from."""
    names: list[str] = []
    for teacher in teachers:
        if teacher.kind == "openai" and teacher.api_key_file is None:
            names.append(teacher.api_key_env)
        for value in teacher.headers.values():
            names += VARIABLE.findall(value)
    return names


def look_around(folder: Path, key_names: Iterable[str] = ()) -> Machine:
    """Describe this machine.

    Args:
        folder: Where runs will live; the free disk is counted there.
        key_names: More environment variables that a recipe reads keys from.
    """
    has_torch = all(util.find_spec(name) is not None for name in ("torch", "transformers"))
    return Machine(
        system=f"{platform.system()} {platform.machine()}",
        python=platform.python_version(),
        cores=_cores(),
        devices=_devices(has_torch),
        disk_free_bytes=_disk_free(folder),
        versions={name: _version(name) for name in LIBRARIES},
        extras=missing_of_extras(metadata.requires("exagirl") or ()),
        keys={name: bool(os.environ.get(name)) for name in dict.fromkeys((*KEYS, *key_names))},
        has_torch=has_torch,
    )


def missing_of_extras(requirements: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """What every extra lacks, from the requirements of a package's metadata.

    Args:
        requirements: As `importlib.metadata.requires` gives them.
    """
    direct: dict[str, list[str]] = {}
    nested: dict[str, list[str]] = {}
    for requirement in requirements:
        found = _REQUIREMENT.match(requirement)
        if found is None:
            continue
        name, extra = found["name"], found["extra"]
        if name == "exagirl":
            nested.setdefault(extra, []).extend(re.split(r"\s*,\s*", found["nested"] or ""))
        else:
            direct.setdefault(extra, []).append(name)
    return {
        extra: tuple(name for name in _names(extra, direct, nested) if _version(name) is None)
        for extra in dict.fromkeys((*direct, *nested))
    }


def _names(
    extra: str, direct: Mapping[str, list[str]], nested: Mapping[str, list[str]]
) -> list[str]:
    names = [*direct.get(extra, ())]
    for other in nested.get(extra, ()):
        names += _names(other, direct, nested)
    return list(dict.fromkeys(names))


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _disk_free(folder: Path) -> int:
    folder = folder.expanduser().absolute()
    while not folder.is_dir():
        folder = folder.parent
    return shutil.disk_usage(folder).free


def _devices(has_torch: bool) -> tuple[Device, ...]:
    total, free = main_memory()
    name = platform.processor() or platform.machine()
    if not has_torch:
        return (
            Device(
                kind="cpu",
                name=name,
                total_bytes=total,
                free_bytes=free,
                has_fast_bfloat16=None,
                auto_dtype="float32",
                has_heap_gaps=_has_heap_gaps(),
            ),
        )
    import torch

    from exagirl.chatmodel.local import best_device, best_dtype

    def device(kind: str, name: str, total: int, free: int) -> Device:
        dtype = best_dtype(kind)
        return Device(
            kind=kind,
            name=name,
            total_bytes=total,
            free_bytes=free,
            has_fast_bfloat16=dtype is torch.bfloat16,
            auto_dtype=str(dtype).removeprefix("torch."),
            has_heap_gaps=kind == "cpu" and _has_heap_gaps(),
        )

    cpu = device("cpu", name, total, free)
    if best_device() == "mps":
        most = int(torch.mps.recommended_max_memory())
        return (device("mps", "Apple GPU", most, min(most, free)), cpu)
    cards = []
    for number in range(torch.cuda.device_count()):
        card_free, card_total = torch.cuda.mem_get_info(number)
        cards.append(
            device("cuda", torch.cuda.get_device_name(number), int(card_total), int(card_free))
        )
    return (*cards, cpu)


def _has_heap_gaps() -> bool:
    """True with glibc, unless it was told to map large blocks and give them back."""
    return platform.libc_ver()[0] == "glibc" and "MALLOC_MMAP_THRESHOLD_" not in os.environ


def main_memory() -> tuple[int, int]:
    """Total and free main memory in bytes, within the limit of a container."""
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    free = total
    found = re.search(r"MemAvailable:\s+(\d+) kB", _read("/proc/meminfo"))
    if found:
        free = int(found[1]) * 1024
    for folder, limit, used in _CGROUPS:
        most, taken = _read(f"{folder}/{limit}").strip(), _read(f"{folder}/{used}").strip()
        if most.isdigit() and taken.isdigit():
            # The kernel takes cached files back before it lets a container starve.
            cached = re.search(
                r"^(?:total_)?inactive_file (\d+)", _read(f"{folder}/memory.stat"), re.M
            )
            taken_bytes = int(taken) - int(cached[1] if cached else 0)
            total = min(total, int(most))
            free = min(free, max(0, int(most) - taken_bytes))
    return total, free


def _read(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
