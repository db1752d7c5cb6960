"""What nobody should send, through the API and the page's upload: a sentence each, and the server goes on as before."""

from __future__ import annotations

import html
import json
import re
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from app_process import App, file
from hostile import FILES, READ, REFUSED, clouds, saved
from small_pack import write_small_pack
from small_rigged import add_rig
from small_words import add_words

pytestmark = pytest.mark.slow
ME = object()  # stands for an ordinary photo
GOOD = ["fast", 0, -1]

LEAKS = re.compile(
    r"Traceback|0x[0-9a-f]{6,}|site-packages|\.py\b|File \"|<class|object at|Error\(|\[Errno|/tmp/|/root|/home/|/etc/"
    r"|/usr/|pydantic|NoneType|root:|instance-id"
)


def a_sentence(said: str) -> str:
    """The sentence of a refusal, which leaks nothing.  Gradio sends errors as JSON, the web server its own."""
    try:
        found = json.loads(said)
    except ValueError:
        found = said
    if isinstance(found, dict):
        found = found.get("error") or found.get("detail")
    assert isinstance(found, str), said[:500]
    ended = found.endswith((".", "!")) or found == "There was an error parsing the body"  # the web server's own
    assert re.search(r"\w.*\w", found) and ended and len(found) < 500, found[:600]
    assert not LEAKS.search(found), found
    return found


@pytest.fixture(scope="module")
def app(tmp_path_factory):
    folder = tmp_path_factory.mktemp("hostile")
    running = App(folder, add_rig(add_words(write_small_pack(folder / "pack"))))
    yield running
    assert running.process.poll() is None, "the server has died"
    running.close()


@pytest.fixture(scope="module")
def me(app):
    status, path = app.upload(saved(clouds(96, 128), "PNG"), "me.png")
    assert status == 200
    return path


@pytest.fixture(scope="module")
def page(app):
    """The page's own upload of the person: number of the event, and what it takes."""
    config = json.loads(app.request("/config")[1])
    (face,) = (c["id"] for c in config["components"] if c["props"].get("elem_id") == "face")
    events = [d for d in config["dependencies"] if [face, "input"] in [list(t) for t in d["targets"]]]
    return next(d for d in events if d["backend_fn"])


def uploaded_on_the_page(app, page, path: str) -> tuple[bool, str]:
    """What the page's server does when a browser has uploaded a file into the field of the person."""
    visit = {"session_hash": f"visit{abs(hash(path))}", "fn_index": page["id"]}
    data = {**visit, "data": [file(path)], "event_data": None, "trigger_id": page["targets"][0][0]}
    status, text = app.request("/gradio_api/queue/join", json.dumps(data).encode())
    assert status == 200, text
    _, text = app.request(f"/gradio_api/queue/data?session_hash={visit['session_hash']}")
    last = [json.loads(line[6:]) for line in text.splitlines() if line.startswith("data: ")]
    done = next(m for m in last if m["msg"] == "process_completed")
    return done["success"], json.dumps(done["output"])


# --- files ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", FILES)
def test_a_file(app, page, name):
    file_name, contents, expected = FILES[name]
    status, path = app.upload(contents(), file_name)
    if status != 200:
        assert expected == REFUSED or "name" in name, path
        assert 400 <= status < 500 and not LEAKS.search(path), path
        return
    assert path.startswith(str(app.folder / "gradio")), path
    done, said = app.call("align", [file(path), None, -1])
    assert done or expected != READ, said
    assert not done or expected != REFUSED, said
    if not done:
        sentence = a_sentence(said)
    # The page shows the same sentence beside the photo.
    shown, answer = uploaded_on_the_page(app, page, path)
    assert shown and not LEAKS.search(answer.replace(str(app.folder), "")), answer[:2000]
    if not done:
        assert html.escape(sentence) in json.dumps(json.loads(answer), ensure_ascii=False)


def test_a_file_larger_than_the_page_takes(app):
    status, said = app.upload(bytes(70 << 20), "a.png")
    assert status in (0, 413) and not LEAKS.search(said), said  # 0: it hangs up before the last byte


# --- places that are no uploads ---------------------------------------------------------------


class _Inner(BaseHTTPRequestHandler):
    asked: list[str] = []

    def do_GET(self):
        self.asked.append(self.path)
        self.send_response(200)
        self.end_headers()
        self.wfile.write(saved(clouds(96, 128), "PNG"))

    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def inner():
    """A server in the inner network, which nobody outside may reach through the page."""
    server = HTTPServer(("127.0.0.1", 0), _Inner)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()


PLACES = {
    "password file": "/etc/passwd",
    "climbing": "../../../../etc/passwd",
    "climbing from the uploads": "{gradio}/../../../../etc/passwd",
    "the program itself": "app.py",
    "its texts": "assets/licences.md",
    "own environment": "/proc/self/environ",
    "endless device": "/dev/zero",
    "a folder": "/tmp",
    "log": "{folder}/log.txt",
    "a visit's photo": "{folder}/cache/visits/x/photo.png",
    "codes": "{folder}/cache/codes",
    "weights": "{folder}/pack/generator.safetensors",
    "file address": "file:///etc/passwd",
    "the page itself": "{url}/config",
    "inner address": "http://127.0.0.1:{port}/secret.png",
    "inner name": "http://localhost:{port}/secret.png",
    "inner address in six": "http://[::1]:{port}/secret.png",
    "inner address as a number": "http://2130706433:{port}/secret.png",
    "inner address in octal": "http://0177.0.0.1:{port}/secret.png",
    "cloud's metadata": "http://169.254.169.254/latest/meta-data/",
    "private network": "http://10.0.0.1/a.png",
    "other protocols": "gopher://127.0.0.1:{port}/_x",
    "FTP": "ftp://127.0.0.1/a.png",
    "name with zero": "/etc/passwd\0.png",
    "long": "/" + "a/" * 3000,
    "text as data": "data:text/html;base64,PHNjcmlwdD4=",
}


@pytest.mark.parametrize("name", PLACES)
def test_a_place_that_is_no_upload(app, inner, name):
    place = PLACES[name].format(gradio=app.folder / "gradio", folder=app.folder, url=app.url, port=inner.server_port)
    asked = len(_Inner.asked)
    for given in (file(place), {**file(place), "url": place}, place):
        done, said = app.call("align", [given, None, -1])
        assert not done, (given, said)
        a_sentence(said)
    assert len(_Inner.asked) == asked, "the inner server was asked"


@pytest.mark.parametrize(
    "path",
    [
        "/gradio_api/file=/etc/passwd",
        "/gradio_api/file=app.py",
        "/gradio_api/file=../../../../etc/passwd",
        "/gradio_api/file={folder}/log.txt",
        "/gradio_api/file={folder}/cache/visits",
        "/gradio_api/proxy=http://127.0.0.1/",
        "/static/../../../../etc/passwd",
        "/assets/%2e%2e/%2e%2e/%2e%2e/etc/passwd",
        "/file/../app.py",
        "/gradio_api/call/none/1",
        "/gradio_api/queue/data?session_hash=nobody",
    ],
)
def test_an_address_that_serves_no_secret(app, path):
    status, said = app.request(path.format(folder=app.folder))
    assert "root:" not in said and "import gradio" not in said and "uvicorn" not in said.lower()
    assert status == 0 or status >= 400 or "<title>" in said or "event" in said or not said.strip(), (
        status,
        said[:300],
    )
    assert "Traceback" not in said


# --- arguments --------------------------------------------------------------------------------

HUGE = 10**400
TEXT = ["directions", "hair", 3, 0.15, 1, None, "W+", *GOOD, None, "named"]


def text(**changed) -> list:
    names = ("method", "neutral", "alpha", "beta", "strength", "identity", "route", "preset", "seed", "face_index")
    values = dict(zip((*names, "levels", "where"), TEXT)) | changed
    return [ME, values.pop("prompt", "blond hair"), *values.values()]


def pose(**changed) -> list:
    names = ("yaw", "pitch", "roll", "expression", "strength", "light", "like", "copy", "preset", "seed")
    values = dict(zip((*names, "face_index", "like_index"), (5, 0, 0, "", 1, None, None, "pose", *GOOD, -1)))
    return [ME, *(values | changed).values(), None]  # the last is the gaze


ARGUMENTS: dict[str, tuple[str, object]] = {
    "no photo": ("align", [None, None, -1]),
    "photo as a number": ("align", [7, None, -1]),
    "photo as a list": ("align", [[1, 2], None, -1]),
    "photo as nothing much": ("align", [{}, None, -1]),
    "photo without a path": ("align", [{"path": None, "meta": {"_type": "gradio.FileData"}}, None, -1]),
    "photo of another type": ("align", [{"path": 5, "meta": {"_type": "x"}}, None, -1]),
    "nested 20000 times": ("align", b'{"data": ' + b"[" * 20_000 + b"]" * 20_000 + b"}"),
    "index NaN": ("align", b'{"data": [ME, null, NaN]}'),
    "index Infinity": ("align", b'{"data": [ME, null, Infinity]}'),
    "index 1e308": ("align", [ME, None, 1e308]),
    "index with 400 digits": ("align", [ME, None, HUGE]),
    "index as text": ("align", [ME, None, "one"]),
    "index as an object": ("align", [ME, None, {"a": 1}]),
    "size 1e12": ("align", [ME, 1e12, -1]),
    "size below zero": ("align", [ME, -5, -1]),
    "size NaN": ("align", b'{"data": [ME, NaN, -1]}'),
    "too few": ("edit_text", [ME]),
    "no list": ("align", {"face": 1}),
    "no JSON": ("align", b"{]"),
    "no data": ("align", b"{}"),
    "no such endpoint": ("shell", [ME]),
    "space unknown": ("embed", [ME, "X'; DROP TABLE", "fast", -1]),
    "preset unknown": ("embed", [ME, "W", "../../x", -1]),
    "prompt of nothing": ("edit_text", text(prompt=" \t\n")),
    "prompt null": ("edit_text", text(prompt=None)),
    "alpha NaN": ("edit_text", json.dumps({"data": text(alpha=float("nan"))}, default=lambda _: "ME").encode()),
    "alpha 1e300": ("edit_text", text(alpha=1e300)),
    "alpha as text": ("edit_text", text(alpha="much")),
    "seed -1": ("edit_text", text(seed=-1)),
    "seed 0.5": ("edit_text", text(seed=0.5)),
    "method unknown": ("edit_text", text(method="eval")),
    "mapper by path": ("edit_text", text(method="mapper", prompt="../../../etc/passwd")),
    "mapper of 5 MB": ("edit_text", text(method="mapper", prompt="x" * 5_000_000)),
    "levels as numbers": ("edit_text", text(method="mapper", prompt="curly hair", levels=[1, None])),
    "levels as an object": ("edit_text", text(method="mapper", prompt="curly hair", levels={"a": 1})),
    "where unknown": ("edit_text", text(where="nowhere")),
    "edits as text": ("direction_sliders", [ME, "blond", "W+", "fast", -1, "named"]),
    "edits of nothing": ("direction_sliders", [ME, [None, 5], "W+", "fast", -1, "named"]),
    "edits with alpha NaN": (
        "direction_sliders",
        b'{"data": [ME, [{"target": "hair", "alpha": NaN}], "W+", "fast", -1, "named"]}',
    ),
    "edits with beta 1e999": (
        "direction_sliders",
        b'{"data": [ME, [{"target": "hair", "beta": 1e999}], "W+", "fast", -1, "named"]}',
    ),
    "5000 edits": (
        "direction_sliders",
        [ME, [{"target": f"hair {n}"} for n in range(5000)], "W+", "fast", -1, "named"],
    ),
    "edit with a target of 5 MB": (
        "direction_sliders",
        [ME, [{"target": "x" * 5_000_000, "beta": 9}], "W+", "fast", -1, "named"],
    ),
    "yaw 1e18": ("repose", pose(yaw=1e18)),
    "yaw with 400 digits": ("repose", pose(yaw=HUGE)),
    "light as text": ("repose", pose(light="left")),
    "light as a list": ("repose", pose(light=[1, 2, 3])),
    "light of text": ("repose", pose(light={"azimuth": "left"})),
    "light NaN": (
        "repose",
        json.dumps({"data": pose(light={"azimuth": float("nan")})}, default=lambda _: "ME").encode(),
    ),
    "light of unknown parts": ("repose", pose(light={"__class__": 1})),
    "expression of 5 MB": ("repose", pose(expression="smile" * 1_000_000)),
    "copy of everything": ("repose", pose(like=ME, copy="everything, " * 10_000)),
    "features of 1 MB": (
        "transfer_hair",
        [ME, ME, None, ME, "nose," * 200_000 + "tail", None, "realistic", "fast", 5, 0, -1, None],
    ),
    "smooth NaN": ("transfer_hair", b'{"data": [ME, ME, null, null, "", null, "realistic", "fast", NaN, 0, -1, null]}'),
    "mask that is a photo": ("transfer_hair", [ME, None, None, None, "", ME, "realistic", "fast", 5, 0, -1, None]),
}


@pytest.mark.parametrize("name", ARGUMENTS)
def test_arguments(app, me, name):
    endpoint, data = ARGUMENTS[name]
    photo = json.dumps(file(me))
    if not isinstance(data, bytes):
        data = json.dumps({"data": data}, default=lambda _: "ME").encode()
    done, said = app.call(endpoint, data.replace(b'"ME"', b"ME").replace(b"ME", photo.encode()))
    assert not done, said[:500]
    a_sentence(said)


def test_a_prompt_of_5_mb_is_cut_and_says_so(app, me):
    data = json.dumps({"data": text(prompt="long blond hair " * 330_000)}, default=lambda _: file(me)).encode()
    done, said = app.call("edit_text", data)
    assert done and "too long" in said, said[:500]


def test_signs_in_a_prompt(app, me):
    data = json.dumps({"data": text(prompt="‮\x00\x1b[31m<script>😀\ud7ff{}%s")}, default=lambda _: file(me)).encode()
    done, said = app.call("edit_text", data)
    assert done or a_sentence(said)


def test_a_mask_that_is_a_bomb(app, me):
    from hostile import SVG, png_bomb

    for data, name in ((png_bomb(30_000), "m.png"), (SVG, "m.svg")):
        _, path = app.upload(data, name)
        photo, mask = file(me), file(path)
        done, said = app.call("transfer_hair", [photo, None, None, None, "", mask, "realistic", "fast", 5, 0, -1, None])
        assert not done and "mask" in a_sentence(said)


# --- afterwards -------------------------------------------------------------------------------


def test_memory_comes_back_and_the_server_works(app, me):
    """The largest of the files and arguments, several times: nothing is kept of them."""
    assert app.call("align", [file(me), None, -1])[0]

    def all_of_it() -> None:
        for name in ("bomb of 30000 x 30000", "text bomb in a PNG", "profile bomb in a PNG", "too many bytes"):
            _, path = app.upload(FILES[name][1](), FILES[name][0])
            app.call("align", [file(path), None, -1])
        app.call("edit_text", json.dumps({"data": text(prompt="x" * 5_000_000)}, default=lambda _: file(me)).encode())

    all_of_it()
    before = app.memory
    for _ in range(4):
        all_of_it()
    assert app.memory < before + 120, (before, app.memory)
    assert app.call("align", [file(me), None, -1])[0]
