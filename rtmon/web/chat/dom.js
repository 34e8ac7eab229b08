// Create and update DOM elements; texts are never markup.

const SVG = "http://www.w3.org/2000/svg";

/** An element; attributes that are null, undefined or false are left out, `on…` are listeners. */
export function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (value === true) made.setAttribute(name, "");
    else if (value !== null && value !== undefined && value !== false)
      made.setAttribute(name, value);
  }
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

/** Return one of the icons in chat.html. */
export function icon(name) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  const use = document.createElementNS(SVG, "use");
  use.setAttribute("href", `#icon-${name}`);
  svg.append(use);
  return svg;
}

export const byId = (id) => document.getElementById(id);

/** Set the text of a node; does nothing if it is the same, so that screen readers stay silent. */
export function say(target, text) {
  if (target.textContent !== text) target.textContent = text;
}

/**
 * Keep the children of a list in sync with items: each has a key, and is drawn again only when its
 * `mark` has changed.
 */
export class Keyed {
  #parent;
  #draw;
  #become;
  #drawn = new Map();

  /** @param become how a child takes over what a new drawing shows, if not by being replaced */
  constructor(parent, draw, become = replace) {
    this.#parent = parent;
    this.#draw = draw;
    this.#become = become;
  }

  clear() {
    this.#drawn.clear();
    this.#parent.replaceChildren();
  }

  /** @param {{key: string, mark: string}[]} items */
  show(items) {
    const kept = new Map();
    let next = this.#parent.firstChild;
    for (const item of items) {
      const before = this.#drawn.get(item.key);
      let node = before?.node ?? this.#draw(item);
      if (before && before.mark !== item.mark) {
        node = this.#become(before.node, this.#draw(item));
        if (next === before.node) next = node;
      }
      if (next === node) next = node.nextSibling;
      else this.#parent.insertBefore(node, next);
      kept.set(item.key, { node, mark: item.mark });
    }
    for (const [key, { node }] of this.#drawn) if (!kept.has(key)) node.remove();
    this.#drawn = kept;
  }

  node(key) {
    return this.#drawn.get(key)?.node;
  }
}

function replace(old, fresh) {
  const focused = old.contains(document.activeElement);
  old.replaceWith(fresh);
  if (focused) fresh.querySelector("button")?.focus();
  return fresh;
}

/**
 * Let the button in a list's item look like another one, and stay the same: one that is being
 * pressed while something changes must not be taken away from under the finger.
 */
export function repaint(old, fresh) {
  const [button, like] = [old.firstChild, fresh.firstChild];
  if (button.tagName !== like.tagName) return replace(old, fresh);
  for (const name of button.getAttributeNames()) {
    if (!like.hasAttribute(name)) button.removeAttribute(name);
  }
  for (const { name, value } of like.attributes) button.setAttribute(name, value);
  button.replaceChildren(...like.childNodes);
  return old;
}

/** Up and down, Home and End move among the buttons of a list; Tab leaves it, see `oneStop`. */
export function arrows(list) {
  list.addEventListener("focusin", () => oneStop(list));
  list.addEventListener("keydown", (event) => {
    const buttons = [...list.querySelectorAll("[data-stop]")];
    const at = buttons.indexOf(document.activeElement);
    const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: buttons.length - 1 }[event.key];
    if (at < 0 || to === undefined || event.altKey) return;
    event.preventDefault();
    buttons[Math.max(0, Math.min(buttons.length - 1, to))].focus();
  });
}

/** Tab stops at one button of a list: where one is, else at the current one, or the first. */
export function oneStop(list) {
  const buttons = [...list.querySelectorAll("[data-stop]")];
  const is = (test) => buttons.find(test);
  const focused = is((button) => button === document.activeElement);
  const stop = focused ?? is((button) => button.ariaCurrent) ?? buttons[0];
  for (const button of buttons) button.tabIndex = button === stop ? 0 : -1;
}
