"""CLIP against the published implementation: tokenizer, both encoders; and sizes read from weights."""

import numpy as np
import pytest
import torch
from conformance import weights
from fixture import FOLDER, Fixture

from barbershop_core import errors, networks
from barbershop_core.networks import clip
from barbershop_core.networks.clip import Tokenizer, build


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    fixture = Fixture("clip")
    path = tmp_path_factory.mktemp("clip") / "ViT.pt"
    torch.save(fixture.checkpoint(), path)
    return fixture, networks.load("clip", path)


def test_tokenizer_gives_the_published_ids():
    fixture, tokenizer = Fixture("clip"), Tokenizer()
    prompts = fixture.spec["prompts"]
    found = [tokenizer.encode(p) for p in prompts]
    assert [len(ids) for ids in found] == fixture.io["token_count"].tolist()
    assert [ids[: len(told)] for ids, told in zip(found, fixture.spec["encoded"])] == fixture.spec["encoded"]
    assert np.array_equal(tokenizer(prompts).numpy(), fixture.io["tokens"])
    assert [tokenizer.truncates(p) for p in prompts] == [n > 75 for n in fixture.io["token_count"]]


def test_features_are_the_published_ones(published):
    fixture, net = published
    with torch.no_grad():
        image = net.encode_image(torch.from_numpy(fixture.io["image"]))
        text = net.encode_text(torch.from_numpy(fixture.io["tokens"]).long())
        fixture.check("image_features", image)
        fixture.check("text_features", text)
        units = [f / f.norm(dim=1, keepdim=True) for f in (image, text)]
        fixture.check("logits_per_image", net.model.logit_scale.exp() * units[0] @ units[1].T)
        np.testing.assert_allclose(net.text(fixture.spec["prompts"]).numpy(), units[1].numpy(), atol=1e-5)
    assert (net.size, net.width, net.tokenizer.context) == (32, 64, 77)


def test_half_weights_of_torchscript_archives(published):
    fixture, _ = published
    half = (
        "conv1.weight",
        "attn.in_proj_weight",
        "attn.in_proj_bias",
        "out_proj.weight",
        "out_proj.bias",
        "c_fc.weight",
        "c_fc.bias",
        "c_proj.weight",
        "c_proj.bias",
        "text_projection",
        "visual.proj",
    )
    state = {k: v.half() if k.endswith(half) else v for k, v in fixture.checkpoint().items()}
    sizes = {"input_resolution": 32, "context_length": 77, "vocab_size": 49408}
    extra = {name: torch.tensor(value) for name, value in sizes.items()}
    net = networks.load("clip", state | extra)
    with torch.no_grad():
        fixture.check("image_features_half_weights", net.encode_image(torch.from_numpy(fixture.io["image"])))
        tokens = torch.from_numpy(fixture.io["tokens"]).long()
        fixture.check("text_features_half_weights", net.encode_text(tokens))


def test_the_layout_of_transformers(published):
    """The fallback file of the Hub: the same weights under other names, and split."""
    fixture, net = published
    renamed = {"text_model.embeddings.position_ids": torch.arange(77)[None]}
    for key, value in fixture.checkpoint().items():
        for old, new in clip.TRANSFORMERS[::-1]:
            if new in key and not (new.startswith("transformer.") and key.startswith("visual.")):
                key = key.replace(new, old, 1)
        if key in ("text_projection", "visual.proj"):
            renamed[{"text_projection": key, "visual.proj": "visual_projection"}[key] + ".weight"] = value.T
        elif "in_proj_" in key:
            for part, piece in zip("qkv", value.chunk(3)):
                renamed[key.replace("in_proj_", f"{part}_proj.")] = piece
        else:
            renamed[key] = value
    assert "vision_model.encoder.layers.1.self_attn.k_proj.bias" in renamed
    assert "text_model.encoder.layers.0.mlp.fc1.weight" in renamed
    read = networks.load("clip", renamed).model.state_dict()
    assert all(torch.equal(value, read[key]) for key, value in net.model.state_dict().items())
    with pytest.raises(errors.WeightCorrupt, match="missing"):
        cut = {k: v for k, v in renamed.items() if not k.endswith("1.self_attn.k_proj.bias")}
        networks.load("clip", cut)


def test_a_shorter_vocabulary_still_spells_everything():
    whole, short = Tokenizer(), Tokenizer(8192, 48)
    for text in ("a person with glasses", "Kinnbart 中文头发 🔥", "otorhinolaryngologist"):
        spelt = "".join(short._bpe.decoder[i] for i in short.encode(text))
        assert spelt == "".join(whole._bpe.decoder[i] for i in whole.encode(text))
        assert max(short.encode(text)) < 8190
    assert (short.start, short.end) == (8190, 8191)
    ids = short(["hair " * 100])[0]
    assert ids[0] == 8190 and ids[-1] == 8191 and ids.argmax() == 47
    assert short.encode("<|endoftext|>") == [8191]


def test_a_residual_image_encoder_and_its_gradient():
    torch.manual_seed(0)
    vision = {"layers": (1, 1, 1, 1), "width": 8, "patch_size": None, "image_size": 64}
    text = {"context_length": 16, "vocab_size": 600, "width": 64, "heads": 1, "layers": 1}
    made = build(32, vision, text).eval()
    read = networks.load("clip", made.model.state_dict())
    image = torch.rand(1, 3, 96, 96) * 2 - 1
    assert torch.allclose(made.image(image), read.image(image), atol=1e-6)
    image.requires_grad_()
    read.image(image)[0, 0].backward()
    assert image.grad.abs().sum() > 0 and read.text(["curly hair"]).shape == (1, 32)


def test_weights_of_something_else_are_refused():
    state = weights.state_dict(str(FOLDER / "clip"), 1)
    with pytest.raises(errors.WeightCorrupt, match="ln_final.bias"):
        networks.load("clip", {k: v for k, v in state.items() if k != "ln_final.bias"})
    with pytest.raises(errors.WeightCorrupt, match="CLIP"):
        networks.load("clip", {"a": torch.zeros(1)})
