"""CLIP (Radford et al. 2021) in OpenAI's layout, computed by open_clip.

Every size is read from the weights: vision transformer or modified ResNet, width, context length and
vocabulary.  A vocabulary of fewer than the published 49,408 entries is the published one truncated: byte
pair encoding with the most frequent merges only, which can still encode every text.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from . import layout
from .resample import resize

if TYPE_CHECKING:
    from open_clip.tokenizer import SimpleTokenizer

WHAT = "CLIP network"
MEAN = (0.48145466, 0.4578275, 0.40821073)
STD = (0.26862954, 0.26130258, 0.27577711)
SYMBOLS, SPECIAL = 512, ("<|startoftext|>", "<|endoftext|>")


class Tokenizer:
    """OpenAI's tokenizer.

    vocabulary: number of entries, at most 49,408 (see the module); the last two are the start and end token.
    context: length of the rows of ids; longer texts are cut before the end token.
    Raises ValueError for a vocabulary that CLIP's cannot be truncated to.
    """

    def __init__(self, vocabulary: int = 49408, context: int = 77):
        self._bpe = _byte_pairs(vocabulary)
        self.context, self.start, self.end = context, vocabulary - 2, vocabulary - 1

    def encode(self, text: str) -> list[int]:
        """Ids of a text, without start and end token."""
        return self._bpe.encode(text)

    def truncates(self, text: str) -> bool:
        """Whether the text is longer than the context."""
        return len(self.encode(text)) > self.context - 2

    def __call__(self, texts: Sequence[str]) -> Tensor:
        """[N,context] ids, zero after the end token."""
        ids = torch.zeros(len(texts), self.context, dtype=torch.long)
        for row, text in zip(ids, texts):
            found = [self.start, *self.encode(text)[: self.context - 2], self.end]
            row[: len(found)] = torch.tensor(found)
        return ids


@lru_cache(maxsize=4)
def _byte_pairs(vocabulary: int) -> SimpleTokenizer:
    import regex
    from open_clip.tokenizer import SimpleTokenizer

    bpe = SimpleTokenizer()
    if not SYMBOLS + 2 < vocabulary <= bpe.vocab_size:
        raise ValueError(f"CLIP's vocabulary cannot be truncated to {vocabulary} entries")
    # open_clip spells the special tokens differently; the published tokenizer recognises them inside texts.
    for old, new in zip(("<start_of_text>", "<end_of_text>"), SPECIAL):
        bpe.encoder[new], bpe.cache[new] = bpe.encoder.pop(old), new
    special = "|".join(map(regex.escape, SPECIAL))
    words = r"'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"
    bpe.pat = regex.compile(f"{special}|{words}", regex.IGNORECASE)
    kept = vocabulary - 2
    bpe.encoder = {k: v for k, v in bpe.encoder.items() if v < kept} | {SPECIAL[0]: kept, SPECIAL[1]: kept + 1}
    bpe.bpe_ranks = {k: v for k, v in bpe.bpe_ranks.items() if v < kept - SYMBOLS}
    return bpe


class Clip(nn.Module):
    """Both encoders and the tokenizer.

    model: an open_clip CLIP.  size: side of the image encoder's input in pixels.  width: of the embedding.
    """

    def __init__(self, model: nn.Module):
        super().__init__()
        self.model = model
        side = model.visual.image_size
        self.size = int(side[0] if isinstance(side, (tuple, list)) else side)
        self.width = int(model.text_projection.shape[1])
        self.tokenizer = Tokenizer(model.vocab_size, model.context_length)
        self.register_buffer("mean", torch.tensor(MEAN).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(STD).view(1, 3, 1, 1), persistent=False)

    def encode_image(self, image: Tensor) -> Tensor:
        """Normalized images [B,3,S,S] -> features [B,E], not normalized."""
        return self.model.encode_image(image)

    def encode_text(self, ids: Tensor) -> Tensor:
        """Ids [B,C] -> features [B,E], not normalized."""
        m = self.model
        last = int(ids.argmax(1).max()) + 1  # causal: ids after the last end token have no effect
        x = m.token_embedding(ids[:, :last]) + m.positional_embedding[:last]
        x = m.ln_final(m.transformer(x, attn_mask=m.attn_mask[:last, :last]))
        return x[torch.arange(len(ids), device=ids.device), ids.argmax(1)] @ m.text_projection

    def image(self, image: Tensor) -> Tensor:
        """Portraits [B,3,H,W] in [-1,1], any size -> unit vectors [B,E]."""
        x = image if image.shape[-1] == self.size else resize(image, self.size)
        return F.normalize(self.encode_image(((x + 1) / 2 - self.mean) / self.std).float(), dim=-1)

    def text(self, texts: Sequence[str]) -> Tensor:
        """Texts -> unit vectors [N,E]."""
        ids = self.tokenizer(list(texts)).to(self.mean.device)
        return F.normalize(torch.cat([self.encode_text(part) for part in ids.split(128)]).float(), dim=-1)


def build(embedding: int, vision: dict, text: dict) -> Clip:
    """A randomly initialized network from the arguments of open_clip's CLIPVisionCfg and CLIPTextCfg."""
    from open_clip.model import CLIP, CLIPTextCfg, CLIPVisionCfg

    return Clip(CLIP(embedding, CLIPVisionCfg(**vision), CLIPTextCfg(**text), quick_gelu=True))


def from_state(checkpoint: Any) -> Clip:
    """CLIP in float32 from a state dict in the layout of OpenAI and open_clip, or of transformers' CLIPModel.

    Raises errors.WeightCorrupt for anything else.
    """
    state = {k.removeprefix("model."): v for k, v in layout.state_of(checkpoint, WHAT).items()}
    if "text_model.embeddings.token_embedding.weight" in state:
        state = _from_transformers(state)
    for entry in ("input_resolution", "context_length", "vocab_size"):  # of TorchScript archives
        state.pop(entry, None)
    vocabulary, width = layout.shape_of(state, "token_embedding.weight", WHAT, 2)
    context = layout.shape_of(state, "positional_embedding", WHAT, 2)[0]
    embedding = layout.shape_of(state, "text_projection", WHAT, 2)[1]
    layers = layout.count(state, "transformer.resblocks.")
    if vocabulary < SYMBOLS + 3 or not layers or width % 64:
        raise layout.wrong(WHAT, "the text encoder has another layout")
    text = {"context_length": context, "vocab_size": vocabulary, "width": width, "heads": width // 64, "layers": layers}
    try:
        net = build(embedding, _vision(state), text)
    except (AssertionError, ValueError, TypeError, ZeroDivisionError) as error:
        raise layout.wrong(WHAT, str(error) or "sizes that do not fit") from error
    layout.check(state, net.model.state_dict(), WHAT)
    net.model.load_state_dict({k: v.float() if v.is_floating_point() else v for k, v in state.items()}, strict=False)
    return net


TRANSFORMERS = (
    ("text_model.embeddings.token_embedding.", "token_embedding."),
    ("text_model.embeddings.position_embedding.weight", "positional_embedding"),
    ("text_model.final_layer_norm.", "ln_final."),
    ("text_model.encoder.layers.", "transformer.resblocks."),
    ("vision_model.embeddings.class_embedding", "visual.class_embedding"),
    ("vision_model.embeddings.patch_embedding.", "visual.conv1."),
    ("vision_model.embeddings.position_embedding.weight", "visual.positional_embedding"),
    ("vision_model.pre_layrnorm.", "visual.ln_pre."),
    ("vision_model.post_layernorm.", "visual.ln_post."),
    ("vision_model.encoder.layers.", "visual.transformer.resblocks."),
    (".self_attn.", ".attn."),
    (".layer_norm1.", ".ln_1."),
    (".layer_norm2.", ".ln_2."),
    (".mlp.fc1.", ".mlp.c_fc."),
    (".mlp.fc2.", ".mlp.c_proj."),
)
"""Names of transformers' CLIPModel and OpenAI's."""


def _from_transformers(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """The same weights in OpenAI's layout: query, key and value in one matrix, projections transposed."""
    found: dict[str, Tensor] = {}
    for key, value in state.items():
        if key.endswith("position_ids"):
            continue
        for old, new in TRANSFORMERS:
            key = key.replace(old, new)
        found[key] = value
    for key in [k for k in found if ".attn.q_proj." in k]:
        names = [key.replace("q_proj", f"{part}_proj") for part in "qkv"]
        if any(name not in found for name in names):
            raise layout.wrong(WHAT, f"'{names[1]}' or '{names[2]}' is missing")
        found[key.replace("q_proj.", "in_proj_")] = torch.cat([found.pop(name) for name in names])
    for old, new in (("text_projection", "text_projection"), ("visual_projection", "visual.proj")):
        if f"{old}.weight" in found:
            found[new] = found.pop(f"{old}.weight").T
    return found


def _vision(state: dict[str, Tensor]) -> dict[str, Any]:
    """CLIPVisionCfg's arguments, read from the weights' shapes."""
    if "visual.proj" in state:
        width, _, patch, _ = layout.shape_of(state, "visual.conv1.weight", WHAT, 4)
        places = layout.shape_of(state, "visual.positional_embedding", WHAT, 2)[0] - 1
        return {
            "layers": layout.count(state, "visual.transformer.resblocks."),
            "width": width,
            "patch_size": patch,
            "image_size": patch * round(places**0.5),
        }
    width = layout.shape_of(state, "visual.layer1.0.conv1.weight", WHAT, 4)[0]
    places = layout.shape_of(state, "visual.attnpool.positional_embedding", WHAT, 2)[0] - 1
    layers = tuple(layout.count(state, f"visual.layer{k}.") for k in (1, 2, 3, 4))
    return {"layers": layers, "width": width, "patch_size": None, "image_size": 32 * round(places**0.5)}
