// One Slack message, drawn much as Slack would: text in its markup, and the common blocks. What we cannot draw is shown as JSON.

import { h, link, tabs, time } from "./dom.js";

export function showSlack({ received_at, destination, method, payload }) {
  const [bar, panel] = tabs("Views of the message", [
    { id: "message", name: "Message", make: () => post(payload, received_at) },
    { id: "payload", name: "Payload", make: () => h("pre", { class: "source" }, JSON.stringify(payload, null, 2)) },
  ]);
  const channel = `#${destination.replace(/^#/, "")}`;
  return h("article", { class: "message slack" },
    h("header", { class: "message-head" },
      h("h2", {}, channel),
      h("dl", { class: "facts" },
        h("dt", {}, "Through"), h("dd", {}, method === "webhook" ? "incoming webhook" : method),
        payload?.thread_ts && [h("dt", {}, "In thread"), h("dd", {}, String(payload.thread_ts))],
        h("dt", {}, "Received"), h("dd", {}, time(received_at, new Date(received_at).toLocaleString())))),
    bar, panel);
}

function post(payload, received_at) {
  const blocks = Array.isArray(payload?.blocks) ? payload.blocks : [];
  const attachments = Array.isArray(payload?.attachments) ? payload.attachments : [];
  const text = typeof payload?.text === "string" ? payload.text : "";
  const clock = new Date(received_at).toLocaleTimeString(undefined, { hour: "2-digit", minute: "2-digit" });
  return h("div", { class: "post" },
    h("div", { class: "avatar", "aria-hidden": "true" }, "P"),
    h("div", { class: "post-body" },
      h("p", { class: "post-top" }, h("b", {}, payload?.username ?? "Postrider"), h("span", { class: "app" }, "APP"), time(received_at, clock)),
      blocks.length ? blocks.map(block) : h("div", { class: "mrkdwn" }, mrkdwn(text)),
      attachments.map((one) => h("div", { class: "bar-left" }, h("div", { class: "mrkdwn" }, mrkdwn(String(one?.text ?? one?.fallback ?? ""))))),
      blocks.length > 0 && text && h("p", { class: "fallback" }, h("span", { class: "faint" }, "In notifications: "), ...mrkdwn(text))));
}

// ---- blocks

const BLOCKS = {
  header: (b) => h("h3", { class: "block-header" }, content(b.text)),
  divider: () => h("hr", {}),
  section: (b) => h("div", { class: "section" },
    h("div", { class: "grow" },
      b.text && h("div", { class: "mrkdwn" }, content(b.text)),
      Array.isArray(b.fields) && h("div", { class: "fields" }, b.fields.map((field) => h("div", { class: "mrkdwn" }, content(field))))),
    b.accessory && element(b.accessory)),
  context: (b) => h("div", { class: "context" }, list(b.elements).map((one) => (one?.type === "image" ? image(one) : h("span", { class: "mrkdwn" }, content(one))))),
  image: (b) => h("div", {}, b.title && h("p", { class: "faint" }, content(b.title)), image(b)),
  actions: (b) => h("div", { class: "actions" }, list(b.elements).map(element)),
};

function block(given) {
  const draw = Object.hasOwn(BLOCKS, given?.type) ? BLOCKS[given.type] : unknown;
  return draw(given);
}

function unknown(given) {
  return h("details", { class: "unknown" },
    h("summary", {}, `${given?.type ?? "unknown"} (not drawn here)`),
    h("pre", {}, JSON.stringify(given, null, 2)));
}

function element(given) {
  if (given?.type === "image") return image(given);
  if (given?.type !== "button") return unknown(given);
  const label = content(given.text);
  const style = given.style === "primary" || given.style === "danger" ? given.style : "plain";
  const button = typeof given.url === "string" ? link(given.url, ...label) : h("span", { title: "does nothing here" }, label);
  button.classList.add("slack-button", style);
  return button;
}

/** Images live elsewhere, and this page asks nobody elsewhere: their description and address instead. */
function image(given) {
  const alt = given.alt_text || "image";
  const address = String(given.image_url ?? "");
  return h("span", { class: "image" }, h("span", { class: "faint" }, "image: "), address ? link(address, alt) : alt);
}

function list(given) {
  return Array.isArray(given) ? given : [];
}

/** A text object: plain text as it is, mrkdwn with its markup. */
function content(object) {
  const text = String(object?.text ?? "");
  return object?.type === "plain_text" ? [emoji(text)] : mrkdwn(text);
}

// ---- mrkdwn

/** Slack's markup as nodes. */
export function mrkdwn(text) {
  return text.split(/```\n?([\s\S]*?)\n?```/).flatMap((part, i) => (i % 2 ? [h("pre", {}, unescape(part))] : lines(part)));
}

function lines(text) {
  const groups = [];
  for (const line of text.split("\n")) {
    const quoted = /^(&gt;|>) ?/.exec(line);
    const last = groups.at(-1);
    const inner = quoted ? line.slice(quoted[0].length) : line;
    if (last && last.quoted === Boolean(quoted)) last.lines.push(inner);
    else groups.push({ quoted: Boolean(quoted), lines: [inner] });
  }
  return groups.flatMap((group) => {
    const nodes = group.lines.flatMap((line, i) => (i ? [h("br"), ...spans(line)] : spans(line)));
    return group.quoted ? [h("blockquote", {}, nodes)] : nodes;
  });
}

const SPANS = [
  [/`([^`\n]+)`/, (inner) => h("code", {}, unescape(inner))],
  [/<([^<>\n]+)>/, (inner) => reference(inner)],
  [/(?<![\w*])\*(?! )([^*\n]+?)(?<! )\*(?![\w*])/, (inner) => h("b", {}, spans(inner))],
  [/(?<![\w_])_(?! )([^_\n]+?)(?<! )_(?![\w_])/, (inner) => h("i", {}, spans(inner))],
  [/(?<![\w~])~(?! )([^~\n]+?)(?<! )~(?![\w~])/, (inner) => h("s", {}, spans(inner))],
];

function spans(text) {
  let first = null;
  for (const [pattern, make] of SPANS) {
    const match = pattern.exec(text);
    if (match && (!first || match.index < first.match.index)) first = { match, make };
  }
  if (!first) return text ? [emoji(unescape(text))] : [];
  const { match, make } = first;
  return [...spans(text.slice(0, match.index)), make(match[1]), ...spans(text.slice(match.index + match[0].length))];
}

function reference(inner) {
  const [target, label] = inner.split("|", 2).map(unescape);
  if (/^[@#!]/.test(target)) {
    const name = label ?? target.slice(1).replace(/^subteam\^/, "");
    return h("span", { class: "mention" }, `${target[0] === "#" ? "#" : "@"}${name.replace(/^[@#]/, "")}`);
  }
  return link(target, label ?? target);
}

function unescape(text) {
  return text.replace(/&(lt|gt|amp);/g, (_, name) => ({ lt: "<", gt: ">", amp: "&" })[name]);
}

const EMOJI = {
  tada: "🎉", rocket: "🚀", warning: "⚠️", fire: "🔥", white_check_mark: "✅", heavy_check_mark: "✔️", x: "❌",
  rotating_light: "🚨", package: "📦", truck: "🚚", eyes: "👀", wave: "👋", "+1": "👍", thumbsup: "👍", bug: "🐛",
  information_source: "ℹ️", hourglass: "⌛", bell: "🔔", moneybag: "💰", heart: "❤️", smile: "😄", zap: "⚡",
};

function emoji(text) {
  return text.replace(/:([a-z0-9_+-]+):/g, (whole, name) => (Object.hasOwn(EMOJI, name) ? EMOJI[name] : whole));
}
