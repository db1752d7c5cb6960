"""Weight files: every kind is read, none is executed, damage is told apart from danger."""

import argparse
import io
import pickle
import struct
from collections import OrderedDict

import numpy as np
import pytest
import torch
from fixture import FOLDER
from safetensors.torch import load_file

from barbershop_core import networks
from barbershop_core.errors import UnsafePickle, WeightCorrupt, WeightMissing
from barbershop_core.weights import checkpoint, unpickle
from barbershop_core.weights.save import save_half

TINY = FOLDER / "nvidia_pkl_layout" / "tiny.pkl"
STATE = {"a.weight": torch.arange(6.0).reshape(2, 3), "b": torch.tensor([1, 2])}


def same(found, state=STATE):
    assert list(found) == list(state)
    for name, value in state.items():
        torch.testing.assert_close(torch.as_tensor(found[name]), value)


# Every kind


@pytest.mark.parametrize("name", ["a.pt", "a.pth", "a.bin", "a.ckpt", "a.pkl"])
@pytest.mark.parametrize("zipped", [True, False])
def test_torch_files(tmp_path, name, zipped):
    torch.save(STATE, tmp_path / name, _use_new_zipfile_serialization=zipped)
    same(checkpoint.read(tmp_path / name))


def test_training_options_may_stand_beside_the_weights(tmp_path):
    torch.save({"g_ema": STATE, "args": argparse.Namespace(size=256)}, tmp_path / "a.pt")
    found = checkpoint.read(tmp_path / "a.pt")
    same(found["g_ema"])
    assert found["args"].size == 256


def test_safetensors(tmp_path):
    from safetensors.torch import save_file

    save_file(STATE, tmp_path / "a.safetensors")
    same(dict(sorted(checkpoint.read(tmp_path / "a.safetensors").items())))


def test_numpy(tmp_path):
    arrays = {"mean": np.arange(4.0), "components": np.eye(3, dtype=np.float32)}
    np.savez(tmp_path / "a.npz", **arrays)
    np.save(tmp_path / "a.npy", arrays["mean"])
    found = checkpoint.read(tmp_path / "a.npz")
    assert list(found) == list(arrays) and all((found[k] == arrays[k]).all() for k in arrays)
    assert (checkpoint.read(tmp_path / "a.npy") == arrays["mean"]).all()


@pytest.mark.parametrize("protocol", [0, 1, 2, 3, 4, 5])
def test_numpy_arrays_in_pickles(tmp_path, protocol):
    arrays = [[np.arange(6, dtype=np.float32).reshape(2, 3), np.array([1, 2])], {"deep": np.float64(0.5)}]
    path = tmp_path / "a.pkl"
    path.write_bytes(pickle.dumps(arrays, protocol=min(protocol, 4)))
    found = checkpoint.read(path)
    assert (found[0][0] == arrays[0][0]).all() and found[0][0].dtype == np.float32
    assert (found[0][1] == arrays[0][1]).all() and found[1]["deep"] == 0.5


@pytest.mark.parametrize("protocol", [2, 3, 4])
def test_tensors_in_pickles(tmp_path, protocol):
    """As NVIDIA's pickles hold them, parameters, views and half precision included."""
    base = torch.arange(12.0).reshape(3, 4)
    state = OrderedDict(x=base[1:, ::2], y=torch.nn.Parameter(base.t()), z=torch.ones(2, dtype=torch.float16))
    (tmp_path / "a.pkl").write_bytes(pickle.dumps(state, protocol=protocol))
    same(checkpoint.read(tmp_path / "a.pkl"), {k: v.detach() for k, v in state.items()})


def test_persistent_objects_become_records():
    found = checkpoint.read(TINY)
    assert set(found) == {"training_set_kwargs", "G", "D", "G_ema", "augment_pipe"}
    assert found["training_set_kwargs"]["resolution"] == 16
    generator = found["G_ema"]
    assert isinstance(generator, unpickle.Record) and generator.class_name == "Generator"
    assert generator.module("synthesis.b4.conv1").class_name == "SynthesisLayer"
    assert generator.module("synthesis.nothing.here") is None
    names = generator.tensors()
    assert names["synthesis.b16.conv0.noise_const"].shape == (16, 16)
    assert not any(t.requires_grad for t in names.values())


# Nothing is executed


class Calls:
    """Pickles as a call of any function."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


def by_hand(module: str, name: str, argument: bytes, opcode: str) -> bytes:
    """The same call through each opcode that can make one."""
    text = b"X" + struct.pack("<I", len(argument)) + argument
    dotted = f"{module}\n{name}\n".encode()

    def short(value: str) -> bytes:
        return b"\x8c" + bytes([len(value)]) + value.encode()

    return {
        "GLOBAL": b"\x80\x02c" + dotted + text + b"\x85R.",
        "STACK_GLOBAL": b"\x80\x04" + short(module) + short(name) + b"\x93" + text + b"\x85R.",
        "NEWOBJ": b"\x80\x02c" + dotted + text + b"\x85\x81.",
        "NEWOBJ_EX": b"\x80\x04c" + dotted + text + b"\x85}\x92.",
        "INST": b"(" + text + b"i" + dotted + b".",
        "OBJ": b"(c" + dotted + text + b"o.",
        "BUILD": b"\x80\x02c" + dotted + b"}X\x01\x00\x00\x00aK\x01sb.",
    }[opcode]


@pytest.mark.parametrize("opcode", ["GLOBAL", "STACK_GLOBAL", "NEWOBJ", "NEWOBJ_EX", "INST", "OBJ", "BUILD"])
@pytest.mark.parametrize(
    "module,name",
    [
        ("os", "system"),
        ("posix", "system"),
        ("subprocess", "Popen"),
        ("builtins", "eval"),
        ("builtins", "exec"),
        ("builtins", "getattr"),
        ("builtins", "__import__"),
        ("__builtin__", "eval"),
        ("runpy", "run_path"),
        ("torch", "load"),
        ("torch.hub", "load"),
        ("torch", "ops.x"),
        ("numpy", "load"),
        ("functools", "partial"),
        ("operator", "attrgetter"),
        ("collections", "OrderedDict.__init__.__globals__"),
        ("importlib", "import_module"),
        ("torch.storage", "_load_from_bytes.__globals__"),
        ("barbershop_core.weights.unpickle", "Unpickler"),
    ],
)
def test_calls_are_refused(tmp_path, module, name, opcode):
    path, mark = tmp_path / "evil.pkl", tmp_path / "touched"
    path.write_bytes(by_hand(module, name, f"touch {mark}".encode(), opcode))
    with pytest.raises(UnsafePickle, match="not among the names") as caught:
        checkpoint.read(path)
    assert f"{module}.{name}" in str(caught.value)
    assert not mark.exists()


def touch(path):
    import os

    return Calls(os.system, f"touch {path}")


def persistent(state, source=""):
    """A pickle of NVIDIA's kind: their function is only a name to whoever writes one."""
    meta = {"type": "class", "version": 6, "module_src": source, "class_name": "G", "state": state}
    return (
        b"\x80\x04\x8c\x17torch_utils.persistence\x8c\x1b_reconstruct_persistent_obj\x93"
        + pickle.dumps(meta, protocol=4)[2:-1]
        + b"\x85R."
    )


def nested_storage(inner: bytes) -> bytes:
    return (
        b"\x80\x04\x8c\x0dtorch.storage\x8c\x10_load_from_bytes\x93B"
        + struct.pack("<I", len(inner))
        + inner
        + b"\x85R."
    )


def old_torch_stream(payload) -> bytes:
    buffer = io.BytesIO()
    torch.save(payload, buffer, _use_new_zipfile_serialization=False)
    return buffer.getvalue()


@pytest.mark.parametrize(
    "make",
    [
        lambda mark: pickle.dumps({"G_ema": touch(mark)}),
        lambda mark: pickle.dumps([{"x": OrderedDict(a=(1, [touch(mark)]))}]),
        lambda mark: persistent({"_parameters": {"w": touch(mark)}}),
        lambda mark: pickle.dumps(1) + pickle.dumps(touch(mark)),  # a second pickle after the first
        lambda mark: nested_storage(old_torch_stream({"x": touch(mark)})),
        lambda mark: nested_storage(pickle.dumps(touch(mark))),
    ],
    ids=["in a dict", "deep", "in a persistent object", "after the end", "in a storage", "as a storage"],
)
def test_hidden_calls_never_run(tmp_path, make):
    path, mark = tmp_path / "evil.pkl", tmp_path / "touched"
    path.write_bytes(make(mark))
    try:
        checkpoint.read(path)
    except (UnsafePickle, WeightCorrupt):
        pass
    assert not mark.exists()


def test_source_text_in_a_persistent_object_is_ignored(tmp_path):
    mark = tmp_path / "touched"
    path = tmp_path / "a.pkl"
    path.write_bytes(persistent({}, f"open({str(mark)!r}, 'w').close()"))
    found = checkpoint.read(path)
    assert found == unpickle.Record("G", {}) and not mark.exists()


@pytest.mark.parametrize("name", ["evil.pt", "evil.pth", "evil.bin"])
@pytest.mark.parametrize("zipped", [True, False])
def test_torch_files_that_ask_for_code_are_refused(tmp_path, name, zipped):
    mark = tmp_path / "touched"
    torch.save({"g_ema": touch(mark)}, tmp_path / name, _use_new_zipfile_serialization=zipped)
    with pytest.raises(UnsafePickle):
        checkpoint.read(tmp_path / name)
    assert not mark.exists()


def test_pickled_objects_in_numpy_files_are_refused(tmp_path):
    mark = tmp_path / "touched"
    np.save(tmp_path / "evil.npy", np.array([touch(mark)], dtype=object), allow_pickle=True)
    with pytest.raises(WeightCorrupt):
        checkpoint.read(tmp_path / "evil.npy")
    assert not mark.exists()


def test_one_file_cannot_change_the_next(tmp_path):
    """BUILD can set attributes on whatever lies on the stack, stand-ins included."""
    evil = b"\x80\x02ctorch._utils\n_rebuild_parameter\nN}X\x08\x00\x00\x00__name__X\x01\x00\x00\x00xs\x86b."
    (tmp_path / "evil.pkl").write_bytes(evil)
    try:
        checkpoint.read(tmp_path / "evil.pkl")
    except (WeightCorrupt, UnsafePickle):
        pass
    assert networks.load("stylegan2", TINY).size == 16


def test_tensors_cannot_reach_beyond_their_storage(tmp_path):
    storage = old_torch_stream(torch.arange(4.0).untyped_storage())
    reach = (
        b"\x80\x04\x8c\x0ctorch._utils\x8c\x12_rebuild_tensor_v2\x93("
        + nested_storage(storage)[2:-1]
        + b"K\x00M\x00\x10\x85K\x01\x85\x89N"
        + b"tR."
    )
    (tmp_path / "a.pkl").write_bytes(reach)
    with pytest.raises(WeightCorrupt):
        checkpoint.read(tmp_path / "a.pkl")


# Damage


def files(folder):
    from safetensors.torch import save_file

    torch.save(STATE, folder / "zip.pt")
    torch.save(STATE, folder / "old.pth", _use_new_zipfile_serialization=False)
    save_file(STATE, folder / "a.safetensors")
    np.savez(folder / "a.npz", x=np.arange(100.0))
    np.save(folder / "a.npy", np.arange(100.0))
    (folder / "a.pkl").write_bytes(TINY.read_bytes())
    return sorted(folder.iterdir())


@pytest.mark.parametrize("keep", [0.0, 0.3, 0.7, 0.98])
def test_cut_off(tmp_path, keep):
    for path in files(tmp_path):
        data = path.read_bytes()
        path.write_bytes(data[: int(len(data) * keep)])
        with pytest.raises(WeightCorrupt, match=path.name):
            checkpoint.read(path)


def test_cut_off_anywhere_is_damage_not_danger(tmp_path):
    """Also in the middle of a name, which then is none that is allowed."""
    torch.save(STATE, tmp_path / "whole.pth", _use_new_zipfile_serialization=False)
    data, cut = (tmp_path / "whole.pth").read_bytes(), tmp_path / "cut.pth"
    for length in range(20, len(data) - 40):
        cut.write_bytes(data[:length])
        with pytest.raises(WeightCorrupt):
            checkpoint.read(cut)


def test_something_else(tmp_path):
    for path in files(tmp_path):
        path.write_bytes(b"<html><body>404: not found</body></html>" * 20)
        with pytest.raises(WeightCorrupt, match=path.name):
            checkpoint.read(path)


def test_nested_without_end(tmp_path):
    (tmp_path / "a.pkl").write_bytes(b"\x80\x02]q\x00h\x00a.")  # a list that holds itself
    assert isinstance(checkpoint.read(tmp_path / "a.pkl"), list)
    looped = persistent({"_modules": {}})
    record = checkpoint.unpickle.load(io.BytesIO(looped))
    record.state["_modules"]["again"] = record
    with pytest.raises(WeightCorrupt):
        networks.load("stylegan2", {"G_ema": record})


def test_missing_and_unknown(tmp_path):
    with pytest.raises(WeightMissing, match="nowhere.pt"):
        networks.load("stylegan2", tmp_path / "nowhere.pt")
    (tmp_path / "weights.txt").write_text("1 2 3")
    with pytest.raises(WeightCorrupt, match="safetensors"):
        checkpoint.read(tmp_path / "weights.txt")


def test_half_precision_where_it_fits(tmp_path):
    """A variance above 65504, as batch norm may have, is not stored as infinity."""
    state = {"small": torch.tensor([1.5, 6e4]), "large": torch.tensor([1.0, 7e4]), "count": torch.tensor([3])}
    save_half(state, tmp_path / "net.safetensors")
    found = load_file(tmp_path / "net.safetensors")
    assert found["small"].dtype == torch.half and found["count"].dtype == torch.int64
    assert all(torch.equal(found[k].float(), v.float()) for k, v in state.items())
