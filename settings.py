"""Every setting of the server: one typed object, filled from command-line options and CANOPY_ environment variables."""

import argparse
import difflib
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Final, Literal, get_args, get_origin, get_type_hints

import msgspec
from msgspec import Meta

from preprocessing import PRESETS
from redaction import redact, why_unsendable
from service_links import service_links

PREFIX: Final = "CANOPY_"
ROOT: Final = Path(__file__).resolve().parent
STORE: Final = ROOT / ".canopy"
"""The project's own ignored folder: the embedded MLflow store."""

EMBEDDED_STORE: Final = f"sqlite:///{STORE / 'mlflow.db'}"
MODEL_NAME: Final = "BestModelRF"
"""The registered model that training writes and the server reads unless told otherwise."""

_ENVIRONMENT: Final = {"tracking_uri": "MLFLOW_TRACKING_URI"}
"""Settings that are read from a name of their own instead of PREFIX + name."""

_PLATFORM: Final = {"port": "AIP_HTTP_PORT", "predict_route": "AIP_PREDICT_ROUTE", "health_route": "AIP_HEALTH_ROUTE"}
"""Settings that Vertex AI gives by variables of its own; Canopy's come first."""

_WITHIN: Final = {
    "max_rows_per_request": ("max_batch_rows", "max_queue_rows"),
    "drain_idle_seconds": ("drain_timeout_seconds",),
}
"""Settings that must not exceed others."""

_GROUPS: Final = {
    "host": "where it listens",
    "model_uri": "the model",
    "batching": "batching",
    "max_body_bytes": "requests and connections",
    "drain_delay_seconds": "how it stops",
    "hang_timeout_seconds": "how it is watched",
}
"""The first setting of each group → the group's title in the help."""

_UNITS: Final = {"seconds": "SECONDS", "ms": "MS", "bytes": "BYTES", "rows": "ROWS", "request": "ROWS"}
"""The last word of a setting's name → what its value is in the help."""

_VALUES: Final = {
    "host": "ADDRESS",
    "port": "PORT",
    "grpc_port": "PORT|off",
    "workers": "N|auto",
    "tls_certificate": "FILE",
    "tls_key": "FILE",
    "model_uri": "URI",
    "model_name": "NAME",
    "tracking_uri": "URI",
    "schema": "FILE|NAME",
    "cache": "FOLDER",
    "predict_route": "PATH",
    "health_route": "PATH",
    "admin_token": "TOKEN",
    "cors_origins": "ORIGINS",
}
"""What the value of other settings is, but for those that are one of some words."""


_ROUTE: Final = r"^(/[A-Za-z0-9_.~:@/-]*)?$"
"""A path, or nothing."""

_ORIGIN: Final = re.compile(
    r"(?P<scheme>[a-z][a-z0-9+.-]*)://(?:[a-z0-9_-]+(?:\.[a-z0-9_-]+)*|\[[0-9a-f:.]+\])(?::(?P<port>[1-9][0-9]{0,4}))?"
)
"""An origin as browsers write it (https://html.spec.whatwg.org/#ascii-serialisation-of-an-origin)."""

_USUAL_PORTS: Final = {"http": "80", "https": "443"}


class SettingsError(ValueError):
    """A setting has a bad value; the message names the option or variable that carries it."""


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """The server's settings. Construct it with ``Settings.read``, which checks every value."""

    host: Annotated[str, Meta(min_length=1, description="address to listen on")] = "127.0.0.1"
    port: Annotated[int, Meta(ge=0, le=65535, description="TCP port to listen on; 0 takes a free one")] = 8000
    workers: Annotated[
        Annotated[int, Meta(ge=1, le=1024)] | Literal["auto"],
        Meta(description="processes that serve; auto takes as many as the CPU quota and affinity leave CPUs"),
    ] = 1
    grpc_port: Annotated[
        Annotated[int, Meta(ge=0, le=65535)] | Literal["off"],
        Meta(description="TCP port for the Open Inference Protocol over gRPC; 0 takes a free one, off opens none"),
    ] = "off"
    tls_certificate: Annotated[
        str, Meta(description="PEM file of the certificate, with its chain, for HTTPS; without one HTTP is spoken")
    ] = ""
    tls_key: Annotated[
        str, Meta(description="PEM file of the certificate's key, unless that stands in the certificate's file")
    ] = ""
    model_uri: Annotated[
        str,
        Meta(
            min_length=1,
            description="model to serve: models:/NAME/STAGE, models:/NAME@ALIAS, models:/NAME/VERSION, or a folder "
            "that MLflow has saved one to, file:///FOLDER, which is looked at only if asked",
        ),
    ] = f"models:/{MODEL_NAME}/Production"
    model_name: Annotated[
        str,
        Meta(
            pattern=r"^[^/]*$",
            description="what requests and answers call the model, if not by its name in the registry or its folder's",
        ),
    ] = ""
    tracking_uri: Annotated[str, Meta(min_length=1, description="MLflow tracking server or store")] = EMBEDDED_STORE
    engine: Annotated[
        Literal["auto", "compiled", "sklearn", "pyfunc"],
        Meta(
            description="what computes predictions: the compiled forest, scikit-learn's own code, MLflow's pyfunc (any "
            "model, slowly), or auto, the first of them that can"
        ),
    ] = "auto"
    walk: Annotated[
        Literal["auto", "portable", "avx2", "avx512"],
        Meta(
            description="how a compiled forest is walked: by any processor, by one with AVX2 (small models) or "
            "AVX-512, or auto, what is fastest on this one; a model that cannot be walked so is refused"
        ),
    ] = "auto"
    trusted_formats: Annotated[
        Literal["any", "skops"],
        Meta(
            description="formats of models to load: any, or skops only, which runs no code; a compiled forest is data"
        ),
    ] = "any"
    other_versions: Annotated[
        Literal["refuse", "serve"],
        Meta(
            description="models of another minor version of scikit-learn that cannot be compiled: refuse, or serve by "
            "the one installed, whose answers may differ"
        ),
    ] = "refuse"
    schema: Annotated[
        str,
        Meta(
            description="what rows and columns the model has, if it does not tell: a file that describes its table, or "
            f"the name of one: {', '.join(word for preset in PRESETS for word in preset.statements)}"
        ),
    ] = ""
    cache: Annotated[
        str,
        Meta(min_length=1, description="folder for models that are ready to be served; several servers may share it"),
    ] = str(STORE / "models")
    model_poll_seconds: Annotated[
        float,
        Meta(
            ge=0, le=86_400, description="time from one look for a new version to the next, in s; 0 looks only if asked"
        ),
    ] = 30.0
    model_wait_seconds: Annotated[
        float,
        Meta(
            ge=0,
            le=86_400,
            description="at start, longest wait for the registry, and for the newest version if another can be served, "
            "in s",
        ),
    ] = 60.0
    look_timeout_seconds: Annotated[
        float,
        Meta(gt=0, le=86_400, description="longest time to ask the registry what the model URI means, in s"),
    ] = 20.0
    prepare_timeout_seconds: Annotated[
        float,
        Meta(
            gt=0,
            le=86_400,
            description="longest time to fetch and compile a version, then to try it out, and then to open it, in s",
        ),
    ] = 900.0
    admin_token: Annotated[
        str,
        Meta(description="bearer token for POST /admin/reload, which is not there without one; better set by variable"),
    ] = ""
    batching: Annotated[
        Literal["on", "off"], Meta(description="whether requests share engine calls; off makes one call a request")
    ] = "on"
    inference: Annotated[
        Literal["auto", "inline", "thread"],
        Meta(
            description="where the model computes: inline on the event loop, in a thread beside it, or auto, inline if "
            "it is a compiled forest and the batch is short"
        ),
    ] = "auto"
    max_batch_rows: Annotated[int, Meta(ge=1, le=1_000_000, description="most rows in one engine call")] = 1024
    max_wait_ms: Annotated[
        float, Meta(ge=0, le=60_000, description="longest that an idle engine waits for company for a request, in ms")
    ] = 2.0
    max_queue_rows: Annotated[
        int, Meta(ge=1, le=100_000_000, description="most rows that wait; more are refused with 503")
    ] = 20_000
    max_rows_per_request: Annotated[
        int,
        Meta(ge=1, description="most rows in one request; never above max_batch_rows or max_queue_rows"),
    ] = 1000
    max_body_bytes: Annotated[
        int, Meta(ge=1, le=1 << 32, description="longest request body, in bytes; longer ones are refused with 413")
    ] = 1 << 20
    deadline_ms: Annotated[
        float,
        Meta(
            gt=0, le=86_400_000, description="longest time in the queue, in ms; a Canopy-Deadline-Ms header lowers it"
        ),
    ] = 30_000.0
    http: Annotated[
        Literal["hot", "asgi"],
        Meta(description="how POST /predict is served: hot, past ASGI, at a fraction of the cost, or by Starlette"),
    ] = "hot"
    predict_route: Annotated[
        str,
        Meta(
            pattern=_ROUTE,
            description="another path at which V1 requests for predictions are answered, as Vertex AI names one",
        ),
    ] = ""
    health_route: Annotated[
        str, Meta(pattern=_ROUTE, description="another path for /health/ready, as Vertex AI names one")
    ] = ""
    cors_origins: Annotated[
        str,
        Meta(
            description="other origins whose pages may ask, such as https://app.example,http://localhost:3000; * for "
            "all, none for none"
        ),
    ] = ""
    max_head_bytes: Annotated[
        int, Meta(ge=256, le=1 << 30, description="longest request line and headers, in bytes; longer ones get 431")
    ] = 32_768
    head_timeout_seconds: Annotated[
        float,
        Meta(gt=0, le=86_400, description="longest time from a request's first byte to the end of its head, in s"),
    ] = 10.0
    body_timeout_seconds: Annotated[
        float, Meta(gt=0, le=86_400, description="longest time from a request's first byte to its last, in s")
    ] = 30.0
    write_timeout_seconds: Annotated[
        float, Meta(gt=0, le=86_400, description="longest time that a client may leave its answers unread, in s")
    ] = 30.0
    keep_alive_seconds: Annotated[
        int, Meta(ge=1, le=86_400, description="how long an idle connection is kept open, in s")
    ] = 75
    drain_delay_seconds: Annotated[
        float,
        Meta(
            ge=0, le=3_600, description="on SIGTERM, serve on as not ready for so long, so that balancers notice, in s"
        ),
    ] = 0.0
    drain_idle_seconds: Annotated[
        float,
        Meta(
            ge=0,
            le=3_600,
            description="after that delay, longest time that an idle connection stays open, so that its client may ask "
            "once more and be told to go elsewhere; a part of drain_timeout_seconds, in s",
        ),
    ] = 5.0
    drain_timeout_seconds: Annotated[
        float, Meta(gt=0, le=3_600, description="after that delay, longest time to answer what was accepted, in s")
    ] = 30.0
    hang_timeout_seconds: Annotated[
        float,
        Meta(
            ge=2,
            le=3_600,
            description="longest call of the model in a thread, whose batch fails then, and longest silence of one of "
            "several workers, which is replaced then, in s",
        ),
    ] = 30.0
    log_level: Annotated[
        Literal["debug", "info", "warning", "error"], Meta(description="least severity to log; debug shows every batch")
    ] = "info"

    def __repr__(self) -> str:
        return redact(super().__repr__())

    @classmethod
    def read(cls, arguments: Sequence[str], environment: Mapping[str, str], prog: str = "server.py") -> "Settings":
        """Fill the settings from options, which come first, and environment variables.

        An empty variable counts as none, and so does one that a platform has set for a service: see ``service_links``.

        Raises:
            SettingsError: a value is bad.
            SystemExit: an option is unknown, or help was asked for, which calls the program ``prog``.
        """
        parser = _parser(prog)
        found, unknown = parser.parse_known_args(arguments)
        if unknown:  # their values are not told: a misspelt option may have a secret
            names = [each.partition("=")[0] for each in unknown if each.startswith("-")]
            parser.error(f"unrecognized arguments: {' '.join(names) or 'values without an option'}")
        given = vars(found)
        links = service_links(environment, PREFIX)
        values: dict[str, Any] = {}
        keys: dict[str, str] = {}
        for field in msgspec.structs.fields(cls):
            name = field.name
            if (text := given[name]) is not None:
                keys[name] = option(name)
            elif variable(name) not in links and (text := environment.get(variable(name))):
                keys[name] = variable(name)
            elif text := environment.get(_PLATFORM.get(name, "")):
                keys[name] = _PLATFORM[name]
            else:
                continue
            values[name] = _convert(keys[name], text, field.type)
        if environment.get("CANOPY_COLUMNS"):
            raise SettingsError(f"CANOPY_COLUMNS is {variable('schema')} now, whose words are others: see --help")
        settings = cls(**values)
        if fault := why_unsendable(settings.admin_token, header=True):
            raise SettingsError(f"{keys['admin_token']}: {fault}")
        if settings.tls_certificate or settings.tls_key:
            _check_tls(settings)
        _check_origins(settings.origins, keys.get("cors_origins", ""))
        for name, limits in _WITHIN.items():
            settings = _within(settings, name, limits, keys.get(name))
        return settings

    @property
    def origins(self) -> tuple[str, ...]:
        """Each of ``cors_origins``."""
        return tuple(each.strip() for each in self.cors_origins.split(",") if each.strip())


def option(name: str) -> str:
    """The command-line option of a setting."""
    return "--" + name.replace("_", "-")


def variable(name: str) -> str:
    """The environment variable of a setting."""
    return _ENVIRONMENT.get(name, PREFIX + name.upper())


def ignored_variables(environment: Mapping[str, str]) -> list[str]:
    """What there is to say of variables with our prefix that set nothing: service links, and misspelt names."""
    known = {variable(field.name) for field in msgspec.structs.fields(Settings)}
    links = service_links(environment, PREFIX)
    said = []
    if links:
        others = f" and {len(links) - 1} more" if len(links) > 1 else ""
        said.append(
            f"{min(links)}{others} ignored: Kubernetes or Docker sets such variables for a service with this name; "
            "enableServiceLinks: false in the pod's spec, or another name for the Service, keeps them away"
        )
    for name in sorted(environment.keys() - known - links):
        if name.startswith(PREFIX):
            alike = difflib.get_close_matches(
                name.removeprefix(PREFIX), [each.removeprefix(PREFIX) for each in known], 1
            )
            said.append(f"{name} is no setting of Canopy's{f'; {PREFIX}{alike[0]} is' if alike else ''} (see --help)")
    return said


def describe() -> list[tuple[str, str, str]]:
    """Each setting's name, its default as a person would write it, and its meaning."""
    meanings = get_type_hints(Settings, include_extras=True)
    rows = []
    for field in msgspec.structs.fields(Settings):
        meta = get_args(meanings[field.name])[1]
        default = field.default
        if field.name == "tracking_uri":
            default = f"SQLite in {STORE.name}/"
        elif field.name == "cache":
            default = f"{STORE.name}/models/"
        elif isinstance(default, float):
            default = f"{default:g}"
        rows.append((field.name, str(default) or "none", str(meta.description)))
    return rows


def _within(settings: Settings, name: str, limits: Sequence[str], key: str | None) -> Settings:
    """Hold a setting against others that it must not exceed; a default is lowered to what was asked of these.

    Raises:
        SettingsError: ``key`` has set it, and it exceeds one of them.
    """
    value = getattr(settings, name)
    most = min(getattr(settings, limit) for limit in limits)
    if value <= most:
        return settings
    if key is None:
        return msgspec.structs.replace(settings, **{name: most})
    which = " and ".join(f"{variable(limit)} ({getattr(settings, limit)})" for limit in limits)
    raise SettingsError(f"{key}: {value} is above {most}, {'the lower of ' * (len(limits) > 1)}{which}")


def _check_tls(settings: Settings) -> None:
    """Find out at once whether the certificate and its key can be used.

    Raises:
        SettingsError: they cannot.
    """
    import ssl

    try:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(settings.tls_certificate, settings.tls_key or None)
    except OSError as error:  # ssl.SSLError is one
        names = f"{variable('tls_certificate')} ({settings.tls_certificate or 'none'})"
        if settings.tls_key:
            names += f" and {variable('tls_key')} ({settings.tls_key})"
        raise SettingsError(f"{names}: {error}") from None


def _check_origins(origins: Sequence[str], key: str) -> None:
    """See to it that browsers may send these: an origin that is written otherwise would never be met.

    Raises:
        SettingsError: ``key`` has one that is none, or ``*`` and others.
    """
    if "*" in origins and len(origins) > 1:
        raise SettingsError(f"{key}: * is every origin: leave out either it or the others")
    for origin in origins:
        if origin == "*":
            continue
        match = _ORIGIN.fullmatch(origin)
        if match is None or int(match["port"] or 1) > 65_535:
            raise SettingsError(
                f"{key}: {origin!r} is no origin, as https://app.example or http://localhost:3000 is: a scheme and a "
                "host in lower case, and a port if it is an unusual one, without a path or a slash at the end"
            )
        if match["port"] == _USUAL_PORTS.get(match["scheme"], ""):
            raise SettingsError(f"{key}: {origin!r}: browsers leave out :{match['port']}, the usual port of its scheme")


def _parser(prog: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=prog,
        usage="%(prog)s [OPTION VALUE]...",
        description="Serve a registered tree-ensemble model over HTTP, micro-batched.",
        epilog="Each option may also be given by the environment variable named behind it; options come first.",
        allow_abbrev=False,
    )
    group = parser.add_argument_group()
    for name, default, meaning in describe():
        if name in _GROUPS:
            group = parser.add_argument_group(_GROUPS[name])
        text = f"{meaning} (default {default}; {variable(name)})".replace("%", "%%")
        group.add_argument(option(name), dest=name, metavar=_value(name), help=text)
    return parser


def _value(name: str) -> str:
    """What the help calls a setting's value: its unit, or the words that it may be."""
    words = get_args(get_args(get_type_hints(Settings, include_extras=True)[name])[0])
    return _VALUES.get(name) or _UNITS.get(name.rpartition("_")[2]) or "|".join(map(str, words))


def _convert(key: str, text: str, type_: Any) -> Any:  # noqa: ANN401 - the types are those of the fields
    try:
        return msgspec.convert(text, type_, strict=False)
    except msgspec.ValidationError as error:
        plain = get_args(type_)[0]
        reason: object = error
        if get_origin(plain) is Literal:
            reason = f"is none of {', '.join(get_args(plain))}"
        elif (words := _words(plain)) and not text.lstrip("-").isdecimal():
            reason = f"is no number, nor {' or '.join(words)}"
        raise SettingsError(f"{key}: {reason} (got {text!r})") from None


def _words(union: Any) -> list[str]:  # noqa: ANN401 - a type
    """The words among the alternatives of a type."""
    return [word for part in get_args(union) if get_origin(part) is Literal for word in get_args(part)]
