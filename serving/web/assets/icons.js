// Icons as SVG: fonts do not have all of these characters.

import { svg } from "./dom.js";

const PATHS = {
  close: "M4 4l8 8M12 4l-8 8",
  pencil: "M3 13l.7-3L11 2.7a1 1 0 011.4 0l.9.9a1 1 0 010 1.4L6 12.3 3 13z",
  bin: "M3 4.5h10M6.5 4.5V3h3v1.5M4.5 4.5l.6 8.5h5.8l.6-8.5",
};

export const icon = (name) =>
  svg(
    "svg",
    { viewBox: "0 0 16 16", width: 16, height: 16, class: "glyph", "aria-hidden": "true" },
    svg("path", { d: PATHS[name] }),
  );
