/* The lit ball is a handle: where it is touched, there the lamp stands. */
() => {
  const limit = (v, low, high) => Math.min(high, Math.max(low, v));
  const degrees = 180 / Math.PI;
  const put = (name, value) => {
    const slider = document.querySelector(`#${name} input[type=range]`);
    slider.value = Math.round(limit(value, +slider.min, +slider.max));
    slider.dispatchEvent(new Event("input", { bubbles: true }));
  };
  const aim = (event) => {
    const box = document.querySelector("#sphere img").getBoundingClientRect();
    const radius = box.width / 2.3; // the ball fills 2 of the picture's 2.3
    let x = (event.clientX - box.left - box.width / 2) / radius;
    let y = (box.top + box.height / 2 - event.clientY) / radius;
    const away = Math.max(1, Math.hypot(x, y));
    x /= away;
    y /= away;
    const elevation = Math.asin(limit(y, -1, 1));
    put("light_azimuth", degrees * Math.asin(limit(x / Math.max(Math.cos(elevation), 1e-3), -1, 1)));
    put("light_elevation", degrees * elevation);
  };
  let held = false;
  document.addEventListener("pointerdown", (event) => {
    if (!event.target.closest?.("#sphere img")) return;
    held = true;
    event.preventDefault();
    aim(event);
  });
  document.addEventListener("pointermove", (event) => held && aim(event));
  for (const name of ["pointerup", "pointercancel"]) document.addEventListener(name, () => (held = false));
}
