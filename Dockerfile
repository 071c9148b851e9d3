FROM python:3.12-slim
WORKDIR /heartline
COPY requirements.lock ./
RUN pip install --no-cache-dir --require-hashes -r requirements.lock
COPY . .
RUN pip install --no-cache-dir --no-deps --no-build-isolation -e . && useradd --create-home heartline
USER heartline
# the kernels for this processor: else each new container compiles them, for minutes
RUN python -m agents.warm
ENTRYPOINT ["heartline"]
