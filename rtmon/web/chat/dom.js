// Create and update DOM elements. Texts are inserted as text nodes and never as HTML.

const SVG = "http://www.w3.org/2000/svg";

/**
 * Create an element. Attributes whose value is null, undefined or false are omitted. Attributes whose name
 * starts with `on` are event listeners.
 */
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

/** Create an SVG element that shows one of the icons defined in chat.html. */
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

/** Set the text of a node if it differs. Screen readers would read the same text aloud again. */
export function say(target, text) {
  if (target.textContent !== text) target.textContent = text;
}

/**
 * Updates the child elements of a list from an array of items. Each item has a key. An element is drawn
 * again only if the `mark` of its item has changed.
 */
export class Keyed {
  #parent;
  #draw;
  #become;
  #drawn = new Map();

  /**
   * @param parent the list element
   * @param draw creates the element of an item
   * @param become updates an old element from a newly drawn one and returns the element to show; by
   *   default the new element replaces the old one
   */
  constructor(parent, draw, become = replace) {
    this.#parent = parent;
    this.#draw = draw;
    this.#become = become;
  }

  clear() {
    this.#drawn.clear();
    this.#parent.replaceChildren();
  }

  /**
   * Show the items in this order.
   *
   * @param {{key: string, mark: string}[]} items
   */
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
 * Copy attributes and content of a newly drawn button to the existing button of a list item. The existing
 * element is kept, because a click is lost if its button is replaced between press and release.
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

/**
 * Add keyboard navigation to a list: the arrow keys, Home and End move the focus between its buttons. Tab
 * leaves the list (see `oneStop`).
 */
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

/**
 * Let the Tab key stop at only one button of a list: the focused one, else the current one, else the
 * first.
 */
export function oneStop(list) {
  const buttons = [...list.querySelectorAll("[data-stop]")];
  const is = (test) => buttons.find(test);
  const focused = is((button) => button === document.activeElement);
  const stop = focused ?? is((button) => button.ariaCurrent) ?? buttons[0];
  for (const button of buttons) button.tabIndex = button === stop ? 0 : -1;
}
