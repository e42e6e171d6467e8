// One picture in full, with what is known of it; the address names it, so that Back closes it.

const title = document.title;
const numberOf = new Map(entries.map((entry, number) => [entry.id, number]));
let current; // the number of the picture that is shown
let pushed = false; // whether it has an entry of its own in the browser's history

function show(number) {
  const entry = entries[number];
  current = number;
  draw(entry);
  tell(entry);
  $("previous").disabled = step(number, -1) === undefined;
  $("next").disabled = step(number, 1) === undefined;
  for (const beside of [step(number, 1), step(number, -1)]) {
    if (entries[beside]?.full) new Image().src = folder + entries[beside].full;
  }
  if (!$("view").open) {
    $("view").showModal();
    $("view").focus(); // and not its first button
  }
  $("view").scrollTop = $("facts").scrollTop = 0;
}

function draw(entry) {
  const large = $("large");
  large.hidden = !entry.full;
  $("damage").hidden = !entry.broken;
  $("damage").textContent = entry.broken ? `This picture is damaged: ${entry.broken}.` : "";
  $("stage").style.setProperty("--r", entry.full ? entry.width / entry.height : 1);
  $("stage").style.setProperty("--w", entry.width);
  large.classList.toggle("clear", entry.transparent);
  large.alt = nameOf(entry);
  if (!entry.full) return;
  large.src = thumbnailOf(entry.id); // at once, and the picture itself as soon as it is decoded
  const full = new Image();
  full.src = folder + entry.full;
  full.decode().then(() => { if (entries[current] === entry) large.src = full.src; }, () => {});
}

function tell(entry) {
  const recover = entry.full && entry.thread && `codex-imagegen recover ${entry.thread}`;
  for (const [part, text] of Object.entries({ prompt: entry.prompt, revised: entry.revised, recover })) {
    $(part).textContent = text ?? "";
    $(`${part}-part`).hidden = !text;
  }
  $("when").textContent = entry.when;
  $("references-part").hidden = !entry.shown;
  $("references-title").textContent = entry.shown === 1 ? "1 reference" : `${entry.shown} references`;
  $("references").replaceChildren(...entry.references.map((id, at) => Object.assign(new Image(), {
    src: thumbnailOf(id), alt: `Reference ${at + 1}`,
  })));
  $("details").replaceChildren(...[["Size", entry.size], ["File", entry.weight], ["Model", entry.model],
    ["Codex", entry.codex], ["Thread", entry.thread]].filter(([, value]) => value).flatMap(described));
  $("saved").hidden = !entry.saved || location.protocol !== "file:";
  if (entry.saved) $("saved").href = entry.saved;
  document.title = `${entry.when} – ${title}`;
}

const described = ([name, value]) => [["dt", name], ["dd", value]].map(
  ([kind, textContent]) => Object.assign(document.createElement(kind), { textContent }));

function open(number) {
  const address = `#${entries[number].id}`;
  if (pushed || current !== undefined) history.replaceState(null, "", address);
  else { history.pushState(null, "", address); pushed = true; }
  show(number);
}

function move(by) {
  const number = step(current, by);
  if (number !== undefined) open(number);
}

function leave() {
  if (pushed) { history.back(); return; } // which closes the view, as the browser's own Back does
  history.replaceState(null, "", location.pathname + location.search);
  follow();
}

/** Bring the view in line with the address: a picture's name opens it, any other closes it. */
function follow() {
  const number = numberOf.get(location.hash.slice(1));
  if (number !== undefined) {
    if (number !== current) show(number);
    return;
  }
  pushed = false;
  if (current === undefined) return;
  const last = current;
  current = undefined;
  document.title = title;
  $("view").close();
  if (boxes.has(last)) focusOn(last);
}

async function copy(button) {
  const source = $(button.dataset.copies), label = button.dataset.label ??= button.textContent;
  let done = true;
  try {
    await navigator.clipboard.writeText(source.textContent);
  } catch {
    getSelection().selectAllChildren(source);
    done = document.execCommand("copy");
  }
  $("said").textContent = button.textContent = done ? "Copied" : "Press Ctrl+C to copy";
  setTimeout(() => { button.textContent = label; $("said").textContent = ""; }, 1600);
}

const plain = (event) => !(event.altKey || event.ctrlKey || event.metaKey || event.shiftKey);
const sideways = { ArrowLeft: -1, ArrowRight: 1 };

$("view").addEventListener("keydown", (event) => {
  if (!sideways[event.key] || !plain(event)) return;
  event.preventDefault();
  move(sideways[event.key]);
});
$("view").addEventListener("cancel", (event) => { event.preventDefault(); leave(); });
$("view").addEventListener("click", (event) => {
  const button = event.target.closest("[data-copies]");
  if (button) copy(button);
});
$("close").addEventListener("click", leave);
$("previous").addEventListener("click", () => move(-1));
$("next").addEventListener("click", () => move(1));
addEventListener("popstate", follow);

let touched = null;
$("stage").addEventListener("touchstart", (event) => {
  touched = event.touches.length === 1 ? event.touches[0] : null;
}, { passive: true });
$("stage").addEventListener("touchend", (event) => {
  const [end, start] = [event.changedTouches[0], touched];
  touched = null;
  if (!start || Math.abs(end.clientY - start.clientY) > 60) return;
  const distance = end.clientX - start.clientX;
  if (Math.abs(distance) > 50) move(distance < 0 ? 1 : -1);
}, { passive: true });

if (location.hash) follow();
