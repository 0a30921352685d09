// The page of a run while it is executed: its panel is loaded again every two seconds. Without scripts the page reloads itself.
(() => {
  const EVERY = 2000; // milliseconds
  const CONTROLS = "a, button, summary, [tabindex]";
  const focused = (panel) => [...panel.querySelectorAll(CONTROLS)].indexOf(document.activeElement);

  const load = async () => {
    const panel = document.querySelector("[data-panel]");
    if (!panel) return; // the run has ended
    try {
      const answer = await fetch(panel.dataset.panel);
      if (answer.redirected) return location.reload(); // to the sign-in page: the session has ended
      if (answer.ok) {
        const box = document.createElement("template");
        box.innerHTML = await answer.text();
        const fresh = box.content.querySelector(`#${panel.id}`);
        const place = focused(panel); // who tabs to a button must not be thrown out of it
        panel.replaceWith(fresh);
        if (place >= 0) fresh.querySelectorAll(CONTROLS)[place]?.focus();
      }
    } catch (error) {
      console.info("The panel could not be loaded, and will be asked for again.", error);
    }
    setTimeout(load, EVERY);
  };
  setTimeout(load, EVERY);
})();
