# Two images from one base: `train` runs the training job, `serve` answers. Any image with Python 3.11 or newer and pip
# will do as BASE_IMAGE. Behind a package mirror, hand pip's configuration to the build without leaving it in a layer:
#   docker build --secret id=pip,src=$HOME/.config/pip/pip.conf --target serve .
ARG BASE_IMAGE=python:3.13-slim

FROM ${BASE_IMAGE} AS base
# 10001 has no entry in /etc/passwd and owns nothing but the models, and the log store where there is one.
RUN install -d -o 10001 -g 10001 /models /data
ENV PATH=/opt/ganglion/bin:$PATH \
    HOME=/tmp \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    OPENBLAS_NUM_THREADS=1 \
    GANGLION_MODELS=/models
WORKDIR /app
ENTRYPOINT ["python", "-m"]

FROM ${BASE_IMAGE} AS packages
RUN python3 -m venv --without-pip /opt/ganglion
COPY deploy/install.py /tmp/

FROM packages AS serve-packages
# With a log store in PostgreSQL: --build-arg SERVE_LOCK=serve-postgresql
ARG SERVE_LOCK=serve
COPY locks/${SERVE_LOCK}.txt /tmp/serve.txt
RUN --mount=type=cache,target=/root/.cache/pip --mount=type=secret,id=pip,target=/etc/pip.conf \
    python3 /tmp/install.py /opt/ganglion /tmp/serve.txt

FROM packages AS train-packages
# To read a log store in PostgreSQL: --build-arg TRAIN_LOCK=train-postgresql
ARG TRAIN_LOCK=train
COPY locks/${TRAIN_LOCK}.txt /tmp/train.txt
RUN --mount=type=cache,target=/root/.cache/pip --mount=type=secret,id=pip,target=/etc/pip.conf \
    python3 /tmp/install.py /opt/ganglion /tmp/train.txt

FROM base AS train
COPY --from=train-packages /opt/ganglion /opt/ganglion
COPY deploy deploy
COPY feedback feedback
COPY network network
COPY predictor predictor
COPY training training
RUN python -m compileall -q --invalidation-mode unchecked-hash .
USER 10001:10001
# The job takes Ctrl-C as "publish nothing and say so"; as the first process it would not hear SIGTERM.
STOPSIGNAL SIGINT
CMD ["deploy.first_model"]

FROM base AS serve
COPY --from=serve-packages /opt/ganglion /opt/ganglion
COPY feedback feedback
COPY network network
COPY predictor predictor
COPY service service
COPY deploy/serve.py ./
RUN python -m compileall -q --invalidation-mode unchecked-hash .
USER 10001:10001
ENV GANGLION_BIND=0.0.0.0:8000
EXPOSE 8000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=15s --retries=3 \
    CMD ["python", "-c", "from urllib.request import urlopen; urlopen('http://127.0.0.1:8000/readyz', timeout=4)"]
CMD ["service", "serve"]
