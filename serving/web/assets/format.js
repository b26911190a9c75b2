// Numbers, times and sizes as text.

export function number(value) {
  if (value === null || value === undefined || value === "") return "–";
  if (typeof value !== "number") return String(value);
  if (!Number.isFinite(value)) return value > 0 ? "∞" : value < 0 ? "−∞" : "–";
  const size = Math.abs(value);
  if (size >= 1e15 || (size > 0 && size < 1e-6)) return value.toExponential(4);
  const text = Number(value.toPrecision(10)).toLocaleString("en-US", { maximumFractionDigits: 6 });
  return text === "-0" ? "0" : text.replace("-", "−");
}

export const signed = (value) => (value > 0 ? `+${number(value)}` : number(value));

// Return the number that a person typed; null for no limit; undefined if it is not a number.
export function typed(text) {
  const plain = text
    .trim()
    .replace(/[\s,_]/g, "")
    .replace("−", "-")
    .toLowerCase();
  if (["", "-", "–", "none", "inf", "infinity", "∞", "-∞", "-inf"].includes(plain)) return null;
  const value = Number(plain);
  return Number.isFinite(value) ? value : undefined;
}

export function duration(seconds) {
  if (seconds < 1) return `${Math.max(0, seconds).toFixed(2)} s`;
  if (seconds < 60) return `${seconds.toFixed(seconds < 10 ? 1 : 0)} s`;
  const minutes = Math.floor(seconds / 60);
  return minutes < 60
    ? `${minutes} min ${Math.floor(seconds % 60)} s`
    : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

export function bytes(count) {
  if (count < 1000) return `${count} B`;
  return count < 1e6 ? `${(count / 1000).toFixed(count < 1e4 ? 1 : 0)} KB` : `${(count / 1e6).toFixed(1)} MB`;
}

export const whole = (value) => Math.round(value).toLocaleString("en-US");
export const plural = (count, one, many = `${one}s`) => `${whole(count)} ${count === 1 ? one : many}`;

export function when(time) {
  const date = new Date(time),
    today = new Date();
  const sameDay = date.toDateString() === today.toDateString();
  return sameDay
    ? date.toLocaleTimeString("en-US", { hour: "numeric", minute: "2-digit" })
    : date.toLocaleDateString("en-US", {
        month: "short",
        day: "numeric",
        ...(date.getFullYear() === today.getFullYear() ? {} : { year: "numeric" }),
      });
}

export const words = (name) => String(name).replaceAll("_", " ");
export const sentence = (text) => text.charAt(0).toUpperCase() + text.slice(1);
