// The sidebars of the chat page: the list of conversations on one side, the list of people on the other.

import { arrows, byId, element, icon, Keyed, oneStop, repaint, say } from "./dom.js";
import { avatar } from "./message_list.js";
import { SERVER } from "./people.js";
import { count } from "./text_format.js";

export class Sidebars {
  #chat;
  #pick;
  #lists;
  #people;

  /** @param pick called with the conversation that the user selects */
  constructor(chat, pick) {
    this.#chat = chat;
    this.#pick = pick;
    const list = (id) => new Keyed(byId(id), (item) => this.#conversation(item), repaint);
    this.#lists = { everybody: list("everybody"), room: list("rooms"), person: list("persons") };
    this.#people = new Keyed(byId("crowd"), (item) => this.#person(item), repaint);
    arrows(byId("places"));
    arrows(byId("people"));
  }

  show() {
    const { conversations, current, people } = this.#chat;
    const all = [...conversations.values()];
    for (const [kind, list] of Object.entries(this.#lists)) {
      list.show(all.filter((each) => each.kind === kind).map((each) => this.#item(each)));
    }
    byId("no-rooms").hidden = all.some((each) => each.kind === "room");
    byId("no-persons").hidden = all.some((each) => each.kind === "person");
    const place = current.kind === "room" ? current.name : SERVER;
    const { people: here, count: number, more } = people.list(place);
    say(byId("crowd-head"), current.kind === "room" ? "In this room" : "Here now");
    say(byId("crowd-count"), number ? number.toLocaleString() : "");
    const typing = new Set([...current.typing.keys()]);
    this.#people.show(
      here.map((person) => {
        const me = this.#chat.ids.has(person.id);
        const busy = typing.has(person.id);
        return { key: person.key, mark: `${person.name}|${me}|${busy}`, person, me, busy };
      }),
    );
    for (const side of ["places", "people"]) oneStop(byId(side));
    byId("crowd-more").hidden = !more;
    say(byId("crowd-more"), more ? `and ${count(more, "other")}` : "");
    const unread = all.reduce((sum, each) => sum + each.unread, 0);
    document.title = unread ? `(${atMost99(unread)}) rtmon chat` : "rtmon chat";
    byId("menu-unread").hidden = !unread;
    say(byId("menu-unread"), atMost99(unread));
  }

  #item(conversation) {
    const current = conversation === this.#chat.current;
    const { kind, title, unread, key } = conversation;
    const here = kind !== "person" || Boolean(this.#chat.people.reach(conversation.name));
    const typing = conversation.typing.size > 0;
    const mark = [title, Math.min(unread, 100), current, here, typing, conversation.refused].join(
      "|",
    );
    return { key, mark, conversation, current, here, typing };
  }

  #conversation({ conversation, current, here, typing }) {
    const { kind, title, unread, refused } = conversation;
    const picture =
      kind === "person"
        ? avatar(title)
        : element("span", { class: "sign" }, icon(kind === "room" ? "room" : "globe"));
    if (kind === "person") picture.append(element("span", { class: here ? "dot here" : "dot" }));
    const button = element(
      "button",
      {
        type: "button",
        class: "place",
        "data-stop": true,
        "aria-current": current ? "true" : null,
        onclick: () => this.#pick(conversation),
      },
      picture,
      element("bdi", { class: "title" }, title),
    );
    if (kind === "person" && !here) button.append(element("span", { class: "spoken" }, "not here"));
    if (refused) button.append(icon("warn"));
    if (typing && !current) button.append(dots());
    if (unread) {
      const many = atMost99(unread);
      button.append(
        element("span", { class: "badge" }, many, element("span", { class: "spoken" }, " unread")),
      );
    }
    return element("li", {}, button);
  }

  #person({ person, me, busy }) {
    const label = me ? null : `Write to ${person.name} privately`;
    const inside = [avatar(person.name), element("bdi", { class: "title" }, person.name)];
    inside[0].append(element("span", { class: "dot here" }));
    if (me) inside.push(element("span", { class: "you" }, "you"));
    if (busy) inside.push(dots());
    if (me) return element("li", {}, element("div", { class: "place" }, ...inside));
    const { key, id } = person;
    const pick = () => this.#pick(this.#chat.person({ key, name: this.#chat.people.name(id) }));
    return element(
      "li",
      {},
      element(
        "button",
        {
          type: "button",
          class: "place",
          "data-stop": true,
          title: label,
          "aria-label": busy ? `${label}, who is typing` : label,
          onclick: pick,
        },
        ...inside,
        icon("message"),
      ),
    );
  }
}

const atMost99 = (number) => (number > 99 ? "99+" : String(number));

function dots() {
  return element(
    "span",
    { class: "dots", role: "img", "aria-label": "typing" },
    element("i"),
    element("i"),
    element("i"),
  );
}
