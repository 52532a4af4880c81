# The app for the transport tests; built from the root of the repository.
FROM python:3.13-slim
WORKDIR /p2pstack
COPY pyproject.toml constraints.txt README.md LICENSE-APACHE LICENSE-MIT ./
COPY src src
RUN pip install --no-cache-dir --constraint constraints.txt ".[trio,uvloop]" redis
COPY interop/harness harness
ENTRYPOINT ["python", "harness/transport.py"]
