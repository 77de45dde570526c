// What the browser does on its own: times that tick, the theme, dialogs, and what became of the live connection.
// Elements of ours hold their own content; Blazor only sets their attributes.
import { spell } from "./times.js";

class MusterTime extends HTMLElement {
  static observedAttributes = ["at", "mode"];
  static open = new Set();
  connectedCallback() { MusterTime.open.add(this); this.show(); }
  disconnectedCallback() { MusterTime.open.delete(this); }
  attributeChangedCallback() { if (this.isConnected) this.show(); }
  show() {
    const at = Number(this.getAttribute("at"));
    const text = spell(at, this.getAttribute("mode"), Date.now());
    if (text === this.textContent) return;
    this.textContent = text;
    this.title = `${new Date(at).toLocaleString(undefined, { dateStyle: "full", timeStyle: "long" })} (${new Date(at).toISOString()})`;
  }
}
setInterval(() => { if (!document.hidden) MusterTime.open.forEach((time) => time.show()); }, 1000);
document.addEventListener("visibilitychange", () => { if (!document.hidden) MusterTime.open.forEach((time) => time.show()); });

class MusterTheme extends HTMLElement {
  connectedCallback() {
    this.innerHTML = '<button type="button" class="btn btn-sm btn-link"><i class="bi" aria-hidden="true"></i></button>';
    this.button = this.firstElementChild;
    this.button.onclick = () => window.musterTheme(this.isDark ? "light" : "dark");
    this.listener = () => this.show();
    document.addEventListener("muster-theme", this.listener);
    this.show();
  }
  disconnectedCallback() { document.removeEventListener("muster-theme", this.listener); }
  get isDark() { return document.documentElement.dataset.bsTheme === "dark"; }
  show() {
    const label = this.isDark ? "Switch to light" : "Switch to dark";
    this.button.setAttribute("aria-label", label);
    this.button.title = label;
    this.button.firstElementChild.className = `bi bi-${this.isDark ? "sun" : "moon-stars"}`;
  }
}

// Blazor tells the element below what becomes of its connection; the banner tells the person, with the interval. It stays over a
// reload, and over the moment when a live page takes the place of the one that was rendered beforehand.
let lost = Number(sessionStorage.getItem("muster-lost")) || undefined;
let notice = [];

class MusterConnection extends HTMLElement {
  connectedCallback() {
    this.setAttribute("role", "status");
    // Set before this page was loaded: it came back.
    if (lost && !notice.length) this.back();
    this.replaceChildren(...notice);
    this.listener = (event) => this.changed(event.detail.state);
    document.getElementById("components-reconnect-modal")?.addEventListener("components-reconnect-state-changed", this.listener);
  }
  disconnectedCallback() {
    document.getElementById("components-reconnect-modal")?.removeEventListener("components-reconnect-state-changed", this.listener);
  }
  changed(state) {
    if (state === "hide") {
      if (lost) this.back();
      return;
    }
    if (!lost) {
      lost = Date.now();
      sessionStorage.setItem("muster-lost", String(lost));
    }
    if (state === "failed" || state === "rejected" || state === "resume-failed") {
      this.tell("warning", "wifi-off", ["Not live since ", this.time(lost, "clock"), ": Muster is away. The page comes back by itself."]);
      this.comeBack();
    } else {
      this.tell("warning", "wifi-off", ["Not live since ", this.time(lost, "clock"), ": the connection to Muster was lost. What you see is as of then. Reconnecting…"]);
    }
  }
  // The server forgot this page (it was restarted, or the page was away for long): begin anew as soon as it answers.
  async comeBack() {
    if (this.coming) return;
    this.coming = true;
    for (;;) {
      try {
        if ((await fetch("/readyz", { cache: "no-store" })).ok) break;
      } catch { /* still away */ }
      await new Promise((resolve) => setTimeout(resolve, 1000));
    }
    location.reload();
  }
  back() {
    const from = lost;
    lost = undefined;
    sessionStorage.removeItem("muster-lost");
    this.tell("info", "info-circle", ["This page was not live from ", this.time(from, "clock"), " to ", this.time(Date.now(), "clock"), ". It is up to date again."], true);
  }
  time(at, mode) {
    const time = document.createElement("muster-time");
    time.setAttribute("at", at);
    time.setAttribute("mode", mode);
    return time;
  }
  tell(kind, icon, words, closes) {
    const box = document.createElement("div");
    box.className = `alert alert-${kind} banner`;
    const sign = document.createElement("i");
    sign.className = `bi bi-${icon} me-2`;
    sign.ariaHidden = "true";
    const text = document.createElement("span");
    text.append(...words);
    box.append(sign, text);
    if (closes) {
      const close = document.createElement("button");
      close.type = "button";
      close.className = "btn-close ms-auto";
      close.ariaLabel = "Dismiss";
      close.onclick = () => { notice = []; box.remove(); };
      box.append(close);
    }
    notice = [box];
    this.replaceChildren(box);
  }
}

customElements.define("muster-time", MusterTime);
customElements.define("muster-theme", MusterTheme);
customElements.define("muster-connection", MusterConnection);

// Some elements are dear to load; only pages that show one pay for it.
for (const [element, module] of [["muster-chart", "./charts.js"], ["muster-logs", "./logs.js"], ["muster-terminal", "./terminal.js"]]) {
  const isThere = () => document.querySelector(element) !== null;
  const seen = new MutationObserver(() => { if (isThere()) load(); });
  const load = () => { seen.disconnect(); import(module); };
  if (isThere()) load(); else seen.observe(document.body, { childList: true, subtree: true });
}

// Browsers offer their clipboard to https and to this machine only; elsewhere the old way has to do.
async function copy(text) {
  if (navigator.clipboard) {
    await navigator.clipboard.writeText(text);
    return true;
  }
  const area = document.createElement("textarea");
  area.value = text;
  area.style.position = "fixed";
  (document.querySelector("dialog[open]") ?? document.body).append(area);
  area.select();
  const done = document.execCommand("copy");
  area.remove();
  return done;
}

document.addEventListener("click", async (event) => {
  const button = event.target.closest?.("[data-copy]");
  if (!button) return;
  if (!await copy(button.dataset.copy)) return;
  const said = button.getAttribute("aria-label");
  button.setAttribute("aria-label", "Copied");
  button.classList.add("copied");
  setTimeout(() => { button.classList.remove("copied"); if (said) button.setAttribute("aria-label", said); else button.removeAttribute("aria-label"); }, 1500);
});

// Menus are popovers of the browser: Escape and a click beside them close them. They open under the button that opens them and
// inside the window, take the focus, and are walked through with the arrow keys.
const inMenu = "a[href], button:not(:disabled), input:not(:disabled), select:not(:disabled), textarea";
document.addEventListener("toggle", (event) => {
  const menu = event.target;
  if (event.newState !== "open" || !menu.matches?.(".menu[popover]")) return;
  const opener = document.querySelector(`[popovertarget="${CSS.escape(menu.id)}"]`);
  if (opener) {
    const place = () => {
      const at = opener.getBoundingClientRect();
      const room = 8, width = menu.offsetWidth, height = menu.offsetHeight;
      const under = at.bottom + 4 + height <= innerHeight - room || at.top < innerHeight / 2;
      menu.style.cssText = `position: fixed; inset: auto; margin: 0; position-area: none; left: ${Math.max(room, Math.min(at.left, innerWidth - width - room))}px; `
        + (under ? `top: ${at.bottom + 4}px; max-height: ${Math.max(120, innerHeight - at.bottom - 4 - room)}px` : `bottom: ${innerHeight - at.top + 4}px; max-height: ${Math.max(120, at.top - 4 - room)}px`);
    };
    place();
    const moved = () => menu.matches(":popover-open") ? place() : (removeEventListener("resize", moved), removeEventListener("scroll", moved, true));
    addEventListener("resize", moved);
    addEventListener("scroll", moved, true);
  }
  if (!menu.contains(document.activeElement)) menu.querySelector(`[autofocus], ${inMenu}`)?.focus({ preventScroll: true });
}, true);
document.addEventListener("keydown", (event) => {
  const menu = event.target.closest?.(".menu[popover]");
  if (!menu) return;
  if (event.key === "Tab" && !menu.querySelector("form, input")) menu.hidePopover();
  const step = { ArrowDown: 1, ArrowUp: -1, Home: "first", End: "last" }[event.key];
  if (!step || event.target.matches("select, textarea, input:not([type=checkbox])")) return;
  const items = [...menu.querySelectorAll(inMenu)].filter((item) => item.offsetParent !== null);
  const at = items.indexOf(event.target);
  event.preventDefault();
  items.at(step === "first" ? 0 : step === "last" ? -1 : (at + step + items.length) % items.length)?.focus();
});
// A page that is opened from a menu has no use for the menu.
document.addEventListener("click", (event) => {
  if (event.target.closest?.("a[href]")) event.target.closest(".menu[popover]")?.hidePopover();
});

window.muster = {
  showDialog(dialog) { if (dialog?.isConnected && !dialog.open) dialog.showModal(); },
  download(name, type, text) {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([text], { type }));
    link.download = name;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  },
};
