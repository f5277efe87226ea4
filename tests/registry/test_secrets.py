"""Whatever a registry, its store or a library says, no secret of the way there is in it."""

import io
import json
import socket
import traceback
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import TextIO, cast
from urllib.parse import quote

import pytest
from hypothesis import given

import redaction
from redaction.output import Redacted
from registry import ModelURI, RegistryConfig, RegistryError
from registry.artifacts.fetch import fetch
from registry.caching.cache import Cache
from registry.caching.resolution_cache import remember
from registry.errors import UnusableModel
from registry.preparing.failures import told as trouble_told
from registry.tracking.resolve import resolve
from registry.version import CompiledArtifactRef, ModelVersion
from tests.redaction.writing import FEWER, WAYS, secrets, told
from tests.registry.stub import Stub, answering

URI = ModelURI.parse("models:/Forest/1")
FILE = CompiledArtifactRef("forest.canopy", 1, "0" * 64, 1)


@pytest.fixture(scope="module")
def stub() -> Iterator[Stub]:
    """Answers nothing that a registry would."""
    with answering(401) as stub:
        yield stub


@pytest.fixture(scope="module")
def nobody() -> Iterator[int]:
    """A port at which nothing listens."""
    with closing(socket.socket()) as held:
        held.bind(("127.0.0.1", 0))
        yield held.getsockname()[1]


def said(call: Callable[[], object]) -> list[str]:
    """What a call that fails says: in its error, and with the traceback in the log."""
    with pytest.raises(Exception) as raised:  # noqa: PT011 - whatever it is, it is looked at
        call()
    log = io.StringIO()
    traceback.print_exception(raised.value, file=cast(TextIO, Redacted(log)))
    texts = [log.getvalue()]
    if isinstance(raised.value, RegistryError):  # others are told by none but the log
        texts += [str(raised.value), repr(raised.value)]
    return texts


@FEWER
@given(secret=secrets())
def test_no_fault_on_the_way_tells_a_secret(secret: str, stub: Stub, nobody: int) -> None:
    """Neither as a password, nor as a token with a line end, nor as that of a proxy or of the S3 store."""
    written = quote(secret, safe="")
    here, away = f"127.0.0.1:{stub.port}", f"127.0.0.1:{nobody}"
    ways: list[tuple[str, dict[str, str]]] = [
        (f"http://warden:{written}@{here}", {}),
        (f"http://warden:{written}@{away}", {}),
        (f"http://{written}@{away}", {}),
        (f"http://warden:{written}@name.invalid.", {}),
        (f"https://warden:{written}@{here}", {}),
        (f"http://warden:{secret}@{away}", {}),
        (f"http://{here}", {"MLFLOW_TRACKING_TOKEN": secret}),
        (f"http://{here}", {"MLFLOW_TRACKING_TOKEN": f"{secret}\n"}),
        (f"http://{here}", {"MLFLOW_TRACKING_TOKEN": f"{secret}\r\nX-Other: 1"}),
        (f"http://{here}", {"MLFLOW_TRACKING_USERNAME": "warden", "MLFLOW_TRACKING_PASSWORD": secret}),
        (f"http://{away}", {"HTTP_PROXY": f"http://warden:{written}@{here}"}),
        (f"http://{away}", {"http_proxy": f"warden:{secret}@{away}"}),
    ]
    for address, environment in ways:
        redaction.forget()
        texts = said(lambda: resolve(URI, RegistryConfig.read(address, environment)))  # noqa: B023 - it is called here
        assert told(secret, texts) == [], (address, environment, texts)


@FEWER
@given(secret=secrets())
def test_no_fault_of_the_store_tells_a_secret(
    secret: str, stub: Stub, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Boto reads its variables itself, and shows a header that it cannot send."""
    environment = {
        "MLFLOW_S3_ENDPOINT_URL": f"http://warden:{quote(secret, safe='')}@127.0.0.1:{stub.port}",
        "AWS_ACCESS_KEY_ID": "canopy",
        "AWS_SECRET_ACCESS_KEY": secret,
        "AWS_SESSION_TOKEN": f"{secret}\n",
    }
    redaction.forget()
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, value)
        config = RegistryConfig.read("http://127.0.0.1:9", environment)
        path = tmp_path_factory.mktemp("fetched") / "file"
        texts = said(lambda: fetch(config, "s3://bucket/model", FILE, path))
    assert told(secret, texts) == [], texts


@FEWER
@given(secret=secrets())
def test_no_answer_of_a_server_brings_a_secret_back(secret: str) -> None:
    """A server that repeats the header that it was sent, in whatever way, is quoted without it."""
    redaction.forget()  # another example's secret may be written as one of this test's own words
    message = "bad header: " + " ".join(write(secret) for write in WAYS.values())
    page = json.dumps({"error_code": "INTERNAL_ERROR", "message": message})
    with answering(500, page.encode()) as stub:
        config = RegistryConfig.read(f"http://127.0.0.1:{stub.port}", {"AWS_SECRET_ACCESS_KEY": secret})
        texts = said(lambda: resolve(URI, config))
    assert "(bad " in texts[1]  # the word behind it may look like a part of the secret's first way
    assert told(secret, texts) == [], texts


def test_what_a_models_code_raises_is_told_without_secrets() -> None:
    """A pickle may know the environment, and its exceptions are published."""
    redaction.add("open sesame")
    raised = trouble_told(ValueError("{'SOME_TOKEN': 'open sesame'}"), ModelVersion("Forest", "1"))
    assert isinstance(raised, UnusableModel)
    assert str(raised) == "Forest/1 cannot be loaded: ValueError: {'SOME_TOKEN': ***}"


def test_an_address_that_its_password_takes_apart_is_refused_without_it() -> None:
    """Urllib would name what it takes for the port."""
    with pytest.raises(RegistryError, match=r"MLFLOW_TRACKING_URI.*percent-encode") as raised:
        RegistryConfig.read("http://warden:so#what@server", {})
    assert "so" not in str(raised.value).partition("is no address")[0]
    assert "what" not in str(raised.value)


def test_the_file_of_credentials_is_known(tmp_path: Path) -> None:
    """What ``mlflow login`` has written is as secret as a variable."""
    (tmp_path / ".mlflow").mkdir()
    (tmp_path / ".mlflow" / "credentials").write_text("[mlflow]\nmlflow_tracking_password = barley\n")
    RegistryConfig.read("http://server", {"HOME": str(tmp_path)})
    assert str(UnusableModel("it says barley")) == "it says ***"


def test_a_password_in_a_versions_source_is_not_kept(tmp_path: Path) -> None:
    """What the cache keeps of a version may be read by others than whom the registry lets in."""
    version = {"name": "Forest", "version": "1", "source": "https://warden:barley@store/files"}
    with answering(200, json.dumps({"model_version": version}).encode()) as stub:
        config = RegistryConfig.read(f"http://127.0.0.1:{stub.port}", {})
        found = resolve(URI, config)
        remember(URI, config, Cache(tmp_path), found)
    assert found.source == "https://store/files"
    (file,) = (path for path in tmp_path.rglob("*.json"))
    assert "barley" not in file.read_text()
