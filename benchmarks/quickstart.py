"""How long the quickstart takes, and how much memory, from an empty cache.

Run: python benchmarks/quickstart.py [RECIPE]
Claim: at most 12 minutes and 6 GB on two free cores. Prints a Markdown row for RESULTS.md and what
each stage took; exits 1 when a bound is missed.
"""

import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from exagirl.artifact import versions

MINUTES, GIGABYTES = 12, 6


def cpu_name() -> str:
    """The processor's name with what it computes bfloat16 in."""
    facts = Path("/proc/cpuinfo")
    text = facts.read_text() if facts.exists() else ""
    names = [line.split(":")[1].strip() for line in text.splitlines() if "model name" in line]
    fast = [flag for flag in ("avx512_bf16", "amx_bf16") if flag in text]
    name = names[0] if names else platform.processor()
    return f"{name}, {os.cpu_count()} cores, {' '.join(fast)}"


def main() -> int:
    """Run it once, in a process of its own."""
    recipe = sys.argv[1] if len(sys.argv) > 1 else "quickstart"
    with tempfile.TemporaryDirectory() as folder:
        env = {**os.environ, "EXAGIRL_CACHE": f"{folder}/cache", "HF_HUB_OFFLINE": "1"}
        started = time.monotonic()
        command = [sys.executable, "-m", "exagirl", "run", recipe, "--runs", f"{folder}/runs"]
        done = subprocess.run(command, env=env, stdout=subprocess.PIPE, text=True, check=False)
        minutes = (time.monotonic() - started) / 60
    gigabytes = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1e6
    print(done.stdout)
    libraries = ", ".join(f"{name} {version}" for name, version in versions().items())
    load = os.getloadavg()[2]
    print(f"{cpu_name()}; load over 15 minutes {load:.1f}\n{libraries}")
    print(f"| {recipe} | {minutes:.1f} min | {gigabytes:.1f} GB |")
    met = done.returncode == 0 and minutes <= MINUTES and gigabytes <= GIGABYTES
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
