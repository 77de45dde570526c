// The Devices page in the browser: whether somebody is at the table, rows that open by a click or Enter, the columns of
// choice, and instants between the viewer's zone and the address.
const chosen = "muster-device-columns";

/** Tells the page when a pointer is over its table or a row has the focus, and when there is progress to read. */
export function watch(table, page) {
  let over = false, held = false;
  const tell = () => {
    const now = over || table.querySelector("tbody")?.contains(document.activeElement) === true;
    if (now === held) return;
    held = now;
    page.invokeMethodAsync("HoldAsync", held).catch(() => {});
  };
  const enter = () => { over = true; tell(); };
  const leave = () => { over = false; tell(); };
  const focus = () => setTimeout(tell);
  const click = (event) => {
    const row = event.target.closest("tbody tr");
    if (!row || event.target.closest("a, button, input, label") || getSelection().toString()) return;
    row.querySelector("a[data-open]")?.dispatchEvent(new MouseEvent("click", event));
  };
  const key = (event) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    const row = event.target.closest("tbody tr");
    if (!row) return;
    if (event.key === "Enter" && event.target.matches("input[type=checkbox]")) row.querySelector("a[data-open]")?.click();
    if (!step) return;
    const kind = event.target.matches("input") ? "input" : "a[data-open]";
    for (let next = row; (next = step > 0 ? next.nextElementSibling : next.previousElementSibling);) {
      const target = next.querySelector(kind);
      if (!target) continue;
      event.preventDefault();
      target.focus();
      return;
    }
  };
  table.addEventListener("pointerenter", enter);
  table.addEventListener("pointerleave", leave);
  table.addEventListener("focusin", focus);
  table.addEventListener("focusout", focus);
  table.addEventListener("click", click);
  table.addEventListener("keydown", key);
  // Progress is no transition: it is asked for, while it is seen.
  const timer = setInterval(() => {
    if (!document.hidden && table.querySelector("tbody [role=progressbar]")) page.invokeMethodAsync("ProgressAsync").catch(() => {});
  }, 2000);
  return { stop() { clearInterval(timer); } };
}

export const columns = () => localStorage.getItem(chosen);
export const keepColumns = (text) => text ? localStorage.setItem(chosen, text) : localStorage.removeItem(chosen);
export const top = (table) => { table.scrollTop = 0; };
export const close = (id) => document.getElementById(id)?.hidePopover();
export const instant = (local) => { const at = new Date(local); return isNaN(at) ? "" : at.toISOString(); };
export const local = (instant) => {
  const at = new Date(instant);
  return isNaN(at) ? "" : new Date(at - at.getTimezoneOffset() * 60000).toISOString().slice(0, 16);
};
