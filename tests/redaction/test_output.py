import io
import subprocess
import sys
from typing import TextIO, cast

import pytest

import redaction
from redaction.output import Redacted
from tests.conftest import ROOT

SAYS = {
    "exception": "raise ValueError(secret)",
    "chained": "try:\n raise KeyError(secret)\nexcept KeyError as e:\n raise ValueError('later') from e",
    "thread": "t = threading.Thread(target=lambda: 1 / int(secret)); t.start(); t.join()",
    "unraisable": "class A:\n def __del__(self): raise ValueError(secret)\nA()",
    "log": "logging.basicConfig(); logging.getLogger('mlflow').error('%s', secret, exc_info=ValueError(secret))",
    "handler": "logging.getLogger().addHandler(logging.StreamHandler()); logging.error({'a': secret})",
    "task": "async def f():\n asyncio.create_task(g())\n await asyncio.sleep(0.01)\n"
    "async def g(): raise ValueError(secret)\nasyncio.run(f())",
    "warning": "warnings.warn(secret)",
    "usage": "argparse.ArgumentParser().parse_args([secret])",
    "print": "print('it', 'is', secret); sys.stdout.writelines([secret])",
}


@pytest.mark.parametrize("way", SAYS)
def test_whatever_a_process_says_is_redacted(way: str) -> None:
    """By the interpreter, a thread, a handler of a library's own, or print."""
    code = "import argparse, asyncio, logging, os, sys, threading, warnings\nimport redaction\n"
    code += f"redaction.start(os.environ, [])\nsecret = os.environ['SOME_TOKEN']\n{SAYS[way]}"
    environment = {"SOME_TOKEN": "open'sesame€", "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "utf-8"}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    said = done.stdout + done.stderr
    assert "***" in said
    assert "sesame" not in said


def test_a_guarded_stream_is_what_it_was_otherwise() -> None:
    """Whoever asks it for its descriptor, its encoding or whether it is a terminal gets the stream's own answer."""
    redaction.add("sesame")
    inner = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
    stream = cast(TextIO, Redacted(inner))
    assert stream.write("sesame\n") == 7
    print("sesame", file=stream, flush=True)
    assert (stream.encoding, stream.isatty()) == ("utf-8", False)
    assert inner.buffer.getvalue() == b"***\n***\n"


def test_a_process_is_guarded_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Guarding it again changes nothing; a stream that is not there stays away."""
    monkeypatch.setattr(sys, "stdout", io.StringIO())
    monkeypatch.setattr(sys, "stderr", None)
    redaction.guard()
    guarded = sys.stdout
    redaction.guard()
    assert sys.stdout is guarded
    assert sys.stderr is None
