"use strict";
(() => {
  const $ = (id) => document.getElementById(id);
  const folder = document.body.dataset.folder;
  const entries = JSON.parse($("data").textContent);
  const tiles = [...document.querySelectorAll(".tile")];
  const links = tiles.map((tile) => tile.firstElementChild);
  const months = [...document.querySelectorAll("main > section:not(.notice)")];
  const numberOf = new Map(links.map((link, number) => [link.id, number]));
  const title = document.title;
  let current = -1; // the number of the picture in the full view
  let pushed = false; // whether the full view has an entry of its own in the browser's history

  // search

  let texts = null;
  const textOf = (entry) => [entry.prompt, entry.revised, entry.model, entry.thread, entry.date, entry.size]
    .join("\n").toLowerCase();

  function search() {
    texts ??= entries.map(textOf);
    const words = $("query").value.toLowerCase().split(/\s+/).filter(Boolean);
    let found = 0;
    tiles.forEach((tile, number) => {
      const shown = words.every((word) => texts[number].includes(word));
      if (tile.hidden === shown) tile.hidden = !shown;
      found += shown;
    });
    for (const month of months) month.hidden = !month.querySelector(".tile:not([hidden])");
    $("none").hidden = found > 0 || !entries.length;
    $("count").textContent = words.length ? `${number(found)} of ${number(entries.length)}` : plural(entries.length);
    if (words.length) scrollTo(0, 0);
  }

  const number = (value) => value.toLocaleString("en");
  const plural = (count) => `${number(count)} picture${count === 1 ? "" : "s"}`;

  // the full view

  function step(from, by) {
    let at = from + by;
    while (tiles[at]?.hidden) at += by;
    return tiles[at] ? at : -1;
  }

  function show(at) {
    const entry = entries[at];
    current = at;
    draw(entry);
    tell(entry);
    $("previous").disabled = step(at, -1) < 0;
    $("next").disabled = step(at, 1) < 0;
    for (const beside of [step(at, 1), step(at, -1)]) {
      if (beside >= 0 && entries[beside].full) new Image().src = folder + entries[beside].full;
    }
    if (!$("view").open) $("view").showModal();
    $("view").scrollTop = $("facts").scrollTop = 0;
  }

  function draw(entry) {
    const large = $("large");
    large.hidden = !entry.full;
    $("damage").hidden = !entry.broken;
    if (entry.broken) $("damage").textContent = `This picture is damaged: ${entry.broken}.`;
    $("stage").style.setProperty("--r", entry.full ? entry.width / entry.height : 1.5);
    $("stage").style.setProperty("--w", entry.width);
    large.classList.toggle("clear", entry.transparent);
    large.alt = entry.alt;
    large.removeAttribute("src");
    if (!entry.full) return;
    large.src = folder + entry.thumbnail; // at once, and the full picture as soon as it is decoded
    const full = new Image();
    full.src = folder + entry.full;
    full.decode().then(() => { if (entries[current] === entry) large.src = full.src; }, () => {});
  }

  function tell(entry) {
    $("when").textContent = entry.when;
    for (const part of ["prompt", "revised", "recover"]) {
      $(part).textContent = entry[part] ?? "";
      $(`${part}-part`).hidden = !entry[part];
    }
    $("references-part").hidden = !entry.shown;
    $("references-title").textContent = entry.shown === 1 ? "1 reference" : `${entry.shown} references`;
    $("references").replaceChildren(...entry.references.map(reference));
    const details = [["Size", entry.size], ["File", entry.weight], ["Model", entry.model], ["Codex", entry.codex],
      ["Thread", entry.thread]];
    $("details").replaceChildren(...details.filter(([, value]) => value).flatMap(([name, value]) => [
      Object.assign(document.createElement("dt"), { textContent: name }),
      Object.assign(document.createElement("dd"), { textContent: value }),
    ]));
    $("saved").hidden = !entry.saved || location.protocol !== "file:";
    if (entry.saved) $("saved").href = entry.saved;
    document.title = `${entry.when} – ${title}`;
  }

  function reference(name, at) {
    return Object.assign(new Image(), { src: folder + name, alt: `Reference ${at + 1}` });
  }

  function open(at) {
    if (!pushed) history.pushState(null, "", `#${links[at].id}`);
    else history.replaceState(null, "", `#${links[at].id}`);
    pushed = true;
    show(at);
  }

  function move(by) {
    const at = step(current, by);
    if (at >= 0) open(at);
  }

  function leave() {
    if (pushed) history.back(); // which closes the view, as the browser's own Back does
    else { history.replaceState(null, "", location.pathname + location.search); follow(); }
  }

  /** Bring the view in line with the address: a picture's name opens it, no name closes it. */
  function follow() {
    const at = numberOf.get(location.hash.slice(1));
    if (at !== undefined) { if (at !== current) show(at); return; }
    pushed = false;
    if (current < 0) return;
    const link = links[current];
    current = -1;
    document.title = title;
    $("view").close();
    link.focus();
    link.scrollIntoView({ block: "nearest" });
  }

  // copying

  async function copy(button) {
    const text = $(button.dataset.copies).textContent;
    const label = button.textContent;
    let done = true;
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      done = select($(button.dataset.copies)) && document.execCommand("copy");
    }
    $("said").textContent = button.textContent = done ? "Copied" : "Copying is not allowed here";
    setTimeout(() => { button.textContent = label; $("said").textContent = ""; }, 1600);
  }

  function select(element) {
    getSelection().selectAllChildren(element);
    return true;
  }

  // the keyboard between the pictures

  const sideways = { ArrowLeft: -1, ArrowRight: 1 };

  function walk(event) {
    const at = links.indexOf(document.activeElement);
    if (at < 0 || event.altKey || event.ctrlKey || event.metaKey || event.shiftKey) return;
    const to = sideways[event.key] ? step(at, sideways[event.key])
      : event.key === "ArrowDown" ? row(at, 1) : event.key === "ArrowUp" ? row(at, -1) : null;
    if (to === null) return;
    event.preventDefault();
    if (to >= 0) { links[to].focus({ preventScroll: true }); links[to].scrollIntoView({ block: "nearest" }); }
  }

  /** The picture of the next row that lies nearest below or above. */
  function row(from, by) {
    const here = tiles[from].getBoundingClientRect();
    const middle = (box) => (box.left + box.right) / 2;
    let best = -1, top = null;
    for (let at = step(from, by); at >= 0; at = step(at, by)) {
      const box = tiles[at].getBoundingClientRect();
      if (Math.abs(box.top - here.top) < 2) continue;
      top ??= box.top;
      if (Math.abs(box.top - top) > 2) break;
      const nearer = best < 0 || Math.abs(middle(box) - middle(here))
        < Math.abs(middle(tiles[best].getBoundingClientRect()) - middle(here));
      if (nearer) best = at;
    }
    return best;
  }

  // what the user does

  let asked = 0;
  $("query").addEventListener("input", () => { cancelAnimationFrame(asked); asked = requestAnimationFrame(search); });
  $("query").addEventListener("keydown", (event) => {
    if (event.key === "Escape" && $("query").value) { $("query").value = ""; search(); event.preventDefault(); }
    if (event.key === "ArrowDown" && step(-1, 1) >= 0) { links[step(-1, 1)].focus(); event.preventDefault(); }
  });
  $("clear").addEventListener("click", () => { $("query").value = ""; search(); $("query").focus(); });
  document.querySelector("main").addEventListener("click", (event) => {
    const link = event.target.closest(".tile a");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    open(numberOf.get(link.id));
  });
  document.querySelector("main").addEventListener("keydown", walk);
  document.addEventListener("keydown", (event) => {
    if (event.key === "/" && !$("view").open && document.activeElement !== $("query")) {
      event.preventDefault();
      $("query").select();
    }
  });

  $("view").addEventListener("keydown", (event) => {
    if (sideways[event.key] && !event.altKey && !event.ctrlKey && !event.metaKey && !event.shiftKey) {
      event.preventDefault();
      move(sideways[event.key]);
    }
  });
  $("view").addEventListener("cancel", (event) => { event.preventDefault(); leave(); });
  $("view").addEventListener("click", (event) => {
    const button = event.target.closest("[data-copies]");
    if (button) copy(button);
    if (event.target === $("stage") && innerWidth > 760) leave();
  });
  $("close").addEventListener("click", leave);
  $("previous").addEventListener("click", () => move(-1));
  $("next").addEventListener("click", () => move(1));
  addEventListener("popstate", follow);

  let from = null;
  $("stage").addEventListener("touchstart", (event) => {
    from = event.touches.length === 1 ? event.touches[0] : null;
  }, { passive: true });
  $("stage").addEventListener("touchend", (event) => {
    const to = event.changedTouches[0];
    const across = from && to ? to.clientX - from.clientX : 0;
    if (Math.abs(across) > 50 && Math.abs(to.clientY - from.clientY) < 60) move(across < 0 ? 1 : -1);
    from = null;
  }, { passive: true });

  $("finder").hidden = !entries.length;
  if (location.hash) follow();
})();
