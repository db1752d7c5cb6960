() => {
  // Which button of the form was pressed last, for "Try again".  And a press that Gradio would drop, as the run before
  // it has not ended yet: where that one was stopped, or another photo or step was chosen meanwhile, the press counts
  // once the page stands still again.
  const runs = '#run, #swap_run, #text_run, #add, #rig_open, #copy';
  const ends = '#task button.stop, #chain button, #examples button, #face, #face_faces button, #crop_use';
  let going = null; // the run: whether something has ended it, which button was pressed since
  const ended = () => { if (going) going.ended = true; };
  const follow = (alive = false, patience = 100) => { // until Stop has come alive and is so no longer
    const stop = document.querySelector('#task button.stop:not(:disabled)');
    if (stop || (!alive && patience)) return setTimeout(follow, 100, alive || !!stop, patience - 1);
    const next = going.next;
    going = null;
    if (next) press(next);
  };
  const press = (button, patience = 100) => { // Gradio drops it until the cancelled run is over for the server, too
    if (document.querySelector('#status .run, #status .problem') || !patience) return;
    if (patience % 5 === 0) button.click();
    setTimeout(press, 100, button, patience - 1);
  };
  document.addEventListener('click', (event) => {
    const button = event.target.closest('#task button[id]');
    if (button) window.pressed = button.id;
    if (event.target.closest(ends)) ended();
    if (!button?.matches(runs)) return;
    // Gradio sees that a run is under way a moment too late for the second click of a double click.
    if (going && event.detail > 1) return event.stopImmediatePropagation();
    if (!going) {
      going = {};
      follow();
    } else if (going.ended) {
      going.next = button;
      event.stopImmediatePropagation();
    }
  }, true);
  for (const name of ['change', 'drop', 'paste']) {
    document.addEventListener(name, (event) => (name === 'paste' || event.target.closest?.('#face')) && ended(), true);
  }
}
