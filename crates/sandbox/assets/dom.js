// Small helpers. Text reaches the page only as text nodes and attributes: nothing here parses HTML.

/** An element with attributes (a function is a listener, false and null are left out) and children. */
export function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (typeof value === "function") element.addEventListener(name, value);
    else if (value !== false && value != null) element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat().filter((child) => child != null && child !== false));
  return element;
}

/** The address if a link may go there, or null: nothing but http, https and mailto. */
export function safeLink(address) {
  try {
    const url = new URL(address);
    return ["http:", "https:", "mailto:"].includes(url.protocol) ? url.href : null;
  } catch {
    return null;
  }
}

export function link(address, ...children) {
  const href = safeLink(address);
  return href ? h("a", { href, target: "_blank", rel: "noopener noreferrer" }, ...children) : h("span", {}, ...children);
}

/** A text's nodes, with its web addresses made into links. */
export function linked(text) {
  return text.split(/(https?:\/\/[^\s<>"']*[^\s<>"'.,;:!?)\]])/).map((part, i) => (i % 2 ? link(part, part) : part));
}

export function bytes(count) {
  if (count < 1000) return `${count} B`;
  if (count < 1e6) return `${(count / 1e3).toFixed(count < 1e4 ? 1 : 0)} kB`;
  return `${(count / 1e6).toFixed(1)} MB`;
}

export function plural(count, one, many = `${one}s`) {
  return `${count.toLocaleString("en")} ${count === 1 ? one : many}`;
}

/** "now", "12 s", "5 min", "3 h" or a date. */
export function ago(then, now = Date.now()) {
  const seconds = Math.max(0, Math.round((now - then) / 1000));
  if (seconds < 5) return "now";
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min`;
  if (seconds < 86400) return `${Math.floor(seconds / 3600)} h`;
  return new Date(then).toLocaleDateString(undefined, { day: "numeric", month: "short" });
}

export function time(then, text = ago(then)) {
  const date = new Date(then);
  return h("time", { datetime: date.toISOString(), title: date.toLocaleString() }, text);
}

/** Tabs by the book: one is in the tab order, arrows walk, and each makes its panel when first shown. */
export function tabs(label, items) {
  const panel = h("div", { class: "panel", role: "tabpanel", id: "panel", tabindex: "0" });
  const made = new Map();
  const buttons = items.map((item, i) =>
    h("button", { type: "button", role: "tab", id: `tab-${item.id}`, "aria-controls": "panel", click: () => show(i) }, item.name));
  function show(shown) {
    const item = items[shown];
    if (!made.has(item.id)) made.set(item.id, item.make());
    buttons.forEach((button, i) => {
      button.setAttribute("aria-selected", String(i === shown));
      button.tabIndex = i === shown ? 0 : -1;
    });
    panel.setAttribute("aria-labelledby", buttons[shown].id);
    panel.dataset.tab = item.id;
    panel.replaceChildren(made.get(item.id));
  }
  const bar = h("div", {
    class: "tabs", role: "tablist", "aria-label": label,
    keydown: (event) => {
      const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      if (!step) return;
      const next = (buttons.indexOf(document.activeElement) + step + buttons.length) % buttons.length;
      show(next);
      buttons[next].focus();
    },
  }, buttons);
  show(0);
  return [bar, panel];
}
