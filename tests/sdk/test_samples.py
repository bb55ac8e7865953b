"""Every sample of the docs does what it says: run by bash, Python and Node against a running server."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from console import samples
from console.samples import Sample
from gateway import catalogue
from tests import gateway_world as world
from tests.live_gateway import LiveGateway

NODE = shutil.which("node")
COUNTED = ("models", "model")  # topics that ask no model: nothing to charge
PICTURES = ("image", "gemini-image")
ENDPOINTS = {
    "chat": "chat/completions",
    "chat-stream": "chat/completions",
    "claude-chat": "chat/completions",
    "gemini": "chat/completions",
    "gemini-image": "chat/completions",
    "responses": "responses",
    "messages": "messages",
    "messages-stream": "messages",
    "image": "images/generations",
}


def chosen_models() -> dict[str, str]:
    return samples.chosen_models(catalogue.models_for_page())


def run(sample: Sample, code: str, folder: Path, key: str) -> str:
    """What the program says. Fails the test when it ends in an error."""
    if sample.language == samples.CURL:
        argv = ["bash", "-euo", "pipefail", "-c", code]
    elif sample.language == samples.PYTHON:
        argv = [sys.executable, "-c", code]
    elif NODE is None:
        pytest.skip("There is no Node.js on this machine: the JavaScript samples are not executed here.")
    else:
        argv = [NODE, "--input-type=module", "--eval", code]
    env = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "NO_PROXY": "127.0.0.1",
        "PYTHONPATH": "",
        samples.KEY_VARIABLE: key,
    }
    done = subprocess.run(argv, cwd=folder, env=env, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.server
@pytest.mark.parametrize("sample", samples.SAMPLES, ids=lambda sample: sample.id)
def test_a_sample_runs(sample: Sample, server: LiveGateway, ada: dict[str, Any], tmp_path: Path) -> None:
    model = server.call(chosen_models)[sample.role]
    said = run(sample, sample.filled(origin=server.url, model=model, key_hint="“laptop”, qy_…"), tmp_path, ada["key"])
    if sample.topic in PICTURES:
        with Image.open(tmp_path / "image.png") as picture:
            assert picture.size == (1024, 1024)
    elif sample.topic in COUNTED:
        assert model in said
    elif sample.language == samples.CURL and sample.topic.endswith("-stream"):
        assert said.count("data: ") > 5
        assert "data: [DONE]" in said or "message_stop" in said
    else:
        assert "demo provider" in said
    rows = server.call(world.usage_of, ada["user"])
    if sample.topic in COUNTED:
        assert rows == []
    else:
        (row,) = rows
        assert (row["model"], row["endpoint"], row["status"]) == (model, ENDPOINTS[sample.topic], "ok")
        assert row["stream"] == sample.topic.endswith("-stream")
        assert row["charge_nano"] > 0


@pytest.mark.server
@pytest.mark.parametrize("language", samples.LANGUAGES)
def test_a_sample_with_a_wrong_key_says_so_and_charges_nothing(
    language: str, server: LiveGateway, ada: dict[str, Any], tmp_path: Path
) -> None:
    (sample,) = (sample for sample in samples.of_topic("chat") if sample.language == language)
    code = sample.filled(origin=server.url, model=server.call(chosen_models)["text"])
    if language == samples.CURL:
        assert "This API key is not valid" in run(sample, code, tmp_path, "qy_wrong")
    else:
        with pytest.raises(AssertionError, match="This API key is not valid"):
            run(sample, code, tmp_path, "qy_wrong")
    assert server.call(world.usage_of, ada["user"]) == []
