// Find a picture: the search field, arrow keys between the tiles, and a caption on the current one.

const formatCount = (count) => count.toLocaleString("en");
const heading = $("count").textContent;
let texts; // the searchable text of each picture, made at the first search

function search() {
  texts ??= entries.map((entry) => [
    entry.prompt, entry.revised, entry.model, entry.date, entry.size,
  ].join("\n").toLowerCase());
  const words = $("query").value.toLowerCase().split(/\s+/).filter(Boolean);
  const matches = (number) => (word) => texts[number].includes(word) || isThread(word, entries[number].thread);
  const found = entries.map((_, number) => number).filter((number) => words.every(matches(number)));
  scrollTo(0, 0);
  layOut(found);
  $("none").hidden = found.length > 0;
  $("count").textContent = words.length ? `${formatCount(found.length)} of ${formatCount(entries.length)}` : heading;
}

/** Whether a word is the beginning of a thread's id, and long enough to be nothing else. */
const isThread = (word, thread) => word.length >= 8 && thread?.startsWith(word);

function clear() {
  $("query").value = "";
  search();
}

let searchFrame = 0;
$("query").addEventListener("input", () => {
  searchFrame ||= requestAnimationFrame(() => { searchFrame = 0; search(); });
});
$("query").addEventListener("keydown", (event) => {
  if (event.key === "Escape" && $("query").value) clear();
  else if (event.key === "ArrowDown" && order.length) focusOn(order[0]);
  else return;
  event.preventDefault();
});
$("clear").addEventListener("click", () => { clear(); $("query").focus(); });
$("finder").hidden = !entries.length;

const tileOf = (event) => event.target.closest?.(".tile");

document.querySelector("main").addEventListener("click", (event) => {
  const tile = tileOf(event);
  if (!tile || hasModifier(event)) return;
  event.preventDefault();
  openPicture(+tile.dataset.number);
});
document.querySelector("main").addEventListener("keydown", (event) => {
  const tile = tileOf(event);
  if (!tile || hasModifier(event) || !event.key.startsWith("Arrow")) return;
  const number = +tile.dataset.number;
  const to = columnSteps[event.key] ? step(number, columnSteps[event.key])
    : stepRow(number, event.key === "ArrowDown" ? 1 : -1);
  event.preventDefault();
  if (to !== undefined) focusOn(to);
  else if (event.key === "ArrowUp") $("query").focus();
});
document.addEventListener("keydown", (event) => {
  if (event.key !== "/" || hasModifier(event) || $("view").open || document.activeElement === $("query")) return;
  event.preventDefault();
  $("query").select();
});

// the caption of the tile under the pointer or with the focus; screen readers use the alt text instead

const caption = $("caption");

function showCaption(event) {
  const tile = tileOf(event);
  if (!tile || tile.contains(caption)) return;
  caption.firstElementChild.textContent = nameOf(entries[+tile.dataset.number]);
  caption.hidden = false;
  linkOf(tile).append(caption);
}

function hideCaption(event) {
  if (tileOf(event) !== event.relatedTarget?.closest?.(".tile")) caption.hidden = true;
}

document.querySelector("main").addEventListener("pointerover", (event) => {
  if (event.pointerType === "mouse") showCaption(event);
});
document.querySelector("main").addEventListener("pointerout", hideCaption);
document.querySelector("main").addEventListener("focusin", (event) => {
  if (event.target.matches(":focus-visible")) showCaption(event);
});
document.querySelector("main").addEventListener("focusout", hideCaption);
