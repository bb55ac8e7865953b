/* Marks the link of the part of the page that is being read. */
export function connect(nav) {
  const links = new Map();
  for (const link of nav.querySelectorAll('a[href^="#"]')) {
    const part = document.getElementById(decodeURIComponent(link.hash.slice(1)));
    if (part) links.set(part, link);
  }
  const seen = new Set();
  const observer = new IntersectionObserver((entries) => {
    for (const { target, isIntersecting } of entries) isIntersecting ? seen.add(target) : seen.delete(target);
    const innermost = [...links.keys()].filter((part) => seen.has(part)).at(-1);
    if (!innermost) return;
    for (const [part, link] of links) {
      if (part === innermost) link.setAttribute("aria-current", "true");
      else link.removeAttribute("aria-current");
    }
  }, { rootMargin: "-80px 0px -70% 0px" });
  for (const part of links.keys()) observer.observe(part);
}
