# What a worker needs and no more: no compiler, no pip, no root (docs/deploy.md).
FROM debian:12-slim AS build
RUN apt-get update \
    && apt-get install --yes --no-install-recommends python3-venv \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /build
COPY requirements.lock requirements-run.lock ./
# setuptools, which builds the package, is locked with the tools of developers
RUN python3 -m venv --without-pip /opt/heartline && python3 -m venv tools \
    && sed -n '/^setuptools==/,/[^\\]$/p' requirements.lock > build.lock \
    && tools/bin/pip install --no-cache-dir --require-hashes -r build.lock \
    && tools/bin/pip --python /opt/heartline/bin/python install \
        --no-cache-dir --no-compile --require-hashes -r requirements-run.lock
COPY . .
# the libraries' own tests, headers and C++ sources are nobody's at run time
RUN tools/bin/pip wheel --no-deps --no-build-isolation --wheel-dir wheel . \
    && tools/bin/pip --python /opt/heartline/bin/python install \
        --no-cache-dir --no-compile --no-deps wheel/*.whl \
    && cd /opt/heartline && ln -s lib/python3*/site-packages/missions missions \
    && cd lib/python3*/site-packages \
    && find . -type d \( -name tests -o -name include \) -prune -exec rm -r {} + \
    && find . -type f \( -name '*.pyi' -o -name '*.pyx' -o -name '*.pxd' -o -name '*.a' \) -delete \
    && /opt/heartline/bin/python -m compileall -q -j 0 .

FROM debian:12-slim
RUN apt-get update \
    && apt-get install --yes --no-install-recommends ca-certificates python3 \
    && rm -rf /var/lib/apt/lists/* /var/cache/apt/* \
    && useradd --system --uid 10001 --home-dir /nonexistent --shell /usr/sbin/nologin heartline \
    && install --directory --owner heartline --group heartline \
        /var/cache/heartline /var/lib/heartline
COPY --from=build /opt/heartline /opt/heartline
ENV PATH=/opt/heartline/bin:$PATH \
    CACHE_DIRECTORY=/var/cache/heartline \
    STATE_DIRECTORY=/var/lib/heartline
WORKDIR /opt/heartline
USER heartline
# the kernels of this processor: else each new container compiles them, for a minute
RUN python3 -m agents.warm
VOLUME /var/lib/heartline
ENTRYPOINT ["heartline"]
