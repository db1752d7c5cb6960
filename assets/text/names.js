/* Gradio gives its empty pictures a name but no role, which screen readers then leave out. */
() => {
  const name = () =>
    document.querySelectorAll('[aria-label="Empty value"]:not([role])').forEach((e) => e.setAttribute("role", "img"));
  name();
  new MutationObserver(name).observe(document.body, { childList: true, subtree: true });
}
