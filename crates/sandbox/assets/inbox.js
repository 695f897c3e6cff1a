// The list, its live updates and what is open. One stream brings all news; everything else is drawn from `state`.

import { ago, h, plural, time } from "./dom.js";
import { showMail } from "./mail.js";
import { mrkdwn, showSlack } from "./slack.js";

const PAGE = 100; // rows drawn at first, and with each "more"
const $ = (id) => document.getElementById(id);

const state = {
  run: null,
  messages: [], // newest first
  counts: { first_id: 1, last_id: 0, dropped: 0 },
  read: new Set(),
  shown: PAGE,
  open: null, // id
  loaded: false,
};
const rows = new Map(); // id -> li
let announced = 0;

// ---- news

function listen() {
  const stream = new EventSource("/api/events");
  stream.onopen = () => status("live", "live");
  stream.onerror = () => status("lost", "reconnecting");
  stream.onmessage = (event) => take(JSON.parse(event.data));
}

function status(name, text) {
  $("live").dataset.state = name;
  $("live-text").textContent = text;
}

function take(update) {
  if (update.run !== state.run) {
    Object.assign(state, { run: update.run, messages: [], read: remembered(update.run), shown: PAGE });
    announced = update.last_id;
    if (state.open !== null) markRead(state.open);
  }
  state.loaded = true;
  state.counts = update;
  const known = state.messages[0]?.id ?? 0;
  const fresh = update.messages.filter((message) => message.id > known).reverse();
  state.messages = fresh.concat(state.messages).filter((message) => message.id >= update.first_id);
  for (const id of state.read) if (id < update.first_id) state.read.delete(id);
  drawSoon();
}

let waiting = false;
function drawSoon() {
  if (waiting) return;
  waiting = true;
  // A hidden tab gets no frames; it catches up when it is looked at again.
  requestAnimationFrame(() => {
    waiting = false;
    draw();
  });
}

// ---- what was read, for this tab and this run

function remembered(run) {
  try {
    const kept = JSON.parse(sessionStorage.getItem("read"));
    return new Set(kept?.run === run ? kept.ids : []);
  } catch {
    return new Set();
  }
}

function markRead(id) {
  if (state.read.has(id)) return;
  state.read.add(id);
  sessionStorage.setItem("read", JSON.stringify({ run: state.run, ids: [...state.read] }));
}

// ---- the list

function wanted() {
  const words = $("search").value.toLowerCase().split(/\s+/).filter(Boolean);
  const channel = document.querySelector("input[name=channel]:checked").value;
  return state.messages.filter((message) => {
    if (channel && message.channel !== channel) return false;
    if (!words.length) return true;
    message.haystack ??= [message.from, ...message.to, message.title, message.preview].join("\n").toLowerCase();
    return words.every((word) => message.haystack.includes(word));
  });
}

function draw() {
  const found = wanted();
  const visible = found.slice(0, state.shown);
  reconcile(visible);
  const nothing = state.loaded && state.messages.length === 0;
  $("main").classList.toggle("is-empty", nothing);
  $("empty").hidden = !nothing;
  $("clear").disabled = state.messages.length === 0;
  const rest = found.length - visible.length;
  $("more").hidden = rest <= 0;
  $("more").textContent = `Show ${Math.min(rest, PAGE)} more of ${rest.toLocaleString("en")}`;
  note("none", !nothing && state.loaded && found.length === 0, "Nothing matches. Escape clears the search.");
  note("dropped", state.counts.dropped > 0 && !nothing,
    `${plural(state.counts.dropped, "older message")} made room for newer ones.`);
  const unread = state.messages.reduce((sum, message) => sum + !state.read.has(message.id), 0);
  document.title = `${unread ? `(${unread.toLocaleString("en")}) ` : ""}Inbox · Postrider`;
  const hint = $("hint");
  if (hint) hint.hidden = nothing;
}

function note(id, shown, text) {
  $(id).hidden = !shown;
  $(id).textContent = shown ? text : "";
}

/** Makes the list show exactly `messages`, touching only rows that change: focus, hover and scroll stay. */
function reconcile(messages) {
  const list = $("list");
  const keep = new Set(messages.map((message) => message.id));
  for (const [id, row] of rows) {
    if (keep.has(id)) continue;
    row.remove();
    rows.delete(id);
  }
  let next = list.firstChild;
  for (const message of messages) {
    let row = rows.get(message.id);
    if (!row) rows.set(message.id, (row = makeRow(message)));
    if (row === next) next = next.nextSibling;
    else list.insertBefore(row, next);
    mark(row, message.id);
  }
}

function mark(row, id) {
  row.classList.toggle("unread", !state.read.has(id));
  const anchor = row.firstChild;
  if (id === state.open) anchor.setAttribute("aria-current", "true");
  else anchor.removeAttribute("aria-current");
}

function makeRow(message) {
  const isMail = message.channel === "email";
  const to = message.to.join(", ");
  const who = isMail ? to : `#${to.replace(/^#/, "")}`;
  return h("li", {},
    h("a", { href: `#/m/${message.id}`, class: "row" },
      h("span", { class: `badge ${message.channel}`, "aria-hidden": "true" }, isMail ? initial(to) : "#"),
      h("span", { class: "row-text" },
        h("span", { class: "row-top" },
          h("span", { class: "row-who" }, h("span", { class: "hidden" }, isMail ? "Mail to " : "Slack "), who),
          time(message.received_at)),
        h("span", { class: "row-title" }, (isMail ? message.title : plain(message.title)) || "(no subject)"),
        h("span", { class: "row-preview" },
          message.attachments > 0 && h("span", { class: "files" }, plural(message.attachments, "file")),
          isMail ? message.preview || `from ${message.from}` : message.from))));
}

/** A Slack text's words without its markup. */
function plain(text) {
  return h("span", {}, mrkdwn(text.replaceAll("\n", " "))).textContent;
}

function initial(text) {
  return (text.match(/\p{L}|\p{N}/u)?.[0] ?? "@").toUpperCase();
}

// ---- one message

function addressed() {
  return Number(location.hash.match(/^#\/m\/(\d+)$/)?.[1]) || null;
}

async function open() {
  const id = addressed();
  state.open = id;
  $("main").classList.toggle("has-open", id !== null);
  const detail = $("detail");
  if (id === null) {
    detail.replaceChildren(h("p", { class: "hint", id: "hint" },
      "Choose a message, or walk through them with ", h("kbd", {}, "↑"), " ", h("kbd", {}, "↓")));
    return draw();
  }
  const response = await fetch(`/api/messages/${id}`).catch(() => null);
  if (state.open !== id) return; // another one was chosen meanwhile
  if (!response?.ok) {
    const why = response ? "This message is no longer kept." : "Postrider does not answer; is it still running?";
    detail.replaceChildren(back(), h("p", { class: "hint" }, why));
    return draw();
  }
  const message = await response.json();
  if (state.open !== id) return;
  detail.replaceChildren(back(), message.channel === "email" ? showMail(message) : showSlack(message));
  detail.scrollTop = 0;
  markRead(id);
  draw();
}

function back() {
  return h("a", { class: "back", href: "#/" }, "‹ All messages");
}

function step(by) {
  const ids = wanted().slice(0, state.shown).map((message) => message.id);
  const at = ids.indexOf(addressed()); // not `state.open`: fast keys come before the last one's hashchange
  const id = ids[at < 0 ? 0 : Math.min(ids.length - 1, Math.max(0, at + by))];
  if (id === undefined) return;
  location.hash = `#/m/${id}`;
  const anchor = rows.get(id)?.firstChild;
  anchor?.focus({ preventScroll: true });
  anchor?.scrollIntoView({ block: "nearest" });
}

// ---- hands

function onKey(event) {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const typing = event.target.matches("input[type=search]");
  if (event.key === "Escape") {
    if ($("search").value) $("search").value = "";
    else location.hash = "#/";
    $("search").blur();
    drawSoon();
  } else if (event.key === "/" && !typing) {
    $("search").focus();
  } else if ((event.key === "ArrowDown" || (event.key === "j" && !typing)) && walks(event)) {
    step(1);
  } else if ((event.key === "ArrowUp" || (event.key === "k" && !typing)) && walks(event)) {
    step(-1);
  } else {
    return;
  }
  event.preventDefault();
}

/** Arrows walk the list unless they have work of their own where the focus is: choosing a filter, scrolling a text. */
function walks(event) {
  return !event.target.matches("input[type=radio]") && !event.target.closest("#detail");
}

let sure = 0;
async function clear() {
  const button = $("clear");
  if (Date.now() - sure > 4000) {
    sure = Date.now();
    button.textContent = "Really clear?";
    setTimeout(() => (button.textContent = "Clear"), 4000);
    return;
  }
  sure = 0;
  button.textContent = "Clear";
  await fetch("/api/messages", { method: "DELETE" }).catch(() => status("lost", "reconnecting"));
  location.hash = "#/";
}

async function copy() {
  const text = $("curl").textContent;
  try {
    await navigator.clipboard.writeText(text);
    $("copy").textContent = "Copied";
  } catch {
    getSelection().selectAllChildren($("curl"));
    $("copy").textContent = "Press Ctrl+C";
  }
  setTimeout(() => ($("copy").textContent = "Copy"), 2000);
}

/** Now and then, not with every message: a reader's voice must keep up. */
function announce() {
  const count = state.counts.last_id - announced;
  announced = state.counts.last_id;
  if (count > 0) $("news").textContent = `${plural(count, "new message")}`;
}

function refreshTimes() {
  for (const element of document.querySelectorAll("#list time")) element.textContent = ago(Date.parse(element.dateTime));
}

$("search").addEventListener("input", () => { state.shown = PAGE; drawSoon(); });
document.querySelector(".filter").addEventListener("change", () => { state.shown = PAGE; drawSoon(); });
$("more").addEventListener("click", () => { state.shown += PAGE; drawSoon(); });
$("clear").addEventListener("click", clear);
$("copy").addEventListener("click", copy);
addEventListener("hashchange", open);
addEventListener("keydown", onKey);
setInterval(refreshTimes, 5_000);
setInterval(announce, 3_000);
listen();
open();
