// One mail. Its HTML is shown only in a frame without scripts and without an origin, and its server sends it with a
// policy that lets it fetch nothing.

import { bytes, h, linked, plural, tabs, time } from "./dom.js";

const SOURCE_SHOWN = 300_000; // characters; the whole is a link away

export function showMail({ id, received_at, size, envelope, mail }) {
  const base = `/api/messages/${id}`;
  const views = [];
  if (mail.has_html) views.push({ id: "html", name: "HTML", make: () => frame(`${base}/html`) });
  if (mail.text !== null) views.push({ id: "text", name: "Text", make: () => h("pre", { class: "text" }, linked(mail.text)) });
  views.push({ id: "headers", name: "Headers", make: () => headers(mail.headers) });
  views.push({ id: "source", name: "Source", make: () => source(`${base}/raw`) });
  const [bar, panel] = tabs("Parts of the mail", views);
  return h("article", { class: "message mail" },
    h("header", { class: "message-head" },
      h("h2", {}, mail.subject || "(no subject)"),
      h("dl", { class: "facts" },
        fact("From", people(mail.from)),
        fact("To", people(mail.to)),
        fact("Cc", people(mail.cc)),
        fact("Reply to", people(mail.reply_to)),
        fact("Delivered to", envelope.to.map((address) => chip(address, mail))),
        fact("Received", [time(received_at, new Date(received_at).toLocaleString()), ` · ${bytes(size)}`])),
      attachments(base, mail.attachments)),
    bar, panel);
}

function fact(name, values) {
  return values.length > 0 && [h("dt", {}, name), h("dd", {}, values)];
}

function people(list) {
  return list.map((one, i) => h("span", { class: "person" }, i < list.length - 1 ? `${one}, ` : one));
}

/** An envelope's recipient; one whom the headers do not name got a blind copy. */
function chip(address, mail) {
  const named = [...mail.to, ...mail.cc].some((one) => one === address || one.endsWith(`<${address}>`));
  return h("span", { class: "chip" }, address, !named && h("em", { title: "not named in To or Cc" }, "bcc"));
}

function attachments(base, list) {
  if (list.length === 0) return null;
  return h("ul", { class: "attachments", "aria-label": plural(list.length, "attachment") },
    list.map((one, n) => h("li", {},
      h("a", { href: `${base}/attachments/${n}`, download: one.filename, title: `Download ${one.filename}` },
        h("span", { class: "file-type", "aria-hidden": "true" }, extension(one.filename)),
        h("span", { class: "file-name" }, one.filename),
        h("span", { class: "faint" }, `${one.inline ? "inline, " : ""}${bytes(one.size)}`)))));
}

function extension(filename) {
  return (filename.match(/\.([A-Za-z0-9]{1,4})$/)?.[1] ?? "file").toLowerCase();
}

function frame(address) {
  const iframe = h("iframe", {
    src: address, title: "The mail's HTML", class: "html",
    sandbox: "allow-popups allow-popups-to-escape-sandbox", referrerpolicy: "no-referrer",
  });
  const narrow = h("input", { type: "checkbox", change: () => iframe.classList.toggle("narrow", narrow.checked) });
  return h("div", { class: "frame" },
    h("div", { class: "frame-bar" },
      h("label", {}, narrow, " phone width"),
      h("span", { class: "faint" }, "scripts and remote images are blocked")),
    iframe);
}

function headers(list) {
  return h("table", { class: "headers" },
    h("tbody", {}, list.map(([name, value]) => h("tr", {}, h("th", { scope: "row" }, name), h("td", {}, value)))));
}

function source(address) {
  const text = h("pre", { class: "source" }, "…");
  fetch(address)
    .then((response) => (response.ok ? response.text() : Promise.reject()))
    .then((raw) => {
      const rest = raw.length - SOURCE_SHOWN;
      text.textContent = rest > 0 ? `${raw.slice(0, SOURCE_SHOWN)}\n… ${plural(rest, "character")} more` : raw;
    })
    .catch(() => (text.textContent = "The source is no longer kept."));
  return h("div", {}, h("p", { class: "source-bar" }, h("a", { href: address, target: "_blank" }, "Open the raw source")), text);
}
