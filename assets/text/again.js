() => document.addEventListener('click', (event) => {
  // which button of the form was pressed last, for "Try again"
  const button = event.target.closest('#task button[id]');
  if (button) window.pressed = button.id;
}, true)
