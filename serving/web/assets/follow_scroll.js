// Keep the end of the page in view while text arrives, only if the user is at the end.

let following = true;
let last = 0;
const root = document.documentElement;

addEventListener(
  "scroll",
  () => {
    const y = scrollY;
    if (root.scrollHeight - innerHeight - y < 80) following = true;
    else if (y < last - 2) following = false;
    last = y;
  },
  { passive: true },
);

// Call after drawing.
export function follow() {
  if (following) scrollTo({ top: root.scrollHeight, behavior: "instant" });
}

export function followAgain() {
  following = true;
  follow();
}
