/* The names of the regions above the mask editor are buttons that choose the brush's colour. */
() => {
  const swatches = () => [...document.querySelectorAll("#editor .swatch-container button.color")];
  const toggle = () => document.querySelector("#editor button[aria-label=Color]")?.click();
  const keys = () => [...document.querySelectorAll("#legend button.key")];
  const mark = (chosen) => keys().forEach((key, place) => key.setAttribute("aria-pressed", place === chosen));
  const name = () =>
    swatches().forEach((swatch, place) => {
      const region = keys()[place]?.textContent.trim() ?? "";
      if (swatch.title !== region) swatch.setAttribute("aria-label", (swatch.title = region));
    });
  const choose = (place, patience = 30) => {
    if (swatches().length) {
      swatches()[place]?.click();
      toggle(); // closes the palette
    } else if (patience) setTimeout(() => choose(place, patience - 1), 50);
  };
  document.addEventListener("click", (event) => {
    const place = keys().indexOf(event.target.closest?.("#legend button.key"));
    const swatch = swatches().indexOf(event.target.closest?.("#editor button.color"));
    if (swatch >= 0) mark(swatch);
    if (place < 0) return;
    mark(place);
    document.querySelector("#editor button[aria-label=Brush]")?.click();
    if (!swatches().length) toggle();
    choose(place);
  });
  new MutationObserver(name).observe(document.body, { childList: true, subtree: true });
}
