# Canopy's images: `server` serves every model, `slim` those that are compiled already; `tools` also trains, prepares
# models, tracks them and runs Locust. `make image` builds all three. Settings and keys come with the container's
# environment; none is in an image. BuildKit is not needed; without it, all that stands before a target is built.
ARG PYTHON_IMAGE=python:3.11.15-slim-bookworm

FROM ${PYTHON_IMAGE} AS base
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONPATH=/app \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    HOME=/tmp \
    CANOPY_HOST=0.0.0.0 \
    CANOPY_CACHE=/var/cache/canopy
# The user has a number that those can count on who mount a folder. A new volume takes its owner from what it covers.
RUN groupadd --system --gid 10001 canopy \
    && useradd --system --uid 10001 --gid canopy --no-create-home --home-dir /tmp --shell /usr/sbin/nologin canopy \
    && install --directory --owner=canopy --group=canopy /var/cache/canopy /var/lib/mlflow
WORKDIR /app

# The compiler stays here.
FROM base AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_INPUT=1
ARG BUILD_PACKAGES="gcc libc6-dev"
RUN apt-get update \
    && apt-get install --yes --no-install-recommends ${BUILD_PACKAGES} \
    && rm -rf /var/lib/apt/lists/* \
    && python -m venv /opt/venv
COPY requirements/serve.txt /build/requirements/
RUN pip install --require-hashes --requirement /build/requirements/serve.txt

# Canopy itself, beside its dependencies: these change rarely, and are a layer of their own. Here a kernel that cannot be
# built is an error, for without it the image would serve many times as slowly.
FROM build AS canopy
COPY . /build
RUN pip install --no-deps --no-build-isolation --target /app /build \
    && python -c "import forest.native._kernel, forest.native._layout, forest.native._links" \
    && install /build/deploy/bucket.py /build/deploy/healthy.py /app

# What serves needs no packages' tests, and nothing to install or build with. Of AWS's services, it asks the store, and
# those by which boto3 finds keys for it. What debuggers read is a tenth of the rest.
FROM build AS stripped-slim
RUN cd /opt/venv/lib/python3*/site-packages \
    && find numpy -type d -name tests -prune -exec rm -r {} + \
    && find botocore/data -mindepth 1 -maxdepth 1 -type d \
        -not -name s3 -not -name sts -not -name sso -not -name sso-oidc -not -name signin -exec rm -r {} + \
    && find . -name "*.cpython-*.so" -exec strip --strip-unneeded {} + \
    && pip uninstall --yes --quiet cython setuptools pip

# What both images that serve have in common.
FROM base AS serving
COPY --from=canopy /app /app
# By number, so that a cluster can see that it is not root.
USER 10001:10001
EXPOSE 8000
VOLUME /var/cache/canopy
# A check takes some forty milliseconds of CPU, out of a server's share that may be a tenth of one.
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 CMD ["python", "-S", "/app/healthy.py"]
# Drains on SIGTERM: let it have ten seconds more than CANOPY_DRAIN_DELAY_SECONDS + CANOPY_DRAIN_TIMEOUT_SECONDS.
ENTRYPOINT ["python", "/app/server.py"]

FROM serving AS slim
COPY --from=stripped-slim /opt/venv /opt/venv
ARG VERSION=unreleased
ARG REVISION
ARG CREATED
LABEL org.opencontainers.image.title="Canopy, slim" \
      org.opencontainers.image.description="Micro-batched inference for compiled tree ensembles, without MLflow" \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.created="${CREATED}"

# What loads models that are not compiled, on top of what serves those that are.
FROM build AS libraries
COPY requirements/runtime.txt /build/requirements/
RUN pip install --require-hashes --requirement /build/requirements/runtime.txt

FROM libraries AS stripped
RUN cd /opt/venv/lib/python3*/site-packages \
    && for package in numpy pandas scipy sklearn; do \
        find "$package" -type d -name tests -prune -exec rm -r {} +; \
    done \
    && pip uninstall --yes --quiet cython setuptools pip

FROM serving AS server
COPY --from=stripped /opt/venv /opt/venv
ARG VERSION=unreleased
ARG REVISION
ARG CREATED
LABEL org.opencontainers.image.title="Canopy" \
      org.opencontainers.image.description="Micro-batched inference for tree ensembles, for crowds of clients" \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.created="${CREATED}"

FROM libraries AS full
COPY requirements/loadtest.txt /build/requirements/
RUN pip install --require-hashes --requirement /build/requirements/loadtest.txt

FROM base AS tools
COPY --from=full /opt/venv /opt/venv
COPY --from=canopy /app /app
USER 10001:10001
# MLflow would like to note the commit; there is no git here.
ENV GIT_PYTHON_REFRESH=quiet
CMD ["python", "-m", "training", "--help"]
ARG VERSION=unreleased
ARG REVISION
ARG CREATED
LABEL org.opencontainers.image.title="Canopy's tools" \
      org.opencontainers.image.description="Training, preparing, tracking and load-testing models for Canopy" \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.created="${CREATED}"
