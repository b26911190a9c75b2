// Names of variables as people read them: PuLP writes ship_('North',_'Bremen') for ship[North, Bremen].

const PULP = /([A-Za-z]\w*?)_\(([^()]{1,200})\)/g;

// Return a name, or a text with names, for reading. Requests use the program's own names.
export function readable(text) {
  if (!text.includes("_(")) return text;
  return text.replace(
    PULP,
    (_, base, inside) =>
      `${base}[${inside
        .split(/,_?/)
        .map((one) => one.trim().replace(/^_?['"]|['"]$/g, ""))
        .join(", ")}]`,
  );
}
