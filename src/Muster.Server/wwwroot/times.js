// Instants in words, in the viewer's zone.
const units = [["year", 31557600000], ["month", 2629800000], ["day", 86400000], ["hour", 3600000], ["minute", 60000], ["second", 1000]];
const short = { year: "y", month: "mo", day: "d", hour: "h", minute: "min", second: "s" };

/** Two largest units of a duration in ms: "3 d 4 h", "12 min", "8 s". */
export function duration(ms) {
  const first = units.findIndex(([, size]) => ms >= size);
  if (first < 0) return "0 s";
  const [name, size] = units[first];
  const whole = Math.floor(ms / size);
  const next = units[first + 1];
  const rest = next && first < 4 ? Math.floor((ms - whole * size) / next[1]) : 0;
  return `${whole} ${short[name]}${rest > 0 ? ` ${rest} ${short[next[0]]}` : ""}`;
}

/** @param mode instant | clock | ago | for | in */
export function spell(at, mode, now) {
  switch (mode) {
    case "instant": return new Date(at).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "medium" });
    case "clock": {
      const sameDay = new Date(at).toDateString() === new Date(now).toDateString();
      return new Date(at).toLocaleString(undefined, sameDay ? { timeStyle: "medium" } : { dateStyle: "short", timeStyle: "medium" });
    }
    case "for": return duration(Math.max(0, now - at));
    case "in": return at <= now ? "now" : `in ${duration(at - now)}`;
    default: return now - at < 1000 ? "now" : `${duration(now - at)} ago`;
  }
}
