FROM python:3.12-slim
WORKDIR /heartline
COPY requirements.lock ./
RUN pip install --no-cache-dir --require-hashes -r requirements.lock
COPY . .
RUN pip install --no-cache-dir --no-deps --no-build-isolation -e . && useradd --create-home heartline
USER heartline
ENTRYPOINT ["heartline"]
