# The suite in a slim image, run by a user without rights. docs/operations.md, "A container".
ARG PYTHON=3.12-slim-bookworm

FROM python:${PYTHON} AS libraries
WORKDIR /srv/desk
COPY requirements.txt requirements-hashes.txt constraints.txt ./
RUN python -m venv .venv \
 && .venv/bin/pip install --no-cache-dir --disable-pip-version-check --require-hashes -r requirements.txt

FROM python:${PYTHON}
# The OpenMP runtime that LightGBM's wheel expects of the system.
RUN apt-get update \
 && apt-get install --yes --no-install-recommends libgomp1 \
 && rm -rf /var/lib/apt/lists/*
RUN useradd --uid 10001 --user-group --no-create-home --shell /usr/sbin/nologin desk
WORKDIR /srv/desk
COPY --from=libraries /srv/desk/.venv .venv
COPY *.py LICENSE ./
COPY desk desk
RUN python -m compileall -q *.py desk \
 && mkdir -p models backtest_data /var/lib/desk \
 && chown desk:desk models backtest_data /var/lib/desk
ENV PATH=/srv/desk/.venv/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
USER desk
# The journal stands in the directory of the start.
WORKDIR /var/lib/desk
VOLUME ["/srv/desk/models", "/srv/desk/backtest_data", "/var/lib/desk"]
STOPSIGNAL SIGTERM
ENTRYPOINT ["python"]
CMD ["/srv/desk/live_trade.py", "--mode", "paper"]
