# The serving set and nothing else. Build:  docker build -t sluice .
# Run:  docker run --rm -p 8000:8000 --read-only -e SLUICE_BOOTSTRAP_ADMIN_KEY=... sluice
# gRPC:  docker run --rm -p 8001:8001 ... sluice python -m app.rpc
# Your own models:  docker run ... -v "$PWD/models:/srv/sluice/models:ro" sluice

ARG PYTHON_IMAGE=python:3.11-slim-bookworm

# hadolint ignore=DL3006
FROM ${PYTHON_IMAGE} AS packages
COPY requirements.txt /tmp/requirements.txt
# The environment holds no pip: nothing is installed into it after this.
RUN python3 -m venv --without-pip /opt/sluice \
    && python3 -m pip --python /opt/sluice/bin/python install --no-cache-dir --no-compile \
        --require-hashes --only-binary :all: -r /tmp/requirements.txt \
    && python3 -m compileall -q -j 0 /opt/sluice/lib

# hadolint ignore=DL3006
FROM ${PYTHON_IMAGE}
# Nothing here is written at run time: byte code is compiled below, workers keep their heartbeat in /dev/shm.
ENV HOST=0.0.0.0 \
    PORT=8000 \
    ORT_DISABLE_TELEMETRY=1 \
    PATH=/opt/sluice/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
WORKDIR /srv/sluice
COPY --from=packages /opt/sluice /opt/sluice
COPY wsgi.py gunicorn.conf.py ./
COPY config config
COPY app app
COPY models models
# SageMaker's word for the start: docker run IMAGE serve
COPY deploy/image/serve /usr/local/bin/serve
COPY deploy/image/healthy.py ./
RUN python -m compileall -q -j 0 app config healthy.py wsgi.py
# A number, so that Kubernetes can see that it is not root.
USER 10001:10001
EXPOSE 8000 8001 8002 8080
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 \
    CMD ["python", "healthy.py"]
CMD ["gunicorn"]
