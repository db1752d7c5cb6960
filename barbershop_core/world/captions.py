"""Words about portraits and how true they are.

A *claim* is a handful of phrases that say the same, with a degree of truth for every portrait in 0..1.
Captions are claims put into sentences, written anew for each batch; because truth is known for every
pair of caption and portrait, a picture is never taught to be far from a sentence that fits it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache

import numpy as np

from ..weights.assets import templates
from . import params

Truth = Callable[[dict[str, np.ndarray]], np.ndarray]


@dataclass(frozen=True)
class Claim:
    """One thing that can be said of a portrait.

    attribute: which part of it, at most one claim of which goes into a sentence.
    nouns: after "with" ("glasses"); adjectives: before "person" ("smiling"); verbs: after it ("wearing
    glasses"); hair: before "hair" ("curly").  truth: parameters by name, uniform in [-1,1] -> 0..1.
    """

    attribute: str
    truth: Truth
    nouns: Sequence[str] = field(default=())
    adjectives: Sequence[str] = field(default=())
    verbs: Sequence[str] = field(default=())
    hair: Sequence[str] = field(default=())


def _above(name: str, threshold: float, softness: float = 0.1) -> Truth:
    return lambda u: 1 / (1 + np.exp(-(u[name] - threshold) / softness))


def _below(name: str, threshold: float, softness: float = 0.1) -> Truth:
    return lambda u: 1 / (1 + np.exp((u[name] - threshold) / softness))


def _both(*truths: Truth) -> Truth:
    return lambda u: np.prod([truth(u) for truth in truths], axis=0)


def _not(truth: Truth) -> Truth:
    return lambda u: 1 - truth(u)


def _between(name: str, low: float, high: float, softness: float = 0.08) -> Truth:
    return _both(_above(name, low, softness), _below(name, high, softness))


def _near(name: str, centre: float, reach: float = 0.18, softness: float = 0.04) -> Truth:
    """On a circle of circumference 2 (hues)."""
    return lambda u: 1 / (1 + np.exp((np.abs((u[name] - centre + 1) % 2 - 1) - reach) / softness))


def _has_glasses(u):
    return (u["glasses"] > 0.6).astype(float)


def _beard(u, threshold=0.4):
    return 1 / (1 + np.exp(-(np.clip((u["beard"] - 0.2) / 0.5, 0, 1) - threshold) / 0.1))


_GREY = _above("hair_grey", 0.68, 0.06)
_RED = _both(_above("hair_red", 0.55), _above("hair_lightness", -0.5), _not(_GREY))
_PLAIN = _both(_not(_GREY), _not(_RED))


def _axis(
    name: str,
    high: Sequence[str],
    low: Sequence[str],
    more: Sequence[str] = (),
    less: Sequence[str] = (),
    threshold: float = 0.25,
) -> list[Claim]:
    """Noun phrases for both ends of a parameter, and comparatives."""
    return [
        Claim(name, _above(name, threshold), high),
        Claim(name, _below(name, -threshold), low),
        Claim(name, _above(name, 0.0, 0.3), more),
        Claim(name, _below(name, 0.0, 0.3), less),
        Claim(
            name,
            _above(name, 0.6),
            [
                "very " + p if " " not in p else p.replace(" ", " very ", 1)
                for p in high
                if p.startswith(("a ", "an "))
            ],
        ),
    ]


HUES = {"red": 0.0, "yellow": 0.33, "green": 0.67, "turquoise": 1.0, "blue": -0.67, "purple": -0.33}


def _hues() -> list[Claim]:
    claims = []
    for name, centre in HUES.items():
        coloured = _both(_near("cloth_hue", centre), _above("cloth_saturation", -0.4))
        nouns = [f"a {name} shirt", f"{name} clothes", f"a {name} top"]
        claims.append(Claim("cloth", coloured, nouns, verbs=[f"wearing {name}", f"in {name} clothes"]))
        claims.append(
            Claim(
                "back",
                _near("back_hue", centre),
                [f"a {name} background", f"a {name} wall"],
                verbs=[f"in front of a {name} wall"],
            )
        )
    return claims


@cache
def claims() -> tuple[Claim, ...]:
    """Everything that captions say; every attribute of the world is among it."""
    said = [
        # expression
        Claim(
            "smile",
            _above("smile", 0.3),
            ["a smile", "a happy expression", "a smiling mouth"],
            ["smiling", "happy", "cheerful"],
            ["who smiles", "smiling at the camera"],
        ),
        Claim(
            "smile",
            _above("smile", 0.65),
            ["a big smile", "a broad smile", "a wide smile"],
            ["laughing", "very happy", "grinning"],
        ),
        Claim(
            "smile",
            _below("smile", 0.1),
            ["no smile", "an expression without a smile"],
            ["unsmiling", "not smiling"],
            ["who does not smile", "without a smile"],
        ),
        Claim(
            "smile",
            _below("smile", -0.3),
            ["a serious expression", "a sad expression", "a sad mouth"],
            ["serious", "sad", "unhappy"],
        ),
        Claim("smile", _above("smile", 0.0, 0.3), ["more of a smile", "a happier expression"]),
        Claim(
            "frown",
            _both(_above("frown", 0.4), _below("smile", 0.3, 0.2)),
            ["a frown", "an angry expression"],
            ["frowning", "angry", "cross"],
        ),
        Claim("frown", _below("frown", 0.0), ["no frown", "a relaxed brow"], ["relaxed", "not frowning"]),
        Claim(
            "mouth_open",
            _above("mouth_open", 0.35),
            ["an open mouth", "open lips", "the mouth open"],
            verbs=["talking", "with the mouth open"],
        ),
        Claim(
            "mouth_open", _below("mouth_open", 0.05), ["a closed mouth", "closed lips", "the mouth closed"]
        ),
        Claim(
            "brow_raise",
            _both(_above("brow_raise", 0.3), _above("mouth_open", 0.2)),
            ["a surprised expression"],
            ["surprised", "astonished"],
        ),
        *_axis("brow_raise", ["raised eyebrows", "raised brows"], ["lowered eyebrows", "lowered brows"]),
        Claim("eye_open", _above("eye_open", 0.4), ["wide open eyes", "eyes wide open"], ["wide-eyed"]),
        Claim(
            "eye_open",
            _below("eye_open", -0.72, 0.04),
            ["closed eyes", "nearly closed eyes", "the eyes shut"],
            ["squinting", "sleepy"],
        ),
        Claim("eye_open", _above("eye_open", -0.6, 0.05), ["open eyes", "the eyes open"], ["awake"]),
        # pose and light
        Claim("yaw", _above("yaw", 0.35), ["the head turned to the right"], verbs=["looking to the right"]),
        Claim("yaw", _below("yaw", -0.35), ["the head turned to the left"], verbs=["looking to the left"]),
        Claim(
            "yaw",
            _between("yaw", -0.3, 0.3),
            ["a frontal view"],
            verbs=["looking straight ahead", "facing the camera"],
        ),
        Claim("pitch", _above("pitch", 0.35), ["the head raised"], verbs=["looking up"]),
        Claim("pitch", _below("pitch", -0.35), ["the head bowed"], verbs=["looking down"]),
        Claim("roll", lambda u: 1 / (1 + np.exp(-(np.abs(u["roll"]) - 0.5) / 0.1)), ["a tilted head"]),
        Claim(
            "light_azimuth",
            _above("light_azimuth", 0.3),
            ["light from the right"],
            verbs=["lit from the right"],
        ),
        Claim(
            "light_azimuth",
            _below("light_azimuth", -0.3),
            ["light from the left"],
            verbs=["lit from the left"],
        ),
        Claim(
            "light_elevation", _above("light_elevation", 0.3), ["light from above"], verbs=["lit from above"]
        ),
        Claim("light_elevation", _below("light_elevation", -0.3), ["light from the front"]),
        *_axis(
            "light_contrast", ["hard light", "strong shadows", "dramatic light"], ["soft light", "flat light"]
        ),
        *_axis("light_warmth", ["warm light", "golden light"], ["cool light", "cold light"]),
        # hair
        Claim(
            "hair_length",
            _above("hair_length", 0.35),
            ["hair over the shoulders"],
            ["long-haired"],
            hair=["long"],
        ),
        Claim("hair_length", _above("hair_length", 0.7), hair=["very long"]),
        Claim("hair_length", _between("hair_length", -0.35, 0.35), hair=["medium-length", "chin-length"]),
        Claim(
            "hair_length",
            _below("hair_length", -0.35),
            ["a short haircut", "cropped hair"],
            ["short-haired"],
            hair=["short"],
        ),
        Claim("hair_length", _below("hair_length", -0.7), hair=["very short"]),
        Claim("hair_length", _above("hair_length", 0.0, 0.3), ["longer hair"], hair=["longer"]),
        Claim("hair_length", _below("hair_length", 0.0, 0.3), ["shorter hair"], hair=["shorter"]),
        Claim("hair_length", _below("hair_length", 0.2), ["no long hair"], hair=["not long"]),
        Claim(
            "curl",
            _above("curl", 0.45),
            ["curls", "a curly hairstyle"],
            ["curly-haired"],
            hair=["curly", "frizzy"],
        ),
        Claim("curl", _above("curl", 0.75), hair=["very curly"]),
        Claim("curl", _between("curl", -0.05, 0.5), ["waves"], hair=["wavy", "slightly curly"]),
        Claim(
            "curl",
            _below("curl", -0.15),
            ["no curls"],
            ["straight-haired"],
            hair=["straight", "smooth", "sleek"],
        ),
        Claim("curl", _below("curl", 0.3), ["no curly hair"], hair=["not curly"]),
        Claim("curl", _above("curl", 0.1, 0.3), ["curlier hair", "more curls"], hair=["curlier"]),
        Claim("curl", _below("curl", 0.1, 0.3), ["straighter hair"], hair=["straighter"]),
        Claim(
            "wave_length",
            _both(_above("curl", 0.3), _below("wave_length", -0.3)),
            ["tight curls", "small waves"],
        ),
        Claim(
            "wave_length",
            _both(_above("curl", 0.3), _above("wave_length", 0.3)),
            ["loose curls", "large waves"],
        ),
        Claim(
            "hair_volume",
            _above("hair_volume", 0.3),
            ["lots of hair", "a big hairstyle"],
            hair=["voluminous", "thick", "full"],
        ),
        Claim("hair_volume", _below("hair_volume", -0.3), hair=["thin", "flat", "fine"]),
        Claim("hair_volume", _above("hair_volume", 0.0, 0.3), ["more hair", "fuller hair"]),
        Claim(
            "fringe", _above("fringe", 0.3), ["a fringe", "bangs", "hair over the forehead", "a full fringe"]
        ),
        Claim(
            "fringe",
            _below("fringe", -0.05),
            ["no fringe", "no bangs", "a bare forehead", "a free forehead"],
            verbs=["without a fringe", "without bangs"],
        ),
        Claim("parting", lambda u: 1 / (1 + np.exp(-(np.abs(u["parting"]) - 0.5) / 0.1)), ["a side parting"]),
        Claim("parting", _between("parting", -0.25, 0.25), ["a middle parting"]),
        Claim("sweep", _both(_above("fringe", 0.0), _above("sweep", 0.3)), ["a fringe swept to the right"]),
        Claim("sweep", _both(_above("fringe", 0.0), _below("sweep", -0.3)), ["a fringe swept to the left"]),
        Claim(
            "hair_color",
            _both(_below("hair_lightness", -0.45), _PLAIN),
            ["dark brown or black hair"],
            ["dark-haired"],
            hair=["black", "dark"],
        ),
        Claim(
            "hair_color",
            _both(_between("hair_lightness", -0.4, 0.45), _PLAIN),
            ["brunette hair"],
            ["brown-haired"],
            hair=["brown"],
        ),
        Claim(
            "hair_color",
            _both(_above("hair_lightness", 0.45), _PLAIN),
            ["golden hair"],
            ["blond", "fair-haired"],
            hair=["blond", "blonde", "light", "fair"],
        ),
        Claim(
            "hair_color", _both(_above("hair_lightness", 0.75), _PLAIN), hair=["very blond", "light blond"]
        ),
        Claim("hair_color", _RED, ["copper hair"], ["red-haired"], hair=["red", "ginger", "auburn"]),
        Claim(
            "hair_color", _GREY, ["silver hair"], ["grey-haired"], hair=["grey", "gray", "silver", "white"]
        ),
        Claim(
            "hair_color",
            _not(_both(_above("hair_lightness", 0.3), _PLAIN)),
            ["no blond hair"],
            hair=["not blond"],
        ),
        Claim("hair_color", _not(_GREY), ["no grey hair"], hair=["not grey"]),
        Claim("hair_color", _not(_RED), ["no red hair"], hair=["not red"]),
        Claim(
            "hair_color",
            _both(_above("hair_lightness", 0.0, 0.3), _not(_GREY)),
            ["lighter hair"],
            hair=["lighter"],
        ),
        Claim(
            "hair_color",
            _both(_below("hair_lightness", 0.0, 0.3), _not(_GREY)),
            ["darker hair"],
            hair=["darker"],
        ),
        Claim(
            "hair_color",
            _both(_above("hair_red", 0.25, 0.25), _not(_GREY)),
            ["redder hair"],
            hair=["reddish"],
        ),
        Claim("hair_color", _above("hair_grey", 0.6, 0.1), ["greyer hair"], hair=["greyish"]),
        # extras
        Claim(
            "glasses",
            _has_glasses,
            ["glasses", "eyeglasses", "spectacles", "black glasses"],
            ["bespectacled"],
            ["wearing glasses", "who wears glasses", "wearing spectacles"],
        ),
        Claim(
            "glasses",
            _not(_has_glasses),
            ["no glasses", "bare eyes"],
            verbs=["without glasses", "not wearing glasses", "who wears no glasses", "without eyeglasses"],
        ),
        Claim(
            "beard",
            _beard,
            ["a beard", "facial hair", "a full beard", "a moustache and beard"],
            ["bearded", "unshaven"],
            ["who wears a beard"],
        ),
        Claim(
            "beard",
            lambda u: _beard(u, 0.8),
            ["a thick beard", "a heavy beard", "a dark beard"],
            ["very bearded"],
        ),
        Claim("beard", lambda u: _beard(u, 0.12), ["stubble", "some beard", "a bit of a beard"]),
        Claim(
            "beard",
            lambda u: 1 - _beard(u, 0.12),
            ["no beard", "no facial hair", "smooth cheeks and chin"],
            ["clean-shaven", "beardless", "shaved"],
            ["without a beard", "without facial hair"],
        ),
        Claim("neckline", _above("neckline", 0.3), ["a low neckline", "an open collar"]),
        Claim("neckline", _below("neckline", -0.3), ["a high neckline", "a high collar"]),
        # colours
        Claim("eyes", _above("eye_hue", 0.7), ["blue eyes"], ["blue-eyed"]),
        Claim("eyes", _between("eye_hue", 0.22, 0.6), ["green eyes"], ["green-eyed"]),
        Claim("eyes", _below("eye_hue", 0.12), ["brown eyes", "dark eyes"], ["brown-eyed"]),
        *_axis(
            "skin_tone",
            ["dark skin", "brown skin", "a dark complexion"],
            ["light skin", "pale skin", "fair skin"],
            ["darker skin"],
            ["lighter skin", "paler skin"],
        ),
        *_axis("skin_warmth", ["warm skin", "golden skin"], ["cool skin", "pinkish skin"]),
        *_axis("blush", ["rosy cheeks", "red cheeks", "blushing cheeks"], ["pale cheeks"], ["rosier cheeks"]),
        *_axis("lip_red", ["red lips", "lipstick"], ["pale lips"], ["redder lips"], ["paler lips"]),
        *_axis("cloth_lightness", ["bright clothes", "a light shirt"], ["dark clothes", "a dark shirt"]),
        *_axis(
            "cloth_saturation",
            ["colourful clothes", "a colourful shirt"],
            ["greyish clothes", "a plain shirt"],
        ),
        *_axis(
            "back_lightness",
            ["a bright background", "a light background"],
            ["a dark background"],
            ["a brighter background"],
            ["a darker background"],
        ),
        *_axis("back_gradient", ["an even background"], ["a background that gets darker below"]),
        *_hues(),
        # bones
        *_axis(
            "face_width",
            ["a wide face", "a round face", "a broad face"],
            ["a narrow face", "a slim face", "a thin face"],
            ["a wider face", "a rounder face"],
            ["a narrower face", "a thinner face"],
        ),
        *_axis(
            "jaw_width",
            ["a wide jaw", "a square jaw", "a strong jaw"],
            ["a narrow jaw", "a pointed chin"],
            ["a wider jaw"],
            ["a narrower jaw"],
        ),
        *_axis("chin_length", ["a long chin"], ["a short chin"], ["a longer chin"], ["a shorter chin"]),
        *_axis("nose_length", ["a long nose"], ["a short nose"], ["a longer nose"], ["a shorter nose"]),
        *_axis(
            "nose_width",
            ["a wide nose", "a broad nose"],
            ["a narrow nose", "a thin nose"],
            ["a wider nose", "a bigger nose"],
            ["a narrower nose", "a smaller nose"],
        ),
        *_axis("nose_height", ["a prominent nose", "a large nose"], ["a flat nose"]),
        *_axis(
            "eye_size",
            ["big eyes", "large eyes"],
            ["small eyes"],
            ["bigger eyes", "larger eyes"],
            ["smaller eyes"],
        ),
        *_axis("eye_gap", ["wide-set eyes", "eyes far apart"], ["close-set eyes", "eyes close together"]),
        *_axis(
            "mouth_width",
            ["a wide mouth", "a big mouth"],
            ["a narrow mouth", "a small mouth"],
            ["a wider mouth"],
            ["a narrower mouth"],
        ),
        *_axis("lip_fullness", ["full lips", "thick lips"], ["thin lips"], ["fuller lips"], ["thinner lips"]),
        *_axis("head_height", ["a high forehead", "a tall head"], ["a low forehead", "a flat head"]),
        *_axis("cheekbones", ["high cheekbones", "full cheeks"], ["hollow cheeks", "flat cheekbones"]),
        *_axis("brow_height", ["high eyebrows"], ["low eyebrows"], ["higher eyebrows"], ["lower eyebrows"]),
        *_axis(
            "brow_weight",
            ["thick eyebrows", "bushy eyebrows", "heavy eyebrows"],
            ["thin eyebrows", "fine eyebrows"],
            ["thicker eyebrows"],
            ["thinner eyebrows"],
        ),
    ]
    return tuple(c for c in said if c.nouns or c.adjectives or c.verbs or c.hair)


def named(p: np.ndarray) -> dict[str, np.ndarray]:
    """Portraits [B,P] as the renderer uses them: name -> [B] uniform in [-1,1]."""
    from scipy.special import erf

    return dict(zip(params.NAMES, erf(np.asarray(p, np.float64) / 2**0.5).T))


def truths(p: np.ndarray) -> np.ndarray:
    """How true each claim is of each portrait: [B,P] -> [claims,B] in 0..1."""
    u = named(p)
    return np.stack([claim.truth(u) for claim in claims()])


SUBJECTS = ("person", "person", "face", "head", "human", "man or woman", "someone")
FRAMES = (
    "{}",
    "{}",
    "{}",
    "a photo of {}",
    "a portrait of {}",
    "a picture of {}",
    "an image of {}",
    "this is {}",
    "a close-up of {}",
    "a rendering of {}",
    "{}, portrait photo",
    "a headshot of {}",
    "the photo shows {}",
)
OFTEN = {
    "smile": 3.0,
    "hair_color": 3.0,
    "curl": 3.0,
    "hair_length": 3.0,
    "glasses": 3.0,
    "beard": 3.0,
    "fringe": 2.0,
    "skin_tone": 2.0,
    "mouth_open": 1.5,
    "lip_red": 1.5,
    "eyes": 1.5,
}
"""How much more often than the others an attribute is spoken of."""


@cache
def _weights() -> np.ndarray:
    """How often each claim is chosen: by attribute, shared among its claims."""
    names = [c.attribute for c in claims()]
    return np.array([OFTEN.get(name, 1.0) / names.count(name) ** 0.5 for name in names])


def choose(truth: np.ndarray, count: int, rng: np.random.Generator) -> list[int]:
    """Numbers of ``count`` claims about different attributes, true ones of a portrait: truth [claims]."""
    share = _weights() * np.where(truth > 0.5, truth, 0.0)
    chosen: list[int] = []
    for index in rng.choice(
        len(share), min(3 * count + 2, int((share > 0).sum())), False, share / share.sum()
    ):
        if all(claims()[index].attribute != claims()[other].attribute for other in chosen):
            chosen.append(int(index))
        if len(chosen) == count:
            break
    return chosen


def sentence(indices: Sequence[int], rng: np.random.Generator) -> str:
    """A caption that makes these claims; without claims, one that fits every portrait."""

    def pick(options):
        return options[int(rng.integers(len(options)))]

    before, nouns, verbs, hair = [], [], [], []
    for index in indices:
        claim = claims()[index]
        kind = pick(
            [k for k in ("nouns", "adjectives", "verbs", "hair") for _ in range(2) if getattr(claim, k)]
        )
        {"nouns": nouns, "adjectives": before, "verbs": verbs, "hair": hair}[kind].append(
            pick(getattr(claim, kind))
        )
    if hair:
        nouns.insert(0, " ".join(hair) + " hair")
    if not indices:
        return _framed(
            pick([*("a " + s for s in SUBJECTS[:4]), "hair", "face", "a person with hair", "face with hair"]),
            rng,
        )
    bare = len(nouns) + len(before) + len(verbs) == 1 and rng.random() < 0.5
    if bare:  # as people type: "curly hair", "smiling", "with glasses"
        phrase = (nouns + before + verbs)[0]
        if nouns and rng.random() < 0.2:
            phrase = "with " + phrase
        return _framed(phrase, rng, likely=0.4)
    subject = pick(SUBJECTS)
    text = ("" if subject == "someone" else "a ") + " ".join([*before, subject])
    if subject == "someone" and before:
        text = f"someone {' and '.join(before)}"
    if nouns:
        text += " with " + (nouns[0] if len(nouns) == 1 else ", ".join(nouns[:-1]) + " and " + nouns[-1])
    if verbs:
        text += (", " if nouns else " ") + " and ".join(verbs)
    return _framed(text, rng)


def _framed(phrase: str, rng: np.random.Generator, likely: float = 0.3) -> str:
    if rng.random() < likely:
        return templates()[int(rng.integers(len(templates())))].format(phrase.removeprefix("a "))
    return FRAMES[int(rng.integers(len(FRAMES)))].format(phrase)


def batch(p: np.ndarray, extra: int, rng: np.random.Generator) -> tuple[list[str], np.ndarray]:
    """Captions of portraits [B,P], one each, and ``extra`` short ones of nobody in particular.

    Returns the captions and how true each is of each portrait, [B+extra,B] in 0..1.
    """
    truth = truths(p)
    wanted = [
        choose(truth[:, k], int(rng.choice([0, 1, 2, 3, 4, 5], p=[0.03, 0.27, 0.25, 0.2, 0.15, 0.1])), rng)
        for k in range(len(p))
    ]
    share = _weights() / _weights().sum()
    wanted += [[int(k)] for k in rng.choice(len(share), extra, p=share)]
    texts = [sentence(indices, rng) for indices in wanted]
    fits = np.stack([truth[indices].prod(0) if indices else np.ones(len(p)) for indices in wanted])
    return texts, fits.astype(np.float32)
