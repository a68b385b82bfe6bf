"""The peer of `benchmarks.serve`: FastAPI and a transformers pipeline, as the tutorials do it, on the same encoder."""

from __future__ import annotations

import argparse
from typing import Any

from pydantic import BaseModel

from metier.trunk import base as bases


class Body(BaseModel):
    inputs: list[str]


def application(labels: int) -> Any:
    from fastapi import FastAPI
    from transformers import AutoModelForSequenceClassification, AutoTokenizer, pipeline

    folder = bases.find("minilm").folder
    model = AutoModelForSequenceClassification.from_pretrained(folder, num_labels=labels).eval()
    classify = pipeline("text-classification", model=model, tokenizer=AutoTokenizer.from_pretrained(folder))
    app = FastAPI()

    @app.post("/v1/predict")
    def predict(body: Body) -> Any:
        return {"predictions": classify(body.inputs)}

    return app


def run() -> None:
    import uvicorn

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--labels", type=int, default=77)
    given = parser.parse_args()
    uvicorn.run(application(given.labels), host="127.0.0.1", port=given.port, log_level="warning", access_log=False)


if __name__ == "__main__":
    run()
