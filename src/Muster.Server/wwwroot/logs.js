// A device's live log: streamed, filtered and kept here, in the browser. It holds its newest lines only.
const mostLines = 1000;
const hiddenFor = 10_000;

class MusterLogs extends HTMLElement {
  static observedAttributes = ["src", "services"];
  lines = [];
  fresh = [];
  filter = { text: "", service: "", errors: false };
  utc = false;
  follow = true;
  clearedAt = 0;

  connectedCallback() {
    if (!this.list) this.build();
    this.onHidden = () => {
      clearTimeout(this.leaving);
      // A browser allows few connections to one server; a page that nobody sees holds none.
      if (document.hidden) this.leaving = setTimeout(() => this.stop(), hiddenFor);
      else if (!this.reading) this.start();
    };
    document.addEventListener("visibilitychange", this.onHidden);
    this.start();
  }

  disconnectedCallback() {
    document.removeEventListener("visibilitychange", this.onHidden);
    clearTimeout(this.leaving);
    this.stop();
  }

  attributeChangedCallback(name, before) {
    if (!this.list || before === null) return;
    if (name === "services") { this.showServices(); this.redraw(); return; }
    this.stop();
    [this.lines, this.clearedAt] = [[], 0];
    this.redraw();
    this.start();
  }

  build() {
    this.innerHTML = `
      <div class="tools">
        <input type="search" class="form-control form-control-sm" placeholder="Filter" aria-label="Filter lines by text">
        <select class="form-select form-select-sm" aria-label="Lines of"></select>
        <div class="form-check form-check-inline m-0"><label class="form-check-label small"><input type="checkbox" class="form-check-input" data-set="errors"> Errors only</label></div>
        <div class="form-check form-check-inline m-0"><label class="form-check-label small"><input type="checkbox" class="form-check-input" data-set="times" checked> Times</label></div>
        <div class="form-check form-check-inline m-0"><label class="form-check-label small"><input type="checkbox" class="form-check-input" data-set="utc"> UTC</label></div>
        <button type="button" class="btn btn-sm btn-outline-secondary" data-do="follow" aria-pressed="false"></button>
        <button type="button" class="btn btn-sm btn-outline-secondary" data-do="clear"><i class="bi bi-eraser" aria-hidden="true"></i> Clear</button>
        <button type="button" class="btn btn-sm btn-outline-secondary" data-do="download"><i class="bi bi-download" aria-hidden="true"></i> Download</button>
      </div>
      <div class="lines" role="log" aria-live="off" aria-label="Log of the device" tabindex="0"></div>
      <div class="small text-body-secondary mt-1" role="status"></div>`;
    this.list = this.querySelector(".lines");
    this.state = this.querySelector("[role=status]");
    this.select = this.querySelector("select");
    this.button = this.querySelector("[data-do=follow]");
    this.querySelector("input[type=search]").oninput = (event) => { this.filter.text = event.target.value.toLowerCase(); this.redraw(); };
    this.select.onchange = () => { this.filter.service = this.select.value; this.redraw(); };
    this.querySelector("[data-set=errors]").onchange = (event) => { this.filter.errors = event.target.checked; this.redraw(); };
    this.querySelector("[data-set=utc]").onchange = (event) => { this.utc = event.target.checked; this.redraw(); };
    this.querySelector("[data-set=times]").onchange = (event) => this.list.classList.toggle("no-times", !event.target.checked);
    this.button.onclick = () => this.setFollow(!this.follow);
    this.querySelector("[data-do=clear]").onclick = () => { this.clearedAt = this.lines.at(-1)?.createdAt ?? 0; this.lines = []; this.redraw(); };
    this.querySelector("[data-do=download]").onclick = () => window.muster.download(
      `${this.getAttribute("name")}-log.txt`, "text/plain", this.lines.filter((line) => this.matches(line)).map((line) => this.text(line) + "\n").join(""));
    // Who scrolls up wants to read; who scrolls to the end wants to follow.
    this.list.onscroll = () => {
      if (this.scrolling) return;
      const atEnd = this.list.scrollHeight - this.list.scrollTop - this.list.clientHeight < 24;
      if (atEnd !== this.follow) this.setFollow(atEnd);
    };
    this.showServices();
    this.setFollow(true);
    this.redraw();
  }

  setFollow(follow) {
    this.follow = follow;
    this.button.innerHTML = follow ? '<i class="bi bi-pause-fill" aria-hidden="true"></i> Pause' : '<i class="bi bi-play-fill" aria-hidden="true"></i> Follow';
    this.button.setAttribute("aria-pressed", String(!follow));
    if (follow) this.draw();
  }

  showServices() {
    this.services = JSON.parse(this.getAttribute("services") || "{}");
    const chosen = this.select.value;
    this.select.replaceChildren(new Option("All lines", ""), new Option("Supervisor and system", "system"), ...Object.entries(this.services).map(([id, name]) => new Option(name, id)));
    this.select.value = chosen;
    if (this.select.selectedIndex < 0) this.select.value = "";
  }

  async start() {
    this.stop();
    const mine = this.reading = new AbortController();
    let wait = 1000;
    while (!mine.signal.aborted) {
      try {
        const answer = await fetch(this.getAttribute("src"), { signal: mine.signal, cache: "no-store" });
        if (answer.ok) {
          wait = 1000;
          await this.read(answer.body.getReader(), mine.signal);
        } else {
          this.say(answer.status === 401 ? "The session is over; sign in again." : answer.status === 404 ? "There is no such device." : "The log cannot be read now. Trying again…");
          if (answer.status === 401 || answer.status === 404) return;
        }
      } catch (error) {
        if (mine.signal.aborted) return;
        this.say("The connection to Muster was lost. Trying again…");
      }
      await new Promise((resolve) => setTimeout(resolve, wait));
      wait = Math.min(wait * 2, 30_000);
    }
  }

  stop() {
    this.reading?.abort();
    this.reading = undefined;
  }

  // Each stream begins with all lines that are kept: what is shown is replaced, so nothing is missing and nothing double.
  async read(reader, signal) {
    const decoder = new TextDecoder();
    let rest = "";
    let begins = true;
    this.say("");
    for (;;) {
      const { done, value } = await reader.read();
      if (signal.aborted || done) return;
      const parts = (rest + decoder.decode(value, { stream: true })).split("\n");
      rest = parts.pop();
      const fresh = parts.filter((part) => part).map((part) => JSON.parse(part)).filter((line) => line.createdAt > this.clearedAt);
      if (begins) {
        begins = false;
        this.lines = [];
        this.fresh = [];
        this.isStale = true;
      }
      this.lines.push(...fresh);
      this.lines.splice(0, this.lines.length - mostLines);
      this.fresh.push(...fresh);
      this.fresh.splice(0, this.fresh.length - mostLines);
      this.draw();
    }
  }

  say(words) { this.state.textContent = words; }

  matches(line) {
    const { text, service, errors } = this.filter;
    return (!errors || line.isStdErr) && (!service || (service === "system" ? line.isSystem || line.serviceId === undefined : String(line.serviceId) === service))
      && (!text || line.message.toLowerCase().includes(text) || this.from(line).toLowerCase().includes(text));
  }

  from(line) { return line.isSystem || line.serviceId === undefined ? "system" : this.services[line.serviceId] ?? `service ${line.serviceId}`; }

  time(line) {
    const at = new Date(line.timestamp);
    return this.utc ? at.toISOString().replace("T", " ") : at.toLocaleString(undefined, { dateStyle: "short", timeStyle: "medium" });
  }

  text(line) { return `${this.utc ? new Date(line.timestamp).toISOString() : this.time(line)} [${this.from(line)}] ${line.message.trimEnd()}`; }

  redraw() { this.isStale = true; this.draw(true); }

  // Once per frame at most; while paused, only what the person asked for.
  draw(force) {
    this.forced ||= force === true;
    this.frame ??= requestAnimationFrame(() => {
      this.frame = undefined;
      const forced = this.forced;
      this.forced = false;
      if (!this.follow && !forced) return;
      if (this.isStale) this.list.replaceChildren();
      const added = (this.isStale ? this.lines : this.fresh).filter((line) => this.matches(line));
      this.isStale = false;
      this.fresh = [];
      if (added.length > 0) this.list.querySelector(".note")?.remove();
      this.list.append(...added.map((line) => this.row(line)));
      while (this.list.childElementCount > mostLines) this.list.firstElementChild.remove();
      if (this.list.childElementCount === 0) this.list.append(this.note());
      if (this.follow) {
        this.scrolling = true;
        this.list.scrollTop = this.list.scrollHeight;
        requestAnimationFrame(() => { this.scrolling = false; });
      }
    });
  }

  row(line) {
    const row = document.createElement("div");
    row.className = `${line.isSystem ? "system" : ""} ${line.isStdErr ? "error" : ""}`;
    const time = document.createElement("time");
    time.dateTime = new Date(line.timestamp).toISOString();
    time.textContent = this.time(line);
    time.title = `${new Date(line.timestamp).toISOString()} by the device's clock; received ${new Date(line.createdAt).toISOString()}`;
    const from = document.createElement("span");
    from.className = "from";
    from.textContent = `[${this.from(line)}${line.isStdErr ? ", error" : ""}]`;
    row.append(time, from, line.message.trimEnd());
    return row;
  }

  note() {
    const note = document.createElement("div");
    note.className = "note";
    note.textContent = this.lines.length > 0
      ? "No line matches the filter."
      : "No lines yet. They appear here as soon as the device sends some. If it stays empty: check that the device is online and that its services write to standard output; BALENA_SUPERVISOR_LOG_CONTROL set to false switches logs off.";
    return note;
  }
}

customElements.define("muster-logs", MusterLogs);
