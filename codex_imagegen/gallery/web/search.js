// Finding a picture: words in the search field, arrows between the tiles, and the words of the one that is pointed at.

const counted = (count) => count.toLocaleString("en");
const heading = $("count").textContent;
let texts; // of each picture what is searched, made at the first search

function search() {
  texts ??= entries.map((entry) => [
    entry.prompt, entry.revised, entry.model, entry.date, entry.size,
  ].join("\n").toLowerCase());
  const words = $("query").value.toLowerCase().split(/\s+/).filter(Boolean);
  const holds = (number) => (word) => texts[number].includes(word) || names(word, entries[number].thread);
  const found = entries.map((_, number) => number).filter((number) => words.every(holds(number)));
  scrollTo(0, 0);
  layOut(found);
  $("none").hidden = found.length > 0;
  $("count").textContent = words.length ? `${counted(found.length)} of ${counted(entries.length)}` : heading;
}

/** Whether a word begins a thread's id, and can be nothing else. */
const names = (word, thread) => word.length >= 8 && thread?.startsWith(word);

function clear() {
  $("query").value = "";
  search();
}

let asked = 0;
$("query").addEventListener("input", () => { asked ||= requestAnimationFrame(() => { asked = 0; search(); }); });
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
  if (!tile || !plain(event)) return;
  event.preventDefault();
  open(+tile.dataset.number);
});
document.querySelector("main").addEventListener("keydown", (event) => {
  const tile = tileOf(event);
  if (!tile || !plain(event) || !event.key.startsWith("Arrow")) return;
  const number = +tile.dataset.number;
  const to = sideways[event.key] ? step(number, sideways[event.key])
    : across(number, event.key === "ArrowDown" ? 1 : -1);
  event.preventDefault();
  if (to !== undefined) focusOn(to);
  else if (event.key === "ArrowUp") $("query").focus();
});
document.addEventListener("keydown", (event) => {
  if (event.key !== "/" || !plain(event) || $("view").open || document.activeElement === $("query")) return;
  event.preventDefault();
  $("query").select();
});

// the words of the tile that is pointed at, or has the focus; a screen reader has them from the picture itself

const caption = $("caption");

function captioned(event) {
  const tile = tileOf(event);
  if (!tile || tile.contains(caption)) return;
  caption.firstElementChild.textContent = nameOf(entries[+tile.dataset.number]);
  caption.hidden = false;
  linkOf(tile).append(caption);
}

function uncaptioned(event) {
  if (tileOf(event) !== event.relatedTarget?.closest?.(".tile")) caption.hidden = true;
}

document.querySelector("main").addEventListener("pointerover", (event) => {
  if (event.pointerType === "mouse") captioned(event);
});
document.querySelector("main").addEventListener("pointerout", uncaptioned);
document.querySelector("main").addEventListener("focusin", (event) => {
  if (event.target.matches(":focus-visible")) captioned(event);
});
document.querySelector("main").addEventListener("focusout", uncaptioned);
