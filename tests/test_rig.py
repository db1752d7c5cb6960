"""RigNet, its training, and the energy, on tiny networks."""

import json
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
from alive import without
from clock import ticking
from small_rig import SIZES, write_small_rig
from small_studio import portrait

from barbershop_core import Studio, networks, open_pack, run
from barbershop_core.__main__ import main
from barbershop_core.errors import BadRequest, FaceModelMissing, WeightCorrupt, WeightMissing
from barbershop_core.face3d.theta import from_flat
from barbershop_core.inversion import inversion_presets
from barbershop_core.networks.resample import resize
from barbershop_core.networks.rignet import RigNet
from barbershop_core.pie import energy, pie_presets
from barbershop_core.pie.embedding import embed
from barbershop_core.pie.face_reader import FaceReading, face_reader, landmark_distance, photometric, read
from barbershop_core.pie.rig_request import RigRequest
from barbershop_core.pie.sample_bank import SampleBank, draw_samples
from barbershop_core.pie.session import RigSession
from barbershop_core.rehearsal.random_networks import Sizes
from barbershop_core.rehearsal.random_pack import write_pack
from barbershop_core.training import train_rig
from barbershop_core.training.rig_description import ridge
from barbershop_core.weights import hub, local
from barbershop_core.weights.manifest import read_manifest
from barbershop_core.world.morphable_head import theta_of

TINY = replace(pie_presets.FAST, name="tiny", w_steps=2, w_plus_steps=4, edit_every=1, side=24, optimize_steps=2)


@pytest.fixture(scope="module")
def pack(tmp_path_factory):
    return open_pack(write_small_rig(tmp_path_factory.mktemp("small-rig")), device="cpu")


def test_rignet_layout():
    torch.manual_seed(0)
    net = RigNet(10, 16, SIZES, encoded=4, hidden=6)
    net.w_mean.normal_()
    again = networks.load("rignet", net.state_dict())
    w, tau = torch.randn(2, 10, 16), torch.randn(2, 5)
    torch.testing.assert_close(again(w, "expression", tau), net(w, "expression", tau))
    assert again.sizes == dict(sorted(SIZES.items()))
    with pytest.raises(WeightCorrupt):
        networks.load("rignet", {"tau.pose.mean": torch.zeros(3)})
    with pytest.raises(WeightCorrupt):
        networks.load("rignet", {"x": torch.zeros(3)})


def test_each_row_has_its_own_offset():
    """StyleRig: the offset of a row depends on that row and on theta alone."""
    torch.manual_seed(1)
    net = RigNet(6, 8, {"pose": 3}, encoded=4, hidden=5)
    w, tau = torch.randn(1, 6, 8, requires_grad=True), torch.randn(1, 3)
    (gradient,) = torch.autograd.grad((net(w, "pose", tau) - w)[0, 2].sum(), w)
    assert gradient[0, 2].abs().max() > 0
    assert gradient[0, [0, 1, 3, 4, 5]].abs().max() == 0


@pytest.mark.slow
def test_training_teaches_and_resumes(pack, tmp_path):
    """A few seconds of training give a rig and its scores; a checkpoint of the same schedule is resumed."""
    schedule = train_rig.Schedule(minutes=0.08, samples=60, held_out=12, batch=16, picture_every=9, picture_batch=2)
    stages: dict[str, int] = {}

    def count(step):
        stages[step.stage] = stages.get(step.stage, 0) + 1

    checkpoint = tmp_path / "rig.pt"
    rig, scores = run(train_rig.train(pack, checkpoint, schedule), count)
    assert stages["draw samples"] > 0 and "rig held out" in stages and rig.sizes == SIZES
    assert {"yaw deg", "expression", "light", "light identity"} <= set(scores)
    stages.clear()
    again, _ = run(train_rig.train(pack, checkpoint, replace(schedule, minutes=0.081)), count)
    assert "draw samples" not in stages
    index = torch.load(checkpoint, weights_only=True)["state"]["index"]
    run(train_rig.train(pack, checkpoint, replace(schedule, samples=50)), count)
    assert stages["draw samples"] > 0  # another schedule: not resumed
    assert index > 10
    with pytest.raises(BadRequest):
        run(train_rig.train(pack, checkpoint, replace(schedule, minutes=0)))


def test_training_learns_a_linear_world(pack, tmp_path):
    """Where theta^tau is linear in w, RigNet learns to set it."""
    s = train_rig.Schedule(samples=400, held_out=40, batch=32, prior=0.002, rest=0.0)
    known = run(draw_samples(pack, face_reader(pack), 240, seed=1))
    direction = torch.randn(known.w_plus[0].numel(), 3, generator=torch.Generator().manual_seed(2))
    flat = (known.w_plus - known.w_plus.mean(0)).flatten(1) / known.w_plus.std()
    theta = replace(known.reading.theta, rotation=0.02 * flat @ direction / direction.norm(dim=0))
    known = replace(known, reading=FaceReading(theta, known.reading.landmarks, known.reading.rest))
    index = torch.arange(240)
    state = train_rig._Training(pack, face_reader(pack), known.rows(index[40:]), known.rows(index[:40]), s)
    state.s = replace(s, picture_every=10**6)
    for k in range(60):
        state.dfr_step(k / 60)
    before = state.quick_scores()["pose r2"]
    for k in range(1, 180):
        state.rig_step(k, k / 180)
    after = state.quick_scores()["pose r2"]
    assert before < 0 and after > 0.6, (before, after)


# --- the energy ----------------------------------------------------------------------------------


def face(seed=0, **changes):
    pose = torch.randn(1, 50, generator=torch.Generator().manual_seed(seed)) * 0.5
    return pose


def test_photometric_and_landmarks_are_least_at_the_truth(pack):
    """The distances of a rendered face to its own theta are zero; to a turned or relit face they are not."""
    reader = face_reader(pack)
    theta = theta_of(reader.model, face())
    image = reader.model.render(theta, 64).image * 2 - 1
    marks = reader.model.shares(theta)
    assert photometric(reader, image, theta, 64) < 1e-6 and landmark_distance(reader, marks, theta) < 1e-9
    turned = replace(theta, rotation=theta.rotation + torch.tensor([[0.0, 0.15, 0.0]]))
    relit = replace(theta, light=theta.light * 1.2)
    assert photometric(reader, image, turned, 64) > 1e-4 and landmark_distance(reader, marks, turned) > 1e-5
    assert photometric(reader, image, relit, 64) > 1e-4 and landmark_distance(reader, marks, relit) < 1e-9


def test_the_perceptual_term_is_of_small_pictures(pack, monkeypatch):
    """VGG's features of 1024 px fill gigabytes."""
    monkeypatch.setattr(energy, "PERCEPTUAL_SIDE", 32)
    image, seen = torch.rand(1, 3, 64, 64) * 2 - 1, []
    monkeypatch.setattr(
        pack.perceptual, "features", lambda x, blocks=5, own=pack.perceptual.features: seen.append(x) or own(x, blocks)
    )
    target = energy.target_of(pack, face_reader(pack), image)
    assert energy.synth(pack, target, image, TINY) < 1e-9
    assert [x.shape[-1] for x in seen] == [32, 32]


def test_terms(pack):
    reader, rig = face_reader(pack), pack.optional("rignet")
    w = pack.generator.spread(pack.generator.mapping(torch.randn(1, 16, generator=torch.manual_seed(0))))
    image = pack.generator.synthesis(w).clamp(-1, 1).detach()
    target = energy.target_of(pack, reader, image)
    assert energy.synth(pack, target, image, TINY) < 1e-9
    assert energy.synth(pack, target, image * 0.8, TINY) > 1e-4
    assert energy.recognition(pack, target, image) < 1e-9
    assert energy.recognition(pack, target, -image) > 1e-4
    reading = reader(image)
    # equation 5: zero exactly where the rig does nothing
    silent = networks.load(
        "rignet", {k: torch.zeros_like(v) if "weight" in k or "bias" in k else v for k, v in rig.state_dict().items()}
    )
    assert energy.identity(silent, w, reading.theta) == 0 and energy.identity(rig, w, reading.theta) > 0
    # equations 6, 7: the mixed theta is the sample's own if tau is the same
    own = SampleBank(w, reading, resize(image, TINY.side))
    same = energy.edit(reader, own, reading, "light", TINY)
    other = replace(reading, theta=replace(reading.theta, light=reading.theta.light + 1))
    assert energy.edit(reader, own, other, "light", TINY) > same
    assert energy.invariance(reader, target, other, "light", TINY) == pytest.approx(float(same), rel=1e-4)
    assert energy.invariance(reader, target, other, "expression", TINY) > same


def test_embedding_descends_and_names_its_terms(pack):
    reader, rig = face_reader(pack), pack.optional("rignet")
    w = pack.generator.spread(pack.generator.mapping(torch.randn(1, 16, generator=torch.manual_seed(3))))
    image = pack.generator.synthesis(w).clamp(-1, 1).detach()
    preset = replace(TINY, w_steps=5, w_plus_steps=15, start="mean")
    steps: list = []
    found = run(embed(pack, reader, rig, image, preset), steps.append)
    stages = [s.stage for s in steps if s.stage.startswith("embed")]
    assert stages == ["embed W"] * 5 + ["embed W+"] * 15
    assert set(steps[-1].losses) == {
        "synth",
        "recognition",
        "p_norm",
        "identity",
        "edit",
        "invariance",
        "recognition edited",
    }
    first, last = (s.losses["synth"] for s in (steps[-20], steps[-1]))
    assert last < first and found.w_plus.shape == w.shape
    assert steps[-1].preview().shape == (64, 64, 3)
    again = run(embed(pack, reader, rig, image, preset))
    assert torch.equal(again.w_plus, found.w_plus)  # by seed


def test_without_an_encoder_w_is_searched_from_the_prior(pack):
    bare, reader, steps = without(pack, "encoder"), face_reader(pack), []
    w = pack.generator.spread(pack.generator.mapping(torch.randn(1, 16, generator=torch.manual_seed(3))))
    image = pack.generator.synthesis(w).clamp(-1, 1).detach()
    run(embed(bare, reader, None, image, TINY), steps.append)
    stages = [step.stage for step in steps]
    searched = inversion_presets.FAST.without_encoder.w_steps
    assert stages.count("embed W") > TINY.w_steps and stages.index("embed W+") <= searched + TINY.w_steps
    assert steps[stages.index("embed W+") - TINY.w_steps - 1].losses["l2"] < 0.5 * steps[0].losses["l2"]


@pytest.mark.parametrize("optimizer", ["adam", "adadelta"])
@pytest.mark.parametrize("off", ["identity", "edit", "invariance", "recognition", "none", "no rig"])
def test_terms_can_be_switched_off(pack, off, optimizer):
    reader, image = face_reader(pack), torch.rand(1, 3, 64, 64) * 2 - 1
    preset = replace(TINY, w_steps=1, w_plus_steps=1, optimizer=optimizer)
    if off not in ("none", "no rig"):
        preset = replace(preset, **{off: 0.0})
    steps: list = []
    run(embed(pack, reader, None if off == "no rig" else pack.optional("rignet"), image, preset), steps.append)
    assert (off in steps[-1].losses) == (off == "none") or off in ("none", "no rig")
    assert ("edit" in steps[-1].losses) == (off not in ("edit", "no rig"))


def test_paper_preset_has_the_articles_budget():
    p = pie_presets.pie_preset("paper")
    assert (p.w_steps, p.w_plus_steps, p.optimizer) == (2000, 1000, "adadelta")
    assert pie_presets.pie_preset("released") is p and pie_presets.pie_preset(TINY) is TINY
    with pytest.raises(BadRequest, match="fast"):
        pie_presets.pie_preset("best")


def test_corrections_of_a_rig_that_moves_by_half():
    """The rig makes half of every move, and adds an offset: after three corrections 0.5 (1 - 0.8 / 2)^3, a
    ninth of the move, is missing; without corrections it would be half."""
    own = from_flat(
        torch.zeros(1, 50), {"rotation": 3, "translation": 3, "identity": 4, "texture": 4, "expression": 9, "light": 27}
    )

    class Rig:
        tau = {"pose": SimpleNamespace(mean=torch.zeros(3), std=torch.ones(3))}

        def __call__(self, w, name, tau):
            return w + 0.5 * tau + 0.3

    class Reader:
        model = None

        def __call__(self, picture):
            return SimpleNamespace(theta=own.with_tau("pose", picture))

    class Session(RigSession):
        synthesis = staticmethod(lambda w_plus: w_plus)  # code, picture and pose are the same numbers

    session = Session(None, None, SimpleNamespace(w_plus=torch.zeros(1, 3)), own, Reader(), Rig(), TINY)
    wanted = torch.tensor([[0.2, -0.1, 0.05]])
    moved = session.moved(RigRequest(copied=("pose",), like=own.with_tau("pose", wanted)))
    torch.testing.assert_close(moved, wanted * (1 - 0.5 * 0.6**3))


def test_a_reader_that_sees_too_little_is_half_believed():
    """The rig moves the expression exactly, and the reader sees .6 of that: following it wholly would overdo every
    expression by 1 / .6; half of what it misses is asked for, so it ends at .8 / .6."""
    sizes = {"rotation": 3, "translation": 3, "identity": 4, "texture": 4, "expression": 5, "light": 27}
    own = from_flat(torch.zeros(1, 46), sizes)

    class Rig:
        tau = {"expression": SimpleNamespace(mean=torch.zeros(5), std=torch.ones(5))}

        def __call__(self, w, name, tau):
            return w + tau

    class Reader:
        model = SimpleNamespace()

        def __call__(self, picture):
            return SimpleNamespace(theta=own.with_tau("expression", 0.6 * picture))

    class Session(RigSession):
        synthesis = staticmethod(lambda w_plus: w_plus)  # code, picture and expression are the same numbers

    session = Session(None, None, SimpleNamespace(w_plus=torch.zeros(1, 5)), own, Reader(), Rig(), TINY)
    wanted = torch.full((1, 5), 0.9)
    moved = session.moved(RigRequest(copied=("expression",), like=own.with_tau("expression", wanted)))
    torch.testing.assert_close(moved, wanted * 0.8 / 0.6, rtol=0.06, atol=0)


def test_an_expression_is_read_mirrored_too():
    sizes = {"rotation": 0, "translation": 0, "identity": 0, "texture": 0, "expression": 1, "light": 4}

    def reader(images):
        return SimpleNamespace(theta=from_flat(torch.cat([images[:, 0, 0, :1], images[:, 0, 0]], 1), sizes))

    image = torch.arange(4.0).expand(1, 3, 4, 4)
    theta = read(reader, image)
    assert theta.expression.tolist() == [[1.5]] and theta.light.tolist() == [[0, 1, 2, 3]]


def test_no_face_model(tmp_path, pack):
    from small_pack import write_small_pack

    bare = open_pack(write_small_pack(tmp_path), device="cpu")
    with pytest.raises(FaceModelMissing, match="download --pack small"):
        face_reader(bare)


def test_refinement_draws_nearer(pack, tmp_path, monkeypatch):
    """MoFA: on held-out pictures the rendered face matches the picture better, without labels."""
    from barbershop_core.training import mofa

    ticking(monkeypatch, mofa)
    schedule = mofa.Schedule(minutes=1.5, samples=40, held_out=8, batch=4, side=24, lr=3e-3, keep=0.05)
    net, scores = run(mofa.refine(pack, tmp_path / "mofa.pt", schedule))
    assert scores["photometric"] < 0.97 * scores["photometric before"] and scores["moved"] > 0
    again, resumed = run(mofa.refine(pack, tmp_path / "mofa.pt", schedule))  # the minutes are spent
    assert resumed["photometric"] == pytest.approx(scores["photometric"], rel=1e-3)
    with pytest.raises(BadRequest):
        mofa.refine(pack, tmp_path / "mofa.pt", replace(schedule, minutes=0.0))


@pytest.mark.parametrize("other", ["schedule", "regressor"])
def test_refinement_resumes_only_its_own_checkpoint(pack, tmp_path, other):
    from barbershop_core.training import mofa

    schedule = mofa.Schedule(minutes=0.005, samples=4, held_out=4, batch=2, side=24)
    checkpoint = tmp_path / "mofa.pt"

    def refine(pack, schedule) -> list[str]:
        stages = []
        run(mofa.refine(pack, checkpoint, schedule), lambda step: stages.append(step.stage))
        return stages

    assert "refine" in refine(pack, schedule)
    assert "refine" not in refine(pack, schedule)  # the minutes are spent
    if other == "schedule":
        schedule = replace(schedule, keep=0.5)
    else:
        pack = open_pack(write_small_rig(tmp_path), device="cpu")
        with torch.no_grad():
            pack.optional("regressor").hidden.bias.add_(0.1)
    assert "refine" in refine(pack, schedule)


# --- a rig of one's own -----------------------------------------------------------------------------


def test_ridge_is_the_same_both_ways():
    """More inputs than samples, or fewer: the answer solves the same normal equations."""
    for samples in (6, 30):
        x, y = torch.randn(samples, 12).double(), torch.randn(samples, 3).double()
        wanted = torch.linalg.solve(x.T @ x + 30 * torch.eye(12).double(), x.T @ y)
        assert torch.allclose(ridge(x, y), wanted, atol=1e-9)


@pytest.mark.parametrize(
    ("size", "device", "samples"), [(128, "cpu", 6000), (1024, "cuda", 18432), (1024, "cpu", 1843)]
)
def test_the_budget_grows_with_the_generator(size, device, samples):
    generator = SimpleNamespace(size=size, n_latent=18 if size == 1024 else 12, style_dim=512 if size == 1024 else 128)
    schedule = train_rig.budget(SimpleNamespace(generator=generator, device=torch.device(device)))
    assert schedule.samples == samples
    assert (schedule.picture_batch == 1) == (size == 1024 and device == "cpu")


def test_a_rig_of_ffhq_has_a_place(monkeypatch, tmp_path):
    monkeypatch.setenv("BARBERSHOP_TRAINED", str(tmp_path))
    manifest = read_manifest("ffhq")
    network = manifest.networks["rignet"]
    place = local.embedded_path(network.sources[0], manifest.folder)
    assert place == tmp_path / "ffhq" / "rignet.safetensors" and network.need == "optional"
    assert local.locate(network, manifest.folder) is None
    place.parent.mkdir()
    place.write_bytes(b"x")
    assert local.locate(network, manifest.folder).path == place
    with pytest.raises(WeightMissing, match="rig train --pack ffhq"):
        monkeypatch.setenv("BARBERSHOP_TRAINED", str(tmp_path / "elsewhere"))
        run(hub.fetch(network, manifest.folder))


def test_rig_train_saves_what_the_pack_finds_and_the_sliders_use(monkeypatch, tmp_path, capsys):
    """In the published layouts: the command as README gives it, then a session with live sliders."""
    monkeypatch.setenv("BARBERSHOP_TRAINED", str(tmp_path / "own"))
    manifest = run(write_pack(tmp_path / "published", Sizes(64, 16, 300), without=("clip", "encoder")))
    assert open_pack(manifest, device="cpu").optional("rignet") is None
    command = ["rig", "train", "--pack", str(manifest), "--device", "cpu", "--minutes", "0.01", "--samples", "24"]
    monkeypatch.setattr(train_rig, "budget", lambda pack: train_rig.Schedule(held_out=6, scored=4, batch=8))
    assert main([*command, "--json", "--quiet"]) == 0
    file = tmp_path / "own" / "published" / "rignet.safetensors"
    assert json.loads(capsys.readouterr().out)["file"] == str(file) and file.is_file()
    assert "sha256" not in manifest.read_text()
    pack = open_pack(manifest, device="cpu")
    rig = pack.optional("rignet")
    assert rig.sizes == {"pose": 3, "expression": 64, "light": 27} and rig.n_latent == 10
    monkeypatch.setitem(pie_presets.PRESETS, "fast", TINY)
    session = run(Studio(pack, cache=False).rig(portrait(1)))
    assert session.live and session.image(yaw=15.0).shape == (64, 64, 3)
