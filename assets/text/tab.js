async () => {
  // The random number of this tab, by which the server finds its photo and edits after a reload.  A duplicated tab
  // inherits the number: whoever holds the lock on it keeps it, the other one draws a new one.
  const draw = () => [...crypto.getRandomValues(new Uint8Array(20))].map((byte) => byte.toString(16).padStart(2, '0')).join('');
  const mine = (number) => new Promise((answer) => {
    if (!navigator.locks) return answer(true);  // plain http from another machine
    // The page before a reload lets go in a moment, on a busy machine in a few seconds; a duplicate's original never.
    const reloaded = performance.getEntriesByType('navigation')[0]?.type === 'reload';
    const patience = AbortSignal.timeout(reloaded ? 30000 : 2000);
    const held = () => { answer(true); return new Promise(() => {}); };
    navigator.locks.request('tab ' + number, { signal: patience }, held).catch(() => answer(false));
  });
  let number = draw();
  try {
    const kept = sessionStorage.getItem('tab');
    if (kept && await mine(kept)) number = kept;
    else await mine(number);
    sessionStorage.setItem('tab', number);
  } catch {}  // a browser that keeps nothing: the visit ends with the page
  return [number];
}
