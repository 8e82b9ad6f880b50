# Debian, not Alpine: the embedded server's binary needs glibc.
FROM python:3.13-slim AS build
WORKDIR /src
RUN pip install --no-cache-dir uv==0.13.8
COPY pyproject.toml uv.lock README.md LICENSE ./
RUN uv sync --frozen --no-dev --no-install-project
COPY app app
COPY templates templates
COPY static static
RUN uv sync --frozen --no-dev --no-editable

FROM python:3.13-slim
RUN useradd --uid 10001 --home-dir /data --create-home orderboard
COPY --from=build /src/.venv /src/.venv
USER orderboard
WORKDIR /data
ENV PATH=/src/.venv/bin:$PATH ORDERBOARD_HOST=0.0.0.0 ORDERBOARD_DATA_DIR=/data ORDERBOARD_CONFIG=/etc/orderboard.toml
VOLUME /data
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=3s CMD \
  ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8000/readyz', timeout=2)"]
# Its own process group ends first: sockets close, then the data is shut.
STOPSIGNAL SIGTERM
ENTRYPOINT ["orderboard"]
CMD ["serve"]
