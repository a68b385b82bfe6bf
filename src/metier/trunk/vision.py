"""A pre-trained base that reads pictures: find it, check it, and run it once over each picture."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from metier.errors import BaseError
from metier.trunk import base as bases
from metier.trunk.pixels import Array, PictureTrunk

if TYPE_CHECKING:
    from torch import Tensor, nn

_WANTED = "A base for pictures is a folder that transformers wrote of an image model, with its image processor."


def find(name: str, *, offline: bool = False) -> bases.Base:
    """An image model as a base, by local folder or Hugging Face hub id; nothing is asked of the hub for a folder.

    Raises BaseError where it is no image model alone, or files are missing, pickled, or would need foreign code.
    """
    if Path(name).is_dir():
        return _describe(Path(name).resolve(), Path(name).resolve().name, "folder")
    if re.fullmatch(r"[\w.-]+/[\w.-]+", name) and not name.startswith("."):
        return _describe(bases.from_hub(name, offline), name, "hub")
    raise BaseError(
        "no-such-base",
        _WANTED,
        found=f"{name!r}, which is neither a folder nor a hub id like org/model",
        fix="Check the path, or leave --base out to use the pixels alone.",
    )


def _describe(folder: Path, name: str, source: str) -> bases.Base:
    config = bases.configuration(folder)
    weights = bases.weights_of(folder, name)
    if not (folder / bases.PREPROCESSOR).is_file() or "vision_config" in config:
        what = "a model of texts and pictures" if "vision_config" in config else f"no {bases.PREPROCESSOR}"
        raise BaseError(
            "not-an-image-base",
            _WANTED,
            found=f"{what} in {folder}",
            fix="Save it with AutoImageProcessor.from_pretrained(...).save_pretrained(folder), or choose another base.",
        )
    bases.configuration(folder, bases.PREPROCESSOR)  # refuses foreign code
    depths = config.get("depths") or [config.get("num_hidden_layers") or 1]
    return bases.Base(
        name=name,
        source=source,
        folder=str(folder),
        sha256=bases.content_hash(folder, weights),
        architecture=str((config.get("architectures") or [config.get("model_type", "unknown")])[0]),
        hidden=_width(config, folder, weights),
        layers=int(sum(depths)),
        parameters=sum(bases.count_parameters(path) for path in weights),
        bytes=sum(path.stat().st_size for path in weights),
        max_tokens=0,
        pooling="own",
        licence=bases.licence(folder),
    )


def _width(config: Mapping[str, Any], folder: Path, weights: Sequence[Path]) -> int:
    """What the base gives of a picture, in numbers: as its configuration states or its classifier takes them."""
    sizes = config.get("hidden_sizes")
    if isinstance(sizes, list) and sizes and "hidden_size" not in config:
        return int(sizes[-1])
    if not {"hidden_size", "hidden_dim"} & set(config):
        for name, entry in (pair for path in weights for pair in bases.header(path).items()):
            if re.fullmatch(r"classifier(\.\d+)?\.weight", name) and len(entry["shape"]) == 2:
                return int(entry["shape"][1])
    return bases.stated_size(config, folder, "hidden_size", "hidden_dim")


class VisionTrunk(PictureTrunk):
    """An image model, and the cache of what it made of each picture: its last map or class token, one vector each."""

    @property
    def width(self) -> int:
        """Numbers in a feature: the base's hidden size."""
        return self.base.hidden

    @cached_property
    def processor(self) -> Any:
        """The base's own: size, crop, mean and spread of colours."""
        import transformers

        transformers.logging.set_verbosity_error()
        try:
            return transformers.AutoImageProcessor.from_pretrained(
                self.base.folder, local_files_only=True, trust_remote_code=False, backend="pil"
            )
        except (ValueError, OSError, KeyError, TypeError) as error:
            raise BaseError(
                "unreadable-base",
                "The base must have an image processor that the installed transformers knows.",
                found=f"{self.base.name}: {error}",
                fix="Choose another base, or upgrade transformers.",
            ) from error

    @contextmanager
    def scratch(self) -> Iterator[None]:
        """As of every trunk; what the pixels alone tell is forgotten too."""
        with super().scratch(), self.statistics.scratch():
            yield

    def with_model(self, model: nn.Module) -> VisionTrunk:
        """The same base with other weights in it; what it makes of pictures is cached nowhere."""
        other = VisionTrunk(self.base, None, self.progress)
        other.__dict__["model"] = model.eval()
        other.__dict__["processor"] = self.processor
        return other

    def speed(self) -> float:
        """Pictures a second through the whole base on this machine, measured once."""
        if self.tokens_per_second is None:
            blank = [np.zeros((64, 64, 3), np.uint8)] * 8
            self.look(blank)
            start = time.perf_counter()
            self.look(blank)
            self.tokens_per_second = len(blank) / (time.perf_counter() - start)
        return self.tokens_per_second

    def look(self, pictures: Sequence[Array]) -> Array:
        """Pictures, uint8 (height, width, 3) each -> what the base makes of them, float16 (n, width)."""
        import torch

        model = self.model  # loaded outside inference mode, so that it can be trained later
        kind = next(model.parameters()).dtype
        prepared = self.prepared(pictures)
        found = np.empty((len(pictures), self.width), np.float16)
        # Most processors cut to one size; those that keep a picture's shape make batches of like ones.
        for shape in dict.fromkeys(one.shape for one in prepared):
            here = [at for at, one in enumerate(prepared) if one.shape == shape]
            with torch.inference_mode():
                out = summary(model, torch.from_numpy(np.stack([prepared[at] for at in here])).to(kind))
            if out.shape[1] != self.width:
                raise BaseError(
                    "unreadable-base",
                    f"A base must give as many numbers as its config.json states, {self.width}.",
                    found=f"{out.shape[1]} of {self.base.name}",
                    fix="Choose another base.",
                )
            found[here] = out.float().clamp(-65_000, 65_000).to(torch.float16).numpy()
        return found

    def prepared(self, pictures: Sequence[Array]) -> list[Array]:
        """Pictures as the base takes them, float32 (3, height, width) each."""
        return [
            np.asarray(self.processor(images=[one], input_data_format="channels_last")["pixel_values"][0], np.float32)
            for one in pictures
        ]


def summary(model: nn.Module, pixels: Tensor) -> Tensor:
    """Prepared pictures (n, 3, height, width) -> (n, hidden): what a classifier on this model would be given.

    The pooled map where pooling has no weights of its own; else the class token (a pooler's own weights are often not
    in the file).
    """
    out = model(pixel_values=pixels)
    pooler = getattr(model, "pooler", None)
    pooled = getattr(out, "pooler_output", None)
    if pooled is not None and not any(True for _ in (pooler.parameters() if pooler is not None else ())):
        flat: Tensor = pooled.flatten(1)
        return flat
    states: Tensor = out.last_hidden_state
    return states.mean(dim=(2, 3)) if states.ndim == 4 else states[:, 0]


@dataclass(frozen=True)
class Classifier:
    """The classes a base was trained on: their names, weight (k, hidden) and bias (k,) on what `summary` gives."""

    names: list[str]
    weight: Array
    bias: Array


def classifier(base: bases.Base, model: nn.Module) -> Classifier | None:
    """The base's own classifier; None where it has none, or one that reads something else than `summary` gives.

    Which is found by trying: on a picture of noise both must say the same.
    """
    import torch
    import transformers

    if not base.architecture.endswith("ForImageClassification"):
        return None
    whole, loading = transformers.AutoModelForImageClassification.from_pretrained(
        base.folder,
        local_files_only=True,
        trust_remote_code=False,
        use_safetensors=True,
        dtype=torch.float32,
        output_loading_info=True,
    )
    if loading["missing_keys"]:  # would be made up at random
        return None
    whole.eval()
    names = [str(whole.config.id2label[at]) for at in range(whole.config.num_labels)]
    linear = [part for part in whole.modules() if isinstance(part, torch.nn.Linear)][-1:]
    if not linear or linear[0].out_features != len(names) or linear[0].in_features != base.hidden:
        return None
    weight, bias = linear[0].weight.detach(), linear[0].bias.detach()
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    shown = torch.from_numpy(np.stack(VisionTrunk(base).prepared([noise])))
    with torch.inference_mode():
        own, ours = whole(pixel_values=shown).logits, summary(model, shown) @ weight.T + bias
    alike = torch.allclose(own, ours, rtol=1e-3, atol=1e-3 * float(own.abs().max()))
    return Classifier(names, weight.numpy(), bias.numpy()) if alike else None
