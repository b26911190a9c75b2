// The outline of a trajectory: its parts in order, as buttons that lead to them.

// segments: [{ kind, label, note, target }].
function outline(segments, title) {
  const list = el(
    "ol",
    {},
    segments.map((segment) =>
      el(
        "li",
        {},
        el(
          "button",
          { type: "button", class: `segment ${segment.kind}`, click: () => reveal(segment.target, true) },
          segment.label,
          segment.note ? el("small", {}, segment.note) : null,
        ),
      ),
    ),
  );
  const made = el("nav", { class: "outline", "aria-label": title, tabindex: "0" }, list);
  made.follow = () => {
    // The last part that begins above the middle of the window.
    const line = window.innerHeight / 2;
    const at = segments.findLastIndex((segment) => segment.target.getBoundingClientRect().top < line);
    [...list.children].forEach((item, place) => {
      const button = item.firstChild;
      if ((place === at) === button.hasAttribute("aria-current")) return;
      if (place !== at) button.removeAttribute("aria-current");
      else {
        button.setAttribute("aria-current", "true");
        made.scrollLeft = item.offsetLeft - made.clientWidth / 2;
      }
    });
  };
  return made;
}

// Unfold all that hides an element, and scroll to it. into: whether to unfold the element's own text too.
function reveal(target, into) {
  const own = into && target.querySelector(":scope > details.long, :scope > details.fold");
  if (own) own.open = true;
  for (let at = target; at; at = at.parentElement) if (at.matches("details")) at.open = true;
  const { top, bottom } = target.getBoundingClientRect();
  const bar = document.querySelector(".bar");
  const above = (bar ? bar.getBoundingClientRect().bottom : 0) + 60;
  if (into || top < above || bottom > window.innerHeight) window.scrollBy(0, top - (into ? above : window.innerHeight / 3));
}

let following = false;
document.addEventListener(
  "scroll",
  () => {
    if (following) return;
    following = true;
    requestAnimationFrame(() => {
      following = false;
      for (const one of document.querySelectorAll(".outline")) one.follow();
    });
  },
  { passive: true },
);
