# Parley in a container: no build tools, no root user, no writes outside /data and /tmp.
#   docker build -t parley .
#   docker run -p 8501:8501 -v parley:/data --env-file .env --read-only --tmpfs /tmp parley
# By digest: the tag is for people. After a change, rebuild and run the tests.
FROM python:3.11-slim-bookworm@sha256:0bee7276f83efd4a1ee05bbbf4281d95ed28e079220a9457f25a93e3f1e3c31b AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
COPY requirements.lock /
# Wheels only, so that no compiler is needed. Remove 130 MB of unused files from the libraries: tests,
# headers, and a speech recogniser.
RUN python -m venv --without-pip /venv \
    && pip --python /venv/bin/python install --only-binary :all: --require-hashes -r /requirements.lock \
    && find /venv -type d -name tests -prune -exec rm -r {} + \
    && find /venv \( -path '*/pyarrow/include' -o -path '*/speech_recognition/flac-*' \
        -o -path '*/speech_recognition/pocketsphinx-data' \) -prune -exec rm -r {} +
# Rank file for exact token counts without network access. tiktoken looks it up by the SHA-1 of its URL.
ADD --checksum=sha256:446a9538cb6c348e3516120d7c08b09f57c36495e2acfffe59a5bf8b0cfb1a2d --chmod=644 \
    https://openaipublic.blob.core.windows.net/encodings/o200k_base.tiktoken \
    /ranks/fb374d419588a4632f3f557e76b4b70aebbca790
RUN mkdir --mode=700 /data

FROM python:3.11-slim-bookworm@sha256:0bee7276f83efd4a1ee05bbbf4281d95ed28e079220a9457f25a93e3f1e3c31b
COPY --from=build /venv /venv
COPY --from=build /ranks /ranks
COPY --from=build --chown=10001:10001 /data /data
COPY . /app
WORKDIR /app
# hadolint ignore=DL3064
ENV PATH=/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    HOME=/tmp \
    DATABASE_URL=sqlite:////data/parley.db \
    TIKTOKEN_CACHE_DIR=/ranks \
    FIND_LOCAL_SERVERS=false
USER 10001:10001
VOLUME /data
EXPOSE 8501
HEALTHCHECK --interval=15s --timeout=5s --start-period=30s --retries=3 \
    CMD ["python", "-S", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:8501/healthz', timeout=4)"]
CMD ["streamlit", "run", "app.py", "--server.headless=true", "--server.address=0.0.0.0", "--server.port=8501", "--server.fileWatcherType=none"]
