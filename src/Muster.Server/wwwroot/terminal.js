// <muster-terminal>: a terminal on a device. It opens when the person asks, and closes with the page. Bytes go as binary messages
// of a WebSocket; text messages of the server say what becomes of the terminal, those of the browser its size.
const colours = {
  dark: { background: "#15181b", foreground: "#dee2e6", cursor: "#dee2e6", selectionBackground: "#3a5a8c" },
  light: { background: "#ffffff", foreground: "#212529", cursor: "#212529", cursorAccent: "#ffffff", selectionBackground: "#b6d4fe", yellow: "#7a5b00", brightYellow: "#7a5b00", green: "#146c43", brightGreen: "#146c43", cyan: "#055160", brightCyan: "#055160", white: "#565e64", brightWhite: "#343a40" },
};

class MusterTerminal extends HTMLElement {
  static observedAttributes = ["services"];

  connectedCallback() {
    if (!this.tools) this.build();
    this.onTheme = () => { if (this.terminal) this.terminal.options.theme = this.theme(); };
    document.addEventListener("muster-theme", this.onTheme);
  }

  disconnectedCallback() {
    document.removeEventListener("muster-theme", this.onTheme);
    this.close();
    this.observer?.disconnect();
    this.terminal?.dispose();
    [this.terminal, this.tools] = [undefined, undefined];
  }

  attributeChangedCallback() { if (this.tools) this.showTargets(); }

  build() {
    this.innerHTML = `
      <div class="tools">
        <label class="small" for="terminal-target">Terminal on</label>
        <select class="form-select form-select-sm" id="terminal-target"></select>
        <button type="button" class="btn btn-sm btn-primary" data-do="open"><i class="bi bi-terminal" aria-hidden="true"></i> <span>Open</span></button>
        <button type="button" class="btn btn-sm btn-outline-secondary" data-do="close" hidden>Close</button>
      </div>
      <div role="status" class="state small"></div>
      <div class="host-key alert alert-danger" role="alert" hidden>
        <p></p>
        <button type="button" class="btn btn-sm btn-outline-danger" data-do="accept">I know why: trust the new key and open</button>
      </div>
      <div class="screen" hidden></div>
      <div class="keys" role="group" aria-label="Keys" hidden></div>
      <p class="hint small text-body-secondary" hidden>Ctrl+Shift+Enter leaves the terminal. Ctrl+C copies what is selected, and interrupts when nothing is.</p>`;
    this.tools = this.querySelector(".tools");
    this.select = this.querySelector("select");
    this.state = this.querySelector(".state");
    this.changed = this.querySelector(".host-key");
    this.screen = this.querySelector(".screen");
    this.opener = this.querySelector("[data-do=open]");
    this.closer = this.querySelector("[data-do=close]");
    this.opener.onclick = () => this.open();
    this.closer.onclick = () => this.close("Closed.");
    this.keys = this.querySelector(".keys");
    // For screens without a keyboard, which lack these keys. They leave the focus where it is.
    for (const [name, bytes] of [["Esc", "\x1b"], ["Tab", "\t"], ["Ctrl+C", "\x03"], ["Ctrl+D", "\x04"], ["↑", "\x1b[A"], ["↓", "\x1b[B"], ["←", "\x1b[D"], ["→", "\x1b[C"]]) {
      const button = document.createElement("button");
      Object.assign(button, { type: "button", className: "btn btn-sm btn-outline-secondary", textContent: name });
      button.onpointerdown = (event) => event.preventDefault();
      button.onclick = () => this.send(new TextEncoder().encode(bytes));
      this.keys.append(button);
    }
    this.querySelector("[data-do=accept]").onclick = () => this.open(this.presented);
    this.showTargets();
  }

  showTargets() {
    const chosen = this.select.value;
    this.select.replaceChildren(new Option("Host OS", ""), ...JSON.parse(this.getAttribute("services") || "[]").map((name) => new Option(name, name)));
    this.select.value = chosen;
    if (this.select.selectedIndex < 0) this.select.value = "";
  }

  theme() { return colours[document.documentElement.dataset.bsTheme === "dark" ? "dark" : "light"]; }

  async open(accepted) {
    this.close();
    this.changed.hidden = true;
    this.say("Opening…");
    this.opener.disabled = true;
    try {
      await this.load();
    } catch {
      this.opener.disabled = false;
      this.say("The terminal could not be loaded from Muster. Try again.");
      return;
    }

    this.screen.hidden = false;
    this.querySelector(".hint").hidden = false;
    this.keys.hidden = !matchMedia("(pointer: coarse)").matches;
    this.resize();
    this.terminal.reset();
    const address = new URL(this.getAttribute("src"), location.href);
    address.protocol = address.protocol.replace("http", "ws");
    address.searchParams.set("columns", this.terminal.cols);
    address.searchParams.set("rows", this.terminal.rows);
    if (this.select.value) address.searchParams.set("service", this.select.value);
    if (accepted) address.searchParams.set("accept", accepted);
    const socket = this.socket = new WebSocket(address);
    socket.binaryType = "arraybuffer";
    socket.onmessage = (message) => {
      if (this.socket !== socket) return;
      if (typeof message.data === "string") this.told(JSON.parse(message.data));
      else this.terminal.write(new Uint8Array(message.data));
    };
    socket.onclose = () => {
      if (this.socket === socket) this.close(this.ending ?? "The connection to Muster was lost.");
    };
    this.closer.hidden = false;
    this.select.disabled = true;
  }

  // Once, and only for who wants a terminal: the library is the largest file of the pages.
  async load() {
    if (this.terminal) return;
    const style = document.createElement("link");
    Object.assign(style, { rel: "stylesheet", href: "/lib/xterm.css" });
    document.head.append(style);
    const [{ Terminal }, { FitAddon }] = await Promise.all([import("/lib/xterm.mjs"), import("/lib/addon-fit.mjs"), new Promise((resolve) => { style.onload = style.onerror = resolve; })]);
    this.screen.hidden = false;
    this.terminal = new Terminal({ theme: this.theme(), fontFamily: "monospace", fontSize: this.fontSize(), cursorBlink: true, scrollback: 5000, minimumContrastRatio: 4.5 });
    this.fit = new FitAddon();
    this.terminal.loadAddon(this.fit);
    this.terminal.open(this.screen);
    this.terminal.attachCustomKeyEventHandler((event) => this.key(event));
    const encoder = new TextEncoder();
    this.terminal.onData((text) => this.send(encoder.encode(text)));
    this.terminal.onBinary((text) => this.send(Uint8Array.from(text, (c) => c.charCodeAt(0))));
    this.terminal.onResize(({ cols, rows }) => this.send(JSON.stringify({ columns: cols, rows })));
    this.observer = new ResizeObserver(() => this.resize());
    this.observer.observe(this.screen);
  }

  // Smaller letters on a narrow screen: programs expect some sixty columns.
  fontSize() { return this.screen.clientWidth < 480 ? 11 : 14; }

  resize() {
    if (!this.terminal || this.screen.clientWidth === 0 || this.screen.clientHeight === 0) return;
    if (this.terminal.options.fontSize !== this.fontSize()) this.terminal.options.fontSize = this.fontSize();
    this.fit.fit();
    this.terminal.scrollToBottom();
  }

  // False: not for the device, but for the browser.
  key(event) {
    if (event.ctrlKey && event.shiftKey && event.key === "Enter") {
      if (event.type === "keydown") (this.closer.hidden ? this.opener : this.closer).focus();
      return false;
    }
    const letter = event.key.toLowerCase();
    return !((event.ctrlKey || event.metaKey) && !event.altKey && (letter === "v" || (letter === "c" && this.terminal.hasSelection())));
  }

  send(data) {
    if (this.socket?.readyState === WebSocket.OPEN) this.socket.send(data);
  }

  told({ state, text, known, presented }) {
    if (state === "open") {
      this.say("Connected.");
      this.terminal.focus();
    } else if (state === "hostKey") {
      this.presented = presented;
      this.changed.querySelector("p").textContent = `The device's SSH server shows another key than before: ${presented} instead of ${known}. That is so when its operating system was written anew; otherwise somebody may stand between Muster and the device. Nothing was sent to it.`;
      this.changed.hidden = false;
    } else if (state === "ended") {
      this.ending = text;
    } else {
      this.say(text);
    }
  }

  close(words) {
    const socket = this.socket;
    [this.socket, this.ending] = [undefined, undefined];
    socket?.close();
    if (!this.tools) return;
    // Who was in the terminal, or pressed Close, finds the way on.
    const hadFocus = this.screen.contains(document.activeElement) || document.activeElement === this.closer;
    this.closer.hidden = true;
    this.opener.disabled = this.select.disabled = false;
    this.opener.querySelector("span").textContent = words ? "Open again" : "Open";
    if (words) this.say(words);
    if (words && hadFocus) this.opener.focus();
  }

  say(words) { this.state.textContent = words; }
}

customElements.define("muster-terminal", MusterTerminal);
