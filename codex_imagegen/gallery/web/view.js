// One picture in full size with its details. The address names it, so that Back closes it.

const title = document.title;
const numberOf = new Map(entries.map((entry, number) => [entry.id, number]));
let current; // the number of the picture in the view
let hasHistoryEntry = false; // whether the view has its own entry in the browser's history

function show(number) {
  const entry = entries[number];
  current = number;
  showImage(entry);
  showDetails(entry);
  $("previous").disabled = step(number, -1) === undefined;
  $("next").disabled = step(number, 1) === undefined;
  for (const neighbour of [step(number, 1), step(number, -1)]) {
    if (entries[neighbour]?.full) new Image().src = folder + entries[neighbour].full;
  }
  if (!$("view").open) {
    $("view").showModal();
    $("view").focus(); // instead of its first button
  }
  $("view").scrollTop = $("info").scrollTop = 0;
}

function showImage(entry) {
  const large = $("large");
  large.hidden = !entry.full;
  $("damage").hidden = !entry.damage;
  $("damage").textContent = entry.damage ? `This picture is damaged: ${entry.damage}.` : "";
  $("stage").style.setProperty("--r", entry.full ? entry.width / entry.height : 1);
  $("stage").style.setProperty("--w", entry.width);
  large.classList.toggle("clear", entry.transparent);
  large.alt = nameOf(entry);
  if (!entry.full) return;
  large.src = thumbnailOf(entry.id); // at once, until the picture itself is decoded
  const full = new Image();
  full.src = folder + entry.full;
  full.decode().then(() => { if (entries[current] === entry) large.src = full.src; }, () => {});
}

const program = document.body.dataset.command; // empty if the Codex home can't be named in a command
const bidirectional = /[\u202a-\u202e\u2066-\u2069]/g; // these would show a command in another order than it is in
const quote = (text) => `'${text.replaceAll("'", "'\\''")}'`; // for a POSIX shell: nothing has a meaning between these
const sizeOfThread = new Map(); // the number of pictures on the page by their thread
for (const { thread } of entries) sizeOfThread.set(thread, (sizeOfThread.get(thread) ?? 0) + 1);

/** The commands for a shell that fetch the original, change the picture, and draw its prompt again. */
function commandsFor(entry) {
  if (!program || !entry.full) return {};
  return {
    recover: entry.thread && `${program} recover ${entry.thread}`, change: changeCommand(entry), draw: drawCommand(entry),
  };
}

/** The command that asks what to change: the words are typed, so that none of them has a meaning for the shell. */
function changeCommand({ saved, thread }) {
  const ask = "printf 'What to change: '; read -r wish";
  const path = pathOf(saved);
  if (path) return `${ask} && ${program} --prompt "$wish" --ref ${quote(path)}`;
  if (!thread || sizeOfThread.get(thread) !== 1) return null; // a recovery would write several files
  const name = `${thread}.png`;
  return `${program} recover ${thread} --out ${name} --force && ${ask} && ${program} --prompt "$wish" --ref ${name}`;
}

/** The path in a file's address, or null for one with bytes or characters that can't be pasted. */
function pathOf(address) {
  try {
    const path = address && decodeURIComponent(address.slice("file://".length));
    return path && !/[\u0000-\u001f\u007f-\u009f]/.test(path) && path.search(bidirectional) < 0 ? path : null;
  } catch {
    return null;
  }
}

function drawCommand(entry) {
  const prompt = (entry.prompt ?? entry.revised ?? "").replaceAll(bidirectional, "").trim();
  return prompt && prompt !== "-" && !entry.cut ? `${program} --prompt ${quote(prompt)}` : null;
}

function showDetails(entry) {
  const texts = { prompt: entry.prompt, revised: entry.revised, recover: null, change: null, draw: null };
  for (const [name, text] of Object.entries({ ...texts, ...commandsFor(entry) })) {
    $(name).textContent = text ?? "";
    $(`${name}-section`).hidden = !text;
  }
  $("draw-title").textContent = entry.referenceCount ? "Draw it again, without its references" : "Draw it again";
  $("when").textContent = entry.when;
  $("references-section").hidden = !entry.referenceCount;
  $("references-title").textContent = entry.referenceCount === 1
    ? "1 reference" : `${entry.referenceCount} references`;
  $("references").replaceChildren(...entry.references.map((id, index) => Object.assign(new Image(), {
    src: thumbnailOf(id), alt: `Reference ${index + 1}`,
  })));
  $("details").replaceChildren(...[["Size", entry.size], ["File", entry.file], ["Model", entry.model],
    ["Codex", entry.codex], ["Thread", entry.thread]].filter(([, value]) => value).flatMap(makeDetail));
  $("saved").hidden = !entry.saved || location.protocol !== "file:";
  if (entry.saved) $("saved").href = entry.saved;
  document.title = `${entry.when} – ${title}`;
}

const makeDetail = ([name, value]) => [["dt", name], ["dd", value]].map(
  ([kind, textContent]) => Object.assign(document.createElement(kind), { textContent }));

function openPicture(number) {
  const address = `#${entries[number].id}`;
  if (hasHistoryEntry || current !== undefined) history.replaceState(null, "", address);
  else { history.pushState(null, "", address); hasHistoryEntry = true; }
  show(number);
}

function move(by) {
  const number = step(current, by);
  if (number !== undefined) openPicture(number);
}

function closeView() {
  if (hasHistoryEntry) { history.back(); return; } // closes the view, as the browser's Back button does
  history.replaceState(null, "", location.pathname + location.search);
  applyAddress();
}

/** Open the picture that the address names, or close the view if it names none. */
function applyAddress() {
  const number = numberOf.get(location.hash.slice(1));
  if (number !== undefined) {
    if (number !== current) show(number);
    return;
  }
  hasHistoryEntry = false;
  if (current === undefined) return;
  const last = current;
  current = undefined;
  document.title = title;
  $("view").close();
  if (boxes.has(last)) focusOn(last);
}

async function copy(button) {
  const source = $(button.dataset.copies), label = button.dataset.label ??= button.textContent;
  let isCopied = true;
  try {
    await navigator.clipboard.writeText(source.textContent);
  } catch {
    getSelection().selectAllChildren(source);
    isCopied = document.execCommand("copy");
  }
  $("message").textContent = button.textContent = isCopied ? "Copied" : "Press Ctrl+C to copy";
  setTimeout(() => { button.textContent = label; $("message").textContent = ""; }, 1600);
}

const hasModifier = (event) => event.altKey || event.ctrlKey || event.metaKey || event.shiftKey;
const columnSteps = { ArrowLeft: -1, ArrowRight: 1 };

$("view").addEventListener("keydown", (event) => {
  if (!columnSteps[event.key] || hasModifier(event)) return;
  event.preventDefault();
  move(columnSteps[event.key]);
});
$("view").addEventListener("cancel", (event) => { event.preventDefault(); closeView(); });
$("view").addEventListener("click", (event) => {
  const button = event.target.closest("[data-copies]");
  if (button) copy(button);
});
$("close").addEventListener("click", closeView);
$("previous").addEventListener("click", () => move(-1));
$("next").addEventListener("click", () => move(1));
addEventListener("popstate", applyAddress);

let touchStart = null;
$("stage").addEventListener("touchstart", (event) => {
  touchStart = event.touches.length === 1 ? event.touches[0] : null;
}, { passive: true });
$("stage").addEventListener("touchend", (event) => {
  const [end, start] = [event.changedTouches[0], touchStart];
  touchStart = null;
  if (!start || Math.abs(end.clientY - start.clientY) > 60) return;
  const distance = end.clientX - start.clientX;
  if (Math.abs(distance) > 50) move(distance < 0 ? 1 : -1);
}, { passive: true });

if (location.hash) applyAddress();
