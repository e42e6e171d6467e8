"use strict";

// The pictures in rows: laid out by arithmetic, and on the page only where the window is, however many there are.

const $ = (id) => document.getElementById(id);
const folder = document.body.dataset.folder;
const entries = JSON.parse($("data").textContent);
const months = [...document.querySelectorAll(".month")].map((section) => ({
  section, list: section.querySelector(".grid"), count: section.querySelector("h2 span"), rows: [], high: 0,
  from: +section.dataset.from, to: +section.dataset.to,
}));
const ruler = document.querySelector("footer p"); // as wide as the rows, and there before them
const tiles = new Map(); // of a picture's number its element, while it has one
const boxes = new Map(); // of a picture's number its place: month, number of the row, left, width
let rows = []; // every row, from the top of the page to its end: {top, high, numbers}
let order = entries.map((_, number) => number); // the pictures that match the search
let rank = []; // of a picture's number its place in that order

const textOf = (entry) => entry.prompt ?? entry.revised ?? "No prompt is on record";
const nameOf = (entry) => textOf(entry).replace(/\s+/g, " ").slice(0, 200);
const ratioOf = (entry) => (entry.height ? Math.min(3, Math.max(0.4, entry.width / entry.height)) : 1);
const thumbnailOf = (id) => `${folder}${id}-thumbnail.webp`;
const inPixels = (name) => parseFloat(getComputedStyle(document.documentElement).getPropertyValue(name));

/** Lay these pictures out, by their numbers. */
function layOut(numbers = order) {
  order = numbers;
  rank = new Array(entries.length).fill(-1);
  order.forEach((number, at) => { rank[number] = at; });
  const width = ruler.clientWidth;
  const [high, gap] = [inPixels("--high"), inPixels("--gap")];
  rows = [];
  boxes.clear();
  let at = 0;
  for (const month of months) {
    const first = at;
    while (at < order.length && order[at] < month.to) at += 1;
    month.section.hidden = at === first;
    month.count.textContent = (at - first).toLocaleString("en");
    month.rows = rowsOf(order.slice(first, at), width, high, gap);
    month.high = place(month, width, gap);
    month.list.style.height = `${month.high}px`;
  }
  paint();
}

/** Numbers in rows as near to the wished height as they fill the width; the last one is not stretched. */
function rowsOf(numbers, width, high, gap) {
  const found = [];
  let row = { numbers: [], ratio: 0 };
  const heightOf = (ratio, count) => (width - gap * (count - 1)) / ratio;
  for (const number of numbers) {
    const ratio = row.ratio + ratioOf(entries[number]);
    const without = heightOf(row.ratio, row.numbers.length), beside = heightOf(ratio, row.numbers.length + 1);
    if (row.numbers.length && beside < high && high / beside > without / high) {
      found.push({ ...row, high: without });
      row = { numbers: [number], ratio: ratioOf(entries[number]) };
    } else {
      row = { numbers: [...row.numbers, number], ratio };
    }
  }
  if (row.numbers.length) found.push({ ...row, high: Math.min(high, heightOf(row.ratio, row.numbers.length)) });
  return found;
}

/** Give each picture of a month its place; gives back the height of all. */
function place(month, width, gap) {
  let top = 0;
  for (const row of month.rows) {
    let left = 0;
    row.top = top;
    for (const number of row.numbers) {
      const wide = Math.min(width, row.high * ratioOf(entries[number]));
      boxes.set(number, { month, row, at: rows.length, left, wide });
      left += wide + gap;
    }
    rows.push(row);
    top += row.high + gap;
  }
  return Math.max(0, top - gap);
}

/** Have the tiles of the window and of one window's height around it on the page, and no others. */
function paint() {
  const wanted = new Set();
  for (const month of months) {
    if (month.section.hidden) continue;
    const top = month.list.getBoundingClientRect().top;
    if (top > 2 * innerHeight || top + month.high < -innerHeight) continue;
    for (const row of month.rows) {
      if (top + row.top > 2 * innerHeight) break;
      if (top + row.top + row.high >= -innerHeight) row.numbers.forEach((number) => wanted.add(number));
    }
  }
  for (const [number, tile] of tiles) {
    const kept = wanted.has(number) || (boxes.has(number) && tile.contains(document.activeElement));
    if (!kept) { tile.remove(); tiles.delete(number); }
  }
  wanted.forEach(put);
}

/** The tile of a picture, in its place and among its neighbours. */
function put(number) {
  const { month, row, left, wide } = boxes.get(number);
  const tile = tiles.get(number) ?? makeTile(number);
  Object.assign(tile.style, { left: `${left}px`, top: `${row.top}px`, width: `${wide}px`, height: `${row.high}px` });
  if (!tiles.has(number)) {
    tiles.set(number, tile);
    const later = [...month.list.children].find((other) => +other.dataset.number > number);
    month.list.insertBefore(tile, later ?? null);
  }
  return tile;
}

function makeTile(number) {
  const entry = entries[number];
  const { from, to } = boxes.get(number).month;
  const tile = document.createElement("li");
  const link = document.createElement("a");
  tile.className = `tile${entry.broken ? " broken" : ""}${entry.transparent ? " clear" : ""}`;
  tile.dataset.number = number;
  tile.setAttribute("aria-setsize", to - from);
  tile.setAttribute("aria-posinset", number - from + 1);
  link.href = entry.full ? folder + entry.full : `#${entry.id}`;
  if (entry.broken) link.textContent = "Damaged picture";
  else link.append(Object.assign(new Image(), { alt: nameOf(entry), decoding: "async", src: thumbnailOf(entry.id) }));
  tile.append(link);
  return tile;
}

const linkOf = (tile) => tile.querySelector("a");

/** Scroll a picture into the window, if it is not there, and give it the focus. */
function focusOn(number) {
  const tile = put(number);
  tile.scrollIntoView({ block: "nearest" });
  linkOf(tile).focus({ preventScroll: true });
  paint();
}

/** The picture that comes so many places after another among those that match, or undefined. */
const step = (number, by) => (rank[number] < 0 ? undefined : order[rank[number] + by]);

/** The picture of the row below or above that lies nearest, or undefined. */
function across(number, by) {
  const { at, left, wide } = boxes.get(number);
  const distance = (other) => Math.abs(boxes.get(other).left + boxes.get(other).wide / 2 - left - wide / 2);
  return rows[at + by]?.numbers.reduce((best, other) => (distance(other) < distance(best) ? other : best));
}

let scrolled = 0;
addEventListener("scroll", () => { scrolled ||= requestAnimationFrame(() => { scrolled = 0; paint(); }); },
  { passive: true });

let laidOut = 0; // the width for which that was done

new ResizeObserver(() => {
  if (ruler.clientWidth === laidOut) return;
  const top = (number) => tiles.get(number).getBoundingClientRect().bottom;
  const first = [...tiles.keys()].filter((number) => top(number) > 80).sort((one, other) => one - other)[0];
  const moved = laidOut > 0 && scrollY > 0 && first !== undefined;
  laidOut = ruler.clientWidth;
  layOut();
  if (moved) {
    put(first).scrollIntoView({ block: "start" });
    paint();
  }
}).observe(ruler);
layOut();
